"""The result of a comparison: every run, tables of them, and a file that can be replayed."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from skclip._optional import import_optional
from skclip.evaluation._choices import CHOICES, ORACLE
from skclip.evaluation._tables import MEASURES, Difference, Summary, difference_of, markdown_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HeadComparison", "Run"]

FORMAT = "skclip comparison, version 1"
# Log losses and calibration errors are kept to so many digits: sums differ in the last ones
# between machines.
DIGITS = 6


class Run(NamedTuple):
    """One head on one random sample of labelled images.

    Attributes
    ----------
    head, choice : str
        Name, and who chose its constants.

    shots : str
        Images per class.

    seed : int
        Of the draw.

    right : ndarray of shape (n_test,) of bool, or None
        Correctness of each test image; None if the head could not be fitted.

    nll, ece : float
        Mean log loss and calibration error; NaN without probabilities.

    fit_seconds, predict_seconds : float
        Of one fit, and of one prediction of all test images.

    error : str or None
        Why it could not be fitted.

    candidate : int or None
        The best candidate of an oracle at this number of shots.
    """

    head: str
    choice: str
    shots: str
    seed: int
    right: NDArray[np.bool_] | None = None
    nll: float = np.nan
    ece: float = np.nan
    fit_seconds: float = np.nan
    predict_seconds: float = np.nan
    error: str | None = None
    candidate: int | None = None

    @property
    def accuracy(self) -> float:
        """Share of the test images that it is right about."""
        return np.nan if self.right is None else float(self.right.mean())


@dataclass(frozen=True, eq=False, repr=False)
class HeadComparison:
    """Runs of several heads on the same labelled images.

    It is the result of :func:`~skclip.evaluation.compare_heads`.

    Parameters
    ----------
    runs : tuple of Run
        Every head on every random sample, in the order of the heads.

    settings : mapping
        Shots, seeds, sizes and heads of the comparison.

    rows : mapping
        Digests of the images, of the test images and of every random sample.

    See Also
    --------
    skclip.evaluation.compare_heads : Makes one.
    skclip.evaluation.replay_comparison : Makes it again.
    skclip.display.ComparisonDisplay : Accuracy over shots.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skclip import GaussianDiscriminantClassifier, NearestClassMean
    >>> from skclip.evaluation import HeadComparison, compare_heads, replay_comparison
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> heads = {"means": NearestClassMean(), "GDA": GaussianDiscriminantClassifier()}
    >>> data = X[:300], y[:300], X[300:], y[300:]
    >>> comparison = compare_heads(heads, *data, shots=(2, 8), seeds=3, near_duplicates=None)
    >>> comparison
    HeadComparison(heads=['means', 'GDA'], shots=['2', '8'], seeds=[0, 1, 2])
    >>> text = comparison.to_json(timings=False)
    >>> again = replay_comparison(HeadComparison.from_json(text), heads, *data)
    >>> again.to_json(timings=False) == text
    True
    """

    runs: tuple[Run, ...]
    settings: Mapping[str, Any]
    rows: Mapping[str, Any]

    def __repr__(self) -> str:
        heads = list(dict.fromkeys(run.head for run in self.runs))
        shots, seeds = self.settings["shots"], self.settings["seeds"]
        return f"HeadComparison(heads={heads}, shots={shots}, seeds={seeds})"

    def cell(self, head: str, shots: str | int, choice: str) -> list[Run]:
        """Return the runs of one head at one number of shots, by seed.

        Parameters
        ----------
        head : str
            Name.

        shots : str or int
            As in ``settings["shots"]``.

        choice : str
            Who chose its constants.

        Returns
        -------
        runs : list of Run
            Empty where there are none.
        """
        asked = (head, choice, str(shots))
        return [run for run in self.runs if (run.head, run.choice, run.shots) == asked]

    def rows_of_table(self) -> list[tuple[str, str]]:
        """Return head and choice of each row of the tables, choice after choice."""
        found = dict.fromkeys((run.head, run.choice) for run in self.runs)
        return sorted(found, key=lambda row: CHOICES.index(row[1]))

    def summary(self) -> list[Summary]:
        """Return means over seeds, one for each head, choice and number of shots.

        Returns
        -------
        summary : list of Summary
            Named tuples: accuracy in percent with its standard deviation over seeds and the mean
            of its worst tenth of runs, log loss, calibration error in percent, seconds.
        """
        return [
            Summary.of(head, choice, shots, self.cell(head, shots, choice))
            for head, choice in self.rows_of_table()
            for shots in self.settings["shots"]
        ]

    def to_frame(self) -> "pd.DataFrame":
        """Return :meth:`summary` as a pandas data frame.

        Returns
        -------
        frame : DataFrame
            One row for each head, choice and number of shots.
        """
        pandas = import_optional("pandas", extra="pandas", purpose="HeadComparison.to_frame")
        return pandas.DataFrame(self.summary(), columns=list(Summary._fields))

    def to_markdown(self, measure: str = "accuracy") -> str:
        """Return tables of one measure: a row per head, a column per number of shots.

        Parameters
        ----------
        measure : {"accuracy", "worst_tenth", "nll", "ece", "fit_seconds", "predict_seconds"}, \
default="accuracy"
            Measure to show: as mean ± standard deviation over seeds for accuracy, log loss and
            calibration error, and as means for the others.

        Returns
        -------
        text : str
            One table for each choice of constants, with its name above.
        """
        if measure not in MEASURES:
            raise ValueError(
                f"measure={measure!r} is not measured: give one of {', '.join(MEASURES)}."
            )
        summary, shots = self.summary(), self.settings["shots"]
        tables = []
        for choice in CHOICES:
            own = [row for row in summary if row.choice == choice]
            if own:
                tables.append(f"**{choice}**\n\n{markdown_table(own, shots, measure)}")
        return "\n\n".join(tables)

    def differences(self, reference: str) -> list[Difference]:
        r"""Return the paired differences in accuracy between one head and each other head.

        Parameters
        ----------
        reference : str
            Name of the head; its left-out choice where it has several.

        Returns
        -------
        differences : list of Difference
            Named tuples: ``difference`` in points of accuracy, positive where the reference is
            better, ``draw_error``, its standard error over draws, and ``error``, over draws and
            test images. Oracles are compared too, and called so.

        Notes
        -----
        With :math:`d_{ij} \in \{-1, 0, 1\}` of draw :math:`i` and test image :math:`j`, the squared
        error over draws is the variance of the means :math:`\bar d_{i\cdot}` over the number of
        draws, that over test images the variance of :math:`\bar d_{\cdot j}` over their number, and
        the squared ``error`` the sum of both. Draws of one set share their test images, whose
        choice the first leaves out of account. One draw has no error over draws.
        """
        choices = [choice for head, choice in self.rows_of_table() if head == reference]
        choices = [choice for choice in choices if choice != ORACLE]
        if not choices:
            known = ", ".join(repr(head) for head, _ in self.rows_of_table())
            raise ValueError(f"reference={reference!r} was not compared: give one of {known}.")
        choice = choices[-1]
        return [
            difference_of(
                (head, other, shots),
                self.cell(reference, shots, choice),
                self.cell(head, shots, other),
            )
            for head, other in self.rows_of_table()
            for shots in self.settings["shots"]
            if (head, other) != (reference, choice)
        ]

    @property
    def failures(self) -> dict[str, str]:
        """Why heads could not be fitted, by head and shots."""
        return {f"{run.head}, {run.shots}": run.error for run in self.runs if run.error is not None}

    def to_json(self, *, timings: bool = True) -> str:
        """Return everything as JSON; without timings, a replay gives the same bytes.

        Parameters
        ----------
        timings : bool, default=True
            Whether seconds are kept.

        Returns
        -------
        text : str
            For :meth:`from_json`.
        """
        kept = {
            "format": FORMAT,
            "settings": self.settings,
            "rows": self.rows,
            "runs": [_run_as_json(run, timings) for run in self.runs],
        }
        return json.dumps(kept, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote.

        Parameters
        ----------
        text : str
            JSON.

        Returns
        -------
        comparison : HeadComparison
            With seconds that are not a number if they were left out.
        """
        try:
            kept = json.loads(text)
            if kept["format"] != FORMAT:
                raise ValueError(f"its format is {kept['format']!r}")
            n_test = int(kept["settings"]["test_images"])
            runs = tuple(_run_from_json(run, n_test) for run in kept["runs"])
            return cls(runs=runs, settings=dict(kept["settings"]), rows=dict(kept["rows"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"This is no comparison that HeadComparison.to_json wrote ({error})."
            ) from error


def _run_as_json(run: Run, timings: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {
        "head": run.head,
        "choice": run.choice,
        "shots": run.shots,
        "seed": run.seed,
    }
    if run.candidate is not None:
        kept["candidate"] = run.candidate
    if run.error is not None or run.right is None:
        return {**kept, "error": run.error}
    kept["accuracy"] = round(run.accuracy, DIGITS)
    kept["nll"], kept["ece"] = _rounded(run.nll), _rounded(run.ece)
    if timings:
        kept["fit_seconds"] = _rounded(run.fit_seconds)
        kept["predict_seconds"] = _rounded(run.predict_seconds)
    kept["right"] = base64.b64encode(np.packbits(run.right).tobytes()).decode()
    return kept


def _run_from_json(kept: Mapping[str, Any], n_test: int) -> Run:
    if kept["choice"] not in CHOICES:
        raise ValueError(f"{kept['choice']!r} is no choice")
    right = None
    if "right" in kept:
        packed = np.frombuffer(base64.b64decode(kept["right"], validate=True), dtype=np.uint8)
        right = np.unpackbits(packed, count=n_test).astype(bool)
        if len(packed) != -(-n_test // 8):
            raise ValueError("`right` has not one mark per test image")
    nll, ece, fit_seconds, predict_seconds = (
        np.nan if kept.get(key) is None else float(kept[key])
        for key in ("nll", "ece", "fit_seconds", "predict_seconds")
    )
    return Run(
        head=str(kept["head"]),
        choice=str(kept["choice"]),
        shots=str(kept["shots"]),
        seed=int(kept["seed"]),
        right=right,
        nll=nll,
        ece=ece,
        fit_seconds=fit_seconds,
        predict_seconds=predict_seconds,
        error=kept.get("error"),
        candidate=kept.get("candidate"),
    )


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), DIGITS)
