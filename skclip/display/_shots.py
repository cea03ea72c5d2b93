"""Bands over repeated draws, and the draws themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["SHOTS_LABEL", "draw_band", "draw_shots", "show_shots"]

SHOTS_LABEL = "Labelled images per class (shots)"


def draw_shots(y: ArrayLike, n_shots: int, random_state: Any) -> NDArray[np.intp]:
    """Return the positions of ``n_shots`` random samples per class, or of all where it has fewer.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.display._shots import draw_shots
    >>> y = np.array(["cat", "dog", "cat", "dog"])
    >>> sorted(y[draw_shots(y, 1, random_state=0)].tolist())
    ['cat', 'dog']
    """
    rng = np.random.default_rng(random_state)
    _, codes = np.unique(np.asarray(y), return_inverse=True)
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    sorted_codes = codes[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_codes, sorted_codes)
    drawn: NDArray[np.intp] = np.sort(order[rank < n_shots])
    return drawn


def draw_band(
    axes: Any, x: NDArray[Any], mean: NDArray[Any], spread: NDArray[Any], **line_kw: Any
) -> tuple[Any, Any]:
    """Draw means as a line and one standard deviation both ways as a band."""
    (line,) = axes.plot(x, mean, **{"marker": ".", **line_kw})
    band = axes.fill_between(
        x, mean - spread, mean + spread, color=line.get_color(), alpha=0.2, linewidth=0
    )
    return line, band


def show_shots(axes: Any, shots: Sequence[Any]) -> None:
    """Label the x axis with numbers of shots, on a logarithmic scale of base two."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(shots), [str(n) for n in shots])
    axes.set_xlabel(SHOTS_LABEL)
