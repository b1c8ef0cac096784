#!/usr/bin/env python3
"""Single convolutions beside PyTorch's, each in the faster of its two layouts: forward, data gradient, weight gradient.

The table has microseconds of both and the ratio, our time divided by PyTorch's. Run this with the Python that has torch.

Examples:
  bench/compare_convs.py
  bench/compare_convs.py --threads 2 --shapes '32 64 64 14 1 1 0' '16 256 256 14 3 1 1'
"""
import argparse
import pathlib
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

# pictures, channels, filters, side, kernel, stride, padding
SHAPES = ["128 1 32 28 3 2 1", "64 1 32 64 4 2 1", "32 3 16 32 4 2 1", "32 3 32 64 4 2 1", "32 64 64 14 1 1 0",
          "32 64 64 56 3 1 1", "32 64 64 28 3 1 1", "1 64 64 14 3 1 0", "128 64 64 7 3 1 0", "512 64 64 7 3 1 1",
          "16 64 128 14 5 1 0", "16 128 128 14 5 1 2", "32 128 128 14 3 1 1", "16 256 256 14 3 1 1",
          "1 256 256 14 3 1 0", "4 256 256 28 3 1 1"]


def shape_of(text):
    numbers = text.split()
    if len(numbers) != 7 or not all(number.isdecimal() for number in numbers):
        raise argparse.ArgumentTypeError(f"expected seven whole numbers, found '{text}'")
    n, channels, filters, side, kernel, stride, padding = (int(number) for number in numbers)
    if min(n, channels, filters, kernel, stride) < 1 or kernel > side + 2 * padding:
        raise argparse.ArgumentTypeError(f"expected a kernel that fits its picture, and no 0 but the padding, found '{text}'")
    return text


def microseconds(call):
    """The median of five turns, each of as many calls as take about 30 ms."""
    call()
    begin = time.perf_counter()
    call()
    calls = max(1, int(0.03 / (time.perf_counter() - begin)))
    turns = []
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        turns.append(1e6 * (time.perf_counter() - begin) / calls)
    return statistics.median(turns)


def torch_times(shape):
    n, channels, filters, side, kernel, stride, padding = shape
    best = [float("inf")] * 3
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(n, channels, side, side).to(memory_format=layout)
        weight = torch.randn(filters, channels, kernel, kernel).to(memory_format=layout)
        g = torch.randn_like(F.conv2d(x, weight, stride=stride, padding=padding))

        def gradient(of_x, of_weight):
            return torch.ops.aten.convolution_backward(g, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False,
                                                       [0, 0], 1, [of_x, of_weight, False])

        with torch.inference_mode():
            times = [microseconds(lambda: F.conv2d(x, weight, stride=stride, padding=padding)),
                     microseconds(lambda: gradient(True, False)), microseconds(lambda: gradient(False, True))]
        best = [min(pair) for pair in zip(best, times)]
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--program", default=str(root / "build/bench/elbo_conv_times"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--shapes", nargs="+", type=shape_of, default=SHAPES, metavar="SHAPE",
                        help="pictures, channels, filters, side, kernel, stride and padding of each")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    ours = subprocess.Popen([args.program, str(args.threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print("| pictures, channels, filters, side, kernel, stride, padding | elbo, us | PyTorch, us | ratio |")
    print("|---|---|---|---|")
    for shape in args.shapes:
        ours.stdin.write(shape + "\n")
        ours.stdin.flush()
        line = ours.stdout.readline()
        if not line:
            sys.exit(f"compare_convs.py: the program ended with status {ours.wait()}")
        times = [float(number) for number in line.split()]
        theirs = torch_times([int(number) for number in shape.split()])
        columns = [", ".join(f"{time:.0f}" for time in times), ", ".join(f"{time:.0f}" for time in theirs),
                   ", ".join(f"{a / b:.2f}" for a, b in zip(times, theirs))]
        print(f"| {shape} | {' | '.join(columns)} |", flush=True)


if __name__ == "__main__":
    main()
