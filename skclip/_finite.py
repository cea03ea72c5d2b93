"""Embeddings with NaN or infinity: they are treated as unreadable images."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._validation import sample_of
from skclip._warn import warn_caller
from skclip.exceptions import UnreadableImageWarning

__all__ = ["unreadable_rows", "warn_unreadable", "without_unreadable"]

_BLOCK = 1 << 12


def unreadable_rows(X: NDArray[Any]) -> NDArray[np.int64]:
    """Return the numbers of the rows that hold NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip._finite import unreadable_rows
    >>> unreadable_rows(np.array([[1.0, 0.0], [np.nan, 0.0], [0.0, np.inf]]))
    array([1, 2])
    """
    found = [
        start + np.flatnonzero(~np.isfinite(X[start : start + _BLOCK]).all(axis=1))
        for start in range(0, len(X), _BLOCK)
    ]
    return np.concatenate([np.empty(0, np.int64), *found])


def without_unreadable(X: NDArray[Any], name: str) -> NDArray[Any]:
    """Return the rows; those with NaN or infinity are set to zero, with a warning.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Embeddings; not changed.

    name : str
        Name of the caller's parameter, for the warning.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        The same array where every row is finite.
    """
    rows = unreadable_rows(X)
    if not len(rows):
        return X
    warn_unreadable(f"{name} holds", len(rows), len(X), rows.tolist())
    X = np.array(X)
    X[rows] = 0
    return X


def warn_unreadable(what: str, n_rows: int, n_all: int, names: Iterable[Any]) -> None:
    """Warn that rows with NaN or infinity were set to zero."""
    warn_caller(
        f"{what} NaN or infinity in {n_rows} of {n_all} rows ({sample_of(names)}): they count as "
        "unreadable images and are set to zero.",
        UnreadableImageWarning,
    )
