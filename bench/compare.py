#!/usr/bin/env python3
"""The same VAE training in elbo, PyTorch and JAX, in turn (A B A B ...): medians, ratios and losses side by side.

The model is the VAE 784-400-20 with Bernoulli likelihood, batch 128, Adam with learning rate 1e-3, on Fashion-MNIST.
Two comparisons:
  step   a training step with the data already in memory, in the same order for all;
  epoch  a whole epoch over 60,000 pictures, loading included: PyTorch with its DataLoader over single pictures, as
         tutorials do it, elbo with its own loader. The order is random.
PyTorch runs fused Adam where its build has one. JAX (jit) takes part in the comparison of steps. A rival that is not
installed is left out: run this with the Python that has them. The ratio is a rival's time divided by elbo's.

With --device cuda all of them run on one GPU. There, and on the CPU with --workload, the steps of more models take part,
ConvVAEs among them: see compare_device.py and device_rivals.py.
PyTorch comes eager, with fused Adam, and compiled (max-autotune, with CUDA graphs); all in float32, TF32 only where
--precision asks for it. Measured floors stand beside the times: bytes over bandwidth, operations over their rate.

Examples:
  bench/compare.py --program build/bench/elbo_bench
  bench/compare.py --program build/bench/elbo_bench --what epoch --threads 2 --rounds 3
  bench/compare.py --workload
  bench/compare.py --workload conv-128 --rivals fused compile-graph --steps 60
  bench/compare.py --device cuda --precision float32 tf32 --out build/compare.json
"""
import argparse
import gzip
import importlib.util
import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import time

import compare_device
import device_rivals

BATCH = 128
BATCHES_IN_MEMORY = 100
DEFAULT_DATA = "/usr/share/datasets/fashion-mnist"


def read_pictures(folder):
    """The training pictures as a uint8 array [60000, 784]."""
    import numpy

    for name in ("train-images-idx3-ubyte.gz", "train-images-idx3-ubyte"):
        path = pathlib.Path(folder) / name
        if path.exists():
            content = gzip.open(path).read() if name.endswith(".gz") else path.read_bytes()
            magic, count, height, width = struct.unpack(">IIII", content[:16])
            if magic != 0x803 or (height, width) != (28, 28):
                sys.exit(f"compare.py: {path}: expected IDX pictures of 28 x 28")
            return numpy.frombuffer(content, numpy.uint8, offset=16).reshape(count, height * width).copy()
    sys.exit(f"compare.py: {folder}: expected train-images-idx3-ubyte[.gz] (Debian: apt install dataset-fashion-mnist)")


def batches_in_memory(folder):
    import numpy

    pictures = read_pictures(folder)
    return [pictures[i * BATCH:(i + 1) * BATCH].astype(numpy.float32) / 255 for i in range(BATCHES_IN_MEMORY)]


# ---- rivals: each is a process of its own that trains once for every line it is sent --------------------------------


def torch_training(threads):
    """A function from a batch to its loss that trains one step in PyTorch, and a note about how."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(threads)
    torch.manual_seed(0)

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.mu, self.logvar = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
            self.back, self.out = nn.Linear(20, 400), nn.Linear(400, 784)

        def forward(self, x):
            h = functional.relu(self.hidden(x))
            mu, logvar = self.mu(h), self.logvar(h)
            z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
            return self.out(functional.relu(self.back(z))), mu, logvar

    model = VAE()
    note = f"PyTorch {torch.__version__}, fused Adam"
    try:
        adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    except (RuntimeError, TypeError, ValueError):
        adam = torch.optim.Adam(model.parameters(), lr=1e-3)
        note = f"PyTorch {torch.__version__}"

    def step(x):
        adam.zero_grad(set_to_none=True)
        logits, mu, logvar = model(x)
        reconstruction = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss = (reconstruction + kl) / x.shape[0]
        loss.backward()
        adam.step()
        return loss.detach()

    return step, note


def timed_steps(step, batches, steps):
    """The median time of a step, the first tenth left out, and all losses."""
    times, losses = [], []
    for i in range(steps):
        start = time.perf_counter()
        loss = step(batches[i % len(batches)])
        losses.append(float(loss))  # waits for the result
        times.append(1e3 * (time.perf_counter() - start))
    return {"milliseconds": statistics.median(times[steps // 10:]), "losses": losses}


def torch_step_worker(args):
    import torch

    batches = [torch.from_numpy(batch) for batch in batches_in_memory(args.data)]

    def run():
        step, note = torch_training(args.threads)
        return timed_steps(step, batches, args.steps) | {"note": note}

    return run


def torch_epoch_worker(args):
    import torch
    from torch.utils.data import DataLoader, Dataset

    pictures = torch.from_numpy(read_pictures(args.data))

    class Single(Dataset):
        """One picture at a time, as torchvision's datasets with ToTensor give them."""

        def __len__(self):
            return len(pictures)

        def __getitem__(self, i):
            return pictures[i].to(torch.float32).div(255), 0

    def run():
        step, note = torch_training(args.threads)
        start, total = time.perf_counter(), 0.0
        for x, _ in DataLoader(Single(), batch_size=BATCH, shuffle=True):
            total += float(step(x)) * len(x)
        return {"milliseconds": 1e3 * (time.perf_counter() - start), "losses": [total / len(pictures)],
                "note": note + ", DataLoader"}

    return run


def jax_training():
    import jax
    from jax import numpy as jnp

    def layer(key, fan_in, fan_out):
        a, b = jax.random.split(key)
        bound = fan_in ** -0.5
        return (jax.random.uniform(a, (fan_in, fan_out), minval=-bound, maxval=bound),
                jax.random.uniform(b, (fan_out,), minval=-bound, maxval=bound))

    keys = jax.random.split(jax.random.PRNGKey(0), 5)
    sizes = [(784, 400), (400, 20), (400, 20), (20, 400), (400, 784)]
    params = [layer(key, *size) for key, size in zip(keys, sizes)]
    zeros = jax.tree_util.tree_map(jnp.zeros_like, params)

    def loss_of(params, x, key):
        hidden, mu_, logvar_, back, out = params
        h = jax.nn.relu(x @ hidden[0] + hidden[1])
        mu, logvar = h @ mu_[0] + mu_[1], h @ logvar_[0] + logvar_[1]
        z = mu + jnp.exp(0.5 * logvar) * jax.random.normal(key, mu.shape)
        logits = jax.nn.relu(z @ back[0] + back[1]) @ out[0] + out[1]
        reconstruction = jnp.sum(jnp.maximum(logits, 0) - logits * x + jnp.log1p(jnp.exp(-jnp.abs(logits))))
        return (reconstruction - 0.5 * jnp.sum(1 + logvar - mu ** 2 - jnp.exp(logvar))) / x.shape[0]

    def update(state, x):
        params, first, second, t, key = state
        key, noise = jax.random.split(key)
        loss, grads = jax.value_and_grad(loss_of)(params, x, noise)
        t = t + 1
        tree = jax.tree_util.tree_map
        first = tree(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
        second = tree(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
        scale = 1e-3 / (1 - 0.9 ** t)
        params = tree(lambda p, m, v: p - scale * m / (jnp.sqrt(v / (1 - 0.999 ** t)) + 1e-8), params, first, second)
        return (params, first, second, t, key), loss

    update = jax.jit(update, donate_argnums=0)
    state = [(params, zeros, jax.tree_util.tree_map(jnp.zeros_like, params), jnp.float32(0), jax.random.PRNGKey(1))]

    def step(x):
        state[0], loss = update(state[0], x)
        return loss

    return step, f"JAX {jax.__version__}, jit"


def jax_step_worker(args):
    # XLA takes its threads from the processors that it may use.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:args.threads])
    import jax

    batches = [jax.device_put(batch) for batch in batches_in_memory(args.data)]

    def run():
        step, note = jax_training()
        return timed_steps(step, batches, args.steps) | {"note": note}

    return run


WORKERS = {"torch-step": torch_step_worker, "torch-epoch": torch_epoch_worker, "jax-step": jax_step_worker}


def serve(args):
    run = WORKERS[args.worker](args)
    for _ in sys.stdin:
        print(json.dumps(run()), flush=True)


# ---- the comparison ------------------------------------------------------------------------------------------------


class Worker:
    """A rival's process. It sleeps between its turns."""

    def __init__(self, name, args, threads):
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", name, "--threads", str(threads), "--steps", str(args.steps), "--data",
             args.data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def __call__(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"compare.py: a rival ended with status {self.process.wait()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def ours(args, threads):
    command = [args.program, "--json", args.what, "--threads", str(threads), "--steps", str(args.steps), "--data",
               args.data]

    def run():
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"compare.py: {args.program} ended with status {done.returncode}")
        return json.loads(done.stdout) | {"note": "elbo"}

    return run


def contestants(args, threads):
    """Names and functions that train once; ours first."""
    found = {"elbo": ours(args, threads)}
    for library in ("torch", "jax"):
        if f"{library}-{args.what}" not in WORKERS:
            continue
        if importlib.util.find_spec(library) is None:
            print(f"{library} is not installed and left out", file=sys.stderr)
        else:
            found[library] = Worker(f"{library}-{args.what}", args, threads)
    return found


def compare(args, threads):
    """All contestants in turn, args.rounds times; one row of results each."""
    runners = contestants(args, threads)
    results = {name: [] for name in runners}
    for round_number in range(1, args.rounds + 1):
        for name, run in runners.items():
            results[name].append(run())
            print(f"  {threads} threads, round {round_number}, {name}: {results[name][-1]['milliseconds']:.3f} ms",
                  file=sys.stderr)
    for run in runners.values():
        if isinstance(run, Worker):
            run.close()
    rows = []
    for name, turns in results.items():
        times = [turn["milliseconds"] for turn in turns]
        losses = [statistics.mean(turn["losses"][-50:]) for turn in turns]
        early = [statistics.mean(turn["losses"][:50]) for turn in turns]
        rows.append({"name": name, "note": turns[0]["note"], "threads": threads, "milliseconds": statistics.median(times),
                     "fastest": min(times), "slowest": max(times), "first_loss": statistics.median(early),
                     "last_loss": statistics.median(losses)})
    for row in rows:
        row["ratio"] = row["milliseconds"] / rows[0]["milliseconds"]
    return rows


def print_table(what, rows):
    meaning = "mean of the first and of the last 50 steps" if what == "step" else "mean over the epoch"
    print(f"\ntime of a training {what}, median (fastest - slowest) of the turns; loss in nats per sample, {meaning}")
    print(f"{'':46} {'threads':>7} {'ms':>10} {'(range)':>22} {'ratio':>6}  loss")
    for row in rows:
        spread = f"({row['fastest']:.2f} - {row['slowest']:.2f})"
        losses = f"{row['first_loss']:.2f} {row['last_loss']:.2f}" if what == "step" else f"{row['last_loss']:.2f}"
        print(f"{row['note']:46} {row['threads']:7d} {row['milliseconds']:10.3f} {spread:>22} {row['ratio']:6.2f}  {losses}")


def add_device_options(parser):
    group = parser.add_argument_group("with --device cuda, or with --workload on the CPU")
    group.add_argument("--workload", nargs="*", choices=list(compare_device.WORKLOADS),
                       help="what to time; alone: all, on the CPU but for conv-2048 and epoch (cuda: all)")
    group.add_argument("--precision", nargs="+", choices=("float32", "tf32"), default=["float32"],
                       help="of products and convolutions, on all sides (float32)")
    group.add_argument("--rivals", nargs="*", choices=list(device_rivals.CONTESTANTS),
                       default=list(device_rivals.CONTESTANTS), help="whom to compare with (all)")
    group.add_argument("--out", help="a file that gets the results as JSON, as they come")
    group.add_argument("--start-limit", type=int, default=compare_device.START_LIMIT, metavar="SECONDS",
                       help="a contestant that needs longer to prepare, compiling included, is left out (%(default)s)")
    group.add_argument("--small", action="store_true", help="measure small floors, to try this out")
    group.add_argument("--show", metavar="FILE", help="print the tables of such a file, and measure nothing")
    group.add_argument("--dry-run", action="store_true", help=argparse.SUPPRESS)  # all of it on the CPU
    group.add_argument("--serve", choices=list(device_rivals.CONTESTANTS), help=argparse.SUPPRESS)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (%(default)s)")
    parser.add_argument("--program", help="our benchmark program (build/bench/elbo_bench; cuda: build/bench/elbo_step)")
    parser.add_argument("--what", choices=("step", "epoch"), default="step", help="what to time (%(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N", help="numbers of threads (1 2)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (%(default)s)")
    parser.add_argument("--steps", type=int, help="training steps in a turn (400; cuda: by workload)")
    parser.add_argument("--data", help=f"folder with Fashion-MNIST ({DEFAULT_DATA}; cuda: noise where it is not there)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--worker", choices=sorted(WORKERS), help=argparse.SUPPRESS)
    add_device_options(parser)
    args = parser.parse_args()
    by_workload = args.device != "cpu" or args.workload is not None
    if not args.workload:
        args.workload = [name for name in compare_device.WORKLOADS
                         if args.device != "cpu" or name not in ("conv-2048", "epoch")]
    if args.data is None and (not by_workload or pathlib.Path(DEFAULT_DATA).is_dir()):
        args.data = DEFAULT_DATA
    args.program = args.program or f"build/bench/elbo_{'step' if by_workload else 'bench'}"
    args.steps = args.steps or (None if by_workload else 400)
    args.by_workload = by_workload
    if min(args.threads) < 1 or args.rounds < 1 or (args.steps is not None and args.steps < (2 if by_workload else 10)):
        parser.error("--threads and --rounds must be at least 1, --steps at least 10 (by workload: 2)")
    return args


def main():
    args = arguments()
    if args.serve:
        return device_rivals.serve(args.serve, "cpu" if args.dry_run else args.device, args.data)
    if args.by_workload or args.show:
        return compare_device.main(args)
    if args.worker:
        args.threads = args.threads[0]
        return serve(args)
    if not pathlib.Path(args.program).is_file():
        sys.exit(f"compare.py: --program {args.program}: no such file; configure with -DELBO_BUILD_BENCH=ON and build")
    rows = [row for threads in args.threads for row in compare(args, threads)]
    print(json.dumps(rows)) if args.json else print_table(args.what, rows)
    return None


if __name__ == "__main__":
    sys.exit(main())
