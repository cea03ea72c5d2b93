"""Accuracy versus confidence: whether probabilities can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from skclip.display._axes import axes_of
from skclip.display._plain import show_as_they_are
from skclip.metrics import ReliabilityCurve, reliability_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ReliabilityDisplay"]

_DIAGONAL = "skclip-diagonal"  # drawn once, however many curves share the axes


class ReliabilityDisplay:
    """Accuracy of predictions by their confidence, for all classes at once.

    Make one by :meth:`from_estimator` or :meth:`from_predictions`. Several plotted on one ``ax``
    are compared. For the probability of one class see
    :class:`sklearn.calibration.CalibrationDisplay`.

    Parameters
    ----------
    curve : ReliabilityCurve
        Of :func:`skclip.metrics.reliability_curve`.

    name : str or None, default=None
        What the curve is called in the legend.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve.

    ax_ : matplotlib Axes
        Axes with the curve.

    figure_ : matplotlib Figure
        Figure containing the curve.

    Examples
    --------
    >>> from skclip.display import ReliabilityDisplay
    >>> proba = [[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]]
    >>> display = ReliabilityDisplay.from_predictions(["cat", "dog", "dog"], proba)
    >>> display.curve.accuracy
    array([0., 1., 1.])
    >>> display.plot().figure_.savefig("reliability.png")  # doctest: +SKIP
    """

    def __init__(self, *, curve: ReliabilityCurve, name: str | None = None) -> None:
        self.curve = curve
        self.name = name

    @classmethod
    def from_estimator(
        cls, head: Any, X: ArrayLike, y: ArrayLike, *, n_bins: int = 10, name: str | None = None
    ) -> Self:
        """Predict probabilities and compare them with labels.

        Parameters
        ----------
        head : fitted classifier
            Must have ``predict_proba``.

        X : array-like of shape (n_samples, n_features)
            Embeddings, or what the classifier takes.

        y : array-like of shape (n_samples,)
            Labels.

        n_bins : int, default=10
            Bins of equal width.

        name : str or None, default=None
            What the curve is called; None is the class of the head.

        Returns
        -------
        display : ReliabilityDisplay
            Not plotted yet.
        """
        return cls.from_predictions(
            y,
            head.predict_proba(X),
            classes=head.classes_,
            n_bins=n_bins,
            name=type(head).__name__ if name is None else name,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        proba: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        n_bins: int = 10,
        name: str | None = None,
    ) -> Self:
        """Compare probabilities with labels.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Labels.

        proba : array-like of shape (n_samples, n_classes)
            Probabilities.

        classes : array-like of shape (n_classes,), default=None
            Label of each column; None is the sorted labels in ``y_true``.

        n_bins : int, default=10
            Bins of equal width.

        name : str or None, default=None
            What the curve is called in the legend.

        Returns
        -------
        display : ReliabilityDisplay
            Not plotted yet.
        """
        labels, probabilities = np.asarray(y_true), np.asarray(proba)
        names = np.unique(labels) if classes is None else np.asarray(classes)
        if probabilities.shape != (len(labels), len(names)):
            raise ValueError(
                f"proba has shape {probabilities.shape}, but there are {len(labels)} labels and "
                f"{len(names)} classes: give one row per label and one column per class, and "
                "`classes` where labels lack one."
            )
        right = names[probabilities.argmax(axis=1)] == labels
        curve = reliability_curve(right, probabilities.max(axis=1), n_bins=n_bins)
        return cls(curve=curve, name=name)

    def plot(self, ax: Axes | None = None, **line_kw: Any) -> Self:
        """Draw the curve beside the diagonal, with the expected calibration error in the legend.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        **line_kw : dict
            Passed to ``ax.plot``.

        Returns
        -------
        display : ReliabilityDisplay
            This object; ``figure_`` can be saved.
        """
        axes = axes_of(ax, "ReliabilityDisplay.plot")
        self.ax_, self.figure_ = axes, axes.figure
        error = f"ECE {self.curve.calibration_error:.3f}"
        label = error if self.name is None else f"{self.name} ({error})"
        (self.line_,) = axes.plot(
            self.curve.confidence, self.curve.accuracy, **{"marker": "o", "label": label, **line_kw}
        )
        if not any(line.get_gid() == _DIAGONAL for line in axes.lines):
            axes.plot([0, 1], [0, 1], color="0.4", linestyle="--", zorder=0, gid=_DIAGONAL)
        axes.set_xlabel("Confidence")
        axes.set_ylabel("Accuracy")
        show_as_they_are(axes.legend().get_texts())
        return self
