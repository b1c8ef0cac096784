#!/usr/bin/env python3
"""Writes tests/golden_models.txt: losses and gradients of models of the zoo, as PyTorch computes them in float64, for
parameters and pictures from simple formulas (exact in float32) and the noise that elbo's generator gives (noise.py).

    models.py > tests/golden_models.txt

Needs PyTorch. The tests themselves do not run this.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

import noise

torch.set_default_dtype(torch.float64)
BATCH, LATENT, BETA = 5, 3, 0.75


def mlp(sizes):
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return layers


class Autoencoder(nn.Module):
    def __init__(self, kind, picture, hidden=(), channels=(), classes=0):
        super().__init__()
        self.kind, self.picture, self.classes = kind, picture, classes
        pixels, steps = math.prod(picture), len(channels)
        if kind == "conv-vae":
            sizes, layers = [picture[0], *channels], []
            for a, b in zip(sizes, sizes[1:]):
                layers += [nn.Conv2d(a, b, 4, stride=2, padding=1), nn.ReLU()]
            self.encoder = nn.Sequential(*layers, nn.Flatten())
            start = (channels[-1], picture[1] >> steps, picture[2] >> steps)
            last = math.prod(start)
            up = [channels[-1] >> i for i in range(steps)] + [picture[0]]
            layers = [nn.Linear(LATENT, last), nn.ReLU(), nn.Unflatten(1, start)]
            for i in range(steps):
                layers += [nn.ConvTranspose2d(up[i], up[i + 1], 4, stride=2, padding=1), nn.ReLU()]
            decoder = layers[:-1]
        else:
            self.encoder = nn.Sequential(*mlp([pixels + classes, *hidden]))
            last = hidden[-1]
            decoder = mlp([LATENT + classes, *reversed(hidden)]) + [nn.Linear(hidden[0], pixels)]
        if kind == "ae":
            self.encoder.append(nn.Linear(last, LATENT))
        else:
            self.fc_mu, self.fc_logvar = nn.Linear(last, LATENT), nn.Linear(last, LATENT)
        self.decoder = nn.Sequential(*decoder)

    def with_labels(self, x, labels):
        return torch.cat([x, F.one_hot(labels, self.classes).to(x)], 1) if self.classes else x

    def forward(self, x, labels):
        h = self.encoder(x if self.kind == "conv-vae" else self.with_labels(x.flatten(1), labels))
        if self.kind == "ae":
            return self.decoder(h), None, None
        mu, logvar = self.fc_mu(h), self.fc_logvar(h)
        z = mu + torch.exp(logvar / 2) * noise.normal32(mu.shape)
        return self.decoder(self.with_labels(z, labels)), mu, logvar


def show(values):
    return " ".join(repr(v.item()) for v in values)


def golden(likelihood, variance, **config):
    model = Autoencoder(**config)
    noise.fill(model.parameters(), 64)
    x = (((torch.arange(BATCH * math.prod(model.picture)) * 5) % 13) / 16).reshape(BATCH, *model.picture)
    labels = torch.arange(BATCH) % max(model.classes, 1)
    logits, mu, logvar = model(x, labels)
    logits = logits.reshape(x.shape)
    if likelihood == "bernoulli":
        reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    else:
        reconstruction = ((torch.sigmoid(logits) - x) ** 2).sum() / (2 * variance)
    kl = torch.zeros(()) if mu is None else 0.5 * (mu**2 + torch.exp(logvar) - 1 - logvar).sum()
    loss = (reconstruction + BETA * kl) / BATCH
    loss.backward()
    sizes = lambda values: "x".join(map(str, values)) or "-"
    print("model", model.kind, likelihood, variance, sizes(model.picture), sizes(config.get("hidden", ())),
          sizes(config.get("channels", ())), model.classes)
    print("losses", show([reconstruction.detach(), kl.detach(), loss.detach()]))
    for name, p in model.named_parameters():
        g = p.grad.flatten()
        picked = [g[i * (g.numel() - 1) // 4] for i in range(5)]
        print("grad", name, show([g.sum(), g.norm(), *picked]))


print("# Written by tests/oracle/models.py. model: kind, likelihood, variance, picture, hidden, channels, classes.")
print("# losses: reconstruction and KL summed over the batch, objective. grad: sum, norm, 5 elements from first to last.")
for likelihood, variance in (("bernoulli", 0.5), ("gaussian", 0.25)):
    golden(likelihood, variance, kind="ae", picture=(1, 8, 8), hidden=(24, 16))
    golden(likelihood, variance, kind="vae", picture=(1, 8, 8), hidden=(24, 16))
    golden(likelihood, variance, kind="cvae", picture=(3, 6, 4), hidden=(20,), classes=4)
    golden(likelihood, variance, kind="conv-vae", picture=(3, 16, 8), channels=(4, 8))
