"""Mixing weights of a head versus labelled images per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skclip.display._axes import axes_of
from skclip.display._plain import show_as_they_are
from skclip.display._shots import draw_band, draw_shots, show_shots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MixingWeightsDisplay"]


class MixingWeightsDisplay:
    """Mixing weights that a head chooses, over numbers of shots: mean, and one standard deviation.

    Make one by :meth:`from_estimator`.

    Parameters
    ----------
    shots : array-like of shape (n_shots,)
        Labelled images per class.

    weights : mapping of str to array-like of shape (n_shots, n_seeds)
        Mixing weight of each part, such as ``"text"``, ``"labelled"`` and ``"recalled"``.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        Means by part.

    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure containing the curves.

    See Also
    --------
    skclip.heads.StackedHeadClassifier : Chooses its weights by left-out likelihood.

    Examples
    --------
    >>> from skclip.display import MixingWeightsDisplay
    >>> weights = {"text": [[1.0, 1.0], [0.8, 0.6]], "labelled": [[0.1, 0.3], [0.9, 1.1]]}
    >>> display = MixingWeightsDisplay(shots=[1, 4], weights=weights)
    >>> display.weights["text"].mean(axis=1)
    array([1. , 0.7])
    >>> display.plot().figure_.savefig("weights.png")  # doctest: +SKIP
    """

    def __init__(self, *, shots: ArrayLike, weights: Mapping[str, ArrayLike]) -> None:
        self.shots: NDArray[Any] = np.asarray(shots)
        self.weights: dict[str, NDArray[Any]] = {k: np.asarray(v) for k, v in weights.items()}
        for name, values in self.weights.items():
            if values.ndim != 2 or len(values) != len(self.shots):
                raise ValueError(
                    f"weights of {name!r} have shape {values.shape}, but there are "
                    f"{len(self.shots)} shots: give one row per number of shots and one column "
                    "per seed."
                )

    @classmethod
    def from_estimator(
        cls,
        head: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        shots: Sequence[int] = (1, 2, 4, 8, 16),
        n_seeds: int = 3,
    ) -> Self:
        """Fit a head on random shots and read its ``head_weights_``.

        Parameters
        ----------
        head : classifier, or a pipeline that ends in one
            Must have ``head_weights_`` when it is fitted; clones are fitted.

        X : array-like of shape (n_samples, n_features)
            Embeddings to take shots from.

        y : array-like of shape (n_samples,)
            Their labels.

        shots : sequence of int, default=(1, 2, 4, 8, 16)
            Labelled images per class.

        n_seeds : int, default=3
            Repetitions on other shots.

        Returns
        -------
        display : MixingWeightsDisplay
            Not plotted yet.
        """
        rows, labels = np.asarray(X), np.asarray(y)
        weights: dict[str, NDArray[Any]] = {}
        for i, n in enumerate(shots):
            for seed in range(n_seeds):
                drawn = draw_shots(labels, n, [seed, n])
                fitted = clone(head).fit(rows[drawn], labels[drawn])
                last = fitted[-1] if isinstance(fitted, Pipeline) else fitted
                if not getattr(last, "head_weights_", None):
                    raise ValueError(
                        f"{type(last).__name__} has no head_weights_ when it is fitted: give a "
                        'head that chooses mixing weights (alpha="auto" with a text head).'
                    )
                for name, weight in last.head_weights_.items():
                    empty = np.zeros((len(shots), n_seeds))
                    weights.setdefault(name, empty)[i, seed] = weight
        return cls(shots=shots, weights=weights)

    def plot(self, ax: Axes | None = None, **line_kw: Any) -> Self:
        """Draw a curve per part.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        **line_kw : dict
            Passed to ``ax.plot`` for the means.

        Returns
        -------
        display : MixingWeightsDisplay
            This object; ``figure_`` can be saved.
        """
        axes = axes_of(ax, "MixingWeightsDisplay.plot")
        self.ax_, self.figure_ = axes, axes.figure
        self.lines_ = {
            name: draw_band(
                axes,
                self.shots,
                values.mean(axis=1),
                values.std(axis=1),
                **{"label": name, **line_kw},
            )[0]
            for name, values in self.weights.items()
        }
        show_shots(axes, self.shots.tolist())
        axes.set_ylabel("Mixing weight")
        axes.set_ylim(bottom=0)
        show_as_they_are(axes.legend().get_texts())
        return self
