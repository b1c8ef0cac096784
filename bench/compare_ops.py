#!/usr/bin/env python3
"""Our single ops beside PyTorch's on the same shapes: forward, and forward with backward, in turns (A B A B ...).

The rows are those of bench/op_rows.cpp, each with its expression in PyTorch, and of bench/model_rows.cpp, whose models
are in torch_models.py. The table has medians of the turns in microseconds and the ratio, our time divided by PyTorch's,
the worst first. PyTorch's time holds what a call from Python costs, about a microsecond. Run this with the Python that
has torch.

Examples:
  bench/compare_ops.py --only 'sum|softmax'
  bench/compare_ops.py --threads 2 --json ops.json --markdown ops.md
"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

import torch_models

PASSES = {1: "forward", 2: "forward+backward"}


class Ours:
    """Our program: it sleeps between its turns."""

    def __init__(self, program, threads):
        self.process = subprocess.Popen([program, str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rows = json.loads(self.answer())

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"compare_ops.py: the program ended with status {self.process.wait()}")
        return line

    def time(self, row, passes, seconds):
        self.process.stdin.write(f"{row} {passes} {seconds}\n")
        self.process.stdin.flush()
        return float(self.answer())


def drawn(row, grad):
    for x in row["inputs"]:
        if x["whole"]:
            yield torch.randint(int(x["lo"]), int(x["hi"]), x["shape"])
        else:
            yield torch.empty(x["shape"]).uniform_(x["lo"], x["hi"]).requires_grad_(grad)


def torch_call(row, passes):
    """A function that calls the row's op once, on operands that are drawn here."""
    names = "xyz"[:len(row["inputs"])]
    fn = eval(f"lambda {', '.join(names)}: {row['torch']}", {"torch": torch, "F": F, **vars(torch_models)})
    operands = list(drawn(row, passes == 2))
    leaves = [x for x in operands if x.requires_grad]
    g = torch.rand_like(fn(*operands).detach()) if passes == 2 else None

    def call():
        if passes == 1:
            return fn(*operands)
        for x in leaves:
            x.grad = None
        return fn(*operands).backward(g)

    return call


def time_of(call, seconds):
    """Microseconds of a call, of which there are as many as take about so many seconds."""
    call()
    calls, at_once, start = 0, 1, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        for _ in range(at_once):
            call()
        calls += at_once
        at_once *= 2 if spent < seconds / 10 else 1
    return 1e6 * (time.perf_counter() - start) / calls


def shapes(row):
    return " ".join("[" + ",".join(map(str, x["shape"])) + "]" for x in row["inputs"])


def compare(args):
    ours = Ours(args.program, args.threads)
    wanted = [(i, row, passes) for i, row in enumerate(ours.rows) for passes in PASSES
              if (passes == 1 or row["backward"]) and re.search(args.only, f"{row['torch']} {shapes(row)}")]
    table = []
    for i, row, passes in wanted:
        call = torch_call(row, passes)
        turns = [(ours.time(i, passes, args.seconds), time_of(call, args.seconds)) for _ in range(args.turns)]
        mine, theirs = (statistics.median(each) for each in zip(*turns))
        table.append({"op": row["torch"], "shapes": shapes(row), "passes": PASSES[passes], "threads": args.threads,
                      "elbo_us": mine, "torch_us": theirs, "ratio": mine / theirs})
    return sorted(table, key=lambda line: -line["ratio"])


def markdown(table):
    lines = [f"| op ({table[0]['threads']} threads) | shapes | passes | elbo us | PyTorch us | ratio |" if table else "",
             "|---|---|---|--:|--:|--:|"]
    for line in table:
        op = line["op"].replace("|", "\\|")
        lines.append(f"| `{op}` | {line['shapes']} | {line['passes']} | {line['elbo_us']:.1f} | {line['torch_us']:.1f} | "
                     f"{line['ratio']:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/bench/elbo_op_times", help="our program (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of both (%(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="of each (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.01, help="of a turn, at least one call (%(default)s)")
    parser.add_argument("--only", default="", metavar="REGEX", help="rows whose expression and shapes match")
    parser.add_argument("--json", metavar="FILE", help="the table as JSON")
    parser.add_argument("--markdown", metavar="FILE", help="the table as Markdown, which is printed in any case")
    args = parser.parse_args()
    if not pathlib.Path(args.program).is_file():
        sys.exit(f"compare_ops.py: --program {args.program}: no such file; configure with -DELBO_BUILD_BENCH=ON and build")
    torch.set_num_threads(args.threads)
    table = compare(args)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(table, indent=1) + "\n")
    if args.markdown:
        pathlib.Path(args.markdown).write_text(markdown(table))
    print(markdown(table), end="")


if __name__ == "__main__":
    main()
