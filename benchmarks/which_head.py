"""Which head? Accuracy and probabilities of all heads by images per class, mean ± std over seeds.

    python -m benchmarks.which_head --data DATA --sets cifar10,caltech101 --output results.csv
    python -m benchmarks.which_head --tables results.csv --page docs/user_guide/which_head.md
    python -m benchmarks.which_head --sets tiny              # needs no data

`clip_sets.py` says which files the sets need. Heads have their defaults and choose nothing on test
rows; rows called oracle choose one weight for all seeds ON THE TEST ROWS: they are no methods.
"""

import argparse
import csv
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from tqdm.auto import tqdm

from benchmarks.clip_sets import SETS, ImageSet, Rows
from skclip import (
    GaussianDiscriminantClassifier,
    MixedHeadClassifier,
    NearestClassMean,
    PrimedNCMClassifier,
    StackedHeadClassifier,
)

MISSING, UNEVEN = "40 % missing", "0/1/many"
SHOTS = (0, 1, 2, 4, 8, 16, MISSING, UNEVEN)
N_BINS = 15
FIELDS = ("set", "images", "seed", "head", "accuracy", "nll", "ece")
DIGITS = {"accuracy": 1, "nll": 2, "ece": 1}
PEERS = ("zero-shot", "NearestClassMean", "GaussianDiscriminantClassifier")
PROBABLE = (
    *PEERS,
    "LogisticRegression(C=100)",
    "LinearDiscriminantAnalysis",
    "PrimedNCMClassifier",
    "StackedHeadClassifier",
    "StackedHeadClassifier + pool",
)
ORACLES = {
    "text and class means": np.linspace(0, 1, 21),
    "text and discriminant": np.array([0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]),
}


def draw(shots: Any, y: Rows, names: list[str], seed: int) -> Rows:
    """Return positions of the labelled images.

    40 % missing: four images of each of 60 % of the classes. 0/1/many: of each third of the classes
    none, one or fifteen. Fewer where a class has no more.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(names).tolist()
    if shots == MISSING:
        per_class = dict.fromkeys(order[: max(2, round(0.6 * len(order)))], 4)
    elif shots == UNEVEN:
        per_class = {name: (0, 1, 15)[i % 3] for i, name in enumerate(order)}
    else:
        per_class = dict.fromkeys(order, shots)
    own = [rng.permutation(np.flatnonzero(y == name))[:n] for name, n in per_class.items()]
    return np.concatenate(own).astype(int)


def fitted_heads(data: ImageSet, X: Rows, y: Rows) -> Iterator[tuple[str, Any]]:
    """Yield the heads, those of labelled images only where there are any."""
    text, params = data.zero_shot, {"classes": data.names}
    if text is not None:
        yield "zero-shot", text.fit()
    if len(y):
        yield "NearestClassMean", NearestClassMean().fit(X, y)
        yield "GaussianDiscriminantClassifier", GaussianDiscriminantClassifier().fit(X, y)
        yield "LogisticRegression(C=100)", LogisticRegression(C=100, max_iter=1000).fit(X, y)
        if len(y) > len(set(y)):
            lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
            yield "LinearDiscriminantAnalysis", lda.fit(X, y)
        if text is not None:
            yield "PrimedNCMClassifier", PrimedNCMClassifier(text).fit(X, y)
            yield "MixedHeadClassifier, class means", MixedHeadClassifier(text).fit(X, y)
            discriminant = MixedHeadClassifier(text, GaussianDiscriminantClassifier())
            yield "MixedHeadClassifier, discriminant", discriminant.fit(X, y)
        yield "StackedHeadClassifier", StackedHeadClassifier(text).fit(X, y)
    rows = (X, y) if len(y) else ()
    for name, pool in data.pools.items():
        published = PrimedNCMClassifier(text, retriever=pool, alpha=0.9, **params)
        yield f"alpha=0.9 + {name}", published.fit(*rows)
        primed = PrimedNCMClassifier(text, retriever=pool, **params)
        yield f"PrimedNCMClassifier + {name}", primed.fit(*rows)
        stacked = StackedHeadClassifier(text, retriever=pool, **params)
        yield f"StackedHeadClassifier + {name}", stacked.fit(*rows)


def measure(head: Any, X: Rows, y: Rows) -> tuple[float, float, float]:
    """Return accuracy in %, log loss, and expected calibration error in %.

    The log loss of a head that does not know all classes is not a number.
    """
    proba = np.asarray(head.predict_proba(X), dtype=np.float64)
    right, sure = head.classes_[proba.argmax(axis=1)] == y, proba.max(axis=1)
    bins = np.minimum((sure * N_BINS).astype(int), N_BINS - 1)
    ece = np.abs(np.bincount(bins, right - sure)).sum() / len(y)
    nll = np.nan
    if np.isin(y, head.classes_).all():
        own = proba[np.arange(len(y)), np.searchsorted(head.classes_, y)]
        nll = -float(np.log(np.maximum(own, 1e-12)).mean())
    return 100 * float(right.mean()), nll, 100 * float(ece)


def oracle_scores(text: Any, X: Rows, y: Rows, X_test: Rows) -> Iterator[tuple[str, float, Rows]]:
    """Yield the scores of test rows at every fixed weight of the oracles."""
    of_text = X_test @ text.coef_.T
    by_mean = X_test @ NearestClassMean().fit(X, y).coef_.T
    for weight in ORACLES["text and class means"]:
        scores = weight * of_text + (1 - weight) * by_mean
        yield "text and class means", weight, scores
    head = GaussianDiscriminantClassifier().fit(X, y)
    by_discriminant = X_test @ head.coef_.T + head.intercept_
    for weight in ORACLES["text and discriminant"]:
        scores = text.logit_scale_ * of_text + weight * by_discriminant
        yield "text and discriminant", weight, scores


def measure_set(name: str, data: ImageSet, seeds: int, out: Any) -> None:
    """Measure all heads and write one line each."""
    for shots in SHOTS:
        for seed in tqdm(range(seeds), desc=f"{name}, {shots}"):
            X_all, y_all, X_test, y_test = data.split(seed)
            most = min(int(np.sum(y_all == c)) for c in data.names)
            if isinstance(shots, int) and shots > most:
                break
            if (data.zero_shot is None and shots in (0, MISSING, UNEVEN)) or (
                seed and data.X_test is not None and shots in (0, most)
            ):
                break  # nothing to tell, or one draw is all there are
            rows = draw(shots, y_all, data.names, seed)
            X, y = X_all[rows], y_all[rows]
            for head_name, head in fitted_heads(data, X, y):
                values = measure(head, X_test, y_test)
                out.writerow([name, shots, seed, head_name, *(f"{v:.4f}" for v in values)])
            if data.zero_shot is None or not isinstance(shots, int) or shots == 0:
                continue
            text = data.zero_shot.fit()
            for oracle, weight, scores in oracle_scores(text, X, y, X_test):
                accuracy = 100 * np.mean(text.classes_[scores.argmax(axis=1)] == y_test)
                head_name = f"oracle: {oracle} {weight:.2f}"
                out.writerow([name, shots, seed, head_name, f"{accuracy:.4f}", "", ""])


def cells(rows: list[dict[str, str]], measure: str) -> dict[str, dict[str, list[float]]]:
    """Return the values over seeds by head and images, oracles at their best weight."""
    values: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        if row[measure] not in ("", "nan"):
            own = values.setdefault(row["head"], {}).setdefault(row["images"], [])
            own.append(float(row[measure]))
    order = dict.fromkeys(row["head"] for row in rows if row["images"] in ("2", "4"))
    table = {head: values[head] for head in order if head in values and "oracle" not in head}
    for oracle in ORACLES:
        fixed = [of for head, of in values.items() if head.startswith(f"oracle: {oracle} ")]
        if fixed:
            table[f"*oracle: {oracle}*"] = {
                shots: max((of[shots] for of in fixed), key=np.mean) for shots in fixed[0]
            }
    return table


def make_tables(rows: list[dict[str, str]]) -> dict[str, str]:
    """Return tables in Markdown, by what they show."""
    tables, all_cells = {}, {}
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        for measure in DIGITS:
            table = all_cells[name, measure] = cells(own, measure)
            images = [str(n) for n in SHOTS if any(str(n) in of for of in table.values())]
            body = [
                [head, *(_cell(of.get(n), DIGITS[measure]) for n in images)]
                for head, of in table.items()
            ]
            tables[f"{name} {measure}"] = _markdown(["images per class", *images], body)
    sets = [name for name, measure in all_cells if measure == "ece"]
    for measure in ("ece", "nll"):
        body = []
        for head in PROBABLE:
            found = [all_cells[name, measure].get(head, {}) for name in sets]
            values = [of.get("4", of.get("2")) for of in found]
            body.append([head, *(_cell(v, DIGITS[measure]) for v in values)])
        tables[measure] = _markdown(["", *sets], body)
    tables["losses"] = _losses({name: all_cells[name, "accuracy"] for name in sets})
    return tables


def _losses(accuracy: dict[str, dict[str, dict[str, list[float]]]]) -> str:
    """Return where a stack is more than a point below a head that has seen no more."""
    body = []
    for name, table in accuracy.items():
        for stack in (head for head in table if head.startswith("StackedHead")):
            for images, values in table[stack].items():
                of_peers = {head: table[head] for head in PEERS if head in table}
                peers = [
                    (np.mean(of[images]), head) for head, of in of_peers.items() if images in of
                ]
                best, peer = max(peers)
                if np.mean(values) < best - 1:
                    cell = [_cell(table[head][images], 1) for head in (stack, peer)]
                    body.append([name, images, stack, cell[0], peer, cell[1]])
    return _markdown(["set", "images per class", "stack", "", "better", ""], body)


def _markdown(header: list[str], body: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(values: list[float] | None, digits: int) -> str:
    if not values:
        return "-"
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values):.{digits}f}"


def show(tables: dict[str, str], page: Path | None) -> None:
    """Print tables, or replace those of a page, from `<!-- table NAME -->` to `<!-- end -->`."""
    if page is None:
        print("\n\n".join(f"**{name}**\n\n{table}" for name, table in tables.items()))
        return
    text = page.read_text(encoding="utf-8")
    for name, table in tables.items():
        place = re.compile(rf"(<!-- table {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = place.sub(lambda match, table=table: f"{match[1]}\n{table}\n\n{match[2]}", text)
    page.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of embeddings")
    parser.add_argument("--sets", default="tiny", help=f"of {', '.join(SETS)}")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("which_head.csv"), metavar="CSV")
    parser.add_argument("--tables", type=Path, nargs="+", metavar="CSV", help="measure nothing")
    parser.add_argument("--page", type=Path, help="write the tables into this page")
    args = parser.parse_args()
    if args.tables is None:
        warnings.simplefilter("ignore")
        with args.output.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(FIELDS)
            for name in args.sets.split(","):
                measure_set(name, SETS[name](args.data), args.seeds, out)
                file.flush()
    rows = []
    for path in args.tables or [args.output]:
        with path.open(newline="", encoding="utf-8") as file:
            rows += list(csv.DictReader(file))
    tables = make_tables(rows)
    show(tables, args.page)


if __name__ == "__main__":
    main()
