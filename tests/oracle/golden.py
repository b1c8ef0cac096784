"""The mechanism of the golden files: what PyTorch computes for a case, and how tests/golden/OP.safetensors holds it.

A file holds the cases of one op. Its arrays f32, f64, i64 and u8 hold the numbers of all cases, one after the other;
a case is a text in the metadata, which says in this order, with `;` between, what it takes from them:

    both 2.5 4        float32, float64, both, or any for operands that are integers; the bounds in either
    p 1 0.25          the numbers of the call, in the order in which tests/golden_ops.cpp reads them
    in f32 2x3        an operand: the array that holds it, its shape; `fixed` behind it: it has no gradient
    again 0           the same operand once more
    raises            the op refuses the call; nothing follows
    y f64 2x3 7.5     a result; the bound is in units in the last place of 7.5, or of each element without it
    g f32             the gradient that comes in at it
    d f64 12.5        the gradient of an operand; its bound is in units in the last place of 12.5
    wanted 0          PyTorch has other numbers here: the reason is the metadata's `wanted 0`

Real numbers lie in f32 where that loses nothing. The same numbers are then used in float64, so that both dtypes
compute from the same operands, and expect the same results, rounded.
"""
import json
import math
import struct
import zlib

import numpy as np
import torch

EPS = {"float32": 2.0**-23, "float64": 2.0**-52}
CODES = {"f64": np.float64, "i64": np.int64, "f32": np.float32, "u8": np.uint8}


class Fixed:
    """An operand without gradient: a buffer, or an option that is a tensor."""
    def __init__(self, values):
        self.values = values


class Case:
    """A call of an op, and what it gives: arrays of float64, int64 or uint8.

    inputs: numpy arrays, Fixed ones, or a number k for the k-th operand once more. g: the gradient of the results, a
    number to fill it with, or None to draw it. ulp: the bound in units in the last place, of both dtypes or of
    float32 and float64. close: bounds relative to the largest magnitude expected. Without either, see `finish`.
    dtypes: as in the file.
    """
    def __init__(self, op, inputs, p=(), g=None, ulp=None, close=None, dtypes="both"):
        self.op, self.dtypes, self.ulp, self.close = op, dtypes, ulp, close
        kind = np.float64 if dtypes == "float64" else np.float32
        self.inputs, self.x, self.fixed = [], [], []
        for value in inputs:
            if isinstance(value, int):
                self.inputs.append(value)
                continue
            self.fixed.append(isinstance(value, Fixed))
            a = np.asarray(value.values if isinstance(value, Fixed) else value)
            self.inputs.append(len(self.x))
            with np.errstate(over="ignore", under="ignore"):
                self.x.append(a.astype(kind).astype(np.float64) if a.dtype == np.float64 else a)
        with np.errstate(over="ignore"):
            self.p = [float(kind(v)) for v in p]
        self.wanted_g, self.kind = g, kind
        self.raises, self.y, self.g, self.d, self.scales, self.wanted = False, [], [], [], [], []

    def seed(self):
        shapes = [a.shape for a in self.x]
        return zlib.crc32(f"{self.op} {self.p} {shapes}".encode())

    def draw_g(self, shape, number):
        """Multiples of 1/4 from -2 to 2: sums of them are exact, asymmetric, and few are equal."""
        g = self.wanted_g
        if g is None:
            g = np.random.default_rng(self.seed() + number).integers(-8, 9, shape) / 4
        return np.broadcast_to(np.asarray(g, np.float64).astype(self.kind).astype(np.float64), shape).copy()

    def compute(self, fn, elementwise, moves, terms=None):
        """Fills y, g, d and scales from fn(operands, numbers), PyTorch's, and of `terms` the scales alone."""
        self.ulp = (0, 0) if moves else self.ulp
        scaled = not (self.ulp or self.close)
        leaves = [
            torch.tensor(a, requires_grad=a.dtype == np.float64 and not fixed) for a, fixed in zip(self.x, self.fixed)
        ]
        # Each use is an operand of its own, so that what cancels between them does not cancel in the scale.
        operands = [leaves[k].clone() for k in self.inputs]
        try:
            results = fn(operands, self.p)
        except (RuntimeError, IndexError, ValueError):
            self.raises = True
            return
        results = list(results) if isinstance(results, (list, tuple)) else [results]
        results = [y.to(torch.uint8) if y.dtype == torch.bool else y for y in results]
        self.y = [
            y.detach().numpy().astype(np.float64) if y.is_floating_point() else y.detach().numpy().copy()
            for y in results
        ]
        with_grad = [y for y in results if y.requires_grad]
        self.has_g = [y.requires_grad for y in results]
        self.g = [self.draw_g(y.shape, i) for i, y in enumerate(with_grad)]
        gs = [torch.tensor(g, dtype=y.dtype, requires_grad=True) for g, y in zip(self.g, with_grad)]
        wanted = [i for i, x in enumerate(operands) if x.requires_grad]
        grads = gradients(with_grad, operands, wanted, gs)
        variables = [operands[i] for i in wanted] + gs
        self.d, d_scales = [], []
        for k, leaf in enumerate(leaves):
            if not (leaf.requires_grad and with_grad):
                continue
            uses = [i for i, source in enumerate(self.inputs) if source == k]
            self.d.append(sum(grads[i].detach().double() for i in uses).numpy().copy())
            summed = not elementwise or len(uses) > 1 or any(leaf.shape != y.shape for y in results)
            d_scales.append(sum(scale(grads[i], variables) for i in uses) if scaled and summed else None)
        self.scales = [
            scale(y, variables) if scaled and not elementwise and y.is_floating_point() else None for y in results
        ] + d_scales
        y = terms(operands, self.p) if terms and scaled else None
        if y is not None:
            self.scales[0] += scale(y, variables)
            of_terms = gradients([y], operands, wanted, gs)
            for place, i in enumerate(wanted, len(results)):
                self.scales[place] += scale(of_terms[i], variables)

    def finish(self, elementwise):
        """Bounds and scales. Elementwise ops round a few times: 2.5 units in the last place, in float64 4, where
        PyTorch's own errors are as large. For others 4 and 8 roundings of the operands: what a sum of 16 products in
        any order keeps."""
        if self.ulp:
            self.bounds = self.ulp if isinstance(self.ulp, tuple) else (self.ulp, self.ulp)
        elif self.close:
            self.bounds = [self.close[0] / EPS["float32"], self.close[1] / EPS["float64"]]
            self.scales = [largest(a) if a.dtype == np.float64 else None for a in self.y + self.d]
        else:
            self.bounds = (2.5, 4) if elementwise else (4, 8)


def gradients(outputs, operands, wanted, gs):
    """For each operand; None for those that are not wanted."""
    grads = [None] * len(operands)
    if outputs:
        found = torch.autograd.grad(outputs, [operands[i] for i in wanted], gs, create_graph=True, allow_unused=True)
        for i, grad in zip(wanted, found):
            grads[i] = torch.zeros_like(operands[i]) if grad is None else grad
    return grads


def largest(a):
    finite = np.abs(a[np.isfinite(a)])
    return float(finite.max()) if finite.size else 0.0


def scale(result, variables):
    """How much an array changes at most, to first order, when each variable changes by as much as itself: the largest
    |r| + sum over v of |dr/dv| |v|. For a product of matrices that is the sum of the magnitudes of its terms, three
    times. An error of some roundings times this is one that rounding the operands could have made."""
    total = 0.0
    flat = result.reshape(-1)
    for i in range(flat.numel()):
        r = abs(flat[i].item())
        if not math.isfinite(r):
            continue
        if flat.requires_grad:
            for v, dv in zip(variables, torch.autograd.grad(flat[i], variables, retain_graph=True, allow_unused=True)):
                if dv is not None:
                    term = (dv * v).detach().abs()
                    r += term[torch.isfinite(term)].sum().item()
        total = max(total, r)
    assert math.isfinite(total)
    return total


# ---- the file


def number(v):
    return repr(int(v)) if math.isfinite(v) and v == int(v) and abs(v) < 1e15 and not (
        v == 0 and math.copysign(1, v) < 0) else repr(v)


class File:
    def __init__(self, op):
        self.op, self.parts, self.rows, self.reasons = op, {code: [] for code in CODES}, [], []

    def put(self, a):
        """Appends an array's numbers, and says where."""
        code = {np.dtype(np.int64): "i64", np.dtype(np.uint8): "u8"}.get(a.dtype)
        if not code:
            with np.errstate(over="ignore", under="ignore"):
                single = a.astype(np.float32)
            same = np.array_equal(single.astype(np.float64), a, equal_nan=True)
            code = "f32" if same else "f64"
        self.parts[code].append(a.reshape(-1).astype(CODES[code]))
        return code

    def add(self, case):
        out = [f"{case.dtypes} {case.bounds[0]:.4g} {case.bounds[1]:.4g}"]
        if case.p:
            out.append("p " + " ".join(map(number, case.p)))
        seen = 0
        for k in case.inputs:
            if k < seen:
                out.append(f"again {k}")
            else:
                out.append(f"in {self.put(case.x[k])} {shape(case.x[k])}" + " fixed" * case.fixed[k])
                seen += 1
        if case.raises:
            self.rows.append("; ".join(out + ["raises"]))
            return
        gs, scales = iter(case.g), iter(case.scales)
        for y, has_g in zip(case.y, case.has_g):
            out.append(f"y {self.put(y)} {shape(y)}{said(next(scales))}")
            if has_g:
                out.append(f"g {self.put(next(gs))}")
        out += [f"d {self.put(d)}{said(next(scales))}" for d in case.d]
        for reason in case.wanted:
            if reason not in self.reasons:
                self.reasons.append(reason)
            out.append(f"wanted {self.reasons.index(reason)}")
        self.rows.append("; ".join(out))

    def write(self, folder):
        header, end, data = {}, 0, []
        header["__metadata__"] = {f"case {i:03}": row for i, row in enumerate(self.rows)}
        header["__metadata__"] |= {f"wanted {i}": reason for i, reason in enumerate(self.reasons)}
        for code, name in (("f64", "F64"), ("i64", "I64"), ("f32", "F32"), ("u8", "U8")):
            a = np.concatenate([np.zeros(0, CODES[code]), *self.parts[code]])
            header[code] = {"dtype": name, "shape": [a.size], "data_offsets": [end, end + a.nbytes]}
            data.append(a.tobytes())
            end += a.nbytes
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        (folder / f"{self.op}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))


def shape(a):
    return "x".join(map(str, a.shape)) if a.ndim else "scalar"


def said(scale):
    return "" if scale is None else f" {scale:.3g}"
