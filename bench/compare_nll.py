#!/usr/bin/env python3
"""log p(x) by importance sampling in elbo and in Pythae (Chadebec et al. 2022), on the same weights and pictures, in turn.

The VAE 784-512-40 with Bernoulli likelihood, trained by elbo for one epoch on pictures of Fashion-MNIST and handed to Pythae.
Pythae's get_nll is called as it stands, and under torch.no_grad(), with its default of 100 samples at a time and with 1,000.
Seconds a picture, medians; elbo's are the difference between two numbers of pictures, so that its start does not count. Both
estimates of the same pictures are printed: they agree within their errors.

Needs torch and pythae:
  bench/compare_nll.py --program build/cli/elbo
"""
import argparse
import contextlib
import json
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import time

try:
    import numpy
    import torch
    from pythae.models import VAE, VAEConfig
except ImportError as error:
    sys.exit(f"compare_nll.py: expected numpy, torch and pythae: {error}")

from compare import DEFAULT_DATA, read_pictures

HIDDEN, LATENT = 512, 40


def write_pictures(folder, pictures, train, test):
    """An `idx` dataset of black and white pictures: the first `train` to train on, the next `test` to test on."""
    folder.mkdir()
    halves = {"train": pictures[:train], "t10k": pictures[train:train + test]}
    for half, chosen in halves.items():
        black_or_white = numpy.where(chosen >= 128, 255, 0).astype(numpy.uint8)
        header = struct.pack(">IIII", 0x803, len(chosen), 28, 28)
        (folder / f"{half}-images-idx3-ubyte").write_bytes(header + black_or_white.tobytes())
    return torch.tensor((halves["t10k"] >= 128).astype(numpy.float32)).reshape(-1, 1, 28, 28)


def read_weights(path):
    """A safetensors file as a dictionary of float32 tensors."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    tensors = {}
    for name, entry in json.loads(content[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            tensors[name] = torch.tensor(numpy.frombuffer(content[begin:end], numpy.float32).reshape(entry["shape"]))
    return tensors


def in_pythae(weights):
    model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENT, reconstruction_loss="bce"))
    names = {"encoder.layers.0.0": "encoder.0", "encoder.embedding": "fc_mu", "encoder.log_var": "fc_logvar",
             "decoder.layers.0.0": "decoder.0", "decoder.layers.1.0": "decoder.2"}
    missing = {f"{name}.{part}" for name in names.values() for part in ("weight", "bias")} ^ set(weights)
    if missing:
        sys.exit(f"compare_nll.py: expected the state dict of a VAE with one hidden layer, found others: {', '.join(sorted(missing))}")
    model.load_state_dict({f"{theirs}.{part}": weights[f"{ours}.{part}"] for theirs, ours in names.items()
                           for part in ("weight", "bias")})
    return model.eval()


def elbo(args, *command):
    ended = subprocess.run([str(args.program), *map(str, command), "--threads", str(args.threads), "--json"],
                           stdout=subprocess.PIPE, text=True)
    if ended.returncode != 0:
        sys.exit(f"compare_nll.py: 'elbo {command[0]}' ended with status {ended.returncode}")
    return json.loads(ended.stdout)


def elbo_seconds(args, run, folder):
    begin = time.perf_counter()
    nats = elbo(args, "eval", run, "--data", folder, "--nll", args.samples)["nll"]["nats"]
    return time.perf_counter() - begin, nats


def pythae_seconds(args, model, pictures, batch, gradients):
    with contextlib.nullcontext() if gradients else torch.no_grad():
        begin = time.perf_counter()
        nats = -model.get_nll(pictures, n_samples=args.samples, batch_size=batch)
        return (time.perf_counter() - begin) / len(pictures), nats


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, required=True, help="the program elbo")
    parser.add_argument("--data", default=DEFAULT_DATA, help="the folder of Fashion-MNIST (default: Debian's)")
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--pictures", type=int, default=20, help="that Pythae measures (default: 20)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    bytes_ = read_pictures(args.data)
    variants = [(batch, gradients) for gradients in (True, False) for batch in (100, 1000)]
    ours, theirs = [], {variant: [] for variant in variants}
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        few, many, run = folder / "few", folder / "many", folder / "run"
        pictures = write_pictures(few, bytes_, 2000, args.pictures)
        write_pictures(many, bytes_, 2000, 11 * args.pictures)
        elbo(args, "train", "--dataset", "idx", "--data", few, "--hidden", HIDDEN, "--latent", LATENT, "--epochs", 1, "--out", run)
        model = in_pythae(read_weights(run / "model.safetensors"))
        for _ in range(args.rounds):
            start, nats = elbo_seconds(args, run, few)
            ours.append((elbo_seconds(args, run, many)[0] - start) / (10 * args.pictures))
            for variant in variants:
                seconds, their_nats = pythae_seconds(args, model, pictures, *variant)
                theirs[variant].append(seconds)
    print(f"NLL of the same {args.pictures} pictures: elbo {nats:.2f}, Pythae {their_nats:.2f} nats\n")
    print("| | samples at a time | seconds a picture | against ours |\n|---|---|---|---|")
    print(f"| elbo | | {statistics.median(ours):.4f} | |")
    for (batch, gradients), seconds in theirs.items():
        name = "Pythae" if gradients else "Pythae, `torch.no_grad()`"
        median = statistics.median(seconds)
        print(f"| {name} | {batch} | {median:.4f} | {median / statistics.median(ours):.1f} |")


if __name__ == "__main__":
    main()
