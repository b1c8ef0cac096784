#!/usr/bin/env python3
"""Writes tests/golden/OP.safetensors, which tests/test_op_oracle.cpp reads: PyTorch's ops and gradients.

    ops.py                  all of them; with names behind it, those ops alone
    ops.py --samples DIR    PyTorch's own samples of each op instead: ELBO_GOLDEN=DIR elbo_tests '[oracle]'

Expected values are PyTorch's in float64 for the very operands. Where a difference from them is wanted, differences.py
has the reason. golden.py says what the files hold. A new op is a line in torch_ops.py, what it is in PyTorch, a line
in cases.py, its operands, and one in tests/golden_ops.cpp, how it is called. Needs PyTorch and mpmath; the samples
need expecttest and pytest too. The tests themselves do not run this.
"""
import argparse
import pathlib
import sys
import warnings

import torch

from cases import CASES
from differences import DIFFERENCES
from edges import edges
from golden import File
from torch_ops import ELEMENTWISE, MOVES, TERMS, TORCH

torch.set_num_threads(1)
warnings.filterwarnings("ignore", "var|std")  # of one element: NaN, which is a case
torch.set_default_dtype(torch.float64)


def write(folder, op, cases):
    file, elementwise, unmet = File(op), op in ELEMENTWISE, [d for d in DIFFERENCES if op in d.ops]
    for case in cases:
        case.compute(TORCH[op], elementwise, op in MOVES, TERMS.get(op))
        for difference in [] if case.raises or case.dtypes == "any" else [d for d in DIFFERENCES if op in d.ops]:
            if difference.apply(case):
                case.wanted.append(difference.reason)
                unmet = [d for d in unmet if d is not difference]
        case.finish(elementwise)
        file.add(case)
    file.write(folder)
    return [f"{op}: no case shows that {difference.reason}" for difference in unmet]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("ops", nargs="*")
    parser.add_argument("--samples", type=pathlib.Path)
    args = parser.parse_args()
    if args.samples:
        from samples import samples

        args.samples.mkdir(exist_ok=True)
        for op, cases in samples().items():
            write(args.samples, op, cases)
    else:
        golden = pathlib.Path(__file__).resolve().parent.parent / "golden"
        golden.mkdir(exist_ok=True)
        gone = [text for op in args.ops or CASES for text in write(golden, op, [*CASES[op](op), *edges(op)])]
        sys.exit("\n".join(gone) or 0)  # a difference that is no more must not stay in the list
