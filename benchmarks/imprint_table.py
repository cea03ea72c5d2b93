"""The rows of the IMPRINT comparison on real image features, with critical-difference ranks.

Tasks are the data sets, each with all, the even, the odd and the first three labels, as published.
Rows that start k-means are run for several seeds. The ranks are compared by Friedman's test and
Nemenyi's critical difference: methods whose average ranks differ by less are not told apart.

scikit-learn's digits are always there; further data are .npz files with ``feats``, ``y`` and a
``test`` mask. Those of the guide (ResNet-50 features of CIFAR-10 and Fashion-MNIST) are not public.

With ``--shots`` the tasks are the whole data sets, trained on that many rows per class, drawn anew
for every seed.

    python benchmarks/imprint_table.py
    python benchmarks/imprint_table.py cifar10.npz fashion.npz
    python benchmarks/imprint_table.py cifar10.npz --shots 1 5 20 100
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skclip.heads import MultiProxyImprinter

RAW = {"normalize_inputs": None, "normalize_proxies": None, "normalize_queries": None}

# One set of parameters a row; the first five are the published ones.
ROWS = {
    "Qi: L2, mean, L2, L2, max": {"generation": "mean"},
    "Hosoda: none, mean, quantile, none, max": {
        **RAW,
        "generation": "mean",
        "normalize_proxies": "quantile",
    },
    "Janson: none, mean, none, none, nearest": {
        **RAW,
        "generation": "mean",
        "metric": "euclidean",
    },
    "best: L2, k-means(20), L2, L2, max": {"generation": "kmeans", "k": 20},
    "least squares: none, ls, none, none, max": {**RAW, "generation": "least_squares"},
    "Hosoda with the published order": {
        **RAW,
        "generation": "mean",
        "normalize_proxies": "quantile_in_order",
    },
    "least squares, published ridge 1e-4": {
        **RAW,
        "generation": "least_squares",
        "regularization": 1e-4,
    },
    "least squares: L2, ls, none, L2, max": {
        "generation": "least_squares",
        "normalize_proxies": None,
    },
    "k-means(20), logsumexp": {"generation": "kmeans", "k": 20, "aggregation": "logsumexp"},
    "every row": {"generation": "all"},
}
SHOTS_ROWS = {**ROWS, "k-means(auto)": {"generation": "kmeans", "k": "auto"}}
SEEDED = ("kmeans", "kmeans_least_squares", "farthest", "random")
SUBSETS = {
    "all": lambda y: np.ones(len(y), dtype=bool),
    "even": lambda y: y % 2 == 0,
    "odd": lambda y: y % 2 == 1,
    "short": lambda y: y < 3,
}


def load_sets(paths: list[Path]) -> list[tuple[str, tuple[np.ndarray, ...]]]:
    """Return name and (X_train, y_train, X_test, y_test) of every data set."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    sets = [("digits", (X, y, X_test, y_test))]
    for path in paths:
        with np.load(path) as data:
            feats, y, test = data["feats"].astype(np.float32), data["y"], data["test"]
        sets.append((path.stem, (feats[~test], y[~test], feats[test], y[test])))
    return sets


def gen_subsets(paths: list[Path]) -> Iterator[tuple[str, tuple[np.ndarray, ...]]]:
    """Yield the tasks of the comparison: every data set with some of its labels."""
    for name, (X, y, X_test, y_test) in load_sets(paths):
        for subset, choose in SUBSETS.items():
            kept, kept_test = choose(y), choose(y_test)
            yield f"{name} {subset}", (X[kept], y[kept], X_test[kept_test], y_test[kept_test])


def print_shots(paths: list[Path], shots: list[int], n_seeds: int) -> None:
    """Print the accuracy on the whole data sets for few rows per class."""
    sets = load_sets(paths)
    columns = [f"{name}, {n}" for name, _ in sets for n in shots]
    print("| row | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for row, parameters in SHOTS_ROWS.items():
        cells = []
        for _, (X, y, X_test, y_test) in sets:
            for n in shots:
                runs = []
                for seed in range(n_seeds):
                    order = np.random.default_rng(seed).permutation(len(y))
                    drawn = np.concatenate([order[y[order] == c][:n] for c in np.unique(y)])
                    head = MultiProxyImprinter(**parameters, random_state=seed)
                    runs.append(100 * head.fit(X[drawn], y[drawn]).score(X_test, y_test))
                cells.append(f"{np.mean(runs):.1f} ± {np.std(runs):.1f}")
        print(f"| {row} | " + " | ".join(cells) + " |", flush=True)


def score(parameters: dict, task: tuple[np.ndarray, ...], n_seeds: int) -> list[float]:
    """Return the test accuracy for every seed, in percent."""
    X, y, X_test, y_test = task
    seeds = range(n_seeds if parameters["generation"] in SEEDED else 1)
    heads = (MultiProxyImprinter(**parameters, random_state=seed).fit(X, y) for seed in seeds)
    return [100 * head.score(X_test, y_test) for head in heads]


def critical_difference(n_methods: int, n_tasks: int, alpha: float = 0.05) -> float:
    """Nemenyi: average ranks that differ by more differ significantly."""
    q = studentized_range.ppf(1 - alpha, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_tasks)))


def print_comparison(paths: list[Path], n_seeds: int) -> None:
    """Print the accuracy of every row on every task, and the average ranks."""
    names, accuracy, spread = [], [], []
    for name, task in gen_subsets(paths):
        runs = [score(parameters, task, n_seeds) for parameters in ROWS.values()]
        names.append(name)
        accuracy.append([np.mean(run) for run in runs])
        spread.append([np.std(run) for run in runs])
    table, deviation = np.array(accuracy).T, np.array(spread).T  # methods by tasks
    ranks = rankdata(-table.round(9), axis=0).mean(axis=1)

    print("| row | " + " | ".join(names) + " | mean | std over tasks | average rank |")
    print("|---" * (len(names) + 4) + "|")
    for row, values, std, rank in zip(ROWS, table, deviation, ranks, strict=True):
        cells = [
            f"{v:.1f} ± {s:.1f}" if s > 0 else f"{v:.1f}" for v, s in zip(values, std, strict=True)
        ]
        cells += [f"{values.mean():.2f}", f"{values.std():.2f}", f"{rank:.2f}"]
        print(f"| {row} | " + " | ".join(cells) + " |")
    print(
        f"\nFriedman p = {friedmanchisquare(*table).pvalue:.1e}; critical difference of average "
        f"ranks at 5 %: {critical_difference(*table.shape):.2f} ({len(names)} tasks)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", nargs="*", type=Path, help=".npz with feats, y and test")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--shots", nargs="+", type=int, help="rows per class to train on")
    args = parser.parse_args()
    if args.shots:
        print_shots(args.features, args.shots, args.seeds)
    else:
        print_comparison(args.features, args.seeds)


if __name__ == "__main__":
    main()
