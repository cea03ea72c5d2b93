"""Batches of rows as one array that is held once."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["stack_batches"]


def stack_batches(batches: Iterator[NDArray[np.float32]], n: int | None) -> NDArray[np.float32]:
    """Return the rows of batches as one array.

    Concatenating them would hold every row twice, which decides what fits into memory.

    Parameters
    ----------
    batches : iterator of ndarray of shape (n_batch, n_features)
        At least one, of one width.

    n : int or None
        Rows of all batches; None if that is not known before the last.

    Returns
    -------
    rows : ndarray of shape (n, n_features)
        In the order of the batches.
    """
    first = next(batches)
    rows = np.empty((n or len(first), first.shape[1]), dtype=first.dtype)
    rows[: len(first)] = first
    end = len(first)
    for batch in batches:
        start, end = end, end + len(batch)
        if end > len(rows):
            # by an eighth, so that rows are moved a few times and not once a batch
            rows.resize((end + end // 8, rows.shape[1]), refcheck=False)
        rows[start:end] = batch
    if end < len(rows):
        rows.resize((end, rows.shape[1]), refcheck=False)
    return rows
