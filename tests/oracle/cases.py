"""The cases of the golden files: for each op at least 20 in either float type. CASES has a line for each."""
import numpy as np

import cases_shape
from draws import EIGHT, FAR, INF, NAN, ODD, PAIRS, SHAPES, Draw
from golden import Case, Fixed
from torch_ops import COMPARE, ONE, TWO


def unary(op, p=((),), lo=-3.0, hi=3.0, **more):
    """Every shape, numbers that are odd, and what float64 alone has; the numbers p of the op in turn."""
    draw = Draw(op)
    for i, s in enumerate(SHAPES):
        yield Case(op, [draw.real(s, lo, hi)], p[i % len(p)], **more)
    for i, s in enumerate([(8,), (2, 4), (1, 8, 1)]):
        yield Case(op, [np.array(ODD).reshape(s)], p[i % len(p)], (1.0, NAN, None)[i], **more)
    yield Case(op, [draw.mixed(EIGHT, lo, hi)], p[-1], **more)
    for numbers in p[:2]:
        yield Case(op, [np.array(FAR)], numbers, 1.0, dtypes="float64", **more)


def whole(op, fn, p=(), operands=1):
    """What `fn` gives, and the op of integers: small ones, and those at the ends of their range, where results wrap around."""
    yield from fn(op)
    draw = Draw(op + " integers")
    for kind in (np.int64, np.uint8):
        ends = np.array([np.iinfo(kind).max, np.iinfo(kind).min, 1, 0], kind)
        yield Case(op, [draw.whole((2, 3), 0, 9, kind) for _ in range(operands)], p, dtypes="any")
        yield Case(op, [ends, np.roll(ends, 1)][:operands], p, dtypes="any")


def grid(values):
    return [v.reshape(-1) for v in np.meshgrid(np.array(values), np.array(values))]


def binary(op, lo=-3.0, hi=3.0, p=((),), b=None, whole=False, twice=ODD, **more):
    """Operands that broadcast either way, the same one twice, odd numbers, and what float64 alone has."""
    draw, b_range = Draw(op), b or (lo, hi)
    real = (lambda s, low, high: draw.whole(s, low, high)) if whole else draw.real
    for i, (s, t) in enumerate(PAIRS):
        yield Case(op, [real(s, lo, hi), real(t, *b_range)], p[i % len(p)], **more)
    if b is None:
        yield Case(op, [draw.real((4,), lo, hi), 0], p[0], **more)
        yield Case(op, [draw.real((), lo, hi), 0], p[-1], **more)
        yield Case(op, [np.array(twice), 0], p[0], **more)


def arithmetic(op, **more):
    draw = Draw(op + " odd")
    yield from binary(op, **more)
    yield Case(op, [draw.mixed((2, 4)), draw.mixed((4,))])
    yield Case(op, grid([0.0, -0.0, INF, -INF, NAN, 1.5]), g=1.0)
    yield Case(op, [np.array(FAR), np.roll(FAR, 1)], g=1.0, dtypes="float64")


def power(op):
    """Of a number, then of operands that broadcast."""
    yield from unary(op, [(2.5,), (2.0,), (-1.0,), (0.3,), (0.0,), (3.0,)], 0.1, 4)
    draw = Draw(op + " of two")
    for s, t in PAIRS:
        yield Case(op, [draw.real(s, 0.1, 4), draw.real(t, -3, 3)])
    yield Case(op, [draw.real((4,), 0.1, 3), 0])
    yield Case(op, [draw.mixed((2, 4)), draw.whole((4,), -3, 3)])
    yield Case(op, grid([0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, 2.0, -1.5]), g=1.0)


def comparison(op):
    yield from binary(op, -1, 1, whole=True)
    yield Case(op, grid([0.0, -0.0, INF, -INF, NAN, 1e-45, -1.0]))
    yield Case(op, [np.array(FAR), np.roll(FAR, 1)], dtypes="float64")
    draw = Draw(op + " integers")
    for kind in (np.int64, np.uint8):
        yield Case(op, [draw.whole((2, 3), 0, 2, kind), draw.whole((3,), 0, 2, kind)], dtypes="any")


def clamp(op):
    yield from unary(op, [(-1.1, 1.7), (-0.5, 0.0, 1), (0.0, 0.75, 2), (0.5, -0.5)])


def steps(op):
    """Halves, of which the even neighbour is nearest, numbers close to them, and those that are whole in any case."""
    yield from unary(op)
    yield Case(op, [np.array([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997, 8388609.0, 1e10, -0.3])])
    yield Case(op, [np.array([4503599627370497.5, 0.49999999999999994, 2.0**53 + 2])], dtypes="float64")


def where(op):
    draw = Draw(op)
    mask = lambda s: draw.whole(s, 0, 1, np.uint8)
    for i, (s, t) in enumerate(PAIRS):
        for c in ((s, t, np.broadcast_shapes(s, t))[i % 3],):
            yield Case(op, [mask(c), draw.real(s), draw.real(t)])
    yield Case(op, [mask((2, 1, 1)), draw.real((3, 1)), draw.real((2,))])
    yield Case(op, [mask((3,)), draw.real((3,)), 1])
    yield Case(op, [np.array([0, 1, 2, 255, 0, 1, 0, 1], np.uint8), np.array(ODD), np.roll(ODD, 3)], g=INF)
    yield Case(op, [mask((8,)), np.array(FAR), np.roll(FAR, 1)], dtypes="float64")
    yield Case(op, [mask((3,)), draw.whole((2, 3), -9, 9, np.int64), draw.whole((3,), -9, 9, np.int64)], dtypes="any")


def logical_not(op):
    yield from unary(op)
    for kind in (np.int64, np.uint8):
        yield Case(op, [Draw(op).whole((2, 3), 0, 2, kind)], dtypes="any")


def cast(op):
    draw = Draw(op)
    for i, s in enumerate(SHAPES):
        to = i % 4
        yield Case(op, [draw.real(s, 0 if to == 2 else -3, 200 if to == 2 else 3)], [to])
    for to in (0, 1):
        yield Case(op, [np.array(ODD)], [to])
        yield Case(op, [np.array(FAR)], [to], 1.0, dtypes="float64")
        yield Case(op, [np.array([1 / 3, -1e-8, 16777217.0, 1e39, 3.4028236e38, 1 + 2.0**-24])], [to], dtypes="float64")
        yield Case(op, [draw.whole((2, 3), -9, 9, np.int64)], [to], dtypes="any")
        yield Case(op, [draw.whole((3,), 0, 255, np.uint8)], [to + 2], dtypes="any")
    yield Case(op, [np.array([0.9, -0.9, 2.5, -2.5, 1e9])], [3])


# ---- reductions: (shape, axes)
OVER = [((), ()), ((), (0,)), ((4,), ()), ((4,), (-1,)), ((1,), (0,)), ((2, 3), ()), ((2, 3), (0,)),
        ((2, 3), (1,)), ((2, 3), (-1,)), ((2, 3), (0, 1)), ((2, 3), (-1, -2)), ((2, 3, 2), (1,)),
        ((2, 3, 2), (0, 2)), ((1, 5, 1), (1,)), ((1, 5, 1), (0, 2)), ((3, 1), (1,)), (EIGHT, (0, 3, -1)),
        (EIGHT, (4,)), ((2, 7), (1,)), ((11,), ())]
NOTHING = [((0,), ()), ((0, 3), (0,)), ((2, 0), (1,)), ((3, 0, 2), (0, 2)), ((0, 3), (1,))]


def reduction(op, first=(), axes=OVER + NOTHING, whole=False, odd=True, one=False, must=False, tiny=1e-40):
    """first: what stands before keepdim and the axes, one for each case in turn. one: a single axis. must: axes are given.
    tiny: a number whose square, where the op takes it, float32 has."""
    draw, first = Draw(op), first or ((),)
    more = {"ulp": 1} if op in ("max", "min") else {}
    for i, (s, over) in enumerate(axes):
        if one and len(over) != 1 or must and not over:
            continue
        for keep in (0, 1) if one else (i % 2,):
            x = draw.whole(s, -2, 2) if whole else draw.real(s)
            yield Case(op, [x], [*first[i % len(first)], keep, *over], **more)
    for line in ([0.0, -0.0, tiny], [1.0, INF, -2.0], [-INF, 1.0, -INF], [NAN, 1.0, 2.0],
                 [INF, -INF, 3.0]) if odd else ():
        yield Case(op, [np.array(line)], [*first[0], 0, 0], **more)
    if odd:
        yield Case(op, [np.array(FAR[:4] + FAR[6:7])], [*first[0], 0, 0], dtypes="float64", **more)


def extremum(op):
    yield from reduction(op)
    yield from reduction(op, axes=OVER[5:9], whole=True, odd=False)  # ties


def truth(op):
    yield from reduction(op, whole=True)
    for kind in (np.int64, np.uint8):
        yield Case(op, [np.array([[0, 1, 1], [1, 1, 2]], kind)], [0, 1], dtypes="any")


def arg(op):
    yield from reduction(op, one=True)
    yield from reduction(op, one=True, whole=True, odd=False)


def norm(op):
    yield from reduction(op, [(2,), (1,), (INF,), (3,), (0.5,)], tiny=1e-15)
    for p in (1, 2, 3, 0.5, INF):
        yield Case(op, [np.array([[0.0, -0.0], [3.0, -3.0]])], [p, 0, 1])


def softmax(op):
    draw = Draw(op)
    for s, axis in [((), 0), ((), -1), ((1,), 0), ((4,), -1), ((2, 3), 0), ((2, 3), 1), ((2, 3), -2), ((2, 3, 2), 1),
                    ((3, 1), 1), ((1, 3), 0), ((0, 3), 1), ((2, 0), 1), (EIGHT, 3), (EIGHT, -1), ((7,), 0),
                    ((2, 5), 1), ((1,) * 8, 4), ((3, 2), -1), ((2, 2, 2), 0), ((13,), 0)]:
        yield Case(op, [draw.real(s)], [axis])
    yield Case(op, [np.array(FAR[:4] + [1e-200, 3.0])], [0], dtypes="float64")


def cumsum(op):
    yield from softmax(op)
    for line in ([1.0, INF, -INF, 2.0], [NAN, 1.0], [-0.0, 1e-40, -1e-40, -0.0]):
        yield Case(op, [np.array(line)], [0])


def topk(op):
    """Numbers: k, axis, whether the largest. No two elements are equal, of which PyTorch takes any."""
    draw = Draw(op)
    for i, (s, k, axis) in enumerate([((1,), 1, 0), ((4,), 2, -1), ((4,), 4, 0), ((4,), 0, 0), ((2, 3), 1, 0),
                                      ((2, 3), 2, 1), ((2, 3), 3, -1), ((3, 2, 2), 2, 0), ((2, 3, 2), 2, 1), ((), 1, 0),
                                      ((0, 3), 2, 1), ((2, 0), 0, 1), (EIGHT, 1, 3), (EIGHT, 2, -1), ((13,), 5, 0),
                                      ((1, 9), 4, 1), ((5, 1), 3, 0), ((2, 6), 4, 1), ((3, 4), 3, 0), ((7,), 6, -1)]):
        yield Case(op, [draw.real(s)], [k, axis, i % 2])
    for largest in (0, 1):
        yield Case(op, [np.array([NAN, 1.0, INF, -INF, 1e-40, -2.0])], [4, 0, largest])
        yield Case(op, [np.array(FAR)], [3, 0, largest], dtypes="float64")
        yield Case(op, [draw.real((3,))], [4, 0, largest])
        yield Case(op, [np.array([[3, 9, 5], [250, 0, 7]], np.uint8)], [2, 1, largest], dtypes="any")


# ---- contractions


def matmul(op):
    draw = Draw(op)
    for s, t in [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 2)), ((1, 1), (1, 1)), ((2, 0), (0, 3)),
                 ((0, 2), (2, 3)),
                 ((2, 3), (3, 0)), ((2, 2, 3), (3, 2)), ((2, 3), (2, 3, 2)), ((2, 1, 2, 2), (3, 2, 1)),
                 ((1, 2, 2), (3, 2, 2)), ((1, 2, 1, 1, 1, 1, 2, 2), (1, 1, 1, 2, 1, 1, 2, 1)), ((0,), (0,)),
                 ((4, 1), (1, 3)), ((1, 4), (4, 1)), ((2, 2, 2), (2,)), ((2,), (2, 2, 2)), ((0, 2, 2), (2, 2)),
                 ((1, 7), (7, 2)), ((1,), (1,))]:
        yield Case(op, [draw.real(s), draw.real(t)])
    yield Case(op, [draw.real((2, 2)), 0])
    yield Case(op, [draw.real((3,)), 0])
    yield Case(op, [np.array([[1.0, INF], [NAN, 2.0], [-0.0, 1e-40]]), np.array([[2.0, 0.0], [1.0, -1.0]])])
    yield Case(op, [np.array([[1e-310, 1e200]]), np.array([[2.0], [1e-200]])], dtypes="float64")


def linear(op):
    draw, i = Draw(op), 0
    for x, out in [((2, 3), 2), ((3,), 2), ((1, 1), 1), ((0, 3), 2), ((2, 0), 2), ((2, 3), 0), ((2, 2, 3), 2),
                   ((1, 2, 1, 1, 1, 1, 1, 3), 2), ((1, 7), 3), ((2, 1), 3), ((4, 2), 1)]:
        for bias in (False, True):
            yield Case(op, [draw.real(x), draw.real((out, x[-1])), *([draw.real((out,))] if bias else [])], [i % 4])
            i += 1
    for activation in range(4):
        yield Case(op,
                   [np.array([[1.0, INF], [NAN, 1.0], [-0.0, 1e-40]]),
                    draw.real(
                        (2, 2)), draw.real((2,))], [activation], 1.0)


def convolution(op, dims, transpose):
    """(channels in and out, picture, kernel, stride, padding, dilation, groups, batch)."""
    draw, i = Draw(op), 0
    for c, k, size, kernel, stride, padding, dilation, groups, n in [(1, 1, 3, 2, 1, 0, 1, 1, 1),
                                                                     (1, 1, 3, 1, 1, 0, 1, 1, 2),
                                                                     (2, 1, 3, 3, 1, 1, 1, 1, 1),
                                                                     (1, 2, 3, 2, 2, 0, 1, 1, 1),
                                                                     (2, 2, 3, 2, 1, 0, 1, 2, 1),
                                                                     (1, 1, 4, 2, 2, 1, 1, 1, 1),
                                                                     (1, 1, 4, 2, 1, 0, 2, 1, 1),
                                                                     (2, 4, 2, 1, 1, 0, 1, 2, 1),
                                                                     (1, 1, 1, 1, 1, 0, 1, 1, 1),
                                                                     (1, 1, 1, 3, 1, 1, 1, 1, 2),
                                                                     (1, 1, 3, 2, 3, 1, 1, 1, 0),
                                                                     (1, 1, 4, 3, 2, 2, 1, 1, 1)]:
        for bias in (False, True):
            sizes = (size, size - 1)[:dims] if size > 2 else (size,) * dims
            weight = (c, k // groups) if transpose else (k, c // groups)
            out = [0] * dims if i % 3 or max(stride, dilation) == 1 else [1] * dims
            p = [*([stride] * dims), *([padding] * dims), *(out if transpose else []), *([dilation] * dims), groups]
            x = [draw.real((n, c, *sizes)), draw.real((*weight, *([kernel] * dims)))]
            yield Case(op, x + ([draw.real((k,))] if bias else []), p)
            i += 1
    p = [*([1] * dims), *([0] * dims), *([0] * dims if transpose else []), *([1] * dims), 1]
    odd = np.array([1.0, INF, -2.0, NAN, -0.0, 1e-40])[:2 * 3**(dims - 1)].reshape(
        (1, 1, *((2, 3)[-dims:] if dims == 2 else (2,))))
    yield Case(op, [odd, draw.real((1, 1, *([1] * dims)))], p)


# ---- pictures

PICTURES = [((1, 1, 3, 3), 2, 2, 1, 1, 0, 0), ((1, 1, 4, 4), 2, 2, 2, 2, 0, 0), ((1, 2, 2, 3), 2, 2, 1, 1, 1, 1),
            ((2, 1, 3, 2), 1, 2, 1, 1, 0, 0), ((1, 1, 5, 4), 3, 2, 2, 1, 1, 0), ((1, 1, 1, 1), 1, 1, 1, 1, 0, 0),
            ((1, 1, 4, 3), 3, 3, 1, 1, 1, 1), ((0, 1, 2, 2), 2, 2, 1, 1, 0, 0), ((1, 3, 2, 2), 2, 2, 2, 2, 0, 0),
            ((1, 1, 4, 4), 2, 2, 3, 3, 0, 0), ((2, 2, 2, 2), 2, 1, 1, 2, 1, 0), ((1, 1, 2, 8), 1, 3, 1, 2, 0, 1)]


def pooling(op):
    draw = Draw(op)
    for picture, *p in PICTURES:
        yield Case(op, [draw.real(picture)], p)
        yield Case(op, [draw.whole(picture, -1, 1)], p)  # ties
    odd = np.array([1.0, INF, -2.0, NAN, -0.0, 0.0, -INF, 1e-40, 2.0]).reshape(1, 1, 3, 3)
    yield Case(op, [odd], PICTURES[0][1:])
    yield Case(op, [odd], PICTURES[2][1:], INF)
    yield Case(op, [np.array(FAR).reshape(1, 1, 2, 4)], PICTURES[0][1:], dtypes="float64")


def upsample(op):
    draw = Draw(op)
    for mode in (0, 1):
        for picture, sized, a, b in [((1, 1, 2, 2), 0, 2, 2), ((1, 1, 2, 3), 0, 1, 3), ((1, 2, 1, 2), 0, 2, 1),
                                     ((2, 1, 1, 1), 0, 2, 2), ((0, 1, 2, 2), 0, 2, 2), ((1, 1, 3, 2), 1, 5, 3),
                                     ((1, 1, 4, 4), 1, 2, 2), ((1, 1, 5, 3), 1, 3, 2), ((1, 1, 3, 3), 1, 3, 3),
                                     ((1, 1, 2, 2), 1, 1, 1), ((1, 1, 1, 7), 1, 1, 4)]:
            yield Case(op, [draw.real(picture)], [mode, sized, a, b])
        yield Case(op, [np.array([1.0, INF, -0.0, NAN]).reshape(1, 1, 2, 2)], [mode, 0, 2, 2])
        yield Case(op, [np.array(FAR[:4]).reshape(1, 1, 2, 2)], [mode, 0, 2, 1], dtypes="float64")


# ---- normalisation, losses, densities


def batch_norm(op):
    """Numbers: momentum, eps, training, affine, running statistics."""
    draw = Draw(op)
    for i, s in enumerate([(2, 2), (3, 1), (4, 2), (2, 2, 2), (2, 1, 3), (2, 2, 1, 2), (1, 2, 3), (2, 3, 0), (5, 1),
                           (2, 1, 2, 1, 1, 1, 1, 2)]):
        for training in (1, 0):
            affine, running = i % 3 != 2, not training or i % 2
            x = [draw.real(s)] + ([draw.real(s[1:2]), draw.real(s[1:2])] if affine else [])
            x += [Fixed(draw.real(s[1:2])), Fixed(draw.real(s[1:2], 0.5, 2))] if running else []
            yield Case(op, x, [(0.1, 0.5, 0, 1)[i % 4], (1e-5, 0.25)[i % 2], training, affine, running])
    for odd in ([1.0, INF, 2.0, 3.0], [NAN, 1.0, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0]):
        yield Case(op, [np.array(odd).reshape(2, 2)], [0.1, 1e-5, 1, 0, 0])


def layer_norm(op):
    draw = Draw(op)
    for i, (s, over) in enumerate([((2, 3), 1), ((2, 3), 2), ((4,), 1), ((1,), 1), ((3, 1), 1), ((2, 2, 3), 1),
                                   ((2, 2, 3), 2), ((0, 3), 1), ((1, 7), 1), (EIGHT, 1), (EIGHT, 5)]):
        for n in (0, 2):
            shape = s[len(s) - over:]
            yield Case(op, [draw.real(s), *[draw.real(shape) for _ in range(n)]], [(1e-5, 0.25)[i % 2], over])
    yield Case(op, [draw.real((2, 3)), draw.real((3,))], [1e-5, 1])
    for odd in ([1.0, INF, 2.0], [NAN, 1.0, 2.0], [1.0, 1.0, 1.0]):
        yield Case(op, [np.array([odd, [1.0, 2.0, 4.0]])], [1e-5, 1])


def pair_loss(op, p=((0,), (1,), (2,)), lo=-3.0, hi=3.0, b=None, odd=True):
    for case in binary(op, lo, hi, p, b):
        shapes = [x.shape for x in case.x]
        if np.broadcast_shapes(*shapes) in shapes:  # others are refused
            yield case
    draw = Draw(op + " more")
    for i, (s, t) in enumerate([((2, 2), (2, 1)), ((1, 4), (4,)), ((5,), (1,)), ((2, 1), (2, 3))]):
        yield Case(op, [draw.real(s, lo, hi), draw.real(t, *(b or (lo, hi)))], p[i % len(p)])
    for numbers in p:
        yield Case(op, [draw.real((2, 3), lo, hi), draw.real((2, 3), *(b or (lo, hi)))], numbers, 0.5)
    if odd:
        yield Case(op, [np.array(ODD), np.roll(ODD, 1)], p[0], 1.0)


def weighted_bce(op):
    yield from pair_loss(op, b=(0.0, 1.0), odd=False)
    draw = Draw(op + " weight")
    for i, (s, w) in enumerate([((2, 3), (3,)), ((2, 3), ()), ((4,), (1,)), ((2, 2), (2, 1))]):
        yield Case(op, [draw.real(s), draw.real(s, 0, 1), Fixed(draw.real(w, 0.25, 3))], [i % 3])


def cross_entropy(op):
    """Numbers: reduction, or also whether there is a weight, the label that is ignored (NaN: none), label_smoothing."""
    draw = Draw(op)
    for i, s in enumerate([(2, 3), (1, 4), (3, 1), (4, 2), (0, 3), (2, 3, 2), (1, 2, 2, 2), (2, 2, 0), (5, 3),
                           (1, 2, 1, 1, 2, 1, 1, 2)]):
        labels = draw.whole((s[0], *s[2:]), 0, s[1] - 1, np.int64)
        yield Case(op, [draw.real(s), labels], [i % 3])
        yield Case(op, [draw.real(s), labels, Fixed(draw.real((s[1],), 0.5, 2))], [(i + 1) % 3, 1, (NAN, 0)[i % 2],
                                                                                    (0, 0.125)[i // 2 % 2]])
        q = draw.real(s, 0.1, 1)
        yield Case(op, [draw.real(s), q], [(i + 2) % 3])
    yield Case(op, [draw.real((3, 3)), np.array([0, -100, 2])], [1, 0, -100, 0])
    yield Case(op, [draw.real((2, 3)), np.array([1, 1])], [0, 0, 1, 0.25])
    yield Case(op, [draw.real((2, 3)), np.array([0, 3])], [1])
    yield Case(op, [draw.real((2, 3)), draw.real((2, 3), 0, 1)], [1, 0, NAN, 0.5])


def density(op, ranges, p=((),)):
    """Operands from these ranges that broadcast in every way."""
    draw, n = Draw(op), len(ranges)
    for i, (s, t) in enumerate(PAIRS):
        yield Case(op, [draw.real((s, t, t, s)[(i + k) % 4], *ranges[k]) for k in range(n)], p[i % len(p)])
    for i, s in enumerate([(2, 3), (7,), EIGHT]):
        yield Case(op, [draw.real(s, *ranges[k]) for k in range(n)], p[i % len(p)])


def categorical(op):
    draw = Draw(op)
    for s, c in [((2,), 3), ((), 2), ((1,), 1), ((0,), 3), ((2, 2), 2), ((3,), 4), ((1, 3), 2),
                 ((2, 1, 1, 1, 1, 1, 2), 2), ((4,), 1), ((5,), 2)]:
        for scale in (3.0,
                      8.0):  # further out PyTorch's 1 - p has no digits left; cross_entropy has exact numbers there
            yield Case(op, [draw.whole(s, 0, c - 1, np.int64), draw.real((*s, c), -scale, scale)])
    yield Case(op, [np.array([0, 1]), np.array([[0.0, -INF], [0.0, -INF]])], g=1.0)
    yield Case(op, [np.array([0, 1]), np.array([[NAN, 0.0], [INF, 0.0]])], g=1.0)
    yield Case(op, [np.array([2]), np.array([[1.0, 0.0]])])


FREE, LOG = (-3.0, 3.0), (-2.0, 2.0)
CASES = {
    **{op: unary
       for op in ONE},
    **{op: lambda op: whole(op, unary)
       for op in ("neg", "square", "abs")},
    # In float64 gelu's tail is the platform's erfc of a rounded argument: 13 digits.
    "gelu": lambda op: unary(op, ulp=(2.5, 1000)),
    "silu": lambda op: unary(op, ulp=(2.5, 8)),
    # In float64 the derivative is a sum of terms of about 1, of which 0.01 is left near its zero at 1.46: 4 of their units.
    "lgamma": lambda op: unary(op, ulp=(2.5, 256)),
    **{op: steps
       for op in ("sign", "round", "floor", "ceil", "trunc")},
    "sqrt": lambda op: unary(op, lo=0.01, hi=9),
    "log": lambda op: unary(op, lo=0.01, hi=9),
    "log1p": lambda op: unary(op, lo=-0.9, hi=9),
    "add_scalar": lambda op: unary(op, [(1.5,), (-0.25,), (INF,), (1e-40,)]),
    "mul_scalar": lambda op: unary(op, [(-2.5,), (0.3,), (0.0,), (INF,)]),
    "div_scalar": lambda op: unary(op, [(-2.5,), (0.3,), (0.0,), (INF,)]),
    "pow": power,
    "leaky_relu": lambda op: unary(op, [(0.01,), (0.25,), (0.0,)]),
    "elu": lambda op: unary(op, [(1.0,), (1.25,), (0.1,)]),
    "clamp": lambda op: whole(op, clamp, [2, 7]),
    **{op: lambda op: whole(op, arithmetic, operands=2)
       for op in TWO},
    "div": lambda op: arithmetic(op, twice=[1.5, -0.0, INF, -INF, NAN]),  # 1 / 1e-40 is beyond float32
    **{op: comparison
       for op in COMPARE},
    "where": where,
    "logical_not": logical_not,
    "isnan": logical_not,
    "isfinite": logical_not,
    "cast": cast,
    "sum": lambda op: whole(op, reduction, [0]),
    "mean": reduction,
    "max": lambda op: whole(op, extremum, [0, 0]),
    "min": lambda op: whole(op, extremum, [0, 0]),
    "all": truth,
    "any": truth,
    "var": lambda op: reduction(op, [(1,), (0,), (0.5,)], tiny=1e-15),
    "std": lambda op: reduction(op, [(1,), (0,), (0.5,)], tiny=1e-15),
    "norm": norm,
    "logsumexp": lambda op: reduction(op, must=True),
    "argmax": lambda op: whole(op, arg, [0, 0]),
    "argmin": lambda op: whole(op, arg, [0, 0]),
    "softmax": softmax,
    "log_softmax": softmax,
    "cumsum": cumsum,
    "topk": topk,
    "matmul": matmul,
    "linear": linear,
    "conv2d": lambda op: convolution(op, 2, False),
    "conv1d": lambda op: convolution(op, 1, False),
    "conv_transpose2d": lambda op: convolution(op, 2, True),
    "conv_transpose1d": lambda op: convolution(op, 1, True),
    **{
        op: cases_shape.views
        for op in ("clone", "reshape", "flatten", "expand", "unsqueeze", "squeeze", "transpose", "permute", "repeat", "tril", "triu",
                   "slice", "flip")
    },
    "split": cases_shape.parts,
    "chunk": cases_shape.parts,
    "concatenate": cases_shape.joined,
    "stack": cases_shape.joined,
    "masked_fill": cases_shape.masked_fill,
    "index_select": cases_shape.index_select,
    "one_hot": cases_shape.one_hot,
    "pad": cases_shape.pad,
    "gather": cases_shape.gather,
    "scatter_add": cases_shape.gather,
    "max_pool2d": pooling,
    "avg_pool2d": pooling,
    "upsample": upsample,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "mse_loss": pair_loss,
    "l1_loss": pair_loss,
    "huber_loss": lambda op: pair_loss(op, [(0, 1.0), (1, 0.5), (2, 2.0)]),
    "binary_cross_entropy": lambda op: pair_loss(op, lo=0.0, hi=1.0, b=(0.0, 1.0), odd=False),
    "binary_cross_entropy_with_logits": weighted_bce,
    "cross_entropy": cross_entropy,
    "gaussian_kl": lambda op: [*pair_loss(op), *density(op, [FREE, LOG, FREE, LOG], [(0,), (1,), (2,)])],
    "gaussian_log_prob": lambda op: density(op, [FREE, FREE, LOG]),
    "bernoulli_log_prob": lambda op: density(op, [(0.0, 1.0), FREE]),
    "logistic_log_prob": lambda op: density(op, [FREE, FREE, LOG]),
    "student_t_log_prob": lambda op: density(op, [FREE, FREE, LOG], [(3.0,), (1.0,), (0.5,), (30.0,)]),
    "categorical_log_prob": categorical,
}
