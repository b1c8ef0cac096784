#!/usr/bin/env python3
"""How a training step scales: its time and its share of the FMA peak by batch, width, channels and threads; and the peak
of resident memory of a whole training. PyTorch (fused Adam) stands beside it where this Python has it.

  batch     VAE 784-400-20, batch 1 to 4,096
  width     VAE 784-N-20, N 100 to 4,000, batch 128
  channels  ConvVAE of two layers, 8 to 512 channels each, on 3 x 32 x 32, z 32, batch 16. PyTorch runs it with pictures
            both as they come and with channels last; the faster of the two counts
  memory    the whole process that trains one epoch, loading and validation included: `elbo train`, and the same in PyTorch

Each row takes turns (peak, elbo, PyTorch, peak, ...) and has their medians. The share is of the peak that the same turn
measured; a peak that falls to a half tells of a machine that gave two threads one core. The batches of elbo are gathered
from bytes, on a thread of their own; PyTorch's lie in memory as float32. Turns go to --out, a row's at once. Those that are
there count, so that a run that was cut short goes on, and one with more --turns adds to it, at another hour; with --seconds
it ends by itself, with status 3 while turns are left.

Examples:
  bench/scaling.py --out scaling.json
  bench/scaling.py --out scaling.json --only channels --threads 1 --seconds 20
  bench/scaling.py --show scaling.json --charts docs/performance
"""
import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import compare_device
import device_rivals
from compare import DEFAULT_DATA


def fully_connected(width, batch):
    return {"picture": [1, 28, 28], "hidden": [width], "latent": 20, "batch": batch}


def convolutional(picture, channels, latent, batch):
    return {"picture": picture, "channels": channels, "decoder_channels": channels[::-1], "kernel": 4, "latent": latent,
            "batch": batch}


# What is varied, in words; its values; what is trained at each.
SWEEPS = {
    "batch": ("VAE 784-400-20", [4 ** i for i in range(7)], lambda n: fully_connected(400, n)),
    "width": ("VAE 784-width-20, batch 128", [100, 200, 400, 1000, 2000, 4000], lambda n: fully_connected(n, 128)),
    "channels": ("ConvVAE 3 x 32 x 32, two layers, z 32, batch 16", [2 ** i for i in range(3, 10)],
                 lambda n: convolutional([3, 32, 32], [n, n], 32, 16)),
}
# A training of one epoch: in words, what elbo is told, the model for PyTorch, how many pictures.
MEMORY = {
    "vae": ("VAE 784-400-20, Fashion-MNIST", ["--dataset", "fashion-mnist"], fully_connected(400, 128), 60000),
    "conv-vae": ("ConvVAE 1 x 28 x 28, Fashion-MNIST", ["--dataset", "fashion-mnist", "--model", "conv-vae"],
                 convolutional([1, 28, 28], [32, 64], 20, 128), 60000),
    "conv-vae-64": ("ConvVAE 1 x 64 x 64, 10,000 drawn shapes",
                    ["--dataset", "shapes", "--count", "10000", "--model", "conv-vae"],
                    convolutional([1, 64, 64], [16, 32, 128], 20, 128) | {"decoder_channels": [128, 64, 32]}, 10000),
}
LIMIT = 240  # seconds for an answer
ROWS_LEFT = 3


def complain(message):
    sys.exit(f"scaling.py: {message}")


def has_torch():
    return importlib.util.find_spec("torch") is not None


# ---- steps -----------------------------------------------------------------------------------------------------------


class Contestants:
    """elbo, PyTorch, and PyTorch with channels last, for convolutions: each starts when it is first asked."""

    def __init__(self, args):
        self.elbo = compare_device.Contestant("elbo", [args.step, "--serve", "--device", "cpu"])
        self.torch = []
        if has_torch() and not args.no_torch:
            command = [sys.executable, str(pathlib.Path(__file__).with_name("compare.py")), "--serve", "fused", "--device",
                       "cpu", "--data", DEFAULT_DATA]
            self.torch = [compare_device.Contestant(name, command) for name in ("torch", "torch, channels last")]

    def rivals(self, sweep):
        return self.torch if sweep == "channels" else self.torch[:1]

    def close(self, patience):
        for contestant in [self.elbo, *self.torch]:
            contestant.close(patience)


def ask(contestant, **request):
    answer = contestant.ask(LIMIT, **request)
    if "error" in answer:
        complain(f"{contestant.name}: {answer['error']}")
    return answer


def measure(args, found, sweep, value, threads, turns):
    """A row: its turns, as they were measured."""
    workload = SWEEPS[sweep][2](value)
    shape = device_rivals.Shape(workload)
    peak = ask(found.elbo, peak=True, threads=threads)["flops"]
    guess = 2 * shape.flops() / peak + shape.bytes() / 3e10
    steps = max(1, int(args.turn / guess))
    taking_part = [found.elbo, *found.rivals(sweep)]
    device = ""
    for contestant in taking_part:
        layout = {"channels_last": True} if contestant.name.endswith("last") else {}
        facts = ask(contestant, prepare=workload, precision="float32", steps=steps, threads=threads, **layout)
        if facts["parameters"] != shape.parameters():
            complain(f"{contestant.name}: {facts['parameters']} parameters, expected {shape.parameters()}")
        device = facts.get("device", device)
    peaks, times = [], {contestant.name: [] for contestant in taking_part}
    for _ in range(turns):
        peaks.append(ask(found.elbo, peak=True)["flops"])
        for contestant in taking_part:
            times[contestant.name].append(ask(contestant, turn=True)["milliseconds"])
    return {"sweep": sweep, "value": value, "threads": threads, "kernels": device, "flops": shape.flops(), "peaks": peaks,
            "milliseconds": times}


# ---- memory ----------------------------------------------------------------------------------------------------------


def peak_of(command):
    """The most memory that a process had resident, in MB; what it prints goes away."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        complain(f"{command[0]} ended with status {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) * 1e-6


def measure_memory(args, name, threads):
    _, options, _, _ = MEMORY[name]
    with tempfile.TemporaryDirectory() as folder:
        row = {"sweep": "memory", "value": name, "threads": threads,
               "elbo": peak_of([args.elbo, "train", *options, "--epochs", "1", "--device", "cpu", "--threads",
                                str(threads), "--out", f"{folder}/run"])}
    if has_torch() and not args.no_torch:
        row["torch"] = peak_of([sys.executable, __file__, "--train", name, "--threads", str(threads)])
        row["torch_import"] = peak_of([sys.executable, "-c", "import torch"])
    return row


def train(name, threads):
    """In PyTorch what `elbo train --epochs 1` does: an epoch in random order, the validation of a tenth, the model kept."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    _, _, workload, count = MEMORY[name]
    shape = device_rivals.Shape(workload)
    pictures = torch.from_numpy(lean_pictures(shape, count)).view(count, *shape.picture)
    order = torch.randperm(count)
    held_out, training = order[:count // 10], order[count // 10:]
    model = device_rivals.torch_model(shape)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def batches(indices):
        return (pictures[chosen].to(torch.float32).div_(255) for chosen in indices.split(shape.batch))

    for x in batches(training):
        adam.zero_grad(set_to_none=True)
        model(x).backward()
        adam.step()
    with torch.no_grad():
        sum(float(model(x)) for x in batches(held_out))
    with tempfile.TemporaryFile() as file:
        torch.save(model.state_dict(), file)


def lean_pictures(shape, count):
    """Bytes [count, pixels]: Fashion-MNIST's read without a copy, so that loading is not what the peak shows; or noise."""
    import gzip

    import numpy

    path = pathlib.Path(DEFAULT_DATA) / "train-images-idx3-ubyte.gz"
    if shape.picture != (1, 28, 28) or not path.exists():
        return numpy.random.default_rng(0).integers(0, 256, (count, shape.pixels), numpy.uint8)
    content = numpy.empty(count * shape.pixels, numpy.uint8)
    with gzip.open(path) as file:
        file.read(16)
        file.readinto(content)
    return content.reshape(count, shape.pixels)


# ---- what is shown ---------------------------------------------------------------------------------------------------


def rows_of(result, sweep):
    return [row for row in result["rows"] if row["sweep"] == sweep]


def figures(row):
    """Medians of a row: {"elbo": (milliseconds, share of the peak)}, and "torch" where it took part, in its faster layout."""
    out = {}
    for name, times in row["milliseconds"].items():
        shares = [row["flops"] / (1e-3 * t) / peak for t, peak in zip(times, row["peaks"])]
        found = statistics.median(times), statistics.median(shares)
        out[name.split(",")[0]] = min(found, out.get(name.split(",")[0], found))
    return out


def threads_of(rows):
    return sorted({row["threads"] for row in rows})


def plural(threads):
    return f"{threads} thread" + ("s" if threads > 1 else "")


def markdown(heads, lines):
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [heads, ["---", *["--:"] * (len(heads) - 1)], *lines])


def figure(value):
    """Three digits that count."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def cells_of(row):
    if row is None:
        return [""] * 4
    found = figures(row)
    milliseconds, share = found["elbo"]
    cells = [figure(milliseconds), f"{100 * share:.0f} %"]
    return cells + ([figure(found["torch"][0]), f"{found['torch'][0] / milliseconds:.2f}"] if "torch" in found else ["", ""])


def sweep_table(result, sweep):
    rows = rows_of(result, sweep)
    found = {(row["value"], row["threads"]): row for row in rows}
    threads = threads_of(rows)
    heads = [sweep]
    for n in threads:
        heads += [f"{plural(n)}: elbo, ms", "share", "PyTorch, ms", "ratio"]
    if len(threads) > 1:
        heads.append(f"{threads[-1]} threads over {threads[0]}")
    lines = []
    for value in sorted({row["value"] for row in rows}):
        line = [f"{value:,}"]
        for n in threads:
            line += cells_of(found.get((value, n)))
        ends = [found.get((value, n)) for n in (threads[0], threads[-1])]
        if len(threads) > 1:
            line.append(f"{figures(ends[0])['elbo'][0] / figures(ends[1])['elbo'][0]:.2f}" if all(ends) else "")
        lines.append(line)
    return markdown(heads, lines)


def memory_table(result):
    lines = []
    for row in rows_of(result, "memory"):
        line = [MEMORY[row["value"]][0], f"{row['elbo']:.0f}", "", "", ""]
        if "torch" in row:
            line[2:] = [f"{row['torch']:.0f}", f"{row['torch_import']:.0f}", f"{100 * row['elbo'] / row['torch']:.0f} %"]
        lines.append(line)
    return markdown(["training", "elbo, MB", "PyTorch, MB", "of it importing PyTorch", "elbo of PyTorch"], lines)


def tables(result):
    about = result["about"]
    steps = [row for row in result["rows"] if "peaks" in row]
    peaks = {n: [1e-9 * peak for row in steps if row["threads"] == n for peak in row["peaks"]] for n in threads_of(steps)}
    turns = sorted({len(row["peaks"]) for row in steps})
    words = [f"{about['processor']}, {about['date']}", *(f"{name} {version}" for name, version in about["versions"].items()),
             *(f"FMA peak of {plural(n)} {statistics.median(all_):.0f} GFLOP/s, at times {min(all_):.0f}"
               for n, all_ in peaks.items())]
    parts = [", ".join(words) + (f". Medians of {' or '.join(map(str, turns))} turns." if turns else ".")]
    for sweep, (title, _, _) in SWEEPS.items():
        if rows_of(result, sweep):
            parts += [f"{title}, a training step by {sweep}:", sweep_table(result, sweep)]
    if rows_of(result, "memory"):
        parts += ["The most memory that a training's process had resident:", memory_table(result)]
    return "\n\n".join(parts)


# Okabe and Ito's colours, one for each number of threads.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255"]


def chart_of(result, sweep):
    """For elbo_chart: the share of the peak, and the time."""
    rows = sorted(rows_of(result, sweep), key=lambda row: row["value"])
    panels = []
    for label, log, value_of in (("share of the FMA peak, %", False, lambda one: 100 * one[1]),
                                 ("milliseconds a step", True, lambda one: one[0])):
        series = []
        for i, n in enumerate(threads_of(rows)):
            for name, key in (("elbo", "elbo"), ("PyTorch", "torch")):
                mine = [(row["value"], figures(row)) for row in rows if row["threads"] == n]
                mine = [(value, value_of(found[key])) for value, found in mine if key in found]
                if mine:
                    series.append({"name": f"{name}, {plural(n)}", "x": [x for x, _ in mine], "y": [y for _, y in mine],
                                   "color": COLORS[i % len(COLORS)], "dashed": key == "torch"})
        panels.append({"x_label": sweep, "y_label": label, "log_x": True, "log_y": log, "series": series})
    return {"title": f"{SWEEPS[sweep][0]}: a training step by {sweep}", "width": 900, "height": 380, "panels": panels}


def draw(result, args):
    folder = pathlib.Path(args.charts)
    folder.mkdir(parents=True, exist_ok=True)
    for sweep in SWEEPS:
        if rows_of(result, sweep):
            done = subprocess.run([args.chart], input=json.dumps(chart_of(result, sweep)), stdout=subprocess.PIPE,
                                  text=True, check=False)
            if done.returncode != 0:
                complain(f"{args.chart} ended with status {done.returncode}")
            (folder / f"{sweep}.svg").write_text(done.stdout)


# ---- the run ---------------------------------------------------------------------------------------------------------


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return os.uname().machine


def about(args):
    versions = {}
    if pathlib.Path(args.elbo).is_file():
        text = subprocess.run([args.elbo, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
        versions["elbo"] = text.split()[-1]
    if has_torch() and not args.no_torch:
        versions["PyTorch"] = importlib.metadata.version("torch")
    return {"processor": f"{processor()}, {plural(os.cpu_count()).replace('thread', 'core')}",
            "date": datetime.date.today().isoformat(), "versions": versions}


def read(path):
    if path and pathlib.Path(path).exists():
        return json.loads(pathlib.Path(path).read_text())
    return {"rows": []}


def key_of(row):
    return row["sweep"], row["value"], row["threads"]


def wanted(args, rows):
    """What is to be measured: (sweep, value, threads) and how many turns are missing."""
    there = {key_of(row): len(row.get("peaks", [0] * args.turns)) for row in rows}
    for sweep in args.only:
        for threads in ([args.threads[-1]] if sweep == "memory" else args.threads):
            for value in MEMORY if sweep == "memory" else SWEEPS[sweep][1]:
                missing = args.turns - there.get((sweep, value, threads), 0)
                if missing > 0:
                    yield sweep, value, threads, missing


def add(row, rows):
    """A row that is there gets the turns."""
    old = next((old for old in rows if key_of(old) == key_of(row)), None)
    if old is None:
        return rows.append(row)
    if old["milliseconds"].keys() != row["milliseconds"].keys():
        complain(f"--out: expected turns of {', '.join(old['milliseconds'])}, found {', '.join(row['milliseconds'])}")
    old["peaks"] += row["peaks"]
    for name, times in row["milliseconds"].items():
        old["milliseconds"][name] += times
    return None


def run(args):
    result = read(args.out)
    now = about(args)
    if result.get("about", now)["processor"] != now["processor"]:
        complain(f"{args.out}: expected rows of {now['processor']}, found {result['about']['processor']}")
    result["about"] = now
    left = list(wanted(args, result["rows"]))
    found, start = Contestants(args), time.perf_counter()
    patience = 0
    try:
        while left and not (args.seconds and time.perf_counter() - start > args.seconds):
            sweep, value, threads, turns = left.pop(0)
            add(measure_memory(args, value, threads) if sweep == "memory" else
                measure(args, found, sweep, value, threads, turns), result["rows"])
            print(f"{sweep} {value}, {plural(threads)}: {time.perf_counter() - start:.1f} s", file=sys.stderr)
            compare_device.write(result, args.out)
        patience = 10
    finally:
        found.close(patience)
    return result, len(left)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    powers = [2 ** i for i in range(cores.bit_length()) if 2 ** i < cores] + [cores]
    parser.add_argument("--only", nargs="+", choices=[*SWEEPS, "memory"], default=[*SWEEPS, "memory"],
                        help="what to vary (all)")
    parser.add_argument("--threads", type=int, nargs="+", default=powers, metavar="N",
                        help=f"numbers of threads; memory: the last of them ({' '.join(map(str, powers))})")
    parser.add_argument("--turns", type=int, default=5, help="of each (%(default)s)")
    parser.add_argument("--turn", type=float, default=0.15, metavar="SECONDS",
                        help="of a turn, about; at least a step (%(default)s)")
    parser.add_argument("--seconds", type=float, help="begin no row after so many seconds")
    parser.add_argument("--out", metavar="FILE", help="the turns as JSON; goes on with those that it has")
    parser.add_argument("--charts", metavar="FOLDER", help="gets batch.svg, width.svg and channels.svg")
    parser.add_argument("--show", metavar="FILE", help="tables and charts of such a file; measures nothing")
    parser.add_argument("--no-torch", action="store_true", help="leave PyTorch out")
    parser.add_argument("--step", default="build/bench/elbo_step", help="our steps (%(default)s)")
    parser.add_argument("--chart", default="build/bench/elbo_chart", help="what draws (%(default)s)")
    parser.add_argument("--elbo", default="build/cli/elbo", help="what trains (%(default)s)")
    parser.add_argument("--train", choices=list(MEMORY), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if min(args.threads) < 1 or args.turns < 1:
        parser.error("--threads and --turns must be at least 1")
    return args


def main():
    args = arguments()
    if args.train:
        return train(args.train, args.threads[0])
    for program in ([] if args.show else [args.step, args.elbo]) + ([args.chart] if args.charts else []):
        if not pathlib.Path(program).is_file():
            complain(f"{program}: no such file; configure with -DELBO_BUILD_BENCH=ON and build")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result, left = (read(args.show), 0) if args.show else run(args)
    print(tables(result))
    if args.charts:
        draw(result, args)
    if left:
        print(f"{left} rows are left: the same command goes on", file=sys.stderr)
    return ROWS_LEFT if left else 0


if __name__ == "__main__":
    sys.exit(main())
