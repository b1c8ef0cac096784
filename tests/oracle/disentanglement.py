#!/usr/bin/env python3
"""Writes tests/golden_disentanglement.txt: the measures of disentanglement of a small set of codes, by NumPy, straight
from their definitions.

    tests/oracle/disentanglement.py

Needs numpy. The tests themselves do not run this.
"""
import itertools
import pathlib

import numpy as np

SIZES = (3, 5, 8)


def table(n):
    """Codes [n, 4] and factors [n, 3]: tests/test_disentanglement.cpp makes the same."""
    state = 1
    codes, factors = [], []

    def uniform():
        nonlocal state
        state = (state * 1664525 + 1013904223) % 2**32
        return (state >> 8) / 2**24

    for i in range(n):
        f = (i % 3, i // 3 % 5, (i * 7 + i // 15) % 8)
        codes.append((f[0] + uniform(), f[1] * f[1] * 0.125 + uniform(), 0.75 * f[2] + 0.5 * f[1] + uniform(),
                      4 * uniform()))
        factors.append(f)
    return np.array(codes, np.float32).astype(np.float64), np.array(factors)


def entropy(p):
    p = p[p > 0]
    return -np.sum(p * np.log(p))


def mig(codes, factors, bins=20):
    information = np.zeros((codes.shape[1], factors.shape[1]))
    for i, j in np.ndindex(information.shape):
        edges = np.linspace(codes[:, i].min(), codes[:, i].max(), bins + 1)
        joint, _, _ = np.histogram2d(codes[:, i], factors[:, j], [edges, np.arange(SIZES[j] + 1) - 0.5])
        joint /= len(codes)
        information[i, j] = entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint.ravel())
    entropies = np.array([entropy(np.bincount(f) / len(f)) for f in factors.T])
    ordered = np.sort(information, axis=0)
    return information, entropies, (ordered[-1] - ordered[-2]) / entropies


def best_cuts(code, factor):
    """Balanced accuracy of three pieces, by trying every two cuts and every three names."""
    order = np.argsort(code, kind="stable")
    assert len(np.unique(code)) == len(code)
    counts = np.bincount(factor)
    right = np.zeros((3, len(code) + 1))  # of the first so many rows, per class
    for c in range(3):
        right[c, 1:] = np.cumsum(factor[order] == c) / counts[c] / 3
    low, high = np.triu_indices(len(code) + 1)
    return max(
        np.max(right[a][low] + right[b][high] - right[b][low] + right[c][-1] - right[c][high])
        for a, b, c in itertools.product(range(3), repeat=3))


def sap(codes, factors):
    scores = np.zeros((codes.shape[1], factors.shape[1]))
    for i, j in np.ndindex(scores.shape):
        scores[i, j] = (best_cuts(codes[:, i], factors[:, j]) if j == 0 else
                        np.corrcoef(codes[:, i], factors[:, j])[0, 1]**2)
    ordered = np.sort(scores, axis=0)
    return scores, ordered[-1] - ordered[-2]


def cuts_of(code, most):
    distinct = np.unique(code)
    if len(distinct) <= most + 1:
        below = distinct[:-1]
    else:
        below = np.unique(np.sort(code)[np.arange(1, most + 1) * len(code) // (most + 1) - 1])
    above = distinct[np.searchsorted(distinct, below, side="right")]
    return (below + above) / 2


def boost(codes, target, test_codes, test_target, rounds, rate, thresholds):
    """What stumps take away on each dimension, and squares before and on the test rows."""
    cuts = [cuts_of(code, thresholds) for code in codes.T]
    r, t = target - target.mean(), test_target - target.mean()
    before, taken = np.sum(r**2), np.zeros(codes.shape[1])
    for _ in range(rounds):
        best = (0, 0, 0, 0, 0)
        for i, places in enumerate(cuts):
            left = codes[:, i][:, None] <= places[None]
            n_left, sums = left.sum(0), r @ left
            a, b = sums / n_left, (r.sum() - sums) / (len(r) - n_left)
            gain = sums * a + (r.sum() - sums) * b
            k = int(np.argmax(gain))
            if gain[k] > best[0]:
                best = (gain[k], i, places[k], a[k], b[k])
        gain, i, place, a, b = best
        if gain <= 1e-10 * before:
            break
        squares = np.sum(r**2)
        r = r - rate * np.where(codes[:, i] <= place, a, b)
        t = t - rate * np.where(test_codes[:, i] <= place, a, b)
        taken[i] += squares - np.sum(r**2)
    return taken, before, np.sum(t**2)


def dci(codes, factors, test_codes, test_factors, rounds=100, rate=0.2, thresholds=30):
    d, f = codes.shape[1], factors.shape[1]
    importances, told = np.zeros((d, f)), []
    for j in range(f):
        values = range(SIZES[j]) if j == 0 else [None]
        parts = []
        for value in values:
            pick = (lambda x: x * 1.0) if value is None else (lambda x, v=value: (x == v) * 1.0)
            parts.append(boost(codes, pick(factors[:, j]), test_codes, pick(test_factors[:, j]), rounds, rate, thresholds))
        before = sum(part[1] for part in parts)
        importances[:, j] = sum(part[0] for part in parts) / before
        told.append(1 - sum(part[2] for part in parts) / len(test_codes) / (before / len(codes)))
    rows, columns = importances / importances.sum(1, keepdims=True), importances / importances.sum(0)
    d_of = np.array([1 - entropy(row) / np.log(f) for row in rows])
    c_of = np.array([1 - entropy(column) / np.log(d) for column in columns.T])
    weights = importances.sum(1) / importances.sum()
    return importances, d_of, c_of, np.array(told), np.array([np.sum(weights * d_of), c_of.mean(), np.mean(told)])


def main():
    codes, factors = table(900)
    first, rest = slice(0, 600), slice(600, 900)
    lines = ["# Written by tests/oracle/disentanglement.py. A name, then numbers by rows."]

    def add(name, values):
        lines.append(" ".join([name] + [repr(float(v)) for v in np.ravel(values)]))

    information, entropies, gaps = mig(codes[first], factors[first])
    add("mig.mutual_information", information)
    add("mig.entropies", entropies)
    add("mig.gaps", gaps)
    predicts, gaps = sap(codes[first], factors[first])
    add("sap.predicts", predicts)
    add("sap.gaps", gaps)
    for name, values in zip(("importances", "disentanglements", "completenesses", "informativenesses", "scores"),
                            dci(codes[first], factors[first], codes[rest], factors[rest])):
        add("dci." + name, values)
    path = pathlib.Path(__file__).resolve().parents[1] / "golden_disentanglement.txt"
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
