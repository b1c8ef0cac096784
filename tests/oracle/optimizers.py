#!/usr/bin/env python3
"""Prints the literal values that tests/test_optim.cpp compares with: PyTorch's optimisers in float64 over five steps.

Needs PyTorch. The tests themselves do not run this.
"""
import torch

torch.set_default_dtype(torch.float64)


def run(make):
    a = torch.tensor([0.5, -1.25, 2.0, 0.1], requires_grad=True)
    b = torch.tensor([3.0, -0.2, 0.7], requires_grad=True)
    optimizer = make([a, b])
    for t in range(5):
        # The same formula as `set_gradient` in the test.
        for p, scale in ((a, 1.0), (b, -2.0)):
            p.grad = torch.tensor([scale * (0.1 * (i + 1) - 0.25 * t) for i in range(p.numel())])
        optimizer.step()
    return a.tolist() + b.tolist()


CASES = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "SGD, momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "SGD, momentum and weight decay": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, weight_decay=0.1),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "Adam, other settings": lambda p: torch.optim.Adam(p, lr=0.03, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.2),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.02),
    "AdamW, other settings": lambda p: torch.optim.AdamW(p, lr=0.02, betas=(0.7, 0.9), eps=1e-4, weight_decay=0.3),
}

for name, make in CASES.items():
    print(f"{name}: {{{', '.join(repr(v) for v in run(make))}}}")

# clip_grad_norm_
for limit in (1.0, 100.0):
    a = torch.zeros(3, requires_grad=True)
    b = torch.zeros(2, requires_grad=True)
    a.grad = torch.tensor([3.0, -4.0, 12.0])
    b.grad = torch.tensor([84.0 / 4, -2.0])
    norm = torch.nn.utils.clip_grad_norm_([a, b], limit)
    print(f"clip to {limit}: norm {norm.item()!r}, {{{', '.join(repr(v) for v in a.grad.tolist() + b.grad.tolist())}}}")
