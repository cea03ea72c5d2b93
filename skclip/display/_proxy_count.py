"""Accuracy versus the number of proxies per class, with the best number marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import validation_curve

from skclip.display._axes import axes_of
from skclip.display._plain import show_as_they_are

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ProxyCountDisplay"]


class ProxyCountDisplay:
    """Accuracy of multi-proxy imprinting versus the number of proxies per class.

    Create it with :meth:`from_estimator`, which cross-validates, or with :meth:`from_scores` from
    the scores of ``MultiProxyImprinter(k="auto")``. Plot several on one ``ax`` to compare them.

    Parameters
    ----------
    k_values : array-like of shape (n_values,)
        Numbers of proxies per class.

    scores : array-like of shape (n_values, n_splits)
        Score for each number and fold.

    name : str or None, default=None
        Name of the curve in the legend.

    score_name : str, default="Accuracy"
        Label of the score axis.

    Attributes
    ----------
    best_k : int
        Number with the highest mean score; the smallest of equal ones.

    line_ : matplotlib Line2D
        Mean over folds.

    band_ : matplotlib PolyCollection
        Mean ± one standard deviation over folds.

    best_ : matplotlib Line2D
        Marker at ``best_k``.

    ax_ : matplotlib Axes
        Axes with the curve.

    figure_ : matplotlib Figure
        Figure containing the curve.

    See Also
    --------
    skclip.heads.MultiProxyImprinter : The estimator.
    sklearn.model_selection.ValidationCurveDisplay : Display for any parameter.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skclip.display import ProxyCountDisplay
    >>> from skclip.heads import MultiProxyImprinter
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> imprinter = MultiProxyImprinter(random_state=0)
    >>> display = ProxyCountDisplay.from_estimator(imprinter, X, y, k_values=[1, 2, 5], cv=3)
    >>> display.scores.shape
    (3, 3)
    >>> display.plot().figure_.savefig("proxies.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        k_values: ArrayLike,
        scores: ArrayLike,
        name: str | None = None,
        score_name: str = "Accuracy",
    ) -> None:
        self.k_values: NDArray[Any] = np.asarray(k_values)
        self.scores: NDArray[Any] = np.asarray(scores)
        if self.scores.ndim != 2 or len(self.scores) != len(self.k_values):
            raise ValueError(
                f"scores has shape {self.scores.shape} but there are {len(self.k_values)} "
                "k_values: give one row per number and one column per fold."
            )
        self.name = name
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        k_values: Sequence[int] = (1, 2, 3, 5, 10, 20),
        param_name: str = "k",
        cv: Any = None,
        n_jobs: int | None = None,
        name: str | None = None,
    ) -> Self:
        """Cross-validate the accuracy for every number of proxies.

        Parameters
        ----------
        estimator : estimator
            An imprinter, or a pipeline with one.

        X : array-like of shape (n_samples, n_features)
            Embeddings, or the input of the pipeline.

        y : array-like of shape (n_samples,)
            Class labels.

        k_values : sequence of int, default=(1, 2, 3, 5, 10, 20)
            Numbers of proxies per class to try.

        param_name : str, default="k"
            Name of the parameter, for instance ``"multiproxyimprinter__k"`` in a pipeline.

        cv : int, cross-validation generator, iterable or None, default=None
            Folds, as in scikit-learn.

        n_jobs : int or None, default=None
            Number of fits to run in parallel.

        name : str or None, default=None
            Name of the curve in the legend.

        Returns
        -------
        display : ProxyCountDisplay
            The display, not yet plotted.
        """
        _, scores = validation_curve(
            estimator, X, y, param_name=param_name, param_range=k_values, cv=cv, n_jobs=n_jobs
        )
        return cls(k_values=k_values, scores=scores, name=name)

    @classmethod
    def from_scores(cls, scores: Mapping[int, ArrayLike], *, name: str | None = None) -> Self:
        """Create a display from scores, such as ``k_scores_`` of a fitted imprinter.

        Parameters
        ----------
        scores : mapping of int to array-like of shape (n_splits,)
            Scores for every number of proxies.

        name : str or None, default=None
            Name of the curve in the legend.

        Returns
        -------
        display : ProxyCountDisplay
            The display, not yet plotted.
        """
        return cls(
            k_values=list(scores), scores=[np.asarray(v) for v in scores.values()], name=name
        )

    @property
    def best_k(self) -> int:
        """Number with the highest mean score; the smallest of equal ones."""
        return int(self.k_values[np.argmax(self.scores.mean(axis=1))])

    def plot(self, ax: Axes | None = None, **line_kw: Any) -> Self:
        """Plot mean and standard deviation over folds, and mark the best number.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot in; None creates a figure.

        **line_kw : dict
            Passed to ``ax.plot`` for the mean.

        Returns
        -------
        display : ProxyCountDisplay
            This object.
        """
        axes = axes_of(ax, "ProxyCountDisplay.plot")
        self.ax_, self.figure_ = axes, axes.figure
        mean, spread = self.scores.mean(axis=1), self.scores.std(axis=1)
        (self.line_,) = axes.plot(self.k_values, mean, **{"label": self.name, **line_kw})
        color = self.line_.get_color()
        self.band_ = axes.fill_between(
            self.k_values, mean - spread, mean + spread, color=color, alpha=0.2, linewidth=0
        )
        (self.best_,) = axes.plot(self.best_k, mean.max(), "o", color=color)
        axes.set_xlabel("Proxies per class (k)")
        show_as_they_are([axes.set_ylabel(self.score_name)])
        if self.name is not None:
            show_as_they_are(axes.legend().get_texts())
        return self
