"""Where elbo's numbers differ from PyTorch's, and should."""
import numpy as np

import exact


class Difference:
    """change(case) puts what is wanted in place of PyTorch's results y and gradients d. It returns True if their
    number changed."""
    def __init__(self, reason, ops, change):
        self.reason, self.ops, self.change = reason, ops.split(), change

    def apply(self, case):
        """Whether it changed more than PyTorch's last digits in float64."""
        before = [a.copy() for a in case.y + case.d]
        if self.change(case):
            return True
        return any(differs(a, b) for a, b in zip(before, case.y + case.d))


def differs(a, b):
    with np.errstate(invalid="ignore", over="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= 4e-15 * np.abs(b))
    return not np.all(same & ((a != 0) | (b != 0) | (np.signbit(a) == np.signbit(b))))


def zeros(case):
    """IEEE 754's maximum and minimum of two zeros."""
    a, b = np.broadcast_arrays(*[case.x[k] for k in case.inputs])
    negative = np.logical_and if case.op == "maximum" else np.logical_or
    both = (a == 0) & (b == 0)
    case.y[0][both] = np.where(negative(np.signbit(a), np.signbit(b)), -0.0, 0.0)[both]


def clamp(case):
    x, (lo, hi) = case.x[0], case.p[:2]
    which = case.p[2] if len(case.p) > 2 else 0
    lo, hi = -np.inf if which == 2 else lo, np.inf if which == 1 else hi
    at_bound = ((x == lo) | (x == hi)) & (x >= lo) & (x <= hi)
    case.d[0][at_bound] = case.g[0][at_bound]


def elu(case):
    case.d[0][np.isnan(case.x[0])] = np.nan


def root(case):
    x, g = case.x[0], case.g[0]
    with np.errstate(all="ignore"):
        odd = (x == 0) | np.isinf(x)
        if case.p and case.p[0] == 0.5:
            case.y[0][odd] = np.abs(x)[odd]
            case.d[0][odd] = (g * (0.5 * np.power(x, -0.5)))[odd]


def infinite_kl(case):
    if len(case.inputs) == 2 and case.p[:1] in ([], [0.0]):
        mu, logvar = np.broadcast_arrays(*[case.x[k] for k in case.inputs])
        case.y[0][(logvar == np.inf) & ~np.isnan(mu)] = np.inf


def undefined_variance(case):
    if case.y[0].size == 1 and np.isnan(case.y[0]).all() and not np.isfinite(case.x[0]).all():
        case.d[0][...] = np.nan


def one_chunk(case):
    if case.x[0].shape[int(case.p[0])] == 0:
        case.scales = case.scales[:1] + case.scales[len(case.y):]
        case.y, case.has_g, case.g = case.y[:1], case.has_g[:1], case.g[:1]
        return True


DIFFERENCES = [
    Difference("PyTorch's formula cancels or overflows in the tails; the numbers are exact", " ".join(exact.EXACT),
               exact.correct),
    Difference(
        "of 0 and -0 the maximum is 0 and the minimum -0, as IEEE 754 has them; PyTorch's sign differs between devices",
        "maximum minimum", zeros),
    Difference("at its bounds clamp's gradient is that of x, as core/ops.h says; newer PyTorch has 0", "clamp", clamp),
    Difference("the gradient at NaN is NaN; PyTorch's is that only where its vector loop gets there", "elu", elu),
    Difference("x^0.5 is C's pow; PyTorch takes the square root, which differs at -0 and -infinity", "pow", root),
    Difference("of an infinite variance the divergence is infinite; the formula is infinity less infinity",
               "gaussian_kl", infinite_kl),
    Difference("of a variance that is NaN, the gradient is too; PyTorch's is infinite for some operands", "var",
               undefined_variance),
    Difference("an axis of size 0 is one chunk, as core/ops.h says; PyTorch gives as many as were asked for", "chunk",
               one_chunk),
]
