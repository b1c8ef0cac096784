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
    "max": along(lambda x, axes, keep: torch.amax(x, axes, keep)),
    "min": along(lambda x, axes, keep: torch.amin(x, axes, keep)),
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
EXACT_PAIR = {
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
            if out is None or (k > 0 and not math.isfinite(grads[i])):
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
    sizes = [1e-8, 3e-4, 0.1, 0.5, 0.75, 1, 1.5, 3, 5, 8, 13, 17, 30, 60, 87, 95, 102, 1e4, 1e20, 3e38]
    line = [0.0, -0.0, INF, -INF, NAN] + both([1e-45, 1e-40, 1e-38, 1e-25]) + both(sizes)
    few = [0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, 2.0, -2.0, 0.5]
    x = np.array(line + few * 3)
    g = np.array([1.0] * len(line) + [NAN] * len(few) + [INF] * len(few) + [0.0] * len(few))
    pairs = [0.0, -0.0, INF, -INF, NAN, 1.0, -2.5, 1e-25, -1e-40, 1e-23, 1e20, -3e38]
    a, b = (v.reshape(-1) for v in np.meshgrid(np.array(pairs), np.array(pairs)))
    for dtype in DTYPES:
        # Each op's own bound: 2 ulp of value and gradient; more where several roundings make the definition.
        for op in ONE:
            row(op, dtype, [x], [], g)
        # PyTorch takes the square root for a power of 1/2, which differs at -0 and -infinity from C's pow.
        roots = ~np.signbit(x)
        row("pow", dtype, [x[roots]], [0.5], g[roots])
        for op, p in [("add_scalar", [1.5]), ("mul_scalar", [-2.5]), ("mul_scalar", [1e-40]), ("div_scalar", [3]),
                      ("div_scalar", [1e-40]), ("div_scalar", [0]), ("div_scalar", [-INF]), ("div_scalar", [NAN]),
                      ("pow", [0]), ("pow", [1]), ("pow", [2]), ("pow", [3]), ("pow", [-1]),
                      ("pow", [2.5]), ("leaky_relu", [0.25]), ("leaky_relu", [0]), ("elu", [1]), ("elu", [1.25]),
                      ("clamp", [-1, 1.5]), ("clamp", [1.5, -1]), ("clamp", [NAN, 1]), ("clamp", [-1, NAN]),
                      ("clamp", [-INF, INF]), ("clamp", [0, 0]), ("clamp", [INF, -INF])]:
            row(op, dtype, [x], p, g)
        for op in ("add", "sub", "mul", "div", "maximum", "minimum", "mse_loss"):
            row(op, dtype, [a, b], [], 1)
        for op in ("add", "sub", "mul", "div", "maximum", "minimum", "mse_loss"):
            for bad in (NAN, INF):
                row(op, dtype, [np.array([1.0, 2, 1, 0, NAN, 1]), np.array([2.0, 1, 1, 0, 1, NAN])], [], bad)


if __name__ == "__main__":
    {"edges": edges}[sys.argv[1]]()
