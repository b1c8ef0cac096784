"""bench/compare.py --device cuda: elbo, PyTorch and JAX on one GPU, in turn; medians, ratios and floors.

Every contestant is a process (see device_rivals.py for PyTorch's and JAX's) that prepares a workload, warms up, and then
takes its turns in a row with the others: A B C A B C ... Nobody reads a result back within a turn. The ratio is a
rival's time divided by elbo's.
"""
import datetime
import importlib.util
import json
import os
import pathlib
import queue
import signal
import statistics
import subprocess
import sys
import threading
import time

import device_rivals

WORKLOADS = {
    "fc-128": "VAE 784-400-20, batch 128, step",
    "fc2-128": "VAE 784-512-256-20, batch 128, step",
    "fc3-128": "VAE 784-400-400-400-15, batch 128, step",
    "fc3072-32": "VAE 3072-400-20, batch 32, step",
    "conv28-128": "ConvVAE 1x28x28, 32-64, z = 20, batch 128, step",
    "conv-32": "ConvVAE 3x32x32, 16-32-128, z = 128, batch 32, step",
    "conv-128": "ConvVAE 3x32x32, 16-32-128, z = 128, batch 128, step",
    "conv64-64": "ConvVAE 1x64x64, 32-32-64-64, z = 10, batch 64, step",
    "conv-2048": "ConvVAE 3x32x32, 16-32-128, z = 128, batch 2048, step",
    "epoch": "VAE 784-400-20, an epoch of 60,000 pictures with data loading, batch 128",
}
# The steps of a turn, on a GPU and on the CPU.
STEPS = {"fc-128": (1000, 200), "fc2-128": (1000, 120), "fc3-128": (1000, 100), "fc3072-32": (1000, 120),
         "conv28-128": (500, 20), "conv-32": (500, 40), "conv-128": (500, 10), "conv64-64": (500, 8),
         "conv-2048": (60, 2), "epoch": (469, 469)}
PICTURES = 60000
START_LIMIT, TURN_LIMIT = 240, 120  # seconds


class Contestant:
    """A process that answers lines of JSON. One that does not answer in time is ended, and begins anew when asked."""

    def __init__(self, name, command):
        self.name, self.command, self.process = name, command, None

    def start(self):
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                            env=dict(os.environ, PYTHONUNBUFFERED="1"))
            self.lines = queue.Queue()
            threading.Thread(target=self.read, args=(self.process.stdout, self.lines), daemon=True).start()

    @staticmethod
    def read(stream, lines):
        for line in stream:
            lines.put(line)
        lines.put(None)

    def ask(self, limit, **request):
        """The answer, or {"error": why}."""
        self.start()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.lines.get(timeout=limit)
        except queue.Empty:
            self.close(0)
            return {"error": f"no answer within {limit} s"}
        except BrokenPipeError:
            line = None
        if line is None:
            return {"error": f"ended with status {self.process.wait()}"}
        return json.loads(line)

    def close(self, patience=10):
        if self.process is None:
            return
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def ours(args):
    device = "cpu" if args.dry_run else args.device
    command = [args.program, "--serve", "--device", device]
    if args.data:
        command += ["--data", args.data]
    return Contestant("elbo", command + (["--small"] if args.dry_run or args.small else []))


def contestants(args):
    """Ours first; a rival that is not installed is left out."""
    found = [ours(args)]
    for name in args.rivals:
        library = "jax" if name == "jax" else "torch"
        if importlib.util.find_spec(library) is None:
            print(f"{name}: {library} is not installed, and left out", file=sys.stderr)
            continue
        command = [sys.executable, str(pathlib.Path(__file__).with_name("compare.py")), "--serve", name, "--device",
                   args.device, "--data", args.data or ""]
        found.append(Contestant(name, command + (["--dry-run"] if args.dry_run else [])))
    return found


def takes_part(name, workload):
    return workload != "epoch" or name in ("elbo", "eager")


def floors(workload, measured, nodes):
    """The least that a step can take by this device's measured speeds, in milliseconds."""
    if "bytes_per_second" not in measured:
        return {}
    shape = device_rivals.Shape(workload)
    steps = PICTURES / shape.batch if workload == "epoch" else 1
    out = {"bytes": 1e3 * steps * shape.bytes() / measured["bytes_per_second"]}
    for precision in ("float32", "tf32"):
        if precision + "_flops" in measured:
            out[precision + "_arithmetic"] = 1e3 * steps * shape.flops() / measured[precision + "_flops"]
    if nodes and "replayed_launch_seconds" in measured:
        out["launches"] = 1e3 * steps * nodes * measured["replayed_launch_seconds"]
    return out


def fastest(before, now):
    """The higher of each speed. A program that runs beside a measurement, as a rival that starts does, can only lower it."""
    return before if "error" in now else {name: max(speed, before.get(name, 0)) for name, speed in now.items()}


def rows_of(workload, precision, facts, turns):
    """One row per contestant that came to the end."""
    rows = []
    for name, fact in facts.items():
        row = {"name": name, "workload": workload, "precision": precision} | fact
        times = [turn["milliseconds"] for turn in turns.get(name, []) if "milliseconds" in turn]
        failed = [turn["error"] for turn in turns.get(name, []) if "error" in turn]
        if failed:
            row["error"] = failed[0]
        if times:
            row |= {"milliseconds": statistics.median(times), "fastest": min(times), "slowest": max(times),
                    "turns": len(times), "loss": turns[name][-1].get("loss")}
        rows.append(row)
    base = rows[0].get("milliseconds")
    for row in rows:
        if base and "milliseconds" in row:
            row["ratio"] = row["milliseconds"] / base
    return rows


def compare(args, found, workload, precision):
    steps = args.steps or STEPS[workload][args.device == "cpu"]
    taking_part = [c for c in found if takes_part(c.name, workload)]
    facts, turns = {}, {}
    for contestant in taking_part:
        start = time.perf_counter()
        facts[contestant.name] = contestant.ask(args.start_limit, prepare=workload, precision=precision, steps=steps)
        note = facts[contestant.name].get("error", "")
        print(f"{workload} {precision}: {contestant.name} ready in {time.perf_counter() - start:.1f} s {note}",
              file=sys.stderr)
    expected = device_rivals.Shape(workload).parameters()
    for name, fact in facts.items():
        if "error" not in fact and fact["parameters"] != expected:
            fact["error"] = f"another model: {fact['parameters']} parameters, expected {expected}"
    for _ in range(min(args.rounds, 3) if workload == "epoch" else args.rounds):
        for contestant in taking_part:
            # Whoever failed once takes no further turn.
            before = turns.setdefault(contestant.name, [])
            if "error" not in facts[contestant.name] and not any("error" in turn for turn in before):
                before.append(contestant.ask(TURN_LIMIT, turn=True))
    return rows_of(workload, precision, facts, turns)


# ---- what is shown ---------------------------------------------------------------------------------------------------


def number(value, digits=3):
    return f"{value:.{digits}f}" if value is not None else ""


def launch_text(row, floor):
    count = row.get("graph_nodes")
    return f"{count}: {number(floor.get('launches'), 4)}" if count else ""


def table(rows):
    """Markdown: a row for each contestant, those of a workload together."""
    on_cpu = any(row.get("device") in ("baseline", "v3", "v4") for row in rows)
    ends = ["floor, ms", "share of the FMA peak"] if on_cpu else ["floor: bytes", "arithmetic", "launches"]
    heads = ["workload", "precision", "", "ms, median", "(range)", "against elbo", "loss", *ends]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        name = row["name"] if row["name"] == "elbo" else row.get("note", row["name"])
        if row["name"] == "elbo" and not row.get("replays", True):
            name += " (no graph)"
        cells = [WORKLOADS[row["workload"]], row["precision"], name]
        if "milliseconds" not in row:
            lines.append("| " + " | ".join([*cells, f"failed: {row.get('error')}"]) + " |" * (len(heads) - 3))
            continue
        floor, arithmetic = row.get("floors", {}), row.get("floors", {}).get(row["precision"] + "_arithmetic")
        cells += [f"{row['milliseconds']:.3f}", f"{row['fastest']:.3f} - {row['slowest']:.3f}",
                  "" if row["name"] == "elbo" else number(row.get("ratio"), 2), number(row.get("loss"), 2)]
        if on_cpu:
            cells += [number(arithmetic), f"{100 * arithmetic / row['milliseconds']:.0f} %" if arithmetic else ""]
        else:
            cells += [number(floor.get("bytes"), 4), number(arithmetic, 4), launch_text(row, floor)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def floor_text(measured):
    if "bytes_per_second" not in measured:
        return f"What the device reaches was not measured: {measured.get('error')}"
    parts = [f"copy {measured['bytes_per_second'] * 1e-9:.0f} GB/s (bytes read and written)"]
    for precision in ("float32", "tf32"):
        if precision + "_flops" in measured:
            parts.append(f"large {precision} product at "
                         f"{measured[precision + '_flops'] * 1e-12:.1f} TFLOP/s")
    for key, what in (("launch_seconds", "launched"), ("replayed_launch_seconds", "replayed in a graph")):
        if key in measured:
            parts.append(f"{1e6 * measured[key]:.2f} us a small kernel {what}")
    if "launch_seconds" in measured and "replayed_launch_seconds" not in measured:
        return (f"Measured before each workload, the highest of them: FMA peak {measured['float32_flops'] * 1e-9:.0f} GFLOP/s, "
                f"memory {measured['bytes_per_second'] * 1e-9:.0f} GB/s. The floor is a step's arithmetic at that peak.")
    return ("What the device reaches, by elbo's own kernels in this run: " + "; ".join(parts) + ".\nThe floor in bytes "
            "counts a step's memory traffic as if no cache kept anything: what fits the L2 cache may be faster.\n"
            "Launches: how many kernels and copies a step's graph has, and the time that as many small kernels take, replayed.")


def show(result):
    print(f"{result['device']}, {result['date']}; medians of the turns, contestants taking turns; loss in nats per "
          "picture (elbo: the last epoch's mean; others: behind the last turn)\n")
    print(table(result["rows"]))
    print("\n" + floor_text(result["measured"]))


def write(result, path):
    if path:
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        whole = pathlib.Path(f"{path}.part")
        whole.write_text(json.dumps(result, indent=1) + "\n")
        whole.replace(path)


def run(args, found):
    for contestant in found:
        contestant.start()  # all at once: importing takes longest
    measured = found[0].ask(args.start_limit, floors=True)
    if "error" in measured:
        print(f"elbo_step: {measured['error']}", file=sys.stderr)
    result = {"device": "?", "date": datetime.datetime.now().isoformat(timespec="minutes"), "measured": measured,
              "rows": []}
    for precision in args.precision:
        for workload in args.workload:
            if args.device == "cpu":  # a processor that others use is not equally fast all the time
                measured = fastest(measured, found[0].ask(args.start_limit, floors=True))
            result["measured"] = measured
            result["rows"] += compare(args, found, workload, precision)
            for row in result["rows"]:
                if row["name"] == "elbo":
                    row["floors"] = floors(row["workload"], measured, row.get("graph_nodes"))
            result["device"] = next((row["device"] for row in result["rows"] if "device" in row), "?")
            write(result, args.out)  # so that what was measured is kept, whatever comes
    return result


def main(args):
    if args.show:
        return show(json.loads(pathlib.Path(args.show).read_text()))
    if not pathlib.Path(args.program).is_file():
        sys.exit(f"compare.py: --program {args.program}: no such file; configure with -DELBO_BUILD_BENCH=ON and build")
    # So that nothing goes on when this is ended from outside.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found = contestants(args)
    try:
        result = run(args, found)
    finally:
        for contestant in found:
            contestant.close(0 if sys.exc_info()[0] else 10)
    print(json.dumps(result)) if args.json else show(result)
    return 0 if "milliseconds" in result["rows"][0] else 1
