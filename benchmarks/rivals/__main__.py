"""Stacked head, its parts and published rivals on the same labelled images.

    python -m benchmarks.rivals --data DATA --sets cifar10,caltech101 --output results/
    python -m benchmarks.rivals --tables results/*.json --page docs/user_guide/rivals.md
    python -m benchmarks.rivals                       # synthetic images: needs no data, two minutes

`clip_sets.py` says which files the sets need.
"""

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clip_sets import SETS, ImageSet
from benchmarks.rivals.lp_plus_plus import LPPlusPlusClassifier
from benchmarks.rivals.text_rows import TextRowsDiscriminant
from benchmarks.which_head import show
from skclip import (
    ConstrainedProbeClassifier,
    GaussianDiscriminantClassifier,
    MixedHeadClassifier,
    TipAdapterClassifier,
)
from skclip.evaluation import (
    AS_PUBLISHED,
    LEFT_OUT,
    ORACLE,
    HeadComparison,
    compare_heads,
    find_near_duplicates,
    usual_heads,
)

STACK = "StackedHeadClassifier"
SHOTS = (1, 2, 4, 8, 16)
UNEVEN = (0, 1, 15)


def rivals(text: Any, *, fast: bool = False) -> dict[str, Any]:
    """Return all heads of the comparison; those beside a text head only where there is one.

    Fast are those that choose nothing by folds of their own.
    """
    heads = usual_heads(text)
    if text is None:
        return heads
    probe = ConstrainedProbeClassifier(text, penalty=0.0, max_iter=50)
    heads["ZS-LP"] = {AS_PUBLISHED: probe}
    heads["ConstrainedProbeClassifier, cross-modal"] = {
        AS_PUBLISHED: ConstrainedProbeClassifier(text, cross_modal=True),
    }
    heads["LP++"] = {
        AS_PUBLISHED: LPPlusPlusClassifier(text),
        LEFT_OUT: LPPlusPlusClassifier(text, steps="folds"),
    }
    heads["TipAdapterClassifier"][ORACLE] = [
        TipAdapterClassifier(text, alpha=alpha, beta=beta)
        for beta in (1.0, 5.5)
        for alpha in (0.3, 1.0, 3.0, 10.0)
    ]
    if fast:
        heads["ConstrainedProbeClassifier"].pop(LEFT_OUT)
        heads["LP++"].pop(LEFT_OUT)
        return heads
    heads["TIMO's text rows, discriminant"] = MixedHeadClassifier(text, TextRowsDiscriminant(text))
    heads["text and discriminant"] = {
        ORACLE: [
            MixedHeadClassifier(text, GaussianDiscriminantClassifier(), alpha=alpha)
            for alpha in (0.1, 0.2, 0.3, 0.5)
        ]
    }
    return heads


def run(
    data: ImageSet,
    shots: list[int],
    seeds: int,
    *,
    title: str,
    fast: bool,
    only: list[str] | None = None,
) -> HeadComparison:
    """Compare on one set, without images to draw from that the test images hold too."""
    X, y, X_test, y_test = data.split(0)
    leaked = np.unique(find_near_duplicates(X_test, X)[1])
    if len(leaked):
        print(f"{title}: {len(leaked)} images taken out, the test images hold them too", flush=True)
        X, y = np.delete(X, leaked, axis=0), np.delete(y, leaked)
    most = min(int(np.sum(y == name)) for name in data.names)
    drawn: list[Any] = [n for n in shots if n <= most]
    text = data.zero_shot
    if text is not None and most >= max(UNEVEN):
        drawn.append(UNEVEN)
    heads = rivals(text, fast=fast)
    if only is not None:
        heads = {name: head for name, head in heads.items() if name in {STACK, *only}}
    return compare_heads(
        heads,
        X,
        y,
        X_test,
        y_test,
        zero_shot=text,
        shots=drawn,
        seeds=seeds,
        verbose=True,
    )


def make_tables(comparisons: dict[str, HeadComparison]) -> dict[str, str]:
    """Return tables in Markdown, by set, and what wins where."""
    tables = {}
    for name, comparison in comparisons.items():
        for measure in ("accuracy", "nll", "ece", "worst_tenth", "fit_seconds"):
            tables[f"{name} {measure}"] = comparison.to_markdown(measure)
    tables["best"] = _best(comparisons)
    tables["against the stack"] = _against_the_stack(comparisons)
    return tables


def _best(comparisons: dict[str, HeadComparison]) -> str:
    """Return the best method of every set and number of shots, and the stack beside it."""
    lines = ["| set | images per class | best | accuracy | stack | behind by |", "|---" * 6 + "|"]
    for name, comparison in comparisons.items():
        summary = [row for row in comparison.summary() if row.choice != ORACLE and row.n_runs]
        behind = {(d.head, d.choice, d.shots): d for d in comparison.differences(STACK)}
        for shots in comparison.settings["shots"]:
            own = [row for row in summary if row.shots == shots]
            best = max(own, key=lambda row: row.accuracy)
            stack = next(row for row in own if row.head == STACK)
            gap = behind.get((best.head, best.choice, shots))
            by = "-" if gap is None else f"{-gap.difference:.1f} ± {gap.error:.1f}"
            title = best.head + (", as published" if best.choice == AS_PUBLISHED else "")
            cells = [name, shots, title, f"{best.accuracy:.1f}", f"{stack.accuracy:.1f}", by]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _against_the_stack(comparisons: dict[str, HeadComparison]) -> str:
    """Return how often each head is better or worse than the stack by more than its error."""
    found: dict[tuple[str, str], list[Any]] = {}
    for comparison in comparisons.values():
        for d in comparison.differences(STACK):
            if np.isfinite(d.difference):
                found.setdefault((d.head, d.choice), []).append(d)
    header = ["head", "constants", "cells", "stack better", "alike", "stack worse"]
    header += ["worse by samples alone", "mean difference"]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for (head, choice), own in sorted(found.items(), key=lambda item: item[0][1]):
        better = sum(d.difference > d.error for d in own)
        worse = sum(-d.difference > d.error for d in own)
        by_draws = sum(-d.difference > np.nan_to_num(d.draw_error) for d in own)
        cells = [head, choice, len(own), better, len(own) - better - worse, worse, by_draws]
        cells.append(f"{np.mean([d.difference for d in own]):+.1f}")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _paired(comparisons: dict[str, HeadComparison]) -> str:
    """Return how far each head is ahead of the stack in every cell, with the paired error."""
    gaps: dict[str, dict[tuple[str, Any], str]] = {}
    for name, comparison in comparisons.items():
        for d in comparison.differences(STACK):
            if d.choice != ORACLE and np.isfinite(d.difference):
                title = d.head + (", as published" if d.choice == AS_PUBLISHED else "")
                gap = f"{-d.difference:+.1f} ± {d.error:.1f}"
                gaps.setdefault(title, {})[name, d.shots] = gap
    cells = [(name, n) for name, one in comparisons.items() for n in one.settings["shots"]]
    lines = [f"| set | images per class | {' | '.join(gaps)} |", "|---" * (len(gaps) + 2) + "|"]
    for cell in cells:
        own = [gaps[title].get(cell, "-") for title in gaps]
        lines.append(f"| {' | '.join(map(str, [*cell, *own]))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of embeddings")
    parser.add_argument("--sets", default="tiny", help=f"of {', '.join(SETS)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shots", default=",".join(map(str, SHOTS)))
    parser.add_argument("--fast", action="store_true", help="no heads with folds, fewer oracles")
    parser.add_argument("--heads", nargs="+", metavar="NAME", help="these and the stack alone")
    parser.add_argument("--paired", action="store_true", help="the table of differences alone")
    parser.add_argument("--output", type=Path, default=Path("rivals"), metavar="DIR")
    parser.add_argument("--tables", type=Path, nargs="+", metavar="JSON", help="measure nothing")
    parser.add_argument("--page", type=Path, help="write the tables into this page")
    args = parser.parse_args()
    paths = args.tables or []
    if args.tables is None:
        args.output.mkdir(parents=True, exist_ok=True)
        for name in args.sets.split(","):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pools, which are not looked at here
                data = SETS[name](args.data)
            shots = [int(n) for n in args.shots.split(",")]
            options = {"title": name, "fast": args.fast, "only": args.heads}
            comparison = run(data, shots, args.seeds, **options)
            path = args.output / f"{name}.json"
            path.write_text(comparison.to_json(), encoding="utf-8")
            paths.append(path)
    comparisons = {
        path.stem: HeadComparison.from_json(path.read_text(encoding="utf-8")) for path in paths
    }
    tables = {"paired": _paired(comparisons)} if args.paired else make_tables(comparisons)
    show(tables, args.page)


if __name__ == "__main__":
    main()
