"""More cases, at the values where formulas break: zeros of both signs, subnormals, huge numbers, infinities, NaN, in
operands and in gradients that come in; of losses in their tails. The bounds here are each op's own."""
import numpy as np

from golden import Case
from torch_ops import ONE

INF, NAN = np.inf, np.nan


def both(values):
    return [s * v for v in values for s in (1, -1)]


def grid(a, b):
    return [v.reshape(-1) for v in np.meshgrid(np.array(a), np.array(b))]


SIZES = [1e-8, 3e-4, 0.1, 0.5, 0.7, 1, 1.5, 3, 5, 8, 13, 17, 30, 60, 87, 95, 102, 1e4, 1e20, 3e38]
LINE = [0.0, -0.0, INF, -INF, NAN] + both([1e-45, 1e-40, 1e-38, 1e-25]) + both(SIZES)
FEW = [0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, 2.0, -2.0, 0.5]
NUMBERS = {
    "add_scalar": [[1.5]],
    "mul_scalar": [[-2.5], [1e-40]],
    "div_scalar": [[3], [1e-40], [0], [-INF], [NAN]],
    "pow": [[0], [1], [2], [3], [-1], [2.5]],
    "leaky_relu": [[0.25], [0]],
    "elu": [[1], [1.25]],
    "clamp": [[-1, 1.5], [1.5, -1], [NAN, 1], [-1, NAN], [-INF, INF], [0, 0], [INF, -INF]],
}


def elementwise(op):
    """2.5 units in the last place, of the value and of the gradient. In float64, which is not what is trained in,
    where several roundings make the definition, more; gelu's tail is the platform's erfc of a rounded argument: 13
    digits."""
    x = np.array(LINE + FEW * 3)
    g = np.array([1.0] * len(LINE) + [NAN] * len(FEW) + [INF] * len(FEW) + [0.0] * len(FEW))
    if op in ONE:
        yield Case(op, [x], [], g, ulp=(2.5, {"gelu": 1000, "silu": 8, "lgamma": 256}.get(op, 4)))
    for p in NUMBERS.get(op, []):
        yield Case(op, [x], p, g, ulp=2)
    if op == "pow":
        yield Case(op, [x], [0.5], g, ulp=2)


def pairs(op):
    numbers = [0.0, -0.0, INF, -INF, NAN, 1.0, -2.5, 1e-25, -1e-40, 1e-23, 1e20, -3e38]
    yield Case(op, grid(numbers, numbers), [], 1, ulp=2)
    for bad in (NAN, INF):
        yield Case(op, [np.array([1.0, 2, 1, 0, NAN, 1]), np.array([2.0, 1, 1, 0, 1, NAN])], [], bad, ulp=2)


def losses(op):
    if op == "binary_cross_entropy":
        yield Case(op, grid([0.0, 1e-30, 1e-8, 0.3, 0.75, 1 - 2**-20, 1.0], [0.0, 0.25, 1.0]), [], 1, ulp=2)
    if op == "binary_cross_entropy_with_logits":
        x = [0.0, -0.0, INF, -INF, NAN] + both(
            [1e-40, 1e-8, 0.1, 0.75, 2, 5, 8, 13, 17, 30, 60, 87, 95, 102, 1e4, 3e38])
        yield Case(op, grid(x, [0.0, 0.25, 1.0]), [], 1, ulp=2.5)
    if op == "gaussian_kl":  # in float64, where losses are not trained, the difference is plain
        logvar = np.array([0.0, -INF, NAN] + both([1e-8, 1e-4, 0.01, 0.3, 0.6, 1, 5, 30, 80]))
        yield Case(op, [np.zeros(logvar.size), logvar], [], 1, ulp=(5, 5000))
        yield Case(op, [np.array([1e-20, -3, INF, -INF, NAN]), np.array([1e-3, 1e-3, 0, 0, 0])], [], 1, ulp=(5, 5000))
    if op == "cross_entropy":
        logits = np.array([[20.0, 0, 1], [-INF, 1, 2], [-INF, 1, 2], [1000, 999, -1000], [3e38, 0, 0], [NAN, 0, 0]])
        for reduction in (0, 1, 2):
            for rows in (slice(0, 2), slice(3, 5), slice(0, 6)):
                yield from digits_lost(op, [logits[rows], np.array([0, 2, 0, 1, 0, 0])[rows]], [reduction])


def digits_lost(op, x, p):
    """In float32 4 units in the last place; in float64 PyTorch's own p - 1 and exp(x - y) lose digits."""
    yield Case(op, x, p, 1, ulp=4, dtypes="float32")
    yield Case(op, x, p, 1, close=(0, 1e-12), dtypes="float64")


def shapes(op):
    """Scalars and vectors, empty ones too."""
    scalar, three = np.array(1.75), np.array([1.5, -2.0, 0.25])
    if op in ("sum", "mean", "max", "min", "logsumexp"):
        for p in ([0, 0], [1, -1], [0], [1]):
            if len(p) == 2 or op != "logsumexp":
                yield Case(op, [scalar], p, 1, ulp=2)
        yield Case(op, [scalar], [0, 1])
        yield Case(op, [scalar], [0, -2])
        yield Case(op, [three], [0, -1], 1, ulp=2)
    if op == "argmax":
        yield Case(op, [scalar], [0, 0])
        yield Case(op, [scalar], [1, -1])
    if op in ("softmax", "log_softmax"):
        yield Case(op, [scalar], [0], 1, ulp=2)
        yield Case(op, [scalar], [-1], 1, ulp=2)
        yield Case(op, [scalar], [1])
        yield Case(op, [three], [0], np.array([1.0, 0.5, -2]), close=(1e-6, 1e-6))
    if op == "mean":
        yield Case(op, [np.array([1.0, 1, 1, 5, 2, 0, 1])], [0, 0], 1, ulp=0.5)
        yield Case(op, [np.zeros((0,))], [0], 1, ulp=2)
    if op == "sum":
        yield Case(op, [np.zeros((0,))], [0, 0], 1, ulp=2)
    if op == "var":
        yield Case(op, [scalar], [0, 0], 1, ulp=2)
        yield Case(op, [scalar], [0, 1, 0], 1, ulp=2)
        yield Case(op, [scalar], [1, 0], 1, ulp=2)
        yield Case(op, [three], [1, 0, -1], 1, ulp=2)
        yield Case(op, [10000 + np.arange(9) / 1024], [1, 0, 0], 1, close=(1e-5, 1e-12))
    if op == "concatenate":
        for x, axis in [([scalar, scalar], 0), ([three, scalar], 0), ([three, three], 0), ([three,
                                                                                            np.zeros((0,))], -1),
                        ([np.zeros((0,)), np.array([[1.0, 2]]),
                          np.zeros((0,)), np.array([[3.0, 4]])], 1), ([np.zeros((0,)),
                                                                        np.zeros((0,))], 0),
                        ([np.zeros((0,)), three], 1)]:
            yield Case(op, x, [axis])


def norms(op):
    three, close = np.array([1.5, -2.0, 0.25]), (1e-5, 1e-12)
    pairs, ones, zeros = np.array([[1.0, -2], [3, 0.5], [2, 2]]), np.array([1.0, 0.5]), np.array([0.25, 0.0])
    g = np.array([[1.0, 2], [-1, 0.5], [0, 3]])
    if op == "batch_norm":
        p = [0.1, 1e-5, 1, 1, 0]
        yield Case(op, [pairs, ones, zeros], p, g, close=close)
        yield Case(op, [pairs[..., None], ones, zeros], p, g[..., None], close=close)
        yield Case(op, [three, ones, zeros], p)
        yield Case(op, [pairs[:1], ones, zeros], p)
    if op == "layer_norm":
        yield Case(op, [pairs, ones, zeros], [1e-5, 1], g, close=close)
        yield Case(op, [np.array([[3.0, 3], [NAN, 1]]), ones, zeros], [1e-5, 1], g[:2], close=close)
        yield Case(op, [three, np.ones(3), np.zeros(3)], [1e-5, 1], np.array([1.0, 2, -1]), close=close)


def lines(op):
    rows = [[0.0, INF, 0], [0, -INF, 1], [-INF, -INF, -INF], [NAN, 0, 1], [1000, 1001, 999], [INF, INF, 0], [1, 1, 1],
            [3e38, -3e38, 0], [-1000, -1001, 1e-40], [INF, -INF, 2]]
    for x in (np.array(row, np.float64) for row in rows):
        if op == "logsumexp":
            yield from digits_lost(op, [x], [0, 0])
        if op in ("softmax", "log_softmax"):
            yield Case(op, [x], [0], np.array([1.0, 0.5, -2]), close=(1e-6, 1e-6))
        if op in ("max", "min", "argmax"):
            yield Case(op, [x], [0, 0], 1, ulp=2)
    for bad in (NAN, INF):
        if op in ("max", "sum"):
            yield Case(op, [np.array([1.0, 3, 2])], [0, 0], bad, ulp=2)
        if op == "mean":
            yield Case(op, [np.array([1.0, bad, 2])], [0, 0], bad, ulp=2)
        if op == "where":
            yield Case(op, [np.array([1, 0], np.uint8), np.array([1.0, bad]), np.array([bad, 2.0])], [], bad, ulp=2)
    if op == "linear":
        for activation in (1, 2, 3):  # relu, sigmoid, tanh; PyTorch's own 1 - y y loses digits
            for x in (-5.0, 5.0, NAN):
                yield Case(op,
                           [np.array([[x]]), np.array([[0.75]]), np.array([0.25])], [activation],
                           1,
                           close=(1e-6, 1e-8))


def edges(op):
    families = [elementwise, losses, shapes, norms, lines]
    if op in ("add", "sub", "mul", "div", "maximum", "minimum", "mse_loss"):
        families.append(pairs)
    return [case for family in families for case in family(op)]
