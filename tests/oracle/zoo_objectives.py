#!/usr/bin/env python3
"""Prints, for tests/test_objectives_golden.cpp, the losses of the zoo's objectives and the norms of their gradients, as
PyTorch computes them in float64 for a tiny model: parameters and pictures from simple formulas, and the noise that
elbo's generator gives (noise.py). A gradient that is defined by two losses, one for each network, is taken from these
two.

    zoo_objectives.py

Needs PyTorch. The tests themselves do not run this.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal

import noise

torch.set_default_dtype(torch.float64)
BATCH, LATENT, PIXELS, HIDDEN, TRAIN_SIZE = 4, 2, 6, 5, 40


class Tiny(nn.Module):
    def __init__(self, point):
        super().__init__()
        self.point = point
        self.encoder = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.Tanh())
        if point:
            self.encoder.append(nn.Linear(HIDDEN, LATENT))
        else:
            self.fc_mu, self.fc_logvar = nn.Linear(HIDDEN, LATENT), nn.Linear(HIDDEN, LATENT)
        self.decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, PIXELS))
        noise.fill(self.parameters(), 16)

    def encode(self, x):
        h = self.encoder(x)
        return (h, None) if self.point else (self.fc_mu(h), self.fc_logvar(h))

    def halves(self):
        decoder = list(self.decoder.parameters())
        return [p for p in self.parameters() if not any(p is d for d in decoder)], decoder


x = ((torch.arange(BATCH * PIXELS) * 5) % 13 / 16).reshape(BATCH, PIXELS)


def nll(model, z):
    return F.binary_cross_entropy_with_logits(model.decoder(z), x.expand(*z.shape[:-1], PIXELS), reduction="none").sum(-1)


def kl_of(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def density(mu, logvar):
    return Normal(mu, (logvar / 2).exp())


def one_draw(model):
    mu, logvar = model.encode(x)
    if model.point:
        return mu, mu, logvar
    return mu + (logvar / 2).exp() * noise.normal((BATCH, LATENT)), mu, logvar


def elbo(model, weigh):
    z, mu, logvar = one_draw(model)
    return nll(model, z).mean() + weigh(kl_of(mu, logvar))


def beta_tc(model, beta=6):
    z, mu, logvar = one_draw(model)
    own = torch.eye(BATCH, dtype=torch.bool)
    share = torch.where(own, 1 / TRAIN_SIZE, (TRAIN_SIZE - 1) / TRAIN_SIZE / (BATCH - 1))
    each = density(mu[None], logvar[None]).log_prob(z[:, None])
    log_q = torch.log((share * each.sum(2).exp()).sum(1))
    marginals = torch.log((share[:, :, None] * each.exp()).sum(1)).sum(1)
    given_x = density(mu, logvar).log_prob(z).sum(1)
    prior = Normal(0, 1).log_prob(z).sum(1)
    parts = given_x - log_q + beta * (log_q - marginals) + marginals - prior
    return (nll(model, z) + parts).mean()


def dip(model, second):
    z, mu, logvar = one_draw(model)
    c = torch.cov(mu.T, correction=0)
    if second:
        c = c + torch.diag(logvar.exp().mean(0))
    d = torch.diagonal(c)
    penalty = 100 * ((d - 1) ** 2).sum() + 10 * ((c - torch.diag(d)) ** 2).sum()
    return (nll(model, z) + kl_of(mu, logvar).sum(1)).mean() + penalty


def mmd(model, kernel, beta, weight):
    z, mu, logvar = one_draw(model)
    prior, c, n = noise.normal32((BATCH, LATENT), 0 if model.point else 1), 2 * LATENT, BATCH
    k = lambda a, b: kernel(((a - b) ** 2).sum(), c)
    total = 0
    for i in range(n):
        for j in range(n):
            if i != j:
                total = total + (k(z[i], z[j]) + k(prior[i], prior[j])) / (n * (n - 1))
            total = total - 2 * k(z[i], prior[j]) / n**2
    kl = 0 if model.point else kl_of(mu, logvar).sum(1).mean()
    return nll(model, z).mean() + beta * kl + weight * total


def rae(model):
    z, _, _ = one_draw(model)
    size = sum((p**2).sum() for p in model.decoder.parameters())
    return (nll(model, z) + 0.3 * 0.5 * (z**2).sum(1)).mean() + 0.02 * size


def weighted(model, groups, samples, dreg):
    """log w [groups, samples, batch] and, for dreg, its function of z alone."""
    mu, logvar = model.encode(x)
    z = mu + (logvar / 2).exp() * noise.normal((groups * samples, BATCH, LATENT))
    if dreg:
        mu, logvar = mu.detach(), logvar.detach()
    log_w = Normal(0, 1).log_prob(z).sum(-1) - nll(model, z) - density(mu, logvar).log_prob(z).sum(-1)
    return log_w.reshape(groups, samples, BATCH)


def iwae(model, groups=1, samples=3, mix=0, partial=False, dreg=False):
    """The loss, that of the encoder, that of the decoder."""
    log_w = weighted(model, groups, samples, dreg)
    mean_of = lambda w, dims, n: torch.logsumexp(w, dims) - math.log(n)
    inner = (mix * log_w.mean((0, 1)) + (1 - mix) * mean_of(log_w, 1, samples).mean(0)).mean()
    whole = mean_of(log_w, (0, 1), groups * samples).mean() if partial else inner
    if not dreg:
        return -whole, -inner, -whole
    share = torch.softmax(log_w, 1).detach()
    squared = ((mix / samples + (1 - mix) * share**2) * log_w).sum(1).mean()
    return -whole, -squared, -whole


CASES = {
    "elbo": lambda m: elbo(m, lambda kl: 4 * kl.sum(1).mean()),
    "free bits": lambda m: elbo(m, lambda kl: 4 * torch.clamp(kl.mean(0), min=1.5).sum()),
    "capacity": lambda m: elbo(m, lambda kl: 4 * (kl.sum(1).mean() - 5).abs()),
    "beta-tc": beta_tc,
    "dip i": lambda m: dip(m, False),
    "dip ii": lambda m: dip(m, True),
    "mmd imq": lambda m: mmd(m, lambda d, c: c / (c + d), 0.5, 100),
    "mmd rbf": lambda m: mmd(m, lambda d, c: torch.exp(-d / c), 0.5, 100),
    "wae": lambda m: mmd(m, lambda d, c: c / (c + d), 0, 100),
    "rae": rae,
    "iwae": lambda m: iwae(m),
    "iwae dreg": lambda m: iwae(m, dreg=True),
    "miwae": lambda m: iwae(m, groups=2),
    "miwae dreg": lambda m: iwae(m, groups=2, dreg=True),
    "piwae": lambda m: iwae(m, groups=2, partial=True),
    "piwae dreg": lambda m: iwae(m, groups=2, partial=True, dreg=True),
    "ciwae": lambda m: iwae(m, mix=0.25),
    "ciwae dreg": lambda m: iwae(m, mix=0.25, dreg=True),
}
for name, loss in CASES.items():
    model = Tiny(point=name in ("wae", "rae"))
    found = loss(model)
    value, inner, whole = found if isinstance(found, tuple) else (found, found, found)
    encoder, decoder = model.halves()
    norms = []
    for one, half in ((inner, encoder), (whole, decoder)):
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(one, half, retain_graph=True)])
        norms += [gradient.norm().item(), (gradient * torch.arange(len(gradient)).cos()).sum().item()]
    print(f'"{name}"', value.item(), *norms, sep=", ")
