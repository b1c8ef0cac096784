#!/usr/bin/env python3
"""Prints what tests/test_likelihoods.cpp compares with: the negative log-likelihood of each of two pictures under each
likelihood, by PyTorch's distributions in float64, for numbers of the decoder and bytes from simple formulas. Of the
continuous Bernoulli the mean too.

    tests/oracle/likelihoods.py

Needs PyTorch. The tests themselves do not run this.
"""
import torch
from torch.distributions import ContinuousBernoulli, Normal

from zoo_parts import byte_log_prob, scale_of

torch.set_default_dtype(torch.float64)
BATCH, CHANNELS, HEIGHT, WIDTH, MIXTURES = 2, 2, 2, 3, 2


def decoded(numbers):
    i = torch.arange(BATCH * numbers * CHANNELS * HEIGHT * WIDTH)
    return (3 * torch.sin(i.double())).reshape(BATCH, numbers, CHANNELS, HEIGHT, WIDTH)


def bytes_of():
    i = torch.arange(BATCH * CHANNELS * HEIGHT * WIDTH)
    return ((i * 51) % 306).clamp(max=255).reshape(BATCH, CHANNELS, HEIGHT, WIDTH) / 255


def nats(name, log_prob):
    print(f'{{"{name}",', ", ".join(f"{-p:.15g}" for p in log_prob.flatten(1).sum(1)) + "},")


x, one, least = bytes_of(), decoded(1)[:, 0], torch.tensor(-12.0).exp()
continuous = ContinuousBernoulli(logits=one)
nats("continuous-bernoulli", continuous.log_prob(x))
nats("gaussian-learned", Normal(one.sigmoid(), (1 + least).sqrt()).log_prob(x))
nats("gaussian-optimal", Normal(one.sigmoid(), ((x - one.sigmoid()).square().mean() + least).sqrt()).log_prob(x))
two = decoded(2)
nats("gaussian-pixel", Normal(two[:, 0].sigmoid(), (two[:, 1].exp() + least).sqrt()).log_prob(x))
nats("logistic", byte_log_prob(x, one.sigmoid(), scale_of(torch.tensor(-2.0))))
many = decoded(3 * MIXTURES).reshape(BATCH, 3, MIXTURES, CHANNELS, HEIGHT, WIDTH)
each = byte_log_prob(x.unsqueeze(1), many[:, 1].sigmoid(), scale_of(many[:, 2]))
nats("logistic-mixture", (many[:, 0].softmax(1) * each.exp()).sum(1).log())
print("mean of the first six pixels:", ", ".join(f"{m:.15g}" for m in continuous.mean.flatten()[:6]))
