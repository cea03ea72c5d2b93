"""k-means of many classes at once beside scikit-learn's and faiss's, one class after the other.

All contenders cluster the same classes in turn, round after round in one process, so that a busy
machine slows all of them; the table shows the median over rounds of the ratio of times within a
round, and the ratio of summed inertias. The last rows of the table are the whole estimator,
`MultiProxyImprinter.fit` from rows and labels, beside a loop of `KMeans` from the same. The rows
are mixtures on the sphere, or real features from an .npz with ``feats`` whose rows are dealt to the
classes at random.

    python benchmarks/bench_kmeans.py
    python benchmarks/bench_kmeans.py --features FEATURES.npz
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from skclip import MultiProxyImprinter
from skclip.heads._imprinting._kmeans import kmeans_of_groups

Contender = Callable[[list[np.ndarray], int, int], list[np.ndarray]]


def draw_classes(n_classes: int, n_rows: int, n_features: int, n_modes: int) -> list[np.ndarray]:
    """Draw unit rows around ``n_modes`` directions a class."""
    rng = np.random.default_rng(0)
    classes = []
    for _ in range(n_classes):
        modes = rng.standard_normal((n_modes, n_features))
        rows = modes[rng.integers(0, n_modes, n_rows)] + rng.standard_normal((n_rows, n_features))
        classes.append((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))
    return classes


def deal_features(path: Path, n_classes: int, n_rows: int, n_features: int) -> list[np.ndarray]:
    """Deal real rows to classes, projected to the width asked for and normalised."""
    rng = np.random.default_rng(0)
    rows = np.load(path)["feats"].astype(np.float32)
    if rows.shape[1] != n_features:
        rows = rows @ rng.standard_normal((rows.shape[1], n_features)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [rows[rng.choice(len(rows), n_rows, replace=False)] for _ in range(n_classes)]


def ours(classes: list[np.ndarray], k: int, seed: int) -> list[np.ndarray]:
    return kmeans_of_groups(classes, [np.ones(len(c), np.float32) for c in classes], k, seed=seed)


def scikit_learn(classes: list[np.ndarray], k: int, seed: int) -> list[np.ndarray]:
    return [KMeans(k, random_state=seed).fit(rows).labels_ for rows in classes]


def faiss_loop(classes: list[np.ndarray], k: int, seed: int) -> list[np.ndarray]:
    import faiss

    faiss.omp_set_num_threads(1 if faiss_loop.single else os.cpu_count())
    labels = []
    for rows in classes:
        kmeans = faiss.Kmeans(rows.shape[1], k, seed=seed + 1, min_points_per_centroid=1)
        kmeans.train(rows)
        labels.append(kmeans.index.search(rows, 1)[1][:, 0])
    return labels


def whole_estimator(classes: list[np.ndarray], k: int, n_rounds: int) -> tuple[float, float]:
    """Return the median seconds of fit, and its median speed-up over a loop of KMeans."""
    X, y = np.concatenate(classes), np.repeat(np.arange(len(classes)), list(map(len, classes)))
    MultiProxyImprinter(k=k, random_state=0).fit(X, y)
    seconds = np.empty((n_rounds, 2))
    for r in range(n_rounds):
        start = time.perf_counter()
        for c in range(len(classes)):
            KMeans(k, random_state=r).fit(X[y == c])
        middle = time.perf_counter()
        MultiProxyImprinter(k=k, random_state=r).fit(X, y)
        seconds[r] = middle - start, time.perf_counter() - middle
    return float(np.median(seconds[:, 1])), float(np.median(seconds[:, 0] / seconds[:, 1]))


def inertia(classes: list[np.ndarray], labels: list[np.ndarray]) -> float:
    """Sum the squared distances of all rows to the mean of their cluster."""
    total = 0.0
    for rows, label in zip(classes, labels, strict=True):
        for own in (rows[label == j].astype(np.float64) for j in np.unique(label)):
            total += ((own - own.mean(axis=0)) ** 2).sum()
    return total


def compare(
    contenders: dict[str, Contender], classes: list[np.ndarray], k: int, n_rounds: int
) -> list[tuple[str, float, float, float]]:
    """Return name, median seconds, median speed-up over scikit-learn and inertia ratio."""
    seconds = {name: np.empty(n_rounds) for name in contenders}
    inertias = dict.fromkeys(contenders, 0.0)
    for r in range(n_rounds):
        for name, cluster in contenders.items():
            start = time.perf_counter()
            labels = cluster(classes, k, r)
            seconds[name][r] = time.perf_counter() - start
            inertias[name] += inertia(classes, labels)
    base = "scikit-learn"
    return [
        (
            name,
            float(np.median(seconds[name])),
            float(np.median(seconds[base] / seconds[name])),
            inertias[name] / inertias[base],
        )
        for name in contenders
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--modes", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--features", type=Path, help=".npz with real rows in `feats`")
    args = parser.parse_args()
    shape = (args.classes, args.rows, args.width)
    classes = (
        deal_features(args.features, *shape) if args.features else draw_classes(*shape, args.modes)
    )
    contenders: dict[str, Contender] = {"scikit-learn": scikit_learn, "skclip": ours}
    try:
        import faiss  # noqa: F401
    except ImportError:
        print("not installed, and so not measured: faiss\n")
    else:
        contenders["faiss"] = faiss_loop
    print("| threads | contender | seconds | times faster | inertia / scikit-learn's |")
    print("|---|---|---|---|---|")
    for n_threads in dict.fromkeys((1, os.cpu_count() or 1)):
        faiss_loop.single = n_threads == 1
        with threadpool_limits(n_threads):
            ours(classes, args.k, 0)  # the first call of each library also starts its threads
            for name, *values in compare(contenders, classes, args.k, args.rounds):
                print("| {} | {} | {:.3f} | {:.2f} | {:.4f} |".format(n_threads, name, *values))
            taken, times = whole_estimator(classes, args.k, args.rounds)
            print(f"| {n_threads} | MultiProxyImprinter.fit | {taken:.3f} | {times:.2f} | |")


if __name__ == "__main__":
    main()
