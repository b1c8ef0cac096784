"""The numbers that elbo's generator gives for seed 11 (core/philox.h), computed anew, and the numbers that parameters
are filled with where a test compares with PyTorch."""
import math

import torch

SEED = 11


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011)."""
    a, b, c, d = counter
    for n in range(10):
        k0, k1 = (key[0] + n * 0x9E3779B9) % 2**32, (key[1] + n * 0xBB67AE85) % 2**32
        p, q = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (q >> 32) ^ b ^ k0, q % 2**32, (p >> 32) ^ d ^ k1, p % 2**32
    return a, b, c, d


def draw(shape, call, numbers):
    """The words of each block of that call of a generator of stream `user`, as `numbers` has them."""
    count, out, block = math.prod(shape), [], 0
    while len(out) < count:
        out += numbers(philox((block, 0, call, 0), (SEED, 0)))
        block += 1
    return torch.tensor(out[:count], dtype=torch.float64).reshape(shape)


def turned(u, t):
    """Box and Muller 1958."""
    r = math.sqrt(-2 * math.log(u))
    return [r * math.cos(2 * math.pi * t), r * math.sin(2 * math.pi * t)]


def halves(w):
    """Two numbers in [0, 1) of 53 bits."""
    return [(a * 2**32 + b) // 2**11 / 2**53 for a, b in (w[0:2], w[2:4])]


def single_pair(radius, angle):
    return turned((radius // 2 + 0.5) / 2**31, angle // 256 / 2**24)


def normal(shape, call=0):
    """N(0, 1) of float64."""
    return draw(shape, call, lambda w: turned(1 - halves(w)[0], halves(w)[1]))


def normal32(shape, call=0):
    """N(0, 1) of float32, with more digits."""
    return draw(shape, call, lambda w: single_pair(*w[0:2]) + single_pair(*w[2:4]))


def uniform(shape, call=0):
    """In [0, 1), of float64."""
    return draw(shape, call, halves)


def uniform32(shape, call=0):
    return draw(shape, call, lambda w: [word // 256 / 2**24 for word in w])


def fill(parameters, scale):
    """Multiples of 1 / scale from -16 / scale to 16 / scale."""
    with torch.no_grad():
        for k, p in enumerate(parameters):
            i = torch.arange(p.numel())
            p.copy_((((i * 2654435761 + k * 40503) % 2**32 // 2**16 % 33 - 16) / scale).reshape(p.shape))
