"""The parts of the zoo in PyTorch, from their papers: networks, posteriors, priors, likelihoods. Where a flow has a
determinant it is that of the Jacobian, which autodiff gives, and densities are those of torch.distributions, so that no
formula is the same as elbo's."""
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import (Categorical, ContinuousBernoulli, Independent, MixtureSameFamily, MultivariateNormal,
                                 Normal, kl_divergence)
from torch.func import jacrev, vmap

LEAST = math.exp(-12)  # what is added to a variance that is learned


class Gated(nn.Module):
    """Dauphin et al. 2017."""
    def __init__(self, a, b):
        super().__init__()
        self.h, self.g = nn.Linear(a, b), nn.Linear(a, b)

    def forward(self, x):
        return self.h(x) * torch.sigmoid(self.g(x))


def hidden_layers(sizes, activation):
    """activation None: gated."""
    steps = list(zip(sizes, sizes[1:]))
    return [layer for s in steps for layer in ((nn.Linear(*s), activation()) if activation else (Gated(*s),))]


class Block(nn.Module):
    """He et al. 2016, full preactivation, with SiLU."""
    def __init__(self, channels, norm):
        super().__init__()
        self.norm1, self.norm2 = norm(channels), norm(channels)
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x):
        return x + self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))


class GatedConv(nn.Module):
    def __init__(self, a, b, *size):
        super().__init__()
        self.h, self.g = nn.Conv2d(a, b, *size), nn.Conv2d(a, b, *size)

    def forward(self, x):
        return self.h(x) * torch.sigmoid(self.g(x))


def conv_networks(picture, out, classes, latent, channels, activation, norm=None, pool=None, blocks=0):
    """The encoder's layers, the decoder's, and how many numbers the first give. activation None: gated, and ELU in the
    decoder."""
    steps = len(channels)
    size = (3, 1, 1) if pool else (4, 2, 1)
    extra = lambda c: ([norm(c)] if norm else [])
    encoder = []
    for a, b in zip([picture[0] + classes, *channels], channels):
        encoder += [(nn.Conv2d if activation else GatedConv)(a, b, *size), *extra(b)]
        encoder += [activation()] if activation else []
        encoder += [pool(2)] if pool else []
        encoder += [Block(b, norm) for _ in range(blocks)]
    start = (channels[-1], picture[1] >> steps, picture[2] >> steps)
    features = math.prod(start)
    activation = activation or nn.ELU
    decoder = [nn.Linear(latent + classes, features), activation(), nn.Unflatten(1, start)]
    up = [channels[-1] >> i for i in range(steps)]
    for i, (a, b) in enumerate(zip(up, [*up[1:], out[0]])):
        decoder.append(nn.ConvTranspose2d(a, b, 4, stride=2, padding=1))
        if i + 1 < steps:
            decoder += [*extra(b), activation(), *(Block(b, norm) for _ in range(blocks))]
    return [*encoder, nn.Flatten()], decoder, features


def normal(mu, logvar):
    return Independent(Normal(mu, torch.exp(logvar / 2)), 1)


def standard(z):
    return normal(torch.zeros_like(z), torch.zeros_like(z))


def log_det(f, z, *others):
    """log |det df/dz| of each row."""
    return torch.linalg.slogdet(vmap(jacrev(f))(z, *others)).logabsdet


# ---- posteriors ------------------------------------------------------------------------------------------------------

class Diagonal(nn.Module):
    closed = True  # its KL to N(0, 1)

    def more(self, latent):
        return {}

    def density(self, q):
        return normal(q["fc_mu"], q["fc_logvar"])

    def start(self, q, eps):
        z = q["fc_mu"] + torch.exp(q["fc_logvar"] / 2) * eps
        return z, self.density(q).log_prob(z)

    def draw(self, q, eps):
        return self.start(q, eps)


class Full(Diagonal):
    """Kingma and Welling 2019: z = mu + L eps."""
    def more(self, latent):
        return {"fc_tril": latent * (latent - 1) // 2}

    def density(self, q):
        d = q["fc_mu"].shape[1]
        lower = torch.diag_embed(torch.exp(q["fc_logvar"] / 2))
        places = [(i, j) for j in range(d) for i in range(j + 1, d)]
        for k, (i, j) in enumerate(places):
            one = torch.zeros(d, d)
            one[i, j] = 1
            lower = lower + q["fc_tril"][:, k, None, None] * one
        return MultivariateNormal(q["fc_mu"], scale_tril=lower)

    def draw(self, q, eps):
        p = self.density(q)
        z = p.loc + (p.scale_tril @ eps[:, :, None])[:, :, 0]
        return z, p.log_prob(z)


class Planar(Diagonal):
    """Rezende and Mohamed 2015."""
    closed = False

    def __init__(self, flows):
        super().__init__()
        self.flows = flows

    def more(self, latent):
        return {"fc_flows": self.flows * (2 * latent + 1)}

    def bend(self, z, numbers):
        d = z.shape[0]
        for one in numbers.split(2 * d + 1):
            u, w, b = one.split([d, d, 1])
            inner = w @ u
            u_hat = u + (-1 + torch.log(1 + torch.exp(inner)) - inner) * w / (w @ w)
            z = z + u_hat * torch.tanh(w @ z + b)
        return z

    def draw(self, q, eps):
        z, log_q = self.start(q, eps)
        return vmap(self.bend)(z, q["fc_flows"]), log_q - log_det(self.bend, z, q["fc_flows"])


class Masked(nn.Linear):
    """Germain et al. 2015: unit o sees input i where keep(o, i)."""
    def __init__(self, a, b, keep):
        super().__init__(a, b)
        self.mask = torch.tensor([[float(keep(o, i)) for i in range(a)] for o in range(b)])

    def forward(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


class IafStep(nn.Module):
    """Kingma et al. 2016: z <- sigma z + (1 - sigma) m, both from the dimensions before. Hidden unit k is of degree k
    modulo d."""
    def __init__(self, d, hidden):
        super().__init__()
        self.z = Masked(d, hidden, lambda k, i: i + 1 <= k % d)
        self.context = nn.Linear(hidden, hidden, bias=False)
        self.m = Masked(hidden, d, lambda i, k: i + 1 > k % d)
        self.s = Masked(hidden, d, lambda i, k: i + 1 > k % d)

    def forward(self, z, context):
        h = F.elu(self.z(z) + self.context(context))
        sigma = torch.sigmoid(self.s(h))
        return sigma * z + (1 - sigma) * self.m(h)


class Iaf(Diagonal):
    closed = False

    def __init__(self, flows, latent, hidden):
        super().__init__()
        self.hidden = hidden
        self.steps = nn.ModuleList(IafStep(latent, hidden) for _ in range(flows))

    def more(self, latent):
        return {"fc_context": self.hidden}

    def flow(self, z, context):
        for i, step in enumerate(self.steps):
            z = step(z if i == 0 else z.flip(0), context)
        return z

    def draw(self, q, eps):
        z, log_q = self.start(q, eps)
        return vmap(self.flow)(z, q["fc_context"]), log_q - log_det(self.flow, z, q["fc_context"])


# ---- priors ----------------------------------------------------------------------------------------------------------

class Mixture(nn.Module):
    def __init__(self, components, latent):
        super().__init__()
        self.logits = nn.Parameter(torch.empty(components))
        self.mu, self.logvar = (nn.Parameter(torch.empty(components, latent)) for _ in range(2))

    def log_prob(self, z, encode):
        return MixtureSameFamily(Categorical(logits=self.logits), normal(self.mu, self.logvar)).log_prob(z)


class Vamp(nn.Module):
    """Tomczak and Welling 2018."""
    def __init__(self, components, picture, classes=0):
        super().__init__()
        self.pseudo_inputs = nn.Parameter(torch.empty(components, *picture))
        self.pseudo_labels = nn.Parameter(torch.empty(components, classes)) if classes else None

    def log_prob(self, z, encode):
        u = self.pseudo_inputs.clamp(0, 1)
        mu, logvar = encode(u) if self.pseudo_labels is None else encode(u, self.pseudo_labels.softmax(1))
        return MixtureSameFamily(Categorical(torch.ones(len(mu))), normal(mu, logvar)).log_prob(z)


class RealNvp(nn.Module):
    """Dinh et al. 2017: y = x exp(s) + t of one half, s and t from the other; s within (-1, 1) by a tanh."""
    def __init__(self, flows, latent, hidden):
        super().__init__()
        self.sizes = [latent // 2, latent - latent // 2]
        self.layers = nn.ModuleList()
        for i in range(flows):
            kept = self.sizes[i % 2]
            self.layers.append(nn.Sequential(nn.Linear(kept, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
                                             nn.Linear(hidden, 2 * (latent - kept))))

    def inverse(self, y):
        a, b = y.split(self.sizes)
        for i, net in reversed(list(enumerate(self.layers))):
            if i % 2 == 0:
                s, t = net(a).chunk(2)
                b = (b - t) / torch.exp(torch.tanh(s))
            else:
                s, t = net(b).chunk(2)
                a = (a - t) / torch.exp(torch.tanh(s))
        return torch.cat([a, b])

    def log_prob(self, z, encode):
        x = vmap(self.inverse)(z)
        return standard(x).log_prob(x) + log_det(self.inverse, z)


# ---- likelihoods: nats of each picture -------------------------------------------------------------------------------

def per_picture(nats):
    return nats.flatten(1).sum(1)


class Bernoulli(nn.Module):
    numbers = 1

    def nll(self, y, x):
        m = torch.sigmoid(y)
        return per_picture(-(x * m.log() + (1 - x) * (1 - m).log()))


class Continuous(Bernoulli):
    def nll(self, y, x):
        return per_picture(-ContinuousBernoulli(logits=y).log_prob(x))


class Gaussian(Bernoulli):
    """Without the constant."""
    def __init__(self, variance=0.5):
        super().__init__()
        self.variance = variance

    def nll(self, y, x):
        return per_picture((x - y.sigmoid()) ** 2 / (2 * self.variance))


class Learned(Bernoulli):
    """Rybkin et al. 2021, as the next."""
    def __init__(self):
        super().__init__()
        self.log_sigma = nn.Parameter(torch.empty(()))

    def nll(self, y, x):
        return per_picture(-Normal(y.sigmoid(), ((2 * self.log_sigma).exp() + LEAST).sqrt()).log_prob(x))


class Optimal(Bernoulli):
    def nll(self, y, x):
        self.variance = ((x - y.sigmoid()) ** 2).mean() + LEAST
        return per_picture(-Normal(y.sigmoid(), self.variance.sqrt()).log_prob(x))


class Pixel(nn.Module):
    numbers = 2

    def nll(self, y, x):
        mean, logvar = y.chunk(2, 1)
        return per_picture(-Normal(mean.sigmoid(), (logvar.exp() + LEAST).sqrt()).log_prob(x))


def byte_log_prob(x, location, scale):
    """The straightforward difference of two distribution functions."""
    above, below = (torch.sigmoid((x + side - location) / scale) for side in (0.5 / 255, -0.5 / 255))
    return (torch.where(x > 254.5 / 255, 1, above) - torch.where(x < 0.5 / 255, 0, below)).log()


def scale_of(number):
    return (number.clamp(max=7).exp() + math.exp(-7)) / 2


class Logistic(Bernoulli):
    def __init__(self, channels):
        super().__init__()
        self.log_scale = nn.Parameter(torch.empty(channels, 1, 1))

    def nll(self, y, x):
        return per_picture(-byte_log_prob(x, y.sigmoid(), scale_of(self.log_scale)))


class LogisticMixture(nn.Module):
    """Salimans et al. 2017, channels apart."""
    def __init__(self, mixtures):
        super().__init__()
        self.numbers = 3 * mixtures

    def nll(self, y, x):
        parts = y.reshape(len(x), 3, self.numbers // 3, *x.shape[1:])
        each = byte_log_prob(x.unsqueeze(1), parts[:, 1].sigmoid(), scale_of(parts[:, 2]))
        return per_picture(-(parts[:, 0].softmax(1) * each.exp()).sum(1).log())


# ---- the model -------------------------------------------------------------------------------------------------------

class Vae(nn.Module):
    """encoder, posterior (None: a point), decoder, prior (None: N(0, 1)), likelihood, discriminator."""
    def __init__(self, latent=2, posterior=Diagonal(), prior=None, likelihood=None, picture=(1, 2, 3), hidden=(5,),
                 activation=nn.Tanh, classes=0, channels=(), conv={}, discriminator=()):
        super().__init__()
        self.point, self.latent, self.picture, self.classes = posterior is None, latent, picture, classes
        pixels = math.prod(picture)
        likelihood = likelihood or Bernoulli()
        self.out = (likelihood.numbers * picture[0], *picture[1:])
        self.flat = not channels
        if channels:
            encoder, decoder, features = conv_networks(picture, self.out, classes, latent, channels, activation, **conv)
            self.encoder = nn.Sequential(*encoder)
        else:
            self.encoder = nn.Sequential(*hidden_layers([pixels + classes, *hidden], activation))
            features = hidden[-1]
            decoder = hidden_layers([latent + classes, *hidden[::-1]], activation)
            decoder.append(nn.Linear(hidden[0], pixels * likelihood.numbers))
        self.heads = []
        if self.point:
            self.encoder.append(nn.Linear(features, latent))
        else:
            sizes = {"fc_mu": latent, "fc_logvar": latent, **posterior.more(latent)}
            for name, size in sizes.items():
                self.add_module(name, nn.Linear(features, size))
            self.heads = list(sizes)
            for name, module in posterior.named_children():
                self.add_module(name, module)
        self.decoder = nn.Sequential(*decoder)
        self.prior, self.likelihood = prior, likelihood
        if discriminator:
            sizes, layers = [latent, *discriminator], []
            for a, b in zip(sizes, sizes[1:]):
                layers += [nn.Linear(a, b), nn.LeakyReLU(0.2)]
            self.objective = nn.Module()
            self.objective.discriminator = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))
        object.__setattr__(self, "posterior", posterior)  # its modules are registered by their own names

    def joined(self, x, labels):
        """labels: numbers of classes, or shares of each."""
        if not self.classes:
            return x
        shares = labels if labels.is_floating_point() else F.one_hot(labels, self.classes).to(x)
        if x.dim() == 4:
            shares = shares[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return torch.cat([x, shares], 1)

    def encode(self, x, labels=None):
        h = self.encoder(self.joined(x.flatten(1) if self.flat else x, labels))
        return {name: getattr(self, name)(h) for name in self.heads} if self.heads else h

    def gaussian(self, x, labels=None):
        q = self.encode(x, labels)
        return q["fc_mu"], q["fc_logvar"]

    def draw(self, q, draws):
        """Codes, and log q(z|x) of them (None for points)."""
        return (q, None) if self.point else self.posterior.draw(q, draws.normal(q["fc_mu"].shape))

    def nll(self, z, x, labels=None):
        return self.likelihood.nll(self.decoder(self.joined(z, labels)).reshape(-1, *self.out), x)

    def log_prior(self, z):
        return standard(z).log_prob(z) if self.prior is None else self.prior.log_prob(z, self.gaussian)

    def kl(self, q, z, log_q):
        if self.point:
            return torch.zeros(len(z))
        if self.prior is None and self.posterior.closed:
            p = self.posterior.density(q)
            wanted = standard(z) if isinstance(p, Independent) else MultivariateNormal(torch.zeros(self.latent),
                                                                                      torch.eye(self.latent))
            return kl_divergence(p, wanted)
        return log_q - self.log_prior(z)

    def logit(self, z):
        return self.objective.discriminator(z)[:, 0]
