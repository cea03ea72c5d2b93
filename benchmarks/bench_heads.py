"""Time of the heads beside their peers, as ratios within one run.

    python benchmarks/bench_heads.py            # n = 200 000, d = 512, C = 1000, float32
    python benchmarks/bench_heads.py --small    # a tenth of the rows
    python benchmarks/bench_heads.py --part stack

Each figure is the median of interleaved repetitions: peer and ours take turns, so that a machine
that slows down slows both.
"""

import argparse
import time
import tracemalloc
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import NearestCentroid

from skclip import (
    GaussianDiscriminantClassifier,
    KernelTextClassifier,
    MixedHeadClassifier,
    MultiProxyImprinter,
    NearestClassMean,
    PrimedNCMClassifier,
    StackedHeadClassifier,
    TipAdapterClassifier,
)

D = 512
CV = "GaussianDiscriminantClassifier, 5 folds"


def interleaved(
    tasks: dict[str, Callable[[], object]],
    repeats: int,
    *,
    warm_up: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the median seconds of each task, run in turns after one warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for repeat in range(repeats + warm_up):
        for name, task in tasks.items():
            start = clock()
            task()
            if repeat >= warm_up:
                seconds[name].append(clock() - start)
    return {name: float(np.median(times)) for name, times in seconds.items()}


def print_ratios(title: str, seconds: dict[str, float], base: str) -> None:
    print(f"\n**{title}** ({base}: {seconds[base]:.3f} s)\n\n| | time / {base} |\n|---|---|")
    for name, value in seconds.items():
        print(f"| {name} | {value / seconds[base]:.2f} |")


def one_hot_means(X: np.ndarray, y: np.ndarray, n_classes: int) -> np.ndarray:
    """Class means as a dense one-hot product, the form of the published priming code."""
    sums = np.eye(n_classes, dtype=X.dtype)[y].T @ X
    return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def class_means(n: int, n_classes: int, repeats: int) -> None:
    """Time fit and predict of class means on many rows."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, D), dtype=np.float32)
    y = rng.integers(0, n_classes, n)
    head = NearestClassMean().fit(X, y)
    fits = {
        "one pass X.sum(0)": lambda: X.sum(axis=0),
        "NearestClassMean.fit": lambda: NearestClassMean().fit(X, y),
        "NearestClassMean.fit, Euclidean": lambda: NearestClassMean("euclidean").fit(X, y),
    }
    print_ratios("class means, fit", interleaved(fits, repeats), "one pass X.sum(0)")
    peers = {
        "one pass X.sum(0)": lambda: X.sum(axis=0),
        "dense one-hot product": lambda: one_hot_means(X, y, n_classes),
        "sklearn NearestCentroid.fit": lambda: NearestCentroid().fit(X, y),
    }
    print_ratios("class means, peers", interleaved(peers, 1), "one pass X.sum(0)")

    centroid = NearestCentroid().fit(X[: n // 10], y[: n // 10])
    ready = np.empty((n, n_classes), np.float32)
    predicts = {
        "GEMM X @ W.T": lambda: np.matmul(X, head.coef_.T, out=ready),
        "GEMM and argmax": lambda: np.matmul(X, head.coef_.T, out=ready).argmax(axis=1),
        "NearestClassMean.predict": lambda: head.predict(X),
        "sklearn NearestCentroid.predict": lambda: centroid.predict(X),
    }
    print_ratios("predict", interleaved(predicts, min(3, repeats)), "GEMM X @ W.T")


def one_row(repeats: int) -> None:
    """Time the prediction of one row by every head, each a hundred times a round."""
    text, X, y = few_shot(100, 8)
    heads: dict[str, Any] = {
        "LogisticRegression": LogisticRegression(max_iter=5),
        "NearestClassMean": NearestClassMean(),
        "GaussianDiscriminantClassifier": GaussianDiscriminantClassifier(),
        "MultiProxyImprinter": MultiProxyImprinter(),
        "PrimedNCMClassifier": PrimedNCMClassifier(text),
        "MixedHeadClassifier": MixedHeadClassifier(text, NearestClassMean()),
        "StackedHeadClassifier": StackedHeadClassifier(text),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        predicts = {name: head.fit(X, y).predict for name, head in heads.items()}
    tasks = {
        name: lambda predict=predict: [predict(X[:1]) for _ in range(100)]
        for name, predict in predicts.items()
    }
    print_ratios("one row, 100 times", interleaved(tasks, 4 * repeats), "LogisticRegression")


def few_shot(n_classes: int, shots: int) -> tuple[Any, Any, Any]:
    """Return text rows, images and labels: the text is right about two images in three."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((n_classes, D), dtype=np.float32)
    text = {c: center + rng.standard_normal(D) for c, center in enumerate(centers)}
    y = np.repeat(np.arange(n_classes), shots)
    return text, centers[y] + 3 * rng.standard_normal((len(y), D), dtype=np.float32), y


def weights(repeats: int) -> None:
    """Time the choice of the weights beside grid searches of one weight."""
    text, X, y = few_shot(100, 16)
    values = {"alpha": np.linspace(0, 1, 100)}
    grid = GridSearchCV(PrimedNCMClassifier(text), values, cv=5)
    searches = {
        "PrimedNCMClassifier.fit": lambda: PrimedNCMClassifier(text).fit(X, y),
        "GridSearchCV of alpha, 100 values, 5 folds": lambda: grid.fit(X, y),
    }
    title = "weights of text and class means, 100 classes x 16 images"
    print_ratios(title, interleaved(searches, repeats), "PrimedNCMClassifier.fit")

    mixed = MixedHeadClassifier(text, GaussianDiscriminantClassifier())
    search = GridSearchCV(mixed, values, cv=5)
    searches = {
        "StackedHeadClassifier.fit": lambda: StackedHeadClassifier(text).fit(X, y),
        "GridSearchCV of the alpha of text and discriminant": lambda: search.fit(X, y),
    }
    title = "weights of text, class means and discriminant, 100 classes x 16 images"
    print_ratios(title, interleaved(searches, 1, warm_up=False), "StackedHeadClassifier.fit")


def closed_form(repeats: int) -> None:
    """Time heads that choose their own constants in closed form beside a cross-validation.

    In processor time: set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1.
    """
    discriminant = GaussianDiscriminantClassifier()
    for n_classes in (37, 100):
        text, X, y = few_shot(n_classes, 16)
        fits: dict[str, Callable[[], object]] = {CV: partial(cross_val_score, discriminant, X, y)}
        for head in (StackedHeadClassifier, TipAdapterClassifier, KernelTextClassifier):
            fits[f"{head.__name__}.fit"] = partial(head(text).fit, X, y)
        seconds = interleaved(fits, repeats, clock=time.process_time)
        print_ratios(f"own choice of constants, {n_classes} classes x 16 images", seconds, CV)


def many_classes() -> None:
    """Time the stack on many classes, and what it allocates."""
    text, X, y = few_shot(1000, 16)
    start, begin = time.perf_counter(), time.process_time()
    StackedHeadClassifier(text).fit(X, y)
    seconds, of_processor = time.perf_counter() - start, time.process_time() - begin
    tracemalloc.start()
    StackedHeadClassifier(text).fit(X, y)
    peak = tracemalloc.get_traced_memory()[1] / 1e9
    tracemalloc.stop()
    print(
        f"\n**stack, 1000 classes x 16 images**: {seconds:.1f} s ({of_processor:.1f} s of "
        f"processor time), at most {peak:.2f} GB allocated"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--part", choices=["means", "one", "weights", "stack", "all"], default="all"
    )
    args = parser.parse_args()
    if args.part in ("means", "all"):
        class_means(20_000 if args.small else 200_000, 1000, args.repeats)
    if args.part in ("one", "all"):
        one_row(args.repeats)
    if args.part in ("weights", "all"):
        weights(min(3, args.repeats))
    if args.part in ("stack", "all"):
        closed_form(args.repeats)
        many_classes()


if __name__ == "__main__":
    main()
