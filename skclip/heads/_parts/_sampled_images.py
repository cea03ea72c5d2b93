"""Keep a sample of very many labelled images, where sums of all stand for the others."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._array_api import is_elsewhere
from skclip._linalg import nonzero_rows

__all__ = ["MAX_KEPT", "N_SAMPLED", "may_sample", "sample_rows", "sample_sizes"]

# Most labelled images that a head keeps one by one: 200 MB with 512 features.
MAX_KEPT = 100_000
# Images that it keeps of more; mixing weights are fitted on at most 4000.
N_SAMPLED = 5_000


def may_sample(X: Any, sample_weight: Any, most: int | None) -> bool:
    """Return whether sums may stand for the rows: more than ``most``, in numpy, without weights."""
    is_many = most is not None and X.shape[0] > most
    return is_many and sample_weight is None and not is_elsewhere(X)


def sample_sizes(counts: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the number of rows of each class in a stratified sample.

    Every class has at least two rows, or all of its rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._parts._sampled_images import sample_sizes
    >>> sample_sizes(np.array([1, 10, 1000]), 100)
    array([ 1,  2, 96])
    """
    n = int(counts.sum())
    if n <= most:
        return counts
    least = np.minimum(counts, 2 if 2 * len(counts) <= most else most // len(counts))
    rest = (counts - least) * (most - int(least.sum())) // (n - int(least.sum()))
    sizes: NDArray[np.int64] = least + rest
    return sizes


def sample_rows(X: NDArray[Any], codes: NDArray[Any], most: int) -> NDArray[np.intp]:
    """Return ascending positions of a stratified sample of the rows that are not zero.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows; only two columns of them are read.

    codes : ndarray of shape (n_samples,)
        Class of every row.

    most : int
        Most rows of the sample.

    Returns
    -------
    rows : ndarray of shape (n_sampled,)
        The same images in any order of the rows, unless several begin and end alike.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._parts._sampled_images import sample_rows
    >>> sample_rows(np.arange(1.0, 7)[:, None], np.array([0, 0, 0, 0, 1, 1]), 4)
    array([0, 3, 4, 5])
    """
    evident = np.flatnonzero(nonzero_rows(X))
    order = evident[np.lexsort((X[evident, -1], X[evident, 0], codes[evident]))]
    counts = np.bincount(codes[order])
    starts = np.cumsum(counts) - counts
    ranks = [
        start + np.linspace(0, max(int(n) - 1, 0), size).round().astype(np.intp)
        for start, n, size in zip(starts, counts, sample_sizes(counts, most), strict=True)
    ]
    return np.sort(order[np.concatenate(ranks)])
