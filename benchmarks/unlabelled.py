"""Unlabelled images, images of no class, the next label: tables of docs/user_guide/unlabelled.md.

    python benchmarks/unlabelled.py --data FOLDER [--tables batches priors ...]

The folder is that of `clip_sets.py`; it is not public. Fifteen processor minutes.
"""

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any
from unittest.mock import patch

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score

from benchmarks.clip_sets import SETS, ImageSet
from benchmarks.label_propagation import label_propagation
from skclip import (
    ConformalHead,
    GaussianDiscriminantClassifier,
    OnlineAdaptedClassifier,
    OpenSetClassifier,
    PriorShiftAdapter,
    StackedHeadClassifier,
    StatAClassifier,
    ZeroShotClassifier,
)
from skclip.exceptions import NoEvidenceWarning
from skclip.selection import query
from skclip.transduction import _stat_a
from skclip.transduction._neighbor_graph import neighbor_graph

Rows = NDArray[Any]
WITH_TEXT = ("cifar10", "caltech101", "weak-cifar10", "weak-fashion")
EVERY = (*WITH_TEXT, "imagenet")


def row(*cells: Any) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def table(*heads: str) -> None:
    print()
    row(*heads)
    print("|" + "---|" * len(heads))


def spread(values: list[float], sign: str = "") -> str:
    return f"{np.mean(values):{sign}.1f} ± {np.std(values):.1f}"


def test_rows(images: ImageSet) -> tuple[Rows, Rows]:
    if images.X_test is None or images.y_test is None:
        return images.X, images.y
    return images.X_test, images.y_test


# Batches of few classes, of many, and of few images


def all_images(names: list[str], y: Rows, rng: np.random.Generator) -> Rows:
    return np.arange(len(y))


def classes_of(least: int, most: int) -> Callable[..., Rows]:
    def batch(names: list[str], y: Rows, rng: np.random.Generator) -> Rows:
        kept = rng.choice(names, min(int(rng.integers(least, most + 1)), len(names)), replace=False)
        return np.flatnonzero(np.isin(y, kept))

    return batch


def long_tail(names: list[str], y: Rows, rng: np.random.Generator) -> Rows:
    kept = {name: 1 / (place + 1) for place, name in enumerate(rng.permutation(names))}
    return np.flatnonzero(rng.random(len(y)) < np.array([kept[label] for label in y]))


def of_size(n: int) -> Callable[..., Rows]:
    def batch(names: list[str], y: Rows, rng: np.random.Generator) -> Rows:
        return rng.choice(len(y), n, replace=False)

    return batch


# As many draws as bring standard errors below a fifth of a point, where sets are not too small.
BATCHES: dict[str, tuple[Callable[..., Rows], int]] = {
    "all classes": (all_images, 1),
    "2 classes": (classes_of(2, 2), 200),
    "3 to 10 classes": (classes_of(3, 10), 60),
    "long tail": (long_tail, 200),
    "128 images": (of_size(128), 200),
    "64 images": (of_size(64), 400),
    "32 images": (of_size(32), 200),
    "16 images": (of_size(16), 400),
    "1 image": (of_size(1), 20),
}


def batches(data: Path) -> None:
    """Points above zero-shot, the batch being all that is known; mean ± standard error."""
    for name in EVERY:
        images = SETS[name](data)
        X, y = test_rows(images)
        text = images.zero_shot.fit()
        table(images.title, "zero-shot", "StatA, published", "StatA", "StatA, `predict`")
        for title, (draw, n_seeds) in BATCHES.items():
            found: dict[str, list[float]] = {"zs": [], "published": [], "stata": [], "predict": []}
            for seed in range(n_seeds):
                at = draw(images.names, y, np.random.default_rng(seed))
                own = 100 * text.score(X[at], y[at])
                head = StatAClassifier(images.zero_shot).fit(X_unlabeled=X[at])
                with patch.object(_stat_a, "batch_weight", return_value=1.0):
                    published = StatAClassifier(images.zero_shot).fit(X_unlabeled=X[at])
                found["zs"].append(own)
                found["published"].append(100 * np.mean(published.transduction_ == y[at]) - own)
                found["stata"].append(100 * np.mean(head.transduction_ == y[at]) - own)
                found["predict"].append(100 * head.score(X[at], y[at]) - own)
            rest = [
                f"{np.mean(found[key]):+.1f} ± {np.std(found[key]) / n_seeds**0.5:.1f}"
                for key in list(found)[1:]
            ]
            row(title, f"{np.mean(found['zs']):.1f}", *rest)


def propagation(data: Path) -> None:
    """Points above zero-shot of label propagation from the text."""
    table("set", "batch", "label propagation")
    for name in WITH_TEXT:
        images = SETS[name](data)
        X, y = test_rows(images)
        text = images.zero_shot.fit()
        for title in ("all classes", "2 classes"):
            draw, n_seeds = BATCHES[title]
            gains = []
            for seed in range(min(5, n_seeds)):
                at = draw(images.names, y, np.random.default_rng(seed))
                labels = text.classes_[label_propagation(X[at], text.coef_)]
                gains.append(100 * (np.mean(labels == y[at]) - text.score(X[at], y[at])))
            row(images.title, title, spread(gains, "+"))


# Classes as frequent as is known


def exact_weights(log_proba: Rows, prior: Rows) -> Rows:
    """Return class weights of optimal transport without entropy, by a linear programme."""
    n, n_classes = log_proba.shape
    of_row = sp.kron(sp.eye_array(n), np.ones((1, n_classes)))
    of_class = sp.kron(np.ones((1, n)), sp.eye_array(n_classes))
    found = linprog(
        -log_proba.ravel(),
        A_eq=sp.vstack([of_row, of_class]).tocsr(),
        b_eq=np.concatenate([np.ones(n), n * prior]),
        method="highs",
    )
    return found.eqlin.marginals[n:]


def wrong_by(prior: Rows, points: float, rng: np.random.Generator) -> Rows:
    """Move so many points of a prior from one half of the classes to the other."""
    order = rng.permutation(len(prior))
    up, down = order[: len(prior) // 2], order[len(prior) // 2 :]
    moved = prior.copy()
    taken = prior[down] * min(1.0, points / max(float(prior[down].sum()), 1e-9))
    moved[down] -= taken
    moved[up] += taken.sum() / len(up)
    return moved


def priors(data: Path) -> None:
    """Points above zero-shot with the prior of the batch known, or known wrongly."""
    names = "true prior", "without entropy", "5 points wrong", "20 points wrong", '"uniform"'
    for name in WITH_TEXT[:3]:
        images = SETS[name](data)
        X, y = test_rows(images)
        text = images.zero_shot.fit()
        table(images.title, "zero-shot", *names)
        for title in ("all classes", "long tail", "64 images"):
            draw, n_seeds = BATCHES[title]
            zero_shot, found = [], {key: [] for key in names}
            for seed in range(min(10, n_seeds)):
                rng = np.random.default_rng(seed)
                at = draw(images.names, y, rng)
                own = 100 * text.score(X[at], y[at])
                zero_shot.append(own)
                true = np.array([np.mean(y[at] == label) for label in text.classes_])
                given = {
                    "true prior": true,
                    "5 points wrong": wrong_by(true, 0.05, rng),
                    "20 points wrong": wrong_by(true, 0.2, rng),
                    '"uniform"': "uniform",
                }
                for key, prior in given.items():
                    head = PriorShiftAdapter(images.zero_shot, prior=prior).fit(X_unlabeled=X[at])
                    found[key].append(100 * head.score(X[at], y[at]) - own)
                if len(at) * len(true) <= 1000:
                    log_proba = np.log(np.maximum(text.predict_proba(X[at]), 1e-30)).astype(float)
                    moved = log_proba + exact_weights(log_proba, true)
                    labels = text.classes_[moved.argmax(axis=1)]
                    found["without entropy"].append(100 * np.mean(labels == y[at]) - own)
            cells = [spread(found[key], "+") if found[key] else "-" for key in names]
            row(title, f"{np.mean(zero_shot):.1f}", *cells)


# Images of no class


def known_classes(images: ImageSet, seed: int, shots: int) -> tuple[Any, Rows, Rows, Rows, Rows]:
    """Return a head and shots of 60 % of the classes, and test rows of all."""
    X, y, X_test, y_test = images.split(seed)
    rng = np.random.default_rng(seed)
    kept = rng.choice(images.names, round(0.6 * len(images.names)), replace=False)
    own = [np.flatnonzero(y == label) for label in kept]
    at = np.concatenate(
        [rng.choice(rows, shots, replace=False) for rows in own if len(rows) >= shots]
    )
    text = None
    if images.zero_shot is not None:
        text = {k: v for k, v in images.zero_shot.text_embeddings.items() if k in set(y[at])}
    return StackedHeadClassifier(text), X[at], y[at], X_test, y_test


def open_set(data: Path) -> None:
    """AUROC of held-out classes, and how many known images are rejected."""
    table(
        "set, images per class",
        "largest probability",
        "energy",
        '`"logit"`',
        '`"distance"`',
        "rejected by logit",
    )
    for name in ("cifar10", "caltech101", "pets", "flowers", "weak-cifar10"):
        images = SETS[name](data)
        for shots in (4, 16):
            found: dict[str, list[float]] = {
                key: [] for key in ("softmax", "energy", "logit", "distance", "rate")
            }
            for seed in range(3):
                head, X, y, X_test, y_test = known_classes(images, seed, shots)
                known = np.isin(y_test, y)
                for criterion in ("logit", "distance"):
                    fitted = OpenSetClassifier(head, criterion=criterion).fit(X, y)
                    found[criterion].append(
                        100 * roc_auc_score(known, fitted.score_samples(X_test))
                    )
                    if criterion == "logit":
                        likeliest = fitted.predict_proba(X_test).max(axis=1)
                        found["softmax"].append(100 * roc_auc_score(known, likeliest))
                        inner = fitted.head_
                        logits = inner.logit_scale_ * inner.decision_function(X_test)
                        energy = logsumexp(logits, axis=1)
                        found["energy"].append(100 * roc_auc_score(known, energy))
                        found["rate"].append(100 * np.mean(~fitted.is_known(X_test[known])))
            row(f"{images.title}, {shots}", *map(spread, found.values()))


# Sets of classes


def sets(data: Path) -> None:
    """Coverage and size of sets at a confidence of 90 %."""
    table(
        "set, images per class",
        "left out: coverage",
        "classes",
        "half calibrates: coverage",
        "classes",
    )
    for name in ("cifar10", "pets", "weak-cifar10"):
        images = SETS[name](data)
        for shots in (4, 16):
            cells = []
            for calibration in ("left_out", 0.5):
                coverage, size = [], []
                for seed in range(10):
                    X, y, X_test, y_test = images.split(seed)
                    rng = np.random.default_rng(seed)
                    at = np.concatenate(
                        [
                            rng.choice(np.flatnonzero(y == label), shots, replace=False)
                            for label in images.names
                        ]
                    )
                    inner = (
                        GaussianDiscriminantClassifier()
                        if images.zero_shot is None
                        else StackedHeadClassifier(images.zero_shot)
                    )
                    head = ConformalHead(inner, calibration=calibration, random_state=seed)
                    found = head.fit(X[at], y[at]).predict_set(X_test)
                    own = np.searchsorted(head.classes_, y_test)
                    coverage.append(100 * found[np.arange(len(own)), own].mean())
                    size.append(found.sum(axis=1).mean())
                cells += [spread(coverage), f"{np.mean(size):.2f}"]
            row(f"{images.title}, {shots}", *cells)


# The next label

N_SEEDS = 20
STRATEGIES = "pcoreset", "margin", "badge", "class_balance", "entropy", "random"


def labels(data: Path, n_rounds: int = 3, n: int = 20) -> None:
    """Accuracy with more and more labels, of those that a strategy asks for."""
    for name in ("cifar10", "weak-cifar10", "weak-fashion"):
        images = SETS[name](data)
        table(images.title, *(f"{n * i} labels" for i in range(n_rounds + 1)), "mean, less random")
        means: dict[str, Rows] = {}
        for strategy in reversed(STRATEGIES):
            curves = np.zeros((N_SEEDS, n_rounds + 1))
            for seed in range(N_SEEDS):
                X, y, X_test, y_test = images.split(seed)
                kept = np.random.default_rng(seed).permutation(len(X))[:800]
                X, y = X[kept], y[kept]
                head = StackedHeadClassifier(images.zero_shot).fit()
                at = np.zeros(0, dtype=int)
                curves[seed, 0] = 100 * head.score(X_test, y_test)
                for i in range(n_rounds):
                    left = np.setdiff1d(np.arange(len(X)), at)
                    chosen = query(
                        head,
                        X[left],
                        n,
                        strategy=strategy,
                        X_labeled=X[at],
                        y_labeled=y[at],
                        random_state=seed,
                    )
                    at = np.concatenate([at, left[chosen]])
                    head = StackedHeadClassifier(images.zero_shot).fit(X[at], y[at])
                    curves[seed, i + 1] = 100 * head.score(X_test, y_test)
            means[strategy] = curves[:, 1:].mean(axis=1)
            ahead = spread(list(means[strategy] - means["random"]), "+")
            row(f'`"{strategy}"`', *curves.mean(axis=0).round(1), ahead)


# A head that learns from labels and from the text at once


def dual_head(
    X: Rows, y: Rows, unlabelled: Rows, text: ZeroShotClassifier, steps: int = 500
) -> Any:
    """Fit DHO's two linear heads: labels, and the text's probabilities of all images."""
    import torch
    from torch.nn import functional as F

    torch.manual_seed(0)
    scale, temperature = float(text.logit_scale_), 2.0
    codes = torch.as_tensor(np.searchsorted(text.classes_, y))
    weights = torch.as_tensor(text.coef_.astype(np.float32))
    rows, every = torch.as_tensor(X), torch.as_tensor(np.concatenate([X, unlabelled]))
    of_labels, of_text = (torch.nn.Parameter(scale * weights.clone()) for _ in range(2))
    optimizer = torch.optim.AdamW([of_labels, of_text], lr=1e-3 * scale)
    teacher = F.softmax(scale * every @ weights.T / temperature, dim=1)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * scale * min(1.0, (step + 1) / (steps / 10))
        student = F.log_softmax(every @ of_text.T / temperature, dim=1)
        loss = F.cross_entropy(rows @ of_labels.T, codes) / 2
        loss = loss + temperature**2 / 2 * F.kl_div(student, teacher, reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def predict(new: Rows) -> Rows:
        with torch.no_grad():
            given = torch.as_tensor(new)
            mixed = F.softmax(given @ of_labels.T, dim=1) + F.softmax(2 * given @ of_text.T, dim=1)
        return text.classes_[mixed.argmax(dim=1).numpy()]

    return predict


def dual(data: Path) -> None:
    """Few labels and many images without: accuracy on test rows."""
    table("set, images per class", "zero-shot", "stacked, labels alone", "StatA", "DHO")
    for name in WITH_TEXT[:3]:
        images = SETS[name](data)
        text = images.zero_shot.fit()
        for shots in (1, 4):
            found: dict[str, list[float]] = {"zs": [], "stacked": [], "stata": [], "dho": []}
            for seed in range(3):
                X, y, X_test, y_test = images.split(seed)
                rng = np.random.default_rng(seed)
                at = np.concatenate(
                    [rng.choice(np.flatnonzero(y == c), shots, replace=False) for c in images.names]
                )
                rest = np.setdiff1d(np.arange(len(X)), at)
                stacked = StackedHeadClassifier(images.zero_shot).fit(X[at], y[at])
                stata = StatAClassifier(images.zero_shot).fit(X[at], y[at], X_unlabeled=X[rest])
                found["zs"].append(100 * text.score(X_test, y_test))
                found["stacked"].append(100 * stacked.score(X_test, y_test))
                found["stata"].append(100 * stata.score(X_test, y_test))
                predicted = dual_head(X[at], y[at], X[rest], text)(X_test)
                found["dho"].append(100 * np.mean(predicted == y_test))
            row(f"{images.title}, {shots}", *map(spread, found.values()))


# How long it takes


def seconds(work: Callable[[], Any]) -> float:
    start = process_time()
    work()
    return process_time() - start


def speed(data: Path | None = None, repeats: int = 5) -> None:
    """Processor time over that of one product of all rows with the text rows of 100 classes.

    Product and work take turns; medians. Run it on one thread: OMP_NUM_THREADS=1.
    """
    rng = np.random.default_rng(0)
    text = {f"class {c:03d}": row for c, row in enumerate(rng.normal(size=(100, 512)))}
    weights = np.stack(list(text.values())).astype(np.float32)
    table("work", "rows", "products", "s")
    for n in (5_000, 100_000):
        codes = rng.integers(100, size=n)
        X = weights[codes] + 2 * rng.normal(size=(n, 512)).astype(np.float32)
        head = ZeroShotClassifier(text).fit()
        few = np.arange(1_600)  # labelled
        labels = head.classes_[codes[few]]
        open_set = OpenSetClassifier(head).fit(X[few], labels)
        conformal = ConformalHead(head, calibration=0.5, random_state=0).fit(X[few], labels)
        work: dict[str, Callable[[], Any]] = {
            f"`query`, {strategy}, 20 rows": partial(
                query, head, X, 20, strategy=strategy, random_state=0
            )
            for strategy in STRATEGIES
        }
        prior = PriorShiftAdapter(head, prior="uniform")
        work["`PriorShiftAdapter`, fit"] = partial(prior.fit, X_unlabeled=X)
        shifted = PriorShiftAdapter(head, prior="uniform").fit(X_unlabeled=X[:1000])
        work["`PriorShiftAdapter`, predict"] = partial(shifted.predict, X)
        stream = OnlineAdaptedClassifier(text)
        work["`OnlineAdaptedClassifier`, fit"] = partial(stream.fit, X_unlabeled=X)
        seen = OnlineAdaptedClassifier(text).fit(X_unlabeled=X)
        work["`OnlineAdaptedClassifier`, predict"] = partial(seen.predict, X)
        if n <= 5_000:  # the graph grows with the square
            work["`StatAClassifier`, fit"] = partial(StatAClassifier(text).fit, X_unlabeled=X)
            work["of which the graph"] = partial(neighbor_graph, X, 3)
        fitted = StatAClassifier(text).fit(X_unlabeled=X[:1000])
        work["`StatAClassifier`, predict"] = partial(fitted.predict, X)
        work["`OpenSetClassifier`, predict"] = partial(open_set.predict, X)
        work["`ConformalHead`, predict_set"] = partial(conformal.predict_set, X)
        for name, run in work.items():
            product, spent = [], []
            for _ in range(repeats if n <= 5_000 else 3):
                product.append(seconds(partial(np.matmul, X, weights.T)))
                spent.append(seconds(run))
            ratio = np.median(spent) / np.median(product)
            row(name, n, f"{ratio:.0f}", f"{np.median(spent):.2f}")


TABLES = {
    "batches": batches,
    "propagation": propagation,
    "priors": priors,
    "open": open_set,
    "sets": sets,
    "labels": labels,
    "dual": dual,
    "speed": speed,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=list(TABLES))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", NoEvidenceWarning)
    for name in arguments.tables:
        print(f"\n**{name}**: {TABLES[name].__doc__}")
        TABLES[name](arguments.data)


if __name__ == "__main__":
    main()
