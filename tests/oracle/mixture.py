#!/usr/bin/env python3
"""Writes tests/golden_mixture.txt: scikit-learn's mixture of normal distributions, fitted from a given start to rows
that tests/test_mixture.cpp makes too.

    tests/oracle/mixture.py

Needs numpy and scikit-learn. The tests themselves do not run this.
"""
import pathlib
import warnings

import numpy as np
from sklearn.mixture import GaussianMixture

N, K = 90, 3


def rows():
    state, out = 1, []

    def uniform():
        nonlocal state
        state = (state * 1664525 + 1013904223) % 2**32
        return (state >> 8) / 2**24

    for i in range(N):
        a, b = uniform() + uniform(), uniform() + uniform()
        out.append((a + 1.5 * (i % K), b + 0.5 * a * (i % K)))
    return np.array(out, np.float32).astype(np.float64)


def main():
    x = rows()
    warnings.filterwarnings("ignore")  # five iterations do not converge
    lines = ["# Written by tests/oracle/mixture.py. A name, then numbers by rows."]

    def add(name, values):
        lines.append(" ".join([name] + [repr(float(v)) for v in np.ravel(values)]))

    for name, iterations, tolerance in (("five", 5, 0.0), ("converged", 500, 1e-3)):
        fitted = GaussianMixture(K, covariance_type="full", tol=tolerance, reg_covar=1e-6, max_iter=iterations,
                                 weights_init=np.full(K, 1 / K), means_init=x[:K],
                                 precisions_init=np.stack([np.eye(2)] * K)).fit(x)
        add(name + ".weights", fitted.weights_)
        add(name + ".means", fitted.means_)
        add(name + ".covariances", fitted.covariances_)
        add(name + ".log_prob", fitted.score_samples(x[:5] + 0.25))
        add(name + ".iterations", fitted.n_iter_)
        add(name + ".log_likelihood", fitted.lower_bound_)
    path = pathlib.Path(__file__).resolve().parents[1] / "golden_mixture.txt"
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
