#!/usr/bin/env python3
"""Writes tests/stored.npz and tests/deflated.npz, as NumPy does: pictures and factors in the form of dSprites, for
tests/test_npz.cpp.

    tests/oracle/npz.py

Needs numpy. The tests themselves do not run this.
"""
import pathlib

import numpy as np

N, HEIGHT, WIDTH = 30, 3, 4


def main():
    i, y, x = np.ogrid[:N, :HEIGHT, :WIDTH]
    n = np.arange(N)
    arrays = {
        "metadata": np.array({"title": "none"}, dtype=object),
        "imgs": ((i * 5 + y * 3 + x * 2) % 7 < 3).astype(np.uint8),
        "latents_classes": np.stack([n * 0, n % 3, n // 3 % 5, n % 7, n % 2, n], axis=1).astype(np.int64),
        "latents_values": np.stack([n * 0.5, n * 0.25], axis=1),
    }
    folder = pathlib.Path(__file__).resolve().parents[1]
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "deflated.npz", **arrays)


if __name__ == "__main__":
    main()
