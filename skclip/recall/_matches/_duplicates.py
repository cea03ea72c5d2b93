"""Find duplicate images, by content and by embedding."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._files import is_remote
from skclip._linalg import unit_rows
from skclip.embedding import content_key, fetch_image
from skclip.exceptions import UnreadableImageError

__all__ = ["content_hash", "is_near", "near_duplicates"]

_BLOCK = 256
# Tolerance for rounding, so that a threshold of 1 finds equal vectors.
_ROUNDING = 1e-6


def content_hash(image: Any) -> bytes | None:
    """Return a hash of an image's content; None if it cannot be read without the network."""
    if image is None or (isinstance(image, str) and is_remote(image)):
        return None
    try:
        return content_key(fetch_image(image))
    except UnreadableImageError:
        return None


def near_duplicates(
    X: NDArray[Any], threshold: float, earlier: NDArray[Any] | None = None
) -> NDArray[np.bool_]:
    """Return which rows are close to an earlier row that is not itself a duplicate.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Embeddings in order of preference.

    threshold : float
        Minimum cosine of duplicates.

    earlier : ndarray of shape (n_earlier, n_features), default=None
        Embeddings of rows that precede ``X``.

    Returns
    -------
    duplicate : ndarray of shape (n_samples,) of bool
        False for the first of each group.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.recall._matches._duplicates import near_duplicates
    >>> near_duplicates(np.array([[1.0, 0.0], [0.0, 1.0], [0.99, 0.01]]), 0.95)
    array([False, False,  True])
    """
    unit = unit_rows(X)
    duplicate = np.zeros(len(unit), dtype=bool)
    kept = unit[:0] if earlier is None else unit_rows(earlier).astype(unit.dtype, copy=False)
    for start in range(0, len(unit), _BLOCK):
        block = unit[start : start + _BLOCK]
        found = is_near(block, kept, threshold)
        close = block @ block.T >= threshold - _ROUNDING
        for i in range(len(block)):
            found[i] |= bool(np.any(close[i, :i] & ~found[:i]))
        duplicate[start : start + len(block)] = found
        kept = np.concatenate([kept, block[~found]])
    return duplicate


def is_near(X: NDArray[Any], others: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Return which unit rows of ``X`` have a cosine of at least ``threshold`` with another row.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Unit rows.

    others : ndarray of shape (n_others, n_features)
        Unit rows.

    threshold : float
        Minimum cosine.

    Returns
    -------
    near : ndarray of shape (n_samples,) of bool
        False everywhere if there are no others.
    """
    near = np.zeros(len(X), dtype=bool)
    for start in range(0, len(others), _BLOCK * 16):
        block = others[start : start + _BLOCK * 16]
        near |= (X @ block.T).max(axis=1, initial=-np.inf) >= threshold - _ROUNDING
    return near
