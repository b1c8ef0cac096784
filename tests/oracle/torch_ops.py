"""What each op of core/ops.h is in PyTorch: a function of (operands, numbers)."""
import math

import numpy as np
import torch
import torch.nn.functional as F

INF = math.inf
REDUCTIONS = ("none", "mean", "sum")
CASTS = (torch.float32, torch.float64, torch.uint8, torch.int64)


def axes_of(p):
    return [int(v) for v in p]


def ints(p):
    return [int(v) for v in p]


def along(fn):
    """A reduction with numbers keepdim, axis...; without axes over all."""
    return lambda x, p: fn(x[0], axes_of(p[1:]) or list(range(x[0].dim())), bool(p[0]))


def extremum(op, sign):
    """As torch.max(x): where a result is NaN its gradient goes to the elements that are. torch.amax gives it to all."""
    def fn(x, axes, keep):
        if not x.is_floating_point():
            return op(x, axes, keep)
        nan = torch.isnan(x)
        rest = op(torch.where(nan, -sign * INF, x), axes, keep)
        count = nan.sum(axes, keep)
        mean = torch.where(nan, x, 0.0).sum(axes, keep) / count.clamp(min=1)
        return torch.where(count > 0, mean, rest)

    return along(fn)


def truth(fn):
    """torch.all and torch.any over several axes, one after the other."""
    def over(x, axes, keep):
        y = x != 0
        for axis in sorted((a % max(x.dim(), 1) for a in axes), reverse=True):
            y = fn(y, axis, keep)
        return y

    return along(over)


def softplus(x):
    return F.softplus(x, threshold=700)  # log(1 + exp(x)), also where PyTorch writes x by default


def reduced(y, p):
    return {0: y, 1: y.mean(), 2: y.sum()}[int(p[0]) if p else 0]


def loss(fn):
    """A loss of operands that broadcast, with the numbers reduction, ...; without numbers, of each element."""
    return lambda x, p: fn(*torch.broadcast_tensors(*x[:2]), REDUCTIONS[int(p[0]) if p else 0], *x[2:], *p[1:])


def kl(x, p):
    if len(x) == 2:
        return reduced(0.5 * (x[0] * x[0] + (torch.expm1(x[1]) - x[1])), p)
    d, v = x[0] - x[2], x[1] - x[3]
    return reduced(0.5 * (d * d * torch.exp(-x[3]) + torch.expm1(v) - v), p)


def cross_entropy(x, p):
    more = {}
    if len(p) > 1:
        more = {"weight": x[2] if p[1] else None, "label_smoothing": p[3]}
        if not math.isnan(p[2]):
            more["ignore_index"] = int(p[2])
    return F.cross_entropy(x[0], x[1], reduction=REDUCTIONS[int(p[0])], **more)


def pad(x, p):
    """Numbers: mode (0 zeros, 1 reflect, 2 replicate, 3 a value), the value, before each axis, after each."""
    mode, value, sizes, x = ("constant", "reflect", "replicate", "constant")[int(p[0])], p[1], ints(p[2:]), x[0]
    n = len(sizes) // 2
    for axis in range(n):  # one axis at a time, which PyTorch has for every mode
        if sizes[axis] == sizes[n + axis] == 0:
            continue
        last = x.movedim(axis, -1)
        rows = last.reshape(1, math.prod(last.shape[:-1]), last.shape[-1])
        more = {"value": value if p[0] == 3 else 0.0} if mode == "constant" else {}
        rows = F.pad(rows, (sizes[axis], sizes[n + axis]), mode=mode, **more)
        x = rows.reshape(*last.shape[:-1], rows.shape[-1]).movedim(-1, axis)
    return x


def slice_(x, p):
    axis, begin, end, step = ints(p)
    index = [slice(None)] * x[0].dim()
    index[axis] = slice(begin, end, step)
    return x[0][tuple(index)]


def split(x, p):
    """Numbers: axis, 0 and a size or 1 and the sizes."""
    return torch.split(x[0], int(p[2]) if p[1] == 0 else ints(p[2:]), int(p[0]))


def conv(fn):
    """Numbers: for each dimension the stride, then the paddings, the dilations; groups."""
    def run(x, p):
        n, p = (len(p) - 1) // 3, ints(p)
        return fn(x[0], x[1], x[2] if len(x) > 2 else None, p[:n], p[n:2 * n], p[2 * n:3 * n], p[-1])

    return run


def conv_transpose(fn):
    """The same with output paddings in front of the dilations."""
    def run(x, p):
        n, p = (len(p) - 1) // 4, ints(p)
        return fn(x[0], x[1], x[2] if len(x) > 2 else None, p[:n], p[n:2 * n], p[2 * n:3 * n], p[-1], p[3 * n:4 * n])

    return run


def batch_norm(x, p):
    """Numbers: momentum, eps, and whether there is training, a weight and a bias, running statistics."""
    momentum, eps, training, affine, running = p
    rest = list(x[1:])
    weight, bias = (rest.pop(0), rest.pop(0)) if affine else (None, None)
    mean, var = [t.clone() for t in rest] if running else (None, None)
    y = F.batch_norm(x[0], mean, var, weight, bias, bool(training), momentum, eps)
    return [y, mean, var] if running else y


def layer_norm(x, p):
    """Numbers: eps, over how many dimensions."""
    weight, bias = (*x[1:], None, None)[:2]
    return F.layer_norm(x[0], list(x[0].shape[x[0].dim() - int(p[1]):]), weight, bias, p[0])


def with_constant(x, axes, eps, weight, bias):
    """Normalised by a mean and a variance that are taken for constants."""
    mean, var = x.mean(axes, True).detach(), x.var(axes, correction=0, keepdim=True).detach()
    return (x - mean) / torch.sqrt(var + eps) * weight + bias


def constant_batch(x, p):
    if not p[2]:
        return None
    shape = [1, -1] + [1] * (x[0].dim() - 2)
    weight, bias = (x[1].reshape(shape), x[2].reshape(shape)) if p[3] else (1.0, 0.0)
    return with_constant(x[0], [0, *range(2, x[0].dim())], p[1], weight, bias)


def constant_layer(x, p):
    weight, bias = (*x[1:], *(1.0, 0.0)[len(x) - 1:])[:2]
    return with_constant(x[0], list(range(-int(p[1]), 0)), p[0], weight, bias)


def linear(x, p):
    y = F.linear(*x)
    return (y, F.relu(y), torch.sigmoid(y), torch.tanh(y))[int(p[0])]


def upsample(x, p):
    """Numbers: 0 nearest or 1 bilinear, 0 a scale or 1 a size, two of them."""
    how = {"size": ints(p[2:])} if p[1] else {"scale_factor": ints(p[2:])}
    return F.interpolate(x[0], mode="bilinear", align_corners=False, **how) if p[0] else F.interpolate(
        x[0], mode="nearest", **how)


def clamp(x, p):
    """Numbers: both bounds; a third says that there is but the lower (1) or the upper one (2)."""
    which, p = p[2] if len(p) > 2 else 0, p if x[0].is_floating_point() else ints(p)
    return torch.clamp(x[0], p[0] if which != 2 else None, p[1] if which != 1 else None)


def unary(fn):
    return lambda x, p: fn(x[0])


def binary(fn):
    return lambda x, p: fn(x[0], x[1])


def of_pairs(fn):
    """PyTorch's pooling: numbers kernel, stride, padding."""
    return lambda x, p: fn(x[0], ints(p[0:2]), ints(p[2:4]), ints(p[4:6]))


ONE = {
    "neg": torch.neg,
    "square": torch.square,
    "sqrt": torch.sqrt,
    "exp": torch.exp,
    "log": torch.log,
    "log1p": torch.log1p,
    "sin": torch.sin,
    "cos": torch.cos,
    "abs": torch.abs,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "silu": F.silu,
    "gelu": F.gelu,
    "sign": torch.sign,
    "round": torch.round,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "trunc": torch.trunc,
    "expm1": torch.expm1,
    "erf": torch.erf,
    "lgamma": torch.lgamma,
    "log_sigmoid": F.logsigmoid,
}
TWO = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}
COMPARE = {
    "eq": torch.eq,
    "ne": torch.ne,
    "lt": torch.lt,
    "le": torch.le,
    "gt": torch.gt,
    "ge": torch.ge,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
}
WITH_NUMBERS = {
    "add_scalar": lambda x, p: x[0] + p[0],
    "mul_scalar": lambda x, p: x[0] * p[0],
    "div_scalar": lambda x, p: x[0] / p[0],
    "pow": lambda x, p: torch.pow(x[0], *(x[1:] or p)),
    "leaky_relu": lambda x, p: F.leaky_relu(x[0], p[0]),
    "elu": lambda x, p: F.elu(x[0], p[0]),
    "clamp": clamp,
}
ELEMENTWISE = {*ONE, *TWO, *WITH_NUMBERS}
# Elements change places, and gradients that come in are multiples of 1/4, whose sums are exact.
MOVES = {
    "where", "cast", "clone", "reshape", "flatten", "expand", "unsqueeze", "squeeze", "transpose", "permute", "concatenate",
    "stack", "split", "chunk", "repeat", "masked_fill", "tril", "triu", "slice", "index_select", "one_hot", "pad",
    "gather", "flip", "max_pool2d", "topk"
}
TORCH = {
    **{name: unary(fn)
       for name, fn in ONE.items()},
    **{name: binary(fn)
       for name, fn in (TWO | COMPARE).items()},
    **WITH_NUMBERS,
    "logical_not": unary(torch.logical_not),
    "isnan": unary(torch.isnan),
    "isfinite": unary(torch.isfinite),
    "where": lambda x, p: torch.where(x[0] != 0, x[1], x[2]),
    "cast": lambda x, p: x[0].to(CASTS[int(p[0])]),
    # reductions: keepdim and axes, behind what else there is
    "sum": along(lambda x, axes, keep: x.sum(axes, keep)),
    "mean": along(lambda x, axes, keep: x.mean(axes, keep)),
    "var": lambda x, p: torch.var(x[0], axes_of(p[2:]) or None, correction=p[0], keepdim=bool(p[1])),
    "std": lambda x, p: torch.std(x[0], axes_of(p[2:]) or None, correction=p[0], keepdim=bool(p[1])),
    "norm": lambda x, p: torch.linalg.vector_norm(x[0], p[0],
                                                  axes_of(p[2:]) or None, bool(p[1])),
    "max": extremum(torch.amax, 1),
    "min": extremum(torch.amin, -1),
    "logsumexp": along(torch.logsumexp),
    "all": truth(torch.all),
    "any": truth(torch.any),
    "argmax": lambda x, p: torch.argmax(x[0], int(p[1]), bool(p[0])),
    "argmin": lambda x, p: torch.argmin(x[0], int(p[1]), bool(p[0])),
    "softmax": lambda x, p: F.softmax(x[0], int(p[0])),
    "log_softmax": lambda x, p: F.log_softmax(x[0], int(p[0])),
    # contractions
    "matmul": binary(torch.matmul),
    "linear": linear,
    "conv2d": conv(F.conv2d),
    "conv1d": conv(F.conv1d),
    "conv_transpose2d": conv_transpose(F.conv_transpose2d),
    "conv_transpose1d": conv_transpose(F.conv_transpose1d),
    # shape
    "reshape": lambda x, p: x[0].reshape(ints(p)),
    "clone": lambda x, p: x[0].clone(),
    "flatten": lambda x, p: torch.flatten(x[0], int(p[0])),
    "expand": lambda x, p: x[0].expand(ints(p)),
    "unsqueeze": lambda x, p: x[0].unsqueeze(int(p[0])),
    "squeeze": lambda x, p: x[0].squeeze(ints(p)) if p else x[0].squeeze(),
    "transpose": lambda x, p: x[0].transpose(*ints(p)),
    "permute": lambda x, p: x[0].permute(ints(p)),
    "concatenate": lambda x, p: torch.cat(x, int(p[0])),
    "stack": lambda x, p: torch.stack(x, int(p[0])),
    "split": split,
    "chunk": lambda x, p: torch.chunk(x[0], int(p[1]), int(p[0])),
    "repeat": lambda x, p: x[0].repeat(ints(p)),
    "masked_fill": lambda x, p: torch.where(x[1] != 0, x[2] if len(x) > 2 else torch.tensor(p[0]).to(x[0].dtype), x[0]),
    "tril": lambda x, p: torch.tril(x[0], int(p[0])),
    "triu": lambda x, p: torch.triu(x[0], int(p[0])),
    "slice": slice_,
    "index_select": lambda x, p: torch.index_select(x[0], int(p[0]), x[1]),
    "one_hot": lambda x, p: F.one_hot(x[0], int(p[0])).double(),
    "pad": pad,
    "gather": lambda x, p: torch.gather(x[0], int(p[0]), x[1]),
    "scatter_add": lambda x, p: torch.scatter_add(x[0], int(p[0]), x[1], x[2]),
    "cumsum": lambda x, p: torch.cumsum(x[0], int(p[0])),
    "topk": lambda x, p: torch.topk(x[0], int(p[0]), int(p[1]), bool(p[2])),
    "flip": lambda x, p: torch.flip(x[0],
                                    ints(p) or list(range(x[0].dim()))),
    # pictures
    "max_pool2d": of_pairs(F.max_pool2d),
    "avg_pool2d": of_pairs(F.avg_pool2d),
    "upsample": upsample,
    # normalisation
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    # losses: reduction, and what else there is
    "mse_loss": loss(lambda a, b, how: F.mse_loss(a, b, reduction=how)),
    "l1_loss": loss(lambda a, b, how: F.l1_loss(a, b, reduction=how)),
    "huber_loss": loss(lambda a, b, how, delta: F.huber_loss(a, b, reduction=how, delta=delta)),
    "binary_cross_entropy": loss(lambda a, b, how: F.binary_cross_entropy(a, b, reduction=how)),
    "binary_cross_entropy_with_logits": loss(
        lambda a, b, how, weight=None: F.binary_cross_entropy_with_logits(a, b, reduction=how, pos_weight=weight)),
    "cross_entropy": cross_entropy,
    "gaussian_kl": kl,
    # densities
    "gaussian_log_prob": lambda x, p: torch.distributions.Normal(x[1], torch.exp(x[2] / 2), False).log_prob(x[0]),
    "bernoulli_log_prob": lambda x, p: torch.distributions.Bernoulli(logits=x[1], validate_args=False).log_prob(x[0]),
    "logistic_log_prob": lambda x, p: (lambda z: -z - x[2] - 2 * softplus(-z))((x[0] - x[1]) * torch.exp(-x[2])),
    "student_t_log_prob": lambda x, p: torch.distributions.StudentT(p[0], x[1], torch.exp(x[2]), False).log_prob(x[0]),
    "categorical_log_prob": lambda x, p: F.log_softmax(x[1], -1).gather(-1, x[0][..., None])[..., 0],
}
# Where large terms leave a small rest whatever the operands, the same function with what makes them cancel taken for
# constant: its scale, that of the terms, is added. A gradient through a normalisation has no part along its output.
TERMS = {"batch_norm": constant_batch, "layer_norm": constant_layer}
