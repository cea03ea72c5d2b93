"""Accuracy of heads versus labelled images per class, with bands over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from skclip._validation import sample_of
from skclip.display._axes import axes_of
from skclip.display._plain import show_as_they_are
from skclip.display._shots import draw_band, draw_shots, show_shots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["AccuracyOverShotsDisplay"]


class AccuracyOverShotsDisplay:
    """Accuracy of one or more heads over numbers of shots: mean, and one standard deviation.

    Make one by :meth:`from_estimator`, which fits and scores, by :meth:`from_predictions`, or by
    :meth:`from_results` from a table of scores.

    Parameters
    ----------
    shots : array-like of shape (n_shots,)
        Labelled images per class.

    scores : mapping of str to array-like of shape (n_shots, n_seeds)
        Accuracies of each head.

    baseline : float or None, default=None
        Accuracy without labelled images, drawn as a dashed line.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        Means by head.

    bands_ : dict of str to matplotlib PolyCollection
        Bands by head.

    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure containing the curves.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skclip import NearestClassMean
    >>> from skclip.display import AccuracyOverShotsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> display = AccuracyOverShotsDisplay.from_estimator(
    ...     {"class means": NearestClassMean()},
    ...     X[:1000], y[:1000], X[1000:], y[1000:], shots=[1, 4], n_seeds=2,
    ... )
    >>> display.scores["class means"].shape
    (2, 2)
    >>> display.plot().figure_.savefig("shots.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        shots: ArrayLike,
        scores: Mapping[str, ArrayLike],
        baseline: float | None = None,
    ) -> None:
        self.shots: NDArray[Any] = np.asarray(shots)
        self.scores: dict[str, NDArray[Any]] = {k: np.asarray(v) for k, v in scores.items()}
        wrong = {
            name: values.shape
            for name, values in self.scores.items()
            if values.ndim != 2 or len(values) != len(self.shots)
        }
        if wrong:
            name, shape = next(iter(wrong.items()))
            raise ValueError(
                f"scores of {name!r} have shape {shape}, but there are {len(self.shots)} shots: "
                "give one row per number of shots and one column per seed."
            )
        self.baseline = baseline

    @classmethod
    def from_estimator(
        cls,
        heads: Any,
        X: ArrayLike,
        y: ArrayLike,
        X_test: ArrayLike,
        y_test: ArrayLike,
        *,
        shots: Sequence[int] = (1, 2, 4, 8, 16),
        n_seeds: int = 3,
        baseline: float | None = None,
    ) -> Self:
        """Fit heads on random shots and score them; all heads see the same images.

        Parameters
        ----------
        heads : classifier or mapping of str to classifier
            What to compare; clones are fitted.

        X : array-like of shape (n_samples, n_features)
            Embeddings to take shots from.

        y : array-like of shape (n_samples,)
            Their labels.

        X_test : array-like of shape (n_test, n_features)
            Embeddings to score on.

        y_test : array-like of shape (n_test,)
            Their labels.

        shots : sequence of int, default=(1, 2, 4, 8, 16)
            Labelled images per class.

        n_seeds : int, default=3
            Repetitions on other shots.

        baseline : float or None, default=None
            Accuracy without labelled images.

        Returns
        -------
        display : AccuracyOverShotsDisplay
            Not plotted yet.
        """
        named = heads if isinstance(heads, Mapping) else {type(heads).__name__: heads}
        rows, labels = np.asarray(X), np.asarray(y)
        scores = {name: np.empty((len(shots), n_seeds)) for name in named}
        for i, n in enumerate(shots):
            for seed in range(n_seeds):
                drawn = draw_shots(labels, n, [seed, n])
                for name, head in named.items():
                    fitted = clone(head).fit(rows[drawn], labels[drawn])
                    scores[name][i, seed] = fitted.score(X_test, y_test)
        return cls(shots=shots, scores=scores, baseline=baseline)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        predictions: Mapping[str, ArrayLike],
        *,
        shots: Sequence[int],
        baseline: float | None = None,
    ) -> Self:
        """Compare predictions with labels.

        Parameters
        ----------
        y_true : array-like of shape (n_test,)
            Labels.

        predictions : mapping of str to array-like of shape (n_shots, n_seeds, n_test)
            What each head predicts, fitted on other labelled images in every repetition.

        shots : sequence of int
            Labelled images per class that they were fitted on.

        baseline : float or None, default=None
            Accuracy without labelled images.

        Returns
        -------
        display : AccuracyOverShotsDisplay
            Not plotted yet.
        """
        labels = np.asarray(y_true)
        scores = {}
        for name, given in predictions.items():
            predicted = np.asarray(given)
            if predicted.ndim != 3 or predicted.shape[2] != len(labels):
                raise ValueError(
                    f"predictions of {name!r} have shape {predicted.shape}, but there are "
                    f"{len(labels)} labels: give (n_shots, n_seeds, {len(labels)})."
                )
            scores[name] = (predicted == labels).mean(axis=2)
        return cls(shots=shots, scores=scores, baseline=baseline)

    @classmethod
    def from_results(
        cls,
        results: Any,
        *,
        head: str = "head",
        shots: str = "shots",
        score: str = "accuracy",
        baseline: float | None = None,
    ) -> Self:
        """Take scores that are there, one per line of a table.

        Parameters
        ----------
        results : data frame or mapping of str to sequence
            A column for each of the names below; lines of one head and number of shots are its
            repetitions.

        head : str, default="head"
            Column with the names of the curves.

        shots : str, default="shots"
            Column of numbers of shots.

        score : str, default="accuracy"
            Column of scores.

        baseline : float or None, default=None
            Accuracy without labelled images.

        Returns
        -------
        display : AccuracyOverShotsDisplay
            Not plotted yet.
        """
        columns = [np.asarray(results[name]) for name in (head, shots, score)]
        names, numbers, values = columns
        distinct = np.unique(numbers)
        scores = {}
        for name in dict.fromkeys(names.tolist()):
            runs = [values[(names == name) & (numbers == n)] for n in distinct]
            lengths = sorted({len(one) for one in runs})
            if len(lengths) > 1:
                raise ValueError(
                    f"{name!r} has {sample_of(lengths)} scores per number of shots: give as many "
                    "for each."
                )
            scores[str(name)] = np.stack(runs)
        return cls(shots=distinct, scores=scores, baseline=baseline)

    def plot(self, ax: Axes | None = None, **line_kw: Any) -> Self:
        """Draw a curve per head.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        **line_kw : dict
            Passed to ``ax.plot`` for the means.

        Returns
        -------
        display : AccuracyOverShotsDisplay
            This object; ``figure_`` can be saved.
        """
        axes = axes_of(ax, "AccuracyOverShotsDisplay.plot")
        self.ax_, self.figure_ = axes, axes.figure
        self.lines_, self.bands_ = {}, {}
        for name, values in self.scores.items():
            self.lines_[name], self.bands_[name] = draw_band(
                axes,
                self.shots,
                values.mean(axis=1),
                values.std(axis=1),
                **{"label": name, **line_kw},
            )
        if self.baseline is not None:
            axes.axhline(self.baseline, color="0.4", linestyle="--", label="zero-shot")
        show_shots(axes, self.shots.tolist())
        axes.set_ylabel("Accuracy")
        show_as_they_are(axes.legend().get_texts())
        return self
