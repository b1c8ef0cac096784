#!/usr/bin/env python3
"""Prints what tests/test_nn.cpp compares with: the names and shapes of a PyTorch module's state, and its outputs for
parameters set to a simple formula.

Needs PyTorch. The tests themselves do not run this.
"""
import torch
from torch import nn

torch.set_default_dtype(torch.float64)

net = nn.Sequential(
    nn.Conv2d(1, 2, 3, stride=2, padding=1),
    nn.BatchNorm2d(2),
    nn.LeakyReLU(0.1),
    nn.ConvTranspose2d(2, 3, (2, 3), stride=2, padding=(0, 1), output_padding=(0, 1), bias=False),
    nn.ELU(),
    nn.Flatten(),
    nn.Linear(48, 6),
    nn.LayerNorm(6),
    nn.GELU(),
    nn.Unflatten(1, (2, 3)),
    nn.Softplus(),
    nn.Sequential(nn.Linear(3, 2, bias=False), nn.SiLU()),
)
for name, value in net.state_dict().items():
    print(name, list(value.shape), value.dtype)
with torch.no_grad():
    for k, p in enumerate(net.parameters()):
        i = torch.arange(p.numel(), dtype=torch.float64)
        p.copy_((((i * 7 + k * 3) % 11) / 11 - 0.4).reshape(p.shape))
x = (((torch.arange(32, dtype=torch.float64) * 5) % 13) / 13).reshape(2, 1, 4, 4)
print("training:", net(x).flatten().tolist())
print("running_mean:", net[1].running_mean.tolist())
print("running_var:", net[1].running_var.tolist())
net.eval()
print("evaluation:", net(x).flatten().tolist())
