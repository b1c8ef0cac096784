#!/usr/bin/env python3
"""Prints what tests/test_embed.cpp compares with: scikit-learn's PCA, t-SNE, trustworthiness and AUROC on codes from
simple formulas. With an argument, codes of float32 [n, 20] in a raw file, also t-SNE and its trustworthiness on those.

Needs scikit-learn. The tests themselves do not run this.
"""
import sys
import time

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import roc_auc_score

np.set_printoptions(precision=17)


def pattern(n, d):
    i, j = np.arange(n)[:, None], np.arange(d)[None, :]
    return (((i * 7 + j * 13 + i * j) % 31) / 32).astype(np.float32)


def clusters(n, d, distance):
    """Five clusters, each coordinate the sum of two uniform numbers around its centre."""
    state, out = 1, np.empty((n, d), np.float32)
    for i in range(n):
        for j in range(d):
            u = 0.0
            for _ in range(2):
                state = (state * 1664525 + 1013904223) % 2**32
                u += (state >> 8) / 2**24
            out[i, j] = distance * ((i % 5) * (j + 3) % 5) + u - 1
    return out


codes = pattern(40, 4)
pca = PCA(3, svd_solver="full").fit(codes.astype(np.float64))
print("pca mean", pca.mean_.tolist())
print("pca components", pca.components_.tolist())
print("pca ratio", pca.explained_variance_ratio_.tolist())
print("pca first row", pca.transform(codes[:1].astype(np.float64)).tolist())

for distance in (0.0, 0.25):
    codes = clusters(600, 8, distance)
    for k in (1, 5, 12):
        print("trustworthiness of two coordinates", distance, k, trustworthiness(codes, codes[:, :2], n_neighbors=k))
    tsne = TSNE(init="pca", random_state=0, max_iter=1000)
    points = tsne.fit_transform(codes)
    print("t-SNE", distance, "trustworthiness", trustworthiness(codes, points), "kl", tsne.kl_divergence_)

i = np.arange(60)
print("auroc", roc_auc_score((i * i % 7 < 3).astype(int), (i * 37 % 17) / 4))

if len(sys.argv) > 1:
    codes = np.fromfile(sys.argv[1], np.float32).reshape(-1, 20)
    start = time.time()
    tsne = TSNE(init="pca", random_state=0, max_iter=1000, n_jobs=2)
    points = tsne.fit_transform(codes)
    print("t-SNE of", sys.argv[1], time.time() - start, "s")
    print("trustworthiness", trustworthiness(codes, points), "kl", tsne.kl_divergence_)
