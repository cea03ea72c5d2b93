"""What became of each class's matches, as stacked bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip.display._axes import axes_of
from skclip.display._plain import show_as_they_are
from skclip.recall import PrimingPool

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PoolCompositionDisplay"]


class PoolCompositionDisplay:
    """Composition of a priming pool: what was kept of each class, and what was left out and why.

    Make one by :meth:`from_pool`.

    Parameters
    ----------
    names : sequence of str
        Classes, from the top.

    counts : mapping of str to array-like of shape (n_classes,)
        Images by what became of them, in the order they are stacked.

    Attributes
    ----------
    bars_ : dict of str to matplotlib BarContainer
        Bars by what became of the images.

    ax_ : matplotlib Axes
        Axes with the bars.

    figure_ : matplotlib Figure
        Figure containing the bars.

    See Also
    --------
    skclip.display.PoolDisplay : The images themselves.
    skclip.report.pool_page : A page to look through them.

    Examples
    --------
    >>> from skclip.display import PoolCompositionDisplay
    >>> from skclip.recall import CaptionRetriever
    >>> pool = CaptionRetriever().fit(["a cat", "the cat", "a dog"]).recall(["cat", "dog"])
    >>> display = PoolCompositionDisplay.from_pool(pool, kept=[True, False, True])
    >>> {part: values.tolist() for part, values in display.counts.items()}
    {'kept': [1, 1], 'rejected by the filter': [1, 0]}
    >>> display.plot().figure_.savefig("composition.png")  # doctest: +SKIP
    """

    def __init__(self, *, names: Sequence[str], counts: Mapping[str, ArrayLike]) -> None:
        self.names = list(names)
        self.counts: dict[str, NDArray[Any]] = {k: np.asarray(v) for k, v in counts.items()}
        for part, values in self.counts.items():
            if values.shape != (len(self.names),):
                raise ValueError(
                    f"counts of {part!r} have shape {values.shape}, but there are "
                    f"{len(self.names)} names: give one number per class."
                )

    @classmethod
    def from_pool(cls, pool: PrimingPool, *, kept: ArrayLike | None = None) -> Self:
        """Count the rows of a pool and what its report says was left out.

        Parameters
        ----------
        pool : PrimingPool
            A pool; reports of recalled pools count repeated, unreadable, excluded and duplicate
            images too. Matches beyond the retriever's ``k`` are not counted.

        kept : array-like of shape (n_samples,) of bool, default=None
            What a filter kept, for instance the ``support_`` of a fitted
            :class:`~skclip.recall.ZeroShotFilter`.

        Returns
        -------
        display : PoolCompositionDisplay
            Not plotted yet.
        """
        report = pool.report()
        counts = dict(report.counts)
        in_pool = counts.pop("kept")
        parts: dict[str, NDArray[Any]] = {"kept": in_pool}
        if kept is not None:
            mask = np.asarray(kept, dtype=bool)
            if mask.shape != (len(pool),):
                raise ValueError(
                    f"kept has shape {mask.shape} but the pool has {len(pool)} rows: give one "
                    "truth value per row."
                )
            position = {str(name): i for i, name in enumerate(report.names)}
            own = [position[str(label)] for label in pool.labels[mask].tolist()]
            passed = np.bincount(np.asarray(own, dtype=int), minlength=len(in_pool))
            parts = {"kept": passed, "rejected by the filter": in_pool - passed}
        left_out = {
            name: values
            for name, values in counts.items()
            if name not in ("matches", "ambiguous") and values.any()
        }
        return cls(names=list(map(str, report.names)), counts={**parts, **left_out})

    def plot(self, ax: Axes | None = None, **bar_kw: Any) -> Self:
        """Draw one bar per class.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure as high as the classes need.

        **bar_kw : dict
            Passed to ``ax.barh``.

        Returns
        -------
        display : PoolCompositionDisplay
            This object; ``figure_`` can be saved.
        """
        height = 1.2 + 0.25 * len(self.names)
        axes = axes_of(ax, "PoolCompositionDisplay.plot", figsize=(6.4, height))
        self.ax_, self.figure_ = axes, axes.figure
        places, left = np.arange(len(self.names)), np.zeros(len(self.names))
        self.bars_ = {}
        for part, values in self.counts.items():
            self.bars_[part] = axes.barh(places, values, left=left, label=part, **bar_kw)
            left = left + values
        axes.set_yticks(places, self.names)
        show_as_they_are(axes.get_yticklabels())
        axes.set_ylim(len(self.names) - 0.5, -0.5)
        axes.set_xlabel("Images")
        axes.legend()
        return self
