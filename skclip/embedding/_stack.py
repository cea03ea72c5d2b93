"""Stack batches of rows without holding them twice."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["stack_batches"]


def stack_batches(batches: Iterator[NDArray[np.float32]], n: int | None) -> NDArray[np.float32]:
    """Return the rows of batches as one array.

    Concatenation would hold every row twice in memory.

    Parameters
    ----------
    batches : iterator of ndarray of shape (n_batch, n_features)
        At least one batch; all have the same width.

    n : int or None
        Total number of rows; None if it is not known in advance.

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
            # grow by an eighth, so that rows are moved a few times and not for every batch
            rows.resize((end + end // 8, rows.shape[1]), refcheck=False)
        rows[start:end] = batch
    if end < len(rows):
        rows.resize((end, rows.shape[1]), refcheck=False)
    return rows
