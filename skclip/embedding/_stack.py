"""Stack batches of rows."""

from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

__all__ = ["stack_batches"]


def stack_batches(batches: Iterator[NDArray[np.float32]], n: int | None) -> NDArray[np.float32]:
    """Return the rows of batches as one array.

    Parameters
    ----------
    batches : iterator of ndarray of shape (n_batch, n_features)
        At least one batch; all have the same width.

    n : int or None
        Number of rows, which need not be exact. If it is not known, or too small, rows are held
        twice while they are put together.

    Returns
    -------
    rows : ndarray of shape (n, n_features)
        In the order of the batches.
    """
    if n is None:
        return np.concatenate(list(batches))
    first = next(batches)
    rows = np.empty((n, first.shape[1]), dtype=first.dtype)
    end = 0
    for batch in chain([first], batches):
        start, end = end, end + len(batch)
        if end > n:
            return np.concatenate([rows[:start], batch, *batches])
        rows[start:end] = batch
    return rows[:end]
