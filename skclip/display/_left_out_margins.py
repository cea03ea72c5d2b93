"""Margins of images that a head has not seen: how clearly it is right or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import cross_val_predict

from skclip._validation import encode_known
from skclip.display._axes import axes_of
from skclip.display._plain import show_as_they_are

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LeftOutMarginsDisplay"]


class LeftOutMarginsDisplay:
    r"""Distribution of left-out margins.

    The margin of an image is the score of its own class less the best score of another,

    .. math:: m_i = s_{y_i}(x_i) - \max_{c \ne y_i} s_c(x_i),

    by a head that was fitted without the image. The curve says which fraction of the images has a
    margin of at most :math:`m`; at zero it is the left-out error. Make one by
    :meth:`from_estimator` or :meth:`from_predictions`. Several plotted on one ``ax`` are compared.

    Parameters
    ----------
    margins : array-like of shape (n_samples,)
        Margins.

    name : str or None, default=None
        What the curve is called in the legend.

    Attributes
    ----------
    error : float
        Fraction of margins that are not positive.

    line_ : matplotlib Line2D
        The curve.

    ax_ : matplotlib Axes
        Axes with the curve.

    figure_ : matplotlib Figure
        Figure containing the curve.

    Examples
    --------
    >>> from skclip.display import LeftOutMarginsDisplay
    >>> scores = [[0.9, 0.1], [0.4, 0.6], [0.2, 0.7]]
    >>> display = LeftOutMarginsDisplay.from_predictions(["cat", "cat", "dog"], scores)
    >>> display.margins.round(2)
    array([ 0.8, -0.2,  0.5])
    >>> display.plot().figure_.savefig("margins.png")  # doctest: +SKIP
    """

    def __init__(self, *, margins: ArrayLike, name: str | None = None) -> None:
        self.margins: NDArray[np.float64] = np.asarray(margins, dtype=np.float64)
        self.name = name

    @classmethod
    def from_estimator(
        cls, head: Any, X: ArrayLike, y: ArrayLike, *, cv: Any = None, name: str | None = None
    ) -> Self:
        """Score every image by a head that was fitted on the other folds.

        Parameters
        ----------
        head : classifier
            With ``decision_function``; clones are fitted.

        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,)
            Labels.

        cv : int, cross-validation generator, iterable or None, default=None
            Folds, as in scikit-learn; ``LeaveOneOut()`` leaves out one image at a time.

        name : str or None, default=None
            What the curve is called; None is the class of the head.

        Returns
        -------
        display : LeftOutMarginsDisplay
            Not plotted yet.
        """
        scores = cross_val_predict(head, X, y, cv=cv, method="decision_function")
        name = type(head).__name__ if name is None else name
        return cls.from_predictions(y, scores, name=name)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        scores: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        name: str | None = None,
    ) -> Self:
        """Take scores that are there.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Labels.

        scores : array-like of shape (n_samples, n_classes) or (n_samples,)
            Scores of heads that have not seen the images. One column is the score of the second
            of two classes, the first has its negative.

        classes : array-like of shape (n_classes,), default=None
            Label of each column; None is the sorted labels in ``y_true``.

        name : str or None, default=None
            What the curve is called in the legend.

        Returns
        -------
        display : LeftOutMarginsDisplay
            Not plotted yet.
        """
        labels, values = np.asarray(y_true), np.asarray(scores, dtype=np.float64)
        names = np.unique(labels) if classes is None else np.asarray(classes)
        if values.ndim == 1:
            values = np.stack([-values, values], axis=1)
        if values.shape != (len(labels), len(names)) or len(names) < 2:
            raise ValueError(
                f"scores have shape {values.shape}, but there are {len(labels)} labels and "
                f"{len(names)} classes: give one row per label and one column per class, at least "
                "two, and `classes` where labels lack one."
            )
        order = np.argsort(names)
        codes = order[encode_known(labels, names[order], source="y_true")]
        at = np.arange(len(labels))
        own = values[at, codes]
        others = values.copy()
        others[at, codes] = -np.inf
        return cls(margins=own - others.max(axis=1), name=name)

    @property
    def error(self) -> float:
        """Fraction of margins that are not positive."""
        return float(np.mean(self.margins <= 0))

    def plot(self, ax: Axes | None = None, **line_kw: Any) -> Self:
        """Draw the fraction of images below each margin.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        **line_kw : dict
            Passed to ``ax.ecdf``.

        Returns
        -------
        display : LeftOutMarginsDisplay
            This object; ``figure_`` can be saved.
        """
        axes = axes_of(ax, "LeftOutMarginsDisplay.plot")
        self.ax_, self.figure_ = axes, axes.figure
        error = f"error {100 * self.error:.1f} %"
        label = error if self.name is None else f"{self.name} ({error})"
        self.line_ = axes.ecdf(self.margins, **{"label": label, **line_kw})
        axes.axvline(0, color="0.4", linestyle="--", zorder=0)
        axes.set_xlabel("Left-out margin: own class less the best other")
        axes.set_ylabel("Fraction of images")
        show_as_they_are(axes.legend().get_texts())
        return self
