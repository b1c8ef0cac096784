#!/usr/bin/env python3
"""Writes tests/golden_zoo.txt: what each model of the zoo minimises, and its gradient, as PyTorch computes them in
float64 for tiny models, from the papers' equations (zoo_parts.py has the parts). Parameters and pictures come from
simple formulas, and noise is what elbo's generator gives (noise.py).

    tests/oracle/zoo.py

A case is a model of the zoo, what is changed, and the player where it is not the first. Of each the file has the terms,
summed over the batch, and their weights after four epochs; the loss, a picture's; of each parameter which it is among
those filled, and of its gradient the sum, the norm, the first, middle and last element; of buffers what they are before
and after. Needs PyTorch. The tests themselves do not run this.
"""
import math
import pathlib

import torch
from torch import nn
from torch.distributions import kl_divergence

import noise
from zoo_parts import (Bernoulli, Continuous, Full, Gated, Gaussian, Iaf, Learned, Logistic, LogisticMixture, Mixture,
                       Optimal, Pixel, Planar, RealNvp, Vae, Vamp, normal, standard)

torch.set_default_dtype(torch.float64)
BATCH, TRAIN_SIZE, CLASSES, EPOCHS = 4, 40, 3, 4


class Draws:
    """What one generator gives, call by call; `single` for a model of float32."""
    def __init__(self, single=False):
        self.calls, self.single = -1, single

    def __getattr__(self, kind):
        self.calls += 1
        return lambda shape: getattr(noise, "normal32" if self.single else kind)(shape, self.calls)


class Terms:
    """name -> (nats of the batch, weight); the loss may have a gradient of its own in the encoder."""
    def __init__(self, **terms):
        self.terms, self.reports, self.for_encoder = terms, {}, None

    def report(self, **nats):
        self.reports |= nats
        return self

    def loss(self):
        return sum(weight * nats for nats, weight in self.terms.values()) / BATCH


# ---- objectives ------------------------------------------------------------------------------------------------------

def elbo(model, x, draws, labels=None, beta=1):
    q = model.encode(x, labels)
    z, log_q = model.draw(q, draws)
    return Terms(reconstruction=(model.nll(z, x, labels).sum(), 1), kl=(model.kl(q, z, log_q).sum(), beta))


def free_bits(model, x, draws, weight=4, least=1.5):
    """Kingma et al. 2016: of the batch's mean in each dimension."""
    q = model.encode(x)
    z, log_q = model.draw(q, draws)
    each = kl_divergence(model.posterior.density(q).base_dist, standard(z).base_dist).mean(0)
    kl = model.kl(q, z, log_q).sum()
    return Terms(reconstruction=(model.nll(z, x).sum(), 1),
                 free_bits=(BATCH * torch.clamp(each, min=least).sum(), weight)).report(kl=kl)


def capacity(model, x, draws, weight, goal):
    """Burgess et al. 2018."""
    q = model.encode(x)
    z, log_q = model.draw(q, draws)
    kl = model.kl(q, z, log_q)
    return Terms(reconstruction=(model.nll(z, x).sum(), 1),
                 capacity=(BATCH * (kl.mean() - goal).abs(), weight)).report(kl=kl.sum())


def beta_tc(model, x, draws, beta=6):
    """Chen et al. 2018: each picture's code among all others' densities, its own with the weight 1 / N."""
    q = model.encode(x)
    z, log_q = model.draw(q, draws)
    share = torch.where(torch.eye(BATCH, dtype=torch.bool), 1 / TRAIN_SIZE, (TRAIN_SIZE - 1) / TRAIN_SIZE / (BATCH - 1))
    each = normal(q["fc_mu"][None], q["fc_logvar"][None]).base_dist.log_prob(z[:, None])
    of_all = torch.log((share * each.sum(2).exp()).sum(1)).sum()
    marginals = torch.log((share[:, :, None] * each.exp()).sum(1)).sum()
    return Terms(reconstruction=(model.nll(z, x).sum(), 1), mutual_information=(log_q.sum() - of_all, 1),
                 total_correlation=(of_all - marginals, beta),
                 dimension_kl=(marginals - model.log_prior(z).sum(), 1)).report(kl=model.kl(q, z, log_q).sum())


def dip(model, x, draws, second=False):
    """Kumar et al. 2018."""
    out = elbo(model, x, draws)
    mu, logvar = model.gaussian(x)
    c = torch.cov(mu.T, correction=0)
    if second:
        c = c + torch.diag(logvar.exp().mean(0))
    d = torch.diagonal(c)
    out.terms["dip_diagonal"] = (BATCH * ((d - 1) ** 2).sum(), 100)
    out.terms["dip_off_diagonal"] = (BATCH * ((c - torch.diag(d)) ** 2).sum(), 10)
    return out


def imq(squared, c):
    return c / (c + squared)


def rbf(squared, c):
    return torch.exp(-squared / c)


def mmd(model, x, draws, beta, weight, kernel=imq):
    """Tolstikhin et al. 2018, pair by pair."""
    q = model.encode(x)
    z, log_q = model.draw(q, draws)
    prior, n, total = draws.normal32(z.shape), BATCH, 0
    k = lambda a, b: kernel(((a - b) ** 2).sum(), 2 * model.latent)
    for i in range(n):
        for j in range(n):
            if i != j:
                total = total + (k(z[i], z[j]) + k(prior[i], prior[j])) / (n * (n - 1))
            total = total - 2 * k(z[i], prior[j]) / n**2
    return Terms(reconstruction=(model.nll(z, x).sum(), 1), kl=(model.kl(q, z, log_q).sum(), beta),
                 mmd=(n * total, weight))


def rae(model, x, draws, code=1e-2, decoder=1e-4):
    """Ghosh et al. 2020."""
    z = model.encode(x)
    size = sum((p**2).sum() for p in model.decoder.parameters())
    return Terms(reconstruction=(model.nll(z, x).sum(), 1), code_norm=(0.5 * (z**2).sum(), code),
                 decoder_norm=(BATCH * size, decoder))


def iwae(model, x, draws, samples=5, groups=1, mix=0, partial=False, dreg=False):
    """Burda et al. 2016; miwae, ciwae and piwae of Rainforth et al. 2018; the gradient of Tucker et al. 2019."""
    n = groups * samples
    q = {name: h.repeat(n, 1) for name, h in model.encode(x).items()}
    z, log_q = model.draw(q, draws)
    xs = x.repeat(n, 1, 1, 1)
    nll = model.nll(z, xs)
    if dreg:
        log_q = model.posterior.density({name: h.detach() for name, h in q.items()}).log_prob(z)
    log_prior = model.log_prior(z)
    log_w = (log_prior - nll - log_q).reshape(groups, samples, BATCH)
    mean_of = lambda dims, count: torch.logsumexp(log_w, dims) - math.log(count)
    inner = (mix * log_w.mean((0, 1)) + (1 - mix) * mean_of(1, samples).mean(0)).sum()
    out = Terms(iwae=(-(mean_of((0, 1), n).sum() if partial else inner), 1))
    out.report(reconstruction=nll.sum() / n, kl=(log_q - log_prior).sum() / n)
    out.for_encoder = -inner / BATCH
    if dreg:
        share = torch.softmax(log_w, 1).detach()
        out.for_encoder = -((mix / samples + (1 - mix) * share**2) * log_w).sum(1).mean()
    return out


def factor(model, x, draws, gamma=10):
    """Kim and Mnih 2018."""
    q = model.encode(x)
    z, log_q = model.draw(q, draws)
    d = torch.sigmoid(model.logit(z))
    return Terms(reconstruction=(model.nll(z, x).sum(), 1), kl=(model.kl(q, z, log_q).sum(), 1),
                 total_correlation=((d / (1 - d)).log().sum(), gamma))


def told_apart(model, ones, zeros):
    return Terms(discriminator=(-0.5 * (torch.sigmoid(model.logit(ones)).log() +
                                        (1 - torch.sigmoid(model.logit(zeros))).log()).sum(), 1))


def factor_discriminator(model, x, draws):
    z = model.draw(model.encode(x), draws)[0].detach()
    order = draws.uniform32(z.shape).argsort(0, descending=True)
    permuted = torch.stack([z[order[:, j], j] for j in range(model.latent)], 1)
    return told_apart(model, z, permuted)


def adversarial(model, x, draws):
    """Makhzani et al. 2016, the encoder's part as in Goodfellow et al. 2014."""
    z = model.encode(x)
    return Terms(reconstruction=(model.nll(z, x).sum(), 1),
                 adversarial=(-torch.sigmoid(model.logit(z)).log().sum(), 1))


def adversarial_discriminator(model, x, draws):
    z = model.encode(x).detach()
    return told_apart(model, draws.normal32(z.shape), z)


# ---- models that are no Vae ------------------------------------------------------------------------------------------

class Conditional(nn.Module):
    def __init__(self, inputs, hidden, latent):
        super().__init__()
        self.layers = nn.Sequential(Gated(inputs, hidden))
        self.fc_mu, self.fc_logvar = nn.Linear(hidden, latent), nn.Linear(hidden, latent)

    def forward(self, *x):
        h = self.layers(torch.cat(x, 1))
        return self.fc_mu(h), self.fc_logvar(h)


class Hvae(nn.Module):
    """Tomczak and Welling 2018: q(z2|x) q(z1|x, z2), p(z2) p(z1|z2) p(x|z1, z2)."""
    def __init__(self, prior=None, pixels=6, hidden=5, latent=2, latent2=3):
        super().__init__()
        self.upper, self.lower = Conditional(pixels, hidden, latent), Conditional(pixels + latent, hidden, latent2)
        self.lower_prior = Conditional(latent, hidden, latent2)
        self.decoder = nn.Sequential(Gated(latent2 + latent, hidden), nn.Linear(hidden, pixels))
        self.prior = prior

    def terms(self, x, draws, weight=1):
        flat = x.flatten(1)
        q2 = normal(*self.upper(flat))
        z2 = q2.mean + q2.stddev * draws.normal(q2.mean.shape)
        q1, p1 = normal(*self.lower(flat, z2)), normal(*self.lower_prior(z2))
        z1 = q1.mean + q1.stddev * draws.normal(q1.mean.shape)
        if self.prior is None:
            kl_2 = kl_divergence(q2, standard(z2)).sum()
        else:
            kl_2 = (q2.log_prob(z2) - self.prior.log_prob(z2, lambda u: self.upper(u.flatten(1)))).sum()
        kl_1 = kl_divergence(q1, p1).sum()
        reconstruction = Bernoulli().nll(self.decoder(torch.cat([z1, z2], 1)), flat).sum()
        out = Terms(reconstruction=(reconstruction, 1), kl_1=(kl_1, weight), kl_2=(kl_2, weight))
        return out.report(kl=kl_1 + kl_2)


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layer = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(),
                                   nn.Conv2d(channels, channels, 1))

    def forward(self, x):
        return x + self.layer(x)


class VqVae(nn.Module):
    """van den Oord et al. 2017. Entries 0 to 2 begin near what the encoder gives; entry 3 is used by nothing and still
    remembered, entry 4 is not and starts anew at a position that is drawn."""
    def __init__(self, channels=3, size=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(2, channels, 4, stride=2, padding=1), nn.ReLU(), Residual(channels),
                                     nn.Conv2d(channels, size, 1))
        self.decoder = nn.Sequential(nn.Conv2d(size, channels, 3, padding=1), Residual(channels), nn.ReLU(),
                                     nn.ConvTranspose2d(channels, 2, 4, stride=2, padding=1))

    def terms(self, x, draws, decay=0.99, commitment=0.25):
        z = self.encoder(x)
        rows = z.permute(0, 2, 3, 1).flatten(0, 2)
        near = rows.detach()[[0, 5, 11]] + torch.tensor([[0.05, -0.02], [0.01, 0.03], [-0.04, 0.02]])
        book = torch.cat([near, torch.tensor([[50.0, 60.0], [-70.0, 80.0]])])
        uses = torch.tensor([3.0, 2.0, 4.0, 1.5, 0.5])
        sums = book * uses[:, None]
        self.before = dict(codebook=book, uses=uses, sums=sums)
        chosen = torch.cdist(rows, book).argmin(1)
        counts = torch.bincount(chosen, minlength=5).double()
        assert (counts[:3] > 0).all() and (counts[3:] == 0).all()
        code = book[chosen].reshape(BATCH, *z.shape[2:], -1).permute(0, 3, 1, 2)
        decoded = self.decoder(z + (code - z).detach())
        p = counts[:3] / counts.sum()
        out = Terms(reconstruction=(Bernoulli().nll(decoded, x).sum(), 1),
                    commitment=(((z - code.detach())**2).sum() / (z.shape[2] * z.shape[3]), commitment))
        out.report(perplexity=BATCH * torch.exp(-(p * p.log()).sum()))
        # Appendix A.1.
        uses, sums = uses * decay + counts * (1 - decay), sums * decay
        for row, k in zip(rows.detach(), chosen):
            sums[k] = sums[k] + row * (1 - decay)
        fresh = (draws.uniform((5,)) * len(rows)).floor().long()
        uses[4], sums[4] = 1, rows.detach()[fresh[4]]
        self.after = dict(codebook=sums / uses[:, None], uses=uses, sums=sums)
        return out


# ---- cases -----------------------------------------------------------------------------------------------------------

def case(objective=elbo, more={}, **settings):
    return lambda: Vae(**settings), lambda model, x, draws: objective(model, x, draws, **more)


def large(name, more={}, **settings):
    settings |= dict(latent=3, activation=nn.ReLU)
    return {f"{name}+float32": case(more=dict(more, beta=0.75), **settings),
            f"{name}+float32-gaussian": case(more=dict(more, beta=0.75), likelihood=Gaussian(0.25), **settings)}


def group(channels):
    """As many groups as there are channels, up to 8."""
    return nn.GroupNorm(channels, channels)


def optimal():
    """It keeps a running mean of the variance, which begins as 1 and moves by a tenth."""
    def terms(model, x, draws):
        out = elbo(model, x, draws)
        model.after = {"likelihood.running_variance": 0.9 + 0.1 * model.likelihood.variance}
        return out
    return lambda: Vae(likelihood=Optimal()), terms


LABELS, PLANES, SQUARE = torch.arange(BATCH) % CLASSES, (2, 4, 4), (1, 4, 4)
BOUND = dict(samples=3)
CASES = {
    # The rows of the zoo, with what their presets say.
    "ae": case(posterior=None),
    "vae": case(),
    "cvae": case(more=dict(labels=LABELS), classes=CLASSES),
    "conv-vae": case(picture=SQUARE, channels=(2, 3), activation=nn.ReLU),
    "beta-vae": case(more=dict(beta=4)),
    "annealed-vae": case(capacity, dict(weight=1000, goal=25 * EPOCHS / 10)),
    "beta-tc-vae": case(beta_tc),
    "dip-vae": case(dip),
    "iwae": case(iwae),
    "miwae": case(iwae, dict(samples=8, groups=8)),
    "piwae": case(iwae, dict(samples=8, groups=8, partial=True)),
    "ciwae": case(iwae, dict(mix=0.5)),
    "info-vae": case(mmd, dict(beta=0, weight=1000)),
    "wae-mmd": case(mmd, dict(beta=0, weight=10), posterior=None, likelihood=Gaussian()),
    "rae": case(rae, posterior=None, likelihood=Gaussian()),
    "factor-vae": case(factor, discriminator=(4, )),
    "factor-vae+discriminator": case(factor_discriminator, discriminator=(4, )),
    "aae": case(adversarial, posterior=None, discriminator=(4, )),
    "aae+discriminator": case(adversarial_discriminator, posterior=None, discriminator=(4, )),
    "sigma-vae": optimal(),
    "planar-vae": case(posterior=Planar(2)),
    "iaf-vae": case(posterior=Iaf(2, 2, 4)),
    "vamp-vae": case(prior=Vamp(3, (1, 2, 3)), activation=None),
    "flow-prior-vae": case(prior=RealNvp(2, 2, 4)),
    "hvae": (Hvae, Hvae.terms),
    "hvae+vamp": (lambda: Hvae(Vamp(3, (1, 2, 3))), lambda model, x, draws: model.terms(x, draws, EPOCHS / 8)),
    "vq-vae": (VqVae, VqVae.terms),
    # Parts that none of these has.
    "vae+full": case(posterior=Full(), latent=3),
    "vae+iaf": case(posterior=Iaf(3, 3, 5), latent=3),
    "vae+mixture": case(prior=Mixture(3, 2)),
    "vae+gaussian-learned": case(likelihood=Learned()),
    "vae+gaussian-pixel": case(likelihood=Pixel()),
    "vae+continuous-bernoulli": case(likelihood=Continuous()),
    "vae+logistic": case(likelihood=Logistic(1)),
    "vae+logistic-mixture": case(likelihood=LogisticMixture(2)),
    # What an architecture and labels can have.
    "conv-vae+blocks": case(picture=SQUARE, channels=(2, 4), conv=dict(norm=group, pool=nn.MaxPool2d, blocks=1),
                            activation=nn.SiLU),
    "conv-vae+gated": case(picture=SQUARE, channels=(2, 4), conv=dict(norm=nn.BatchNorm2d, pool=nn.AvgPool2d),
                           activation=None),
    "conv-vae+labels": case(more=dict(labels=LABELS), picture=SQUARE, channels=(2, 3), classes=CLASSES,
                            activation=nn.ReLU),
    "cvae+vamp": case(more=dict(labels=LABELS), classes=CLASSES, prior=Vamp(3, (1, 2, 3), CLASSES)),
    # In float32, and with layers large enough for its vectors.
    **large("ae", posterior=None, picture=(1, 8, 8), hidden=(24, 16)),
    **large("vae", picture=(1, 8, 8), hidden=(24, 16)),
    **large("cvae", dict(labels=LABELS), picture=(3, 6, 4), hidden=(20, ), classes=CLASSES),
    **large("conv-vae", picture=(3, 16, 8), channels=(4, 8)),
    # Objectives with other settings.
    "vae+free-bits": case(free_bits),
    "vae+capacity": case(capacity, dict(weight=4, goal=5)),
    "dip-vae+ii": case(dip, dict(second=True)),
    "info-vae+imq": case(mmd, dict(beta=0.5, weight=100)),
    "info-vae+rbf": case(mmd, dict(beta=0.5, weight=100, kernel=rbf)),
    "rae+weights": case(rae, dict(code=0.3, decoder=0.02), posterior=None),
    "iwae+few": case(iwae, BOUND),
    "miwae+few": case(iwae, dict(BOUND, groups=2)),
    "piwae+few": case(iwae, dict(BOUND, groups=2, partial=True)),
    "ciwae+few": case(iwae, dict(BOUND, mix=0.25)),
    "iwae+dreg": case(iwae, dict(BOUND, dreg=True)),
    "miwae+dreg": case(iwae, dict(BOUND, groups=2, dreg=True)),
    "piwae+dreg": case(iwae, dict(BOUND, groups=2, partial=True, dreg=True)),
    "ciwae+dreg": case(iwae, dict(BOUND, mix=0.25, dreg=True)),
}


def lines(name, make, terms_of):
    model, single = make(), "+float32" in name
    noise.fill(model.parameters(), 64 if single else 16)
    picture = getattr(model, "picture", PLANES if name == "vq-vae" else (1, 2, 3))
    x = ((torch.arange(BATCH * math.prod(picture)) * 5) % 13 / 16).reshape(BATCH, *picture)
    terms = terms_of(model, x, Draws(single))
    loss = terms.loss()
    yield "loss", loss
    for term, (nats, weight) in terms.terms.items():
        yield f"term/{term}", torch.stack([torch.as_tensor(nats), torch.tensor(float(weight))])
    for term, nats in terms.reports.items():
        yield f"report/{term}", nats
    for state in ("before", "after"):
        for what, values in getattr(model, state, {}).items():
            yield f"{state}/{what}", values
    # Where there are two losses the decoder has the first.
    outer = dict(zip((n for n, _ in model.named_parameters()),
                     torch.autograd.grad(loss, list(model.parameters()), retain_graph=True, allow_unused=True)))
    inner = outer
    if terms.for_encoder is not None:
        inner = dict(zip(outer, torch.autograd.grad(terms.for_encoder, list(model.parameters()), allow_unused=True)))
    second = name.endswith("+discriminator")
    for index, parameter in enumerate(outer):
        yield f"fill/{parameter}", float(index)
        if ("discriminator." in parameter) != second:
            continue
        g = (outer if parameter.startswith("decoder.") else inner)[parameter].flatten()
        picked = [g[i * (g.numel() - 1) // 2] for i in range(3)]
        yield f"grad/{parameter}", torch.stack([g.sum(), g.norm(), *picked])


def main():
    with open(pathlib.Path(__file__).parents[1] / "golden_zoo.txt", "w") as file:
        print("# Written by tests/oracle/zoo.py. case/what/name, then numbers.", file=file)
        for name, (make, terms_of) in CASES.items():
            for what, values in lines(name, make, terms_of):
                numbers = torch.as_tensor(values).detach().flatten().tolist()
                print(f"{name}/{what}", *(f"{n:.15g}" for n in numbers), file=file)


if __name__ == "__main__":
    main()
