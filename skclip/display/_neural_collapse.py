"""Neural collapse of data sets versus the number of proxies that suits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip.display._axes import axes_of
from skclip.display._plain import show_as_they_are
from skclip.display._proxy_count import ProxyCountDisplay
from skclip.metrics import neural_collapse_score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["NeuralCollapseDisplay"]


class NeuralCollapseDisplay:
    """Variability within classes versus the best number of proxies per class, a point per data set.

    A low score says that the images of each class lie close together. Within a family of tasks
    such classes need fewer proxies; across families the two are hardly correlated. Make one by
    :meth:`from_estimator`.

    Parameters
    ----------
    collapse : mapping of str to float
        Neural collapse score of each data set, see :func:`skclip.metrics.neural_collapse_score`.

    best_k : mapping of str to int
        Its best number of proxies per class.

    Attributes
    ----------
    points_ : matplotlib PathCollection
        The data sets.

    ax_ : matplotlib Axes
        Axes with the points.

    figure_ : matplotlib Figure
        Figure containing the points.

    See Also
    --------
    skclip.display.ProxyCountDisplay : Accuracy over numbers of proxies, for one data set.

    Examples
    --------
    >>> from skclip.display import NeuralCollapseDisplay
    >>> display = NeuralCollapseDisplay(collapse={"a": 0.2, "b": 3.0}, best_k={"a": 1, "b": 5})
    >>> display.plot().figure_.savefig("collapse.png")  # doctest: +SKIP
    """

    def __init__(self, *, collapse: Mapping[str, float], best_k: Mapping[str, int]) -> None:
        if set(collapse) != set(best_k):
            raise ValueError(
                f"collapse is of {sorted(collapse)}, best_k of {sorted(best_k)}: give both of the "
                "same data sets."
            )
        self.collapse = dict(collapse)
        self.best_k = dict(best_k)

    @classmethod
    def from_estimator(
        cls,
        imprinter: Any,
        data: Mapping[str, tuple[ArrayLike, ArrayLike]],
        *,
        k_values: Sequence[int] = (1, 2, 3, 5, 10, 20),
        cv: Any = None,
        n_jobs: int | None = None,
    ) -> Self:
        """Measure collapse, and cross-validate the number of proxies.

        Parameters
        ----------
        imprinter : MultiProxyImprinter
            Clones are fitted.

        data : mapping of str to (X, y)
            Embeddings and labels of each data set.

        k_values : sequence of int, default=(1, 2, 3, 5, 10, 20)
            Numbers of proxies per class to try.

        cv : int, cross-validation generator, iterable or None, default=None
            Folds, as in scikit-learn.

        n_jobs : int or None, default=None
            Fits to run at the same time.

        Returns
        -------
        display : NeuralCollapseDisplay
            Not plotted yet.
        """
        collapse, best_k = {}, {}
        for name, (X, y) in data.items():
            collapse[name] = float(neural_collapse_score(X, y))
            best_k[name] = ProxyCountDisplay.from_estimator(
                imprinter, X, y, k_values=k_values, cv=cv, n_jobs=n_jobs
            ).best_k
        return cls(collapse=collapse, best_k=best_k)

    def plot(self, ax: Axes | None = None, **scatter_kw: Any) -> Self:
        """Draw a point per data set.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        **scatter_kw : dict
            Passed to ``ax.scatter``.

        Returns
        -------
        display : NeuralCollapseDisplay
            This object; ``figure_`` can be saved.
        """
        axes = axes_of(ax, "NeuralCollapseDisplay.plot")
        self.ax_, self.figure_ = axes, axes.figure
        names = list(self.collapse)
        x: NDArray[Any] = np.array([self.collapse[name] for name in names])
        y: NDArray[Any] = np.array([self.best_k[name] for name in names])
        self.points_ = axes.scatter(x, y, **scatter_kw)
        texts = [
            axes.annotate(name, place, xytext=(5, 5), textcoords="offset points")
            for name, place in zip(names, zip(x, y, strict=True), strict=True)
        ]
        show_as_they_are(texts)
        axes.set_xscale("log")
        axes.set_xlabel("Neural collapse score (lower is more collapsed)")
        axes.set_ylabel("Best number of proxies per class")
        return self
