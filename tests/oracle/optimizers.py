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
    "SGD, Nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, weight_decay=0.1, nesterov=True),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "RMSprop, other settings": lambda p: torch.optim.RMSprop(
        p, lr=0.02, alpha=0.9, eps=1e-3, weight_decay=0.2, momentum=0.7, centered=True
    ),
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

# clip_grad_value_
a = torch.zeros(4, requires_grad=True)
a.grad = torch.tensor([3.0, -4.0, 0.5, float("nan")])
torch.nn.utils.clip_grad_value_([a], 2.5)
print(f"clip to a value of 2.5: {{{', '.join(repr(v) for v in a.grad.tolist())}}}")


# two groups
def groups(p):
    return torch.optim.Adam([{"params": [p[0]], "lr": 0.03}, {"params": [p[1]], "weight_decay": 0.2}], lr=0.01)


print(f"two groups: {{{', '.join(repr(v) for v in run(groups))}}}")

# Learning rates
one = torch.zeros(1, requires_grad=True)


def rates(count, make, losses=None):
    optimizer = torch.optim.SGD([one], lr=0.5)
    schedule = make(optimizer)
    out = []
    for t in range(count):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step(*([losses[t]] if losses else []))
    return ", ".join(repr(v) for v in out)


def one_cycle(optimizer):
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, total_steps=11)


def one_cycle_else(optimizer):
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.5, total_steps=11, pct_start=0.5, div_factor=10, final_div_factor=100
    )


def plateau(optimizer):
    return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, threshold=0.01, min_lr=0.1)


LOSSES = [10, 9, 9, 8.95, 8, 8, 8, 8, 8, 7, 7, 7, 7, 7, 7, 7]
print(f"one cycle: {{{rates(11, one_cycle)}}}")
print(f"one cycle, other settings: {{{rates(11, one_cycle_else)}}}")
print(f"plateau: {{{rates(len(LOSSES), plateau, LOSSES)}}}")
