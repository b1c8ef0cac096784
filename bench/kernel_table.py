#!/usr/bin/env python3
"""What the kernels of a training step take, from ncu's CSV (--csv --metrics gpu__time_duration.sum) of elbo_step:
one line for each kernel, name, launches a step, microseconds each, microseconds a step and share, apart by tabs, the
longest first. Launches that come less than once a step are setting up, and left out.

usage: kernel_table.py FILE STEPS
"""
import collections
import csv
import re
import sys

MICROSECONDS = {"nsecond": 1e-3, "ns": 1e-3, "usecond": 1.0, "us": 1.0, "msecond": 1e3, "ms": 1e3, "second": 1e6, "s": 1e6}


def short(name):
    """Without return type, arguments and namespaces."""
    name = re.sub(r"\(anonymous namespace\)::|<unnamed>::|elbo::cuda::|elbo::|^void ", "", name)
    return re.sub(r"\([^()]*(\([^()]*\)[^()]*)*\)$", "", name)


def rows_of(lines):
    """The rows behind what ncu and the program print."""
    lines = list(lines)
    begin = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), None)
    return [] if begin is None else csv.DictReader(lines[begin:])


def durations(lines):
    """Microseconds of each launch, by kernel."""
    out = collections.defaultdict(list)
    for row in rows_of(lines):
        unit = MICROSECONDS.get(row.get("Metric Unit") or "")
        if row.get("Metric Name") == "gpu__time_duration.sum" and unit:
            out[short(row["Kernel Name"])].append(float(row["Metric Value"].replace(",", "")) * unit)
    return out


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    steps = int(sys.argv[2])
    with open(sys.argv[1], encoding="utf-8", errors="replace") as file:
        found = {name: times for name, times in durations(file).items() if len(times) >= steps}
    if not found:
        sys.exit("kernel_table.py: no kernel was profiled")
    a_step = {name: sum(times) / steps for name, times in found.items()}
    for name in sorted(found, key=a_step.get, reverse=True):
        times = found[name]
        print(name, f"{len(times) / steps:.1f}", f"{sum(times) / len(times):.2f}", f"{a_step[name]:.2f}",
              f"{100 * a_step[name] / sum(a_step.values()):.1f}", sep="\t")
    return 0


if __name__ == "__main__":
    sys.exit(main())
