"""Time of the heads beside their peers, as ratios within one run.

    python benchmarks/bench_heads.py            # n = 200 000, d = 512, C = 1000, float32
    python benchmarks/bench_heads.py --small    # a tenth of the rows

Each figure is the median of interleaved repetitions: peer and ours take turns, so that a machine
that slows down slows both.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestCentroid

from skclip import NearestClassMean, PrimedNCMClassifier, PrimedNCMClassifierCV


def interleaved(tasks: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each task, run in turns after one warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for repeat in range(repeats + 1):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            if repeat:
                seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(times)) for name, times in seconds.items()}


def print_ratios(title: str, seconds: dict[str, float], base: str) -> None:
    print(f"\n**{title}** ({base}: {seconds[base]:.3f} s)\n\n| | time / {base} |\n|---|---|")
    for name, value in seconds.items():
        print(f"| {name} | {value / seconds[base]:.2f} |")


def one_hot_means(X: np.ndarray, y: np.ndarray, n_classes: int) -> np.ndarray:
    """Class means as a dense one-hot product, the form of the published priming code."""
    sums = np.eye(n_classes, dtype=X.dtype)[y].T @ X
    return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    n, d, n_classes = (20_000 if args.small else 200_000), 512, 1000
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype=np.float32)
    y = rng.integers(0, n_classes, n)
    head = NearestClassMean().fit(X, y)

    fits = {
        "one pass X.sum(0)": lambda: X.sum(axis=0),
        "NearestClassMean.fit": lambda: NearestClassMean().fit(X, y),
        "NearestClassMean.fit, Euclidean": lambda: NearestClassMean("euclidean").fit(X, y),
    }
    print_ratios("class means, fit", interleaved(fits, args.repeats), "one pass X.sum(0)")
    peers = {
        "one pass X.sum(0)": lambda: X.sum(axis=0),
        "dense one-hot product": lambda: one_hot_means(X, y, n_classes),
        "sklearn NearestCentroid.fit": lambda: NearestCentroid().fit(X, y),
    }
    print_ratios("class means, peers", interleaved(peers, 1), "one pass X.sum(0)")

    centroid = NearestCentroid().fit(X[: n // 10], y[: n // 10])
    predicts = {
        "GEMM X @ W.T": lambda: X @ head.coef_.T,
        "GEMM and argmax": lambda: (X @ head.coef_.T).argmax(axis=1),
        "NearestClassMean.predict": lambda: head.predict(X),
        "sklearn NearestCentroid.predict": lambda: centroid.predict(X),
    }
    print_ratios("predict", interleaved(predicts, min(3, args.repeats)), "GEMM X @ W.T")

    n_classes, shots = 100, 16
    centers = rng.standard_normal((n_classes, d), dtype=np.float32)
    text = {c: center + rng.standard_normal(d) for c, center in enumerate(centers)}
    y = np.repeat(np.arange(n_classes), shots)
    X = centers[y] + 3 * rng.standard_normal((len(y), d), dtype=np.float32)
    shares = np.linspace(0, 1, 100).tolist()
    grid = GridSearchCV(PrimedNCMClassifier(text), {"alpha": shares}, cv=5)
    searches = {
        "PrimedNCMClassifierCV": lambda: PrimedNCMClassifierCV(text, alphas=shares).fit(X, y),
        "GridSearchCV, 5 folds": lambda: grid.fit(X, y),
    }
    print_ratios(
        f"choosing the share among 100 values, {n_classes} classes x {shots}",
        interleaved(searches, 1),
        "PrimedNCMClassifierCV",
    )


if __name__ == "__main__":
    main()
