"""Heads that see labelled images only, on embeddings of CLIP and of weaker encoders.

For every data set and seed, shots are sampled per class from the training rows, and each head is
scored on the test rows. One table per metric: data sets and shots by heads, mean and standard
deviation over seeds.

scikit-learn's digits are always there: without ``--data`` they are the only set. The other sets
are files in the folder that ``--data`` names: OpenAI ViT-B/32 embeddings of six data sets, a weak
image-text model on two. The folder is not public. Files that are missing are named and skipped.

    python benchmarks/image_heads.py
    python benchmarks/image_heads.py --data DATA --sets pets dtd --shots 2 16 --metrics nll ece
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skclip import GaussianDiscriminantClassifier, MultiProxyImprinter, NearestClassMean
from skclip._linalg import unit_rows
from skclip.metrics import reliability_curve

Task = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

HEADS: dict[str, Callable[[], object]] = {
    "class means": NearestClassMean,
    "GDA": GaussianDiscriminantClassifier,
    'GDA, ridge="published"': lambda: GaussianDiscriminantClassifier("published"),
    'GDA, ridge="loo"': lambda: GaussianDiscriminantClassifier("loo"),
    "GDA, published, scores as log odds": lambda: GaussianDiscriminantClassifier(
        "published", logit_scale=1.0
    ),
    "LDA (lsqr, auto)": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    "imprinter": lambda: MultiProxyImprinter(random_state=0),
    "imprinter, k=20": lambda: MultiProxyImprinter(k=20, random_state=0),
    "imprinter, whitened": lambda: MultiProxyImprinter(normalize_inputs="whiten", random_state=0),
    "imprinter, whitened, k=2": lambda: MultiProxyImprinter(
        k=2, normalize_inputs="whiten", random_state=0
    ),
    "least squares": lambda: MultiProxyImprinter("least_squares", normalize_proxies=None),
    "RidgeClassifierCV": lambda: RidgeClassifierCV(np.geomspace(1e-3, 1e3, 13)),
    "logistic regression, C=100": lambda: LogisticRegression(C=100, max_iter=1000),
}


def clip(data: Path, name: str, train: str, test: str) -> Task:
    with np.load(data / f"clip_vitb32_{name}.npz") as z:
        return z[train], z[f"{train}_y"], z[test], z[f"{test}_y"]


def cifar10(data: Path) -> Task:
    with np.load(data / "clip_vitb32_cifar10.npz") as z:
        X, y = z["image"], z["y"]
    train, test = np.split(np.random.default_rng(0).permutation(len(X)), 2)
    return X[train], y[train], X[test], y[test]


def imagenet(data: Path) -> Task:
    """Return three training photos and one test photo of each of 300 classes."""
    with np.load(data / "clip_vitb32_imagenet_pool.npz") as z:
        X, (names, y) = z["image"], np.unique(z["caption"], return_inverse=True)
    order = np.random.default_rng(0).permutation(len(y))
    four = np.random.default_rng(1).permutation(np.flatnonzero(np.bincount(y) == 4))[:300]
    own = [order[y[order] == c] for c in four[: len(names)]]
    train, test = np.concatenate([i[1:] for i in own]), np.concatenate([i[:1] for i in own])
    return X[train], y[train], X[test], y[test]


def weak(data: Path, name: str) -> Task:
    sys.path.insert(0, str(data))
    from joint import image_embeddings

    with np.load(data / f"{name}_resnet50.npz") as z:
        test, X, y = z["test"], image_embeddings(z["feats"].astype(np.float32)), z["y"]
    return X[~test], y[~test], X[test], y[test]


def digits(data: Path) -> Task:
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    return X, y, X_test, y_test


SETS: dict[str, Callable[[Path], Task]] = {
    "pets": lambda data: clip(data, "oxford_pets", "train", "test"),
    "flowers": lambda data: clip(data, "oxford_flowers", "train", "test"),
    "dtd": lambda data: clip(data, "dtd", "val", "test"),
    "caltech101": lambda data: clip(data, "caltech101", "train", "test"),
    "cifar10": cifar10,
    "imagenet": imagenet,
    "weak cifar10": lambda data: weak(data, "cifar10"),
    "weak fashion": lambda data: weak(data, "fashion"),
    "digits": digits,
}


def gen_tasks(names: list[str], data: Path) -> Iterator[tuple[str, Task]]:
    for name in names:
        try:
            X, y, X_test, y_test = SETS[name](data)
        except (FileNotFoundError, ImportError) as error:
            print(f"skipped {name}: {error}", file=sys.stderr)
            continue
        X, X_test = (unit_rows(rows.astype(np.float32)) for rows in (X, X_test))
        yield name, (X, y.astype(int), X_test, y_test.astype(int))


def draw(y: np.ndarray, shots: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(np.flatnonzero(y == c))[:shots] for c in np.unique(y)])


def measure(head: object, task: Task, rows: np.ndarray, metrics: list[str]) -> dict[str, float]:
    X, y, X_test, y_test = task
    codes = np.searchsorted(np.unique(y), y_test)
    start = time.perf_counter()
    head.fit(X[rows], y[rows])
    found = {"seconds": time.perf_counter() - start}
    if "accuracy" in metrics:
        found["accuracy"] = 100 * head.score(X_test, y_test)
    if {"nll", "ece"} & set(metrics):
        if not hasattr(head, "predict_proba"):
            return found | dict.fromkeys(("nll", "ece"), np.nan)
        proba = head.predict_proba(X_test).astype(np.float64)
        proba = np.maximum(proba, 1e-12)
        proba /= proba.sum(axis=1, keepdims=True)
        found["nll"] = log_loss(codes, proba, labels=range(proba.shape[1]))
        right, confidence = proba.argmax(axis=1) == codes, proba.max(axis=1)
        found["ece"] = 100 * reliability_curve(right, confidence, n_bins=15).calibration_error
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, help="default: all, with --data")
    parser.add_argument("--shots", nargs="+", type=int, default=[1, 2, 4, 8, 16])
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", type=Path, help="folder of the files")
    parser.add_argument(
        "--metrics", nargs="+", choices=["accuracy", "nll", "ece", "seconds"], default=["accuracy"]
    )
    args = parser.parse_args()
    names = args.sets or (list(SETS) if args.data else ["digits"])
    if args.data is None and names != ["digits"]:
        parser.error("all sets but digits are files: name their folder by --data")
    warnings.simplefilter("ignore")
    cells: dict[tuple[str, str, str], np.ndarray] = {}
    columns: list[str] = []
    for name, task in gen_tasks(names, args.data):
        most = np.bincount(task[1])[np.unique(task[1])].min()
        for shots in (n for n in args.shots if n <= most):
            columns.append(f"{name}, {shots}")
            rows = [draw(task[1], shots, seed) for seed in range(args.seeds)]
            for head in args.heads:
                if head.startswith("LDA") and shots == 1:
                    continue  # it needs two rows of a class
                runs = [measure(HEADS[head](), task, drawn, args.metrics) for drawn in rows]
                for metric in args.metrics:
                    cells[metric, head, columns[-1]] = np.array([run[metric] for run in runs])
            print(f"done {columns[-1]}", file=sys.stderr, flush=True)
    for metric in args.metrics:
        places = 1 if metric in ("accuracy", "ece") else 2
        print(f"\n| {metric} | " + " | ".join(args.heads) + " |")
        print("|---" * (len(args.heads) + 1) + "|")
        for column in columns:
            runs = [cells.get((metric, head, column)) for head in args.heads]
            shown = [
                "-" if r is None else f"{r.mean():.{places}f} ± {r.std():.{places}f}" for r in runs
            ]
            print(f"| {column} | " + " | ".join(shown) + " |")


if __name__ == "__main__":
    main()
