#!/usr/bin/env python3
"""Writes the cases of tests/test_op_oracle.cpp: what elbo's ops and their gradients are, as PyTorch has them.

    ops.py edges   > tests/op_edges.txt    the rows that are committed: zeros, subnormals, infinities, NaN
    ops.py samples > samples.txt           PyTorch's own samples of each op; ELBO_OP_CASES=samples.txt elbo_tests '[oracle]'

Expected values are PyTorch's in float64 for the very inputs, rounded to the row's dtype. PyTorch says what happens at
NaN, infinity and kinks; where its formula cancels (in the tails of sigmoid, gelu and the like) the number is mpmath's,
of 60 digits. Needs PyTorch; the samples need expecttest and pytest too. The tests themselves do not run this.
"""
import math
import sys

import mpmath
import numpy as np
import torch
import torch.nn.functional as F
from mpmath import mp, mpf

mp.dps = 60
INF, NAN = math.inf, math.nan
DTYPES = {"float32": torch.float32, "float64": torch.float64}

# ---- what each op is in PyTorch, on (inputs, numbers) ----------------------------------------------------------------

REDUCTIONS = ("none", "mean", "sum")


def kl(mu, logvar, reduction="none"):
    y = 0.5 * (mu * mu + (torch.expm1(logvar) - logvar))
    return {"none": y, "sum": y.sum(), "mean": y.mean()}[reduction]


def axes_of(p):
    return [int(v) for v in p[1:]]


def along(fn):
    """A reduction with numbers keepdim, axis...; without axes over all."""
    return lambda x, p: fn(x[0], axes_of(p) or list(range(x[0].dim())), bool(p[0]))


def extremum(op, sign):
    """As torch.max(x): where a result is NaN its gradient goes to the elements that are. torch.amax gives it to all."""
    def fn(x, axes, keep):
        nan = torch.isnan(x)
        rest = op(torch.where(nan, -sign * INF, x), axes, keep)
        count = nan.sum(axes, keep)
        mean = torch.where(nan, x, 0.0).sum(axes, keep) / count.clamp(min=1)
        return torch.where(count > 0, mean, rest)
    return along(fn)


ONE = {
    "neg": torch.neg, "square": torch.square, "sqrt": torch.sqrt, "exp": torch.exp, "log": torch.log,
    "log1p": torch.log1p, "sin": torch.sin, "cos": torch.cos, "abs": torch.abs, "relu": F.relu,
    "sigmoid": torch.sigmoid, "tanh": torch.tanh, "softplus": F.softplus, "silu": F.silu, "gelu": F.gelu,
}
TWO = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "maximum": torch.maximum,
    "minimum": torch.minimum, "mse_loss": lambda a, b: F.mse_loss(a, b, reduction="none"), "gaussian_kl": kl,
    "binary_cross_entropy": lambda p, t: F.binary_cross_entropy(p, t, reduction="none"),
    "binary_cross_entropy_with_logits": lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"),
}
TORCH = {
    **{name: (lambda fn: lambda x, p: fn(x[0]))(fn) for name, fn in ONE.items()},
    **{name: (lambda fn: lambda x, p: fn(x[0], x[1]))(fn) for name, fn in TWO.items()},
    "add_scalar": lambda x, p: x[0] + p[0],
    "mul_scalar": lambda x, p: x[0] * p[0],
    "div_scalar": lambda x, p: x[0] / p[0],
    "pow": lambda x, p: torch.pow(x[0], p[0]),
    "leaky_relu": lambda x, p: F.leaky_relu(x[0], p[0]),
    "elu": lambda x, p: F.elu(x[0], p[0]),
    "clamp": lambda x, p: torch.clamp(x[0], p[0], p[1]),
    "where": lambda x, p: torch.where(x[0] != 0, x[1], x[2]),
    "sum": along(lambda x, axes, keep: x.sum(axes, keep)),
    "mean": along(lambda x, axes, keep: x.mean(axes, keep)),
    "var": lambda x, p: torch.var(x[0], axes_of(p[1:]) or None, correction=p[0], keepdim=bool(p[1])),
    "max": extremum(torch.amax, 1),
    "min": extremum(torch.amin, -1),
    "logsumexp": along(lambda x, axes, keep: torch.logsumexp(x, axes, keep)),
    "argmax": lambda x, p: torch.argmax(x[0], int(p[1]), bool(p[0])),
    "softmax": lambda x, p: F.softmax(x[0], int(p[0])),
    "log_softmax": lambda x, p: F.log_softmax(x[0], int(p[0])),
    "concatenate": lambda x, p: torch.cat(x, int(p[0])),
    "batch_norm": lambda x, p: F.batch_norm(x[0], None, None, x[1], x[2], True, 0.1, p[0]),
    "layer_norm": lambda x, p: F.layer_norm(x[0], list(x[1].shape), x[1], x[2], p[0]),
    "cross_entropy": lambda x, p: F.cross_entropy(x[0], x[1], reduction=REDUCTIONS[int(p[0])]),
    "matmul": lambda x, p: torch.matmul(x[0], x[1]),
    "linear": lambda x, p: (lambda y: (y, F.relu(y), torch.sigmoid(y), torch.tanh(y))[int(p[0])])(F.linear(*x)),
}

# ---- exact values and derivatives where PyTorch's formulas cancel ------------------------------------------------------


def logistic(x):
    return 1 / (1 + mpmath.exp(-x))


def normal_cdf(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def normal_density(x):
    return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)


EXACT = {
    "sigmoid": (lambda x: logistic(x), lambda x: logistic(x) * logistic(-x)),
    "tanh": (lambda x: mpmath.tanh(x), lambda x: 4 * logistic(2 * x) * logistic(-2 * x)),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)), lambda x: logistic(x)),
    "silu": (lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * logistic(-x))),
    "gelu": (lambda x: x * normal_cdf(x), lambda x: normal_cdf(x) + x * normal_density(x)),
}
def log_clamped(x):
    return max(mpmath.log(x), -100) if x > 0 else mpf(-100)


EXACT_PAIR = {
    "binary_cross_entropy": (  # the derivative for t is that of the clamped logarithms, unlike PyTorch's at 0 and 1
        lambda p, t: -(t * log_clamped(p) + (1 - t) * log_clamped(1 - p)),
        lambda p, t: (p - t) / max(p * (1 - p), mpf(1e-12)),
        lambda p, t: log_clamped(1 - p) - log_clamped(p),
    ),
    "binary_cross_entropy_with_logits": (
        lambda x, t: t * mpmath.log1p(mpmath.exp(-x)) + (1 - t) * mpmath.log1p(mpmath.exp(x)),
        lambda x, t: (1 - t) * logistic(x) - t * logistic(-x),
        lambda x, t: -x,
    ),
    "gaussian_kl": (
        lambda m, v: (m * m + mpmath.expm1(v) - v) / 2,
        lambda m, v: m,
        lambda m, v: mpmath.expm1(v) / 2,
    ),
}
# Limits that PyTorch's formulas miss.
LIMITS = {
    ("silu", -INF): (-0.0, -0.0), ("silu", INF): (INF, 1.0), ("gelu", -INF): (-0.0, 0.0), ("gelu", INF): (INF, 1.0),
    ("softplus", INF): (INF, 1.0),
    ("binary_cross_entropy_with_logits", INF, 1.0): (0.0, 0.0, -INF),
    ("binary_cross_entropy_with_logits", -INF, 0.0): (0.0, 0.0, INF),
    ("binary_cross_entropy_with_logits", -INF, 1.0): (INF, -1.0, INF),
    ("binary_cross_entropy_with_logits", -INF, 0.25): (INF, -0.25, INF),
}


def correct(op, arrays, outputs, g):
    """Puts exact numbers in place of PyTorch's: outputs is y and a gradient for each operand, all elementwise."""
    exact = EXACT.get(op) or EXACT_PAIR.get(op)
    if not exact:
        return
    flat, grads = [a.reshape(-1) for a in arrays], g.reshape(-1)
    for i in range(grads.size):
        at = [float(a[i]) for a in flat]
        limit = LIMITS.get((op, *at))
        if not limit and not all(map(math.isfinite, at)):
            continue
        # exp(5000) has digits enough; more would only take time.
        small = [mpf(max(min(v, 5000), -5000)) if len(at) == 1 else mpf(v) for v in at]
        for k, out in enumerate(outputs):
            if limit and k > 0:
                out.reshape(-1)[i] = limit[k] * float(grads[i])
                continue
            if k > 0 and not math.isfinite(grads[i]):
                continue
            value = mpf(limit[k]) if limit else exact[k](*small)
            if not limit and len(at) == 1 and abs(at[0]) > 5000 and k == 0 and value > 1:
                continue  # x itself
            result = float(value) if k == 0 else float(value * mpf(float(grads[i]))) if grads[i] else 0.0
            if limit and k == 0:
                result = limit[0]
            old = out.reshape(-1)[i]
            if value == 0 and k == 0 and not limit:
                result = float(old)
            if not (old == result or abs(old - result) <= 1e-6 * abs(result) + 1e-9) and not limit:
                print(op, at, "PyTorch", old, "exactly", result, file=sys.stderr)
            out.reshape(-1)[i] = result


# ---- rows ------------------------------------------------------------------------------------------------------------


def number(v):
    if math.isnan(v):
        return "nan"
    return repr(int(v)) if v == int(min(max(v, -1e9), 1e9)) and not (v == 0 and math.copysign(1, v) < 0) else repr(v)


def numbers(a):
    a = np.asarray(a)
    if a.dtype == np.float32:  # the shortest that reads back as the same float32
        return " ".join(
            number(float(v)) if not math.isfinite(v) or v == np.floor(v) and abs(v) < 1e9 else np.format_float_scientific(v, trim="-")
            for v in a.reshape(-1)
        )
    return " ".join(number(float(v)) for v in a.reshape(-1))


def shape_text(a):
    return "x".join(map(str, a.shape)) if a.ndim else "scalar"


def row(op, dtype, inputs, params, g=None, check="ulp", bound=2.0):
    """inputs: numpy arrays, float64 for operands of the row's dtype, int64 or uint8 for others. g: the output's
    gradient, or a number to draw one from, or None for none."""
    kind = np.float32 if dtype == "float32" else np.float64
    params = [float(kind(p)) for p in params]  # as an op on this dtype takes them
    arrays = [a.astype(kind) if a.dtype == np.float64 else a for a in map(np.asarray, inputs)]
    lines = [f"case {op} {dtype} {check} {bound:g}" + "".join(" " + number(float(p)) for p in params)]
    for a in arrays:
        lines.append(f"in {a.dtype} {shape_text(a)} {numbers(a)}")
    leaves = [torch.tensor(a.astype(np.float64) if a.dtype == kind else a) for a in arrays]
    for leaf in leaves:
        leaf.requires_grad_(leaf.is_floating_point())
    try:
        y = TORCH[op](leaves, params)
    except (RuntimeError, IndexError, ValueError) as error:
        print(op, params, [a.shape for a in arrays], "raises", str(error).splitlines()[0], file=sys.stderr)
        print("\n".join(lines + ["raises"]))
        return
    outputs = [y.detach().numpy().copy()]
    differentiable = y.requires_grad
    if differentiable:
        if g is None or isinstance(g, (int, float)):
            drawn = np.random.default_rng(7).integers(-8, 9, y.shape) / 4
            g = np.full(y.shape, float(g)) if g is not None else np.asarray(drawn, np.float64)
        g = np.asarray(g, np.float64).astype(kind).reshape(y.shape)
        for leaf, grad in zip(leaves, torch.autograd.grad(y, [l for l in leaves if l.requires_grad],
                                                          torch.tensor(g.astype(np.float64)), allow_unused=True)):
            outputs.append(np.zeros(leaf.shape) if grad is None else grad.numpy().copy())
        if all(a.shape == y.shape for a in arrays):
            correct(op, arrays, outputs, g)
        lines.append(f"g {numbers(g)}")
    if op in ("maximum", "minimum"):  # of two zeros IEEE 754's; PyTorch's sign differs between devices
        a, b = arrays
        zeros, negative = (a == 0) & (b == 0), np.logical_and if op == "maximum" else np.logical_or
        outputs[0][zeros] = np.where(negative(np.signbit(a), np.signbit(b)), -0.0, 0.0)[zeros]
    with np.errstate(over="ignore"):
        outputs = [o.astype(kind) if o.dtype == np.float64 else o for o in outputs]
    lines.append(f"y {shape_text(outputs[0])} {numbers(outputs[0])}")
    for o in outputs[1:]:
        lines.append(f"d {numbers(o)}")
    print("\n".join(lines))


# ---- edges -----------------------------------------------------------------------------------------------------------


def both(values):
    return [s * v for v in values for s in (1, -1)]


def edges():
    print("# Written by tests/oracle/ops.py; see there. A case is an op, its dtype, how close it must be, its numbers.")
    sizes = [1e-8, 3e-4, 0.1, 0.5, 0.7, 1, 1.5, 3, 5, 8, 13, 17, 30, 60, 87, 95, 102, 1e4, 1e20, 3e38]
    line = [0.0, -0.0, INF, -INF, NAN] + both([1e-45, 1e-40, 1e-38, 1e-25]) + both(sizes)
    few = [0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, 2.0, -2.0, 0.5]
    x = np.array(line + few * 3)
    g = np.array([1.0] * len(line) + [NAN] * len(few) + [INF] * len(few) + [0.0] * len(few))
    pairs = [0.0, -0.0, INF, -INF, NAN, 1.0, -2.5, 1e-25, -1e-40, 1e-23, 1e20, -3e38]
    a, b = (v.reshape(-1) for v in np.meshgrid(np.array(pairs), np.array(pairs)))
    for dtype in DTYPES:
        # Each op's own bound: 2 ulp of value and gradient; more where several roundings make the definition.
        # In float64 gelu's tail is the platform's erfc of a rounded argument: 13 digits.
        for op in ONE:
            bound = {"gelu": 1000, "silu": 8}.get(op, 4) if dtype == "float64" else 2.5
            row(op, dtype, [x], [], g, bound=bound)
        # PyTorch takes the square root for a power of 1/2, which differs at -0 and -infinity from C's pow.
        roots = ~np.signbit(x)
        row("pow", dtype, [x[roots]], [0.5], g[roots])
        for op, p in [("add_scalar", [1.5]), ("mul_scalar", [-2.5]), ("mul_scalar", [1e-40]), ("div_scalar", [3]),
                      ("div_scalar", [1e-40]), ("div_scalar", [0]), ("div_scalar", [-INF]), ("div_scalar", [NAN]),
                      ("pow", [0]), ("pow", [1]), ("pow", [2]), ("pow", [3]), ("pow", [-1]),
                      ("pow", [2.5]), ("leaky_relu", [0.25]), ("leaky_relu", [0]), ("elu", [1]), ("elu", [1.25]),
                      ("clamp", [-1, 1.5]), ("clamp", [1.5, -1]), ("clamp", [NAN, 1]), ("clamp", [-1, NAN]),
                      ("clamp", [-INF, INF]), ("clamp", [0, 0]), ("clamp", [INF, -INF])]:
            # At its bounds clamp's gradient is 1; newer versions of PyTorch have 0.
            inside = ~np.isin(x, p) if op == "clamp" else np.full(x.shape, True)
            row(op, dtype, [x[inside]], p, g[inside])
        for op in ("add", "sub", "mul", "div", "maximum", "minimum", "mse_loss"):
            row(op, dtype, [a, b], [], 1)
        for op in ("add", "sub", "mul", "div", "maximum", "minimum", "mse_loss"):
            for bad in (NAN, INF):
                row(op, dtype, [np.array([1.0, 2, 1, 0, NAN, 1]), np.array([2.0, 1, 1, 0, 1, NAN])], [], bad)


    for dtype in DTYPES:
        loss_edges(dtype)
        shape_edges(dtype)
        line_edges(dtype)


def loss_edges(dtype):
    p = [0.0, 1e-30, 1e-8, 0.3, 0.75, 1 - 2**-20, 1.0]
    grid = [v.reshape(-1) for v in np.meshgrid(np.array(p), np.array([0.0, 0.25, 1.0]))]
    row("binary_cross_entropy", dtype, grid, [], 1)
    x = [0.0, -0.0, INF, -INF, NAN] + both([1e-40, 1e-8, 0.1, 0.75, 2, 5, 8, 13, 17, 30, 60, 87, 95, 102, 1e4, 3e38])
    grid = [v.reshape(-1) for v in np.meshgrid(np.array(x), np.array([0.0, 0.25, 1.0]))]
    row("binary_cross_entropy_with_logits", dtype, grid, [], 1, bound=2.5)
    logvar = np.array([0.0, -INF, NAN] + both([1e-8, 1e-4, 0.01, 0.3, 0.6, 1, 5, 30, 80]))
    digits = 5 if dtype == "float32" else 5000  # in float64, where losses are not trained, the difference is plain
    row("gaussian_kl", dtype, [np.zeros(logvar.size), logvar], [], 1, bound=digits)
    row("gaussian_kl", dtype, [np.array([1e-20, -3, INF, -INF, NAN]), np.array([1e-3, 1e-3, 0, 0, 0])], [], 1, bound=digits)
    logits = np.array([[20.0, 0, 1], [-INF, 1, 2], [-INF, 1, 2], [1000, 999, -1000], [3e38, 0, 0], [NAN, 0, 0]])
    for reduction in (0, 1, 2):
        for rows in (slice(0, 2), slice(3, 5), slice(0, 6)):
            labels = np.array([0, 2, 0, 1, 0, 0])[rows]
            how = ("ulp", 4) if dtype == "float32" else ("close", 1e-12)  # PyTorch's own p - 1 loses digits
            row("cross_entropy", dtype, [logits[rows], labels], [reduction], 1, *how)


def shape_edges(dtype):
    """Scalars and vectors, empty ones too."""
    scalar, three = np.array(1.75), np.array([1.5, -2.0, 0.25])
    for op in ("sum", "mean", "max", "min", "logsumexp"):
        for p in ([0, 0], [1, -1], [0], [1]):
            if len(p) == 2 or op != "logsumexp":
                row(op, dtype, [scalar], p, 1)
        row(op, dtype, [scalar], [0, 1])
        row(op, dtype, [scalar], [0, -2])
        row(op, dtype, [three], [0, -1], 1)
    row("argmax", dtype, [scalar], [0, 0])
    row("argmax", dtype, [scalar], [1, -1])
    for op in ("softmax", "log_softmax"):
        row(op, dtype, [scalar], [0], 1)
        row(op, dtype, [scalar], [-1], 1)
        row(op, dtype, [scalar], [1])
        row(op, dtype, [three], [0], np.array([1.0, 0.5, -2]), check="close", bound=1e-6)
    row("mean", dtype, [np.array([1.0, 1, 1, 5, 2, 0, 1])], [0, 0], 1, bound=0.5)
    row("mean", dtype, [np.zeros((0,))], [0], 1)
    row("sum", dtype, [np.zeros((0,))], [0, 0], 1)
    row("var", dtype, [scalar], [0, 0], 1)
    row("var", dtype, [scalar], [0, 1, 0], 1)
    row("var", dtype, [scalar], [1, 0], 1)
    row("var", dtype, [three], [1, 0, -1], 1)
    close = 1e-5 if dtype == "float32" else 1e-12
    row("var", dtype, [10000 + np.arange(9) / 1024], [1, 0, 0], 1, check="close", bound=close)
    row("concatenate", dtype, [scalar, scalar], [0])
    row("concatenate", dtype, [three, scalar], [0])
    row("concatenate", dtype, [three, three], [0], np.arange(6.0))
    row("concatenate", dtype, [three, np.zeros((0,))], [-1], np.arange(3.0))
    row("concatenate", dtype, [np.zeros((0,)), np.array([[1.0, 2]]), np.zeros((0,)), np.array([[3.0, 4]])], [1], np.arange(4.0))
    row("concatenate", dtype, [np.zeros((0,)), np.zeros((0,))], [0], np.zeros((0,)))
    row("concatenate", dtype, [np.zeros((0,)), three], [1])
    pairs, ones, zeros = np.array([[1.0, -2], [3, 0.5], [2, 2]]), np.array([1.0, 0.5]), np.array([0.25, 0.0])
    g = np.array([[1.0, 2], [-1, 0.5], [0, 3]])
    row("batch_norm", dtype, [pairs, ones, zeros], [1e-5], g, check="close", bound=close)
    row("batch_norm", dtype, [pairs[..., None], ones, zeros], [1e-5], g[..., None], check="close", bound=close)
    row("batch_norm", dtype, [three, ones, zeros], [1e-5])
    row("batch_norm", dtype, [pairs[:1], ones, zeros], [1e-5])
    row("layer_norm", dtype, [pairs, ones, zeros], [1e-5], g, check="close", bound=close)
    row("layer_norm", dtype, [np.array([[3.0, 3], [NAN, 1]]), ones, zeros], [1e-5], g[:2], check="close", bound=close)
    row("layer_norm", dtype, [three, np.ones(3), np.zeros(3)], [1e-5], np.array([1.0, 2, -1]), check="close", bound=close)


def line_edges(dtype):
    lines = [[0.0, INF, 0], [0, -INF, 1], [-INF, -INF, -INF], [NAN, 0, 1], [1000, 1001, 999], [INF, INF, 0], [1, 1, 1],
             [3e38, -3e38, 0], [-1000, -1001, 1e-40], [INF, -INF, 2]]
    for line in lines:
        x = np.array(line, np.float64)
        how = ("ulp", 4) if dtype == "float32" else ("close", 1e-12)  # PyTorch's exp(x - y) has y rounded
        row("logsumexp", dtype, [x], [0, 0], 1, *how)
        row("softmax", dtype, [x], [0], np.array([1.0, 0.5, -2]), check="close", bound=1e-6)
        row("log_softmax", dtype, [x], [0], np.array([1.0, 0.5, -2]), check="close", bound=1e-6)
        row("max", dtype, [x], [0, 0], 1)
        row("min", dtype, [x], [0, 0], 1)
        row("argmax", dtype, [x], [0, 0])
    for bad in (NAN, INF):
        row("max", dtype, [np.array([1.0, 3, 2])], [0, 0], bad)
        row("sum", dtype, [np.array([1.0, 3, 2])], [0, 0], bad)
        row("mean", dtype, [np.array([1.0, bad, 2])], [0, 0], bad)
        row("where", dtype, [np.array([1, 0], np.uint8), np.array([1.0, bad]), np.array([bad, 2.0])], [], bad)
    close = 1e-6 if dtype == "float32" else 1e-8  # PyTorch's own 1 - y y loses digits
    for activation in (1, 2, 3):  # relu, sigmoid, tanh
        for x in (-5.0, 5.0, NAN):
            row("linear", dtype, [np.array([[x]]), np.array([[0.75]]), np.array([0.25])], [activation], 1, "close", close)


# ---- PyTorch's own samples --------------------------------------------------------------------------------------------

ALIASES = {"amax": "max", "amin": "min", "cat": "concatenate"}


def adapted(name, sample):
    """A sample of PyTorch's as (op, inputs, numbers); None where elbo has no such form."""
    x, args, kw = sample.input, list(sample.args), dict(sample.kwargs)
    op = ALIASES.get(name, name)
    if op in ONE:
        return None if args or kw else (op, [x], [])
    if op in TWO and op not in EXACT_PAIR and op != "mse_loss":
        if kw or len(args) != 1:
            return None
        if isinstance(args[0], (int, float)) and not isinstance(args[0], bool):
            scalar = {"add": "add_scalar", "mul": "mul_scalar", "div": "div_scalar"}.get(op)
            return (scalar, [x], [args[0]]) if scalar else None
        return (op, [x, args[0]], [])
    if op in ("binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss"):
        return (op, [x, args[0]], []) if kw in ({}, {"reduction": "none"}) and x.shape == args[0].shape else None
    if op in ("leaky_relu", "elu"):
        number = kw.get("negative_slope", kw.get("alpha", args[0] if args else {"leaky_relu": 0.01, "elu": 1.0}[op]))
        return (op, [x], [number])
    if op == "pow":
        return (op, [x], args) if isinstance(args[0], (int, float)) else None
    if op == "where":
        return (op, [args[0].to(torch.uint8), x, args[1]], []) if x.dtype == args[1].dtype else None
    if op in ("sum", "mean", "max", "min", "logsumexp"):
        dim = kw.pop("dim", args[0] if args else ())
        keep = kw.pop("keepdim", args[1] if len(args) > 1 else False)
        dims = [dim] if isinstance(dim, int) else list(dim or ())
        return None if kw or (op == "logsumexp" and len(dims) != 1) else (op, [x], [int(keep), *dims])
    if op == "var":
        dim, keep = kw.pop("dim", args[0] if args else ()), kw.pop("keepdim", False)
        correction = kw.pop("correction", 1)
        if kw or len(args) > 1 or isinstance(dim, bool) or not isinstance(correction, (int, float)):
            return None
        return (op, [x], [correction, int(keep), *([dim] if isinstance(dim, int) else list(dim or ()))])
    if op in ("softmax", "log_softmax"):
        return (op, [x], [args[0] if args else kw["dim"]]) if set(kw) <= {"dim"} else None
    if op == "concatenate":
        return (op, list(x), [kw.get("dim", args[0] if args else 0)])
    if op in ("matmul", "linear"):
        operands = [x, *args]
        return (op, operands, [0] * (op == "linear")) if min(t.dim() for t in operands[:2]) > 1 and len(operands) == 2 + (op == "linear") else None
    if op == "layer_norm":
        full = len(args) == 3 and all(a is not None for a in args[1:])
        return (op, [x, args[1], args[2]], [kw.get("eps", 1e-5)]) if full else None
    if op == "cross_entropy":
        plain = set(kw) <= {"reduction"} and x.dim() == 2 and args[0].dtype == torch.int64
        return (op, [x, args[0]], [REDUCTIONS.index(kw.get("reduction", "mean"))]) if plain else None
    return None


def samples():
    from torch.testing._internal.common_methods_invocations import op_db

    total = 0
    for info in op_db:
        name = info.name.removeprefix("nn.functional.")
        if ALIASES.get(name, name) not in TORCH or info.variant_test_name not in ("", "no_rounding_mode", "exponent"):
            continue
        for dtype, kind in DTYPES.items():
            for sample in info.sample_inputs("cpu", kind):
                found = adapted(name, sample)
                if not found or any(not isinstance(t, torch.Tensor) or t.dim() > 8 or t.is_complex() for t in found[1]):
                    continue
                op, inputs, params = found
                if any(t.is_floating_point() and t.dtype != kind or t.dtype == torch.bool for t in inputs):
                    continue
                arrays = [t.detach().numpy().astype(np.float64 if t.is_floating_point() else t.numpy().dtype) for t in inputs]
                row(op, dtype, arrays, params, check="close", bound=1e-5 if dtype == "float32" else 1e-11)
                total += 1
    print(total, "samples", file=sys.stderr)


if __name__ == "__main__":
    {"edges": edges, "samples": samples}[sys.argv[1]]()
