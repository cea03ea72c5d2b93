"""Means over seeds, paired differences, and tables in Markdown."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["MEASURES", "Difference", "Summary", "difference_of", "markdown_table"]

# What a table shows, with its number of digits and the field of its deviation.
MEASURES: dict[str, tuple[int, str | None]] = {
    "accuracy": (1, "accuracy_std"),
    "worst_tenth": (1, None),
    "nll": (2, "nll_std"),
    "ece": (1, "ece_std"),
    "fit_seconds": (3, None),
    "predict_seconds": (3, None),
}


class Summary(NamedTuple):
    """Means over seeds of one head at one number of shots.

    Attributes
    ----------
    head, choice, shots : str
        Name, how constants were chosen, images per class.

    n_runs : int
        Seeds on which it could be fitted.

    accuracy, accuracy_std : float
        In percent.

    worst_tenth : float
        Mean accuracy of the worst tenth of the runs, at least of one; in percent.

    nll, nll_std : float
        Log loss.

    ece, ece_std : float
        Calibration error in percent.

    fit_seconds, predict_seconds : float
        Of one fit, and of one prediction of all test images.
    """

    head: str
    choice: str
    shots: str
    n_runs: int
    accuracy: float
    accuracy_std: float
    worst_tenth: float
    nll: float
    nll_std: float
    ece: float
    ece_std: float
    fit_seconds: float
    predict_seconds: float

    @classmethod
    def of(cls, head: str, choice: str, shots: str, runs: Sequence[Any]) -> "Summary":
        """Return the means of runs; not a number where a run is missing."""
        fitted = [run for run in runs if run.right is not None]
        if not fitted:
            return cls(head, choice, shots, 0, *[np.nan] * 9)
        accuracy = np.array([run.accuracy for run in fitted])
        worst = np.sort(accuracy)[: -(-len(accuracy) // 10)]
        nll, ece = np.array([run.nll for run in fitted]), np.array([run.ece for run in fitted])
        return cls(
            head,
            choice,
            shots,
            len(fitted),
            100 * float(accuracy.mean()),
            100 * float(accuracy.std()),
            100 * float(worst.mean()),
            float(nll.mean()),
            float(nll.std()),
            100 * float(ece.mean()),
            100 * float(ece.std()),
            float(np.mean([run.fit_seconds for run in fitted])),
            float(np.mean([run.predict_seconds for run in fitted])),
        )


class Difference(NamedTuple):
    """Accuracy of the reference minus that of a head, in points.

    Attributes
    ----------
    head, choice, shots : str
        What the reference is compared with.

    difference : float
        Mean over draws; positive where the reference is better.

    draw_error : float
        Standard error over draws.

    error : float
        Standard error over draws and test images.
    """

    head: str
    choice: str
    shots: str
    difference: float
    draw_error: float
    error: float


def difference_of(
    of: tuple[str, str, str], reference: Sequence[Any], runs: Sequence[Any]
) -> Difference:
    """Return the paired difference of runs on the same draws."""
    by_seed = {run.seed: run.right for run in runs if run.right is not None}
    pairs = [
        run.right.astype(float) - by_seed[run.seed]
        for run in reference
        if run.right is not None and run.seed in by_seed
    ]
    if not pairs:
        return Difference(*of, np.nan, np.nan, np.nan)
    marks = 100 * np.stack(pairs)
    n_draws, n_test = marks.shape
    over_draws = np.nan
    if n_draws > 1:
        over_draws = float(marks.mean(axis=1).std(ddof=1) / np.sqrt(n_draws))
    over_test = float(marks.mean(axis=0).std(ddof=min(1, n_test - 1)) / np.sqrt(n_test))
    both = float(np.hypot(np.nan_to_num(over_draws), over_test))
    return Difference(*of, float(marks.mean()), over_draws, both)


def markdown_table(summary: Sequence[Summary], shots: Sequence[str], measure: str) -> str:
    """Return a table of one measure: a row per head, a column per number of shots."""
    digits, deviation = MEASURES[measure]
    lines = [["images per class", *shots], ["---"] * (len(shots) + 1)]
    for head in dict.fromkeys(row.head for row in summary):
        by_shots = {row.shots: row for row in summary if row.head == head}
        cells = []
        for name in shots:
            row = by_shots[name]
            mean = getattr(row, measure)
            if np.isnan(mean):
                cells.append("-")
            elif deviation is None or row.n_runs == 1:
                cells.append(f"{mean:.{digits}f}")
            else:
                cells.append(f"{mean:.{digits}f} ± {getattr(row, deviation):.{digits}f}")
        lines.append([head.replace("|", "\\|"), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
