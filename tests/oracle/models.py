#!/usr/bin/env python3
"""Writes tests/golden_models.txt: the losses of each model of the zoo and their gradients, as PyTorch computes them in
float64, for parameters and pictures from simple formulas (exact in float32) and the noise that elbo's generator gives
for seed 11, computed anew here.

    models.py > tests/golden_models.txt

Needs PyTorch. The tests themselves do not run this.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

torch.set_default_dtype(torch.float64)
BATCH, LATENT, BETA, SEED = 5, 3, 0.75, 11


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011)."""
    a, b, c, d = counter
    for n in range(10):
        k0, k1 = (key[0] + n * 0x9E3779B9) % 2**32, (key[1] + n * 0xBB67AE85) % 2**32
        p, q = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (q >> 32) ^ b ^ k0, q % 2**32, (p >> 32) ^ d ^ k1, p % 2**32
    return a, b, c, d


def noise(count):
    """What the first call of a generator of stream `user` draws (core/philox.h), in float64."""
    out = []
    for block in range((count + 3) // 4):
        words = philox((block, 0, 0, 0), (SEED, 0))
        for radius, angle in (words[0:2], words[2:4]):
            r, t = math.sqrt(-2 * math.log((radius // 2 + 0.5) / 2**31)), 2 * math.pi * (angle // 256) / 2**24
            out += [r * math.cos(t), r * math.sin(t)]
    return torch.tensor(out[:count])


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
        z = mu + torch.exp(logvar / 2) * noise(mu.numel()).reshape(mu.shape)
        return self.decoder(self.with_labels(z, labels)), mu, logvar


def show(values):
    return " ".join(repr(v.item()) for v in values)


def golden(likelihood, variance, **config):
    model = Autoencoder(**config)
    with torch.no_grad():
        for k, p in enumerate(model.parameters()):
            i = torch.arange(p.numel())
            p.copy_((((i * 2654435761 + k * 40503) % 2**32 // 2**16 % 33 - 16) / 64).reshape(p.shape))
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
