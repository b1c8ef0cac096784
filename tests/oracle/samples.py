"""PyTorch's own samples of each op, as cases: far more than are kept, to run by hand."""
import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db

from golden import Case
from torch_ops import ONE, REDUCTIONS, TERMS, TORCH, TWO

ALIASES = {"amax": "max", "amin": "min", "cat": "concatenate"}
LOSSES = ("binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss")


def adapted(name, sample):
    """A sample of PyTorch's as (op, inputs, numbers); None where elbo has no such form."""
    x, args, kw = sample.input, list(sample.args), dict(sample.kwargs)
    op = ALIASES.get(name, name)
    if op in ONE:
        return None if args or kw else (op, [x], [])
    if op in TWO:
        if kw or len(args) != 1:
            return None
        if isinstance(args[0], (int, float)) and not isinstance(args[0], bool):
            scalar = {"add": "add_scalar", "mul": "mul_scalar", "div": "div_scalar"}.get(op)
            return (scalar, [x], [args[0]]) if scalar else None
        return (op, [x, args[0]], [])
    if op in LOSSES:
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
        return None if kw else (op, [x], [int(keep), *dims])
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
        return (op, operands, [0] * (op == "linear")) if len(operands) == 2 + (op == "linear") else None
    if op == "layer_norm":
        full = len(args) == 3 and all(a is not None for a in args[1:]) and kw.get("eps", 1) >= 0
        return (op, [x, args[1], args[2]], [kw.get("eps", 1e-5), args[1].dim()]) if full else None
    if op == "cross_entropy":
        plain = set(kw) <= {"reduction"} and x.dim() == 2 and args[0].dtype == torch.int64
        return (op, [x, args[0]], [REDUCTIONS.index(kw.get("reduction", "mean"))]) if plain else None
    return None


def samples():
    """By op."""
    cases = {}
    for info in op_db:
        name = info.name.removeprefix("nn.functional.")
        if ALIASES.get(name, name) not in TORCH or info.variant_test_name not in ("", "no_rounding_mode", "exponent"):
            continue
        for dtype, kind in (("float32", torch.float32), ("float64", torch.float64)):
            for sample in info.sample_inputs("cpu", kind):
                found = adapted(name, sample)
                if not found or any(not isinstance(t, torch.Tensor) or t.dim() > 8 or t.is_complex() for t in found[1]):
                    continue
                op, inputs, p = found
                if any(t.is_floating_point() and t.dtype != kind or t.dtype == torch.bool for t in inputs):
                    continue
                arrays = [t.detach().double() if t.is_floating_point() else t.detach() for t in inputs]
                close = None if op in TERMS else (1e-5, 1e-11)  # PyTorch's own numbers cancel there
                case = Case(op, [a.numpy() for a in arrays], p, close=close, dtypes=dtype)
                cases.setdefault(op, []).append(case)
    return cases
