"""Test images among those that heads may learn from: found by their embeddings, and refused."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._linalg import gen_row_blocks, unit_rows
from skclip._validation import sample_of
from skclip.exceptions import TestLeakError

__all__ = ["check_no_leak", "find_near_duplicates"]


def find_near_duplicates(
    X_test: ArrayLike, X: ArrayLike, *, similarity: float = 0.995
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find test images that are among other images, by their embeddings.

    Parameters
    ----------
    X_test : array-like of shape (n_test, n_features)
        Test embeddings.

    X : array-like of shape (n_samples, n_features)
        Embeddings that a head may learn from.

    similarity : float, default=0.995
        Least cosine of near-duplicates. The cosine of an image with its copy in half precision, or
        compressed again, is higher; that of two images of one scene is lower. Rows of zeros have no
        near-duplicates.

    Returns
    -------
    test : ndarray of int
        Positions of the test images that have a near-duplicate.

    others : ndarray of int
        Position of the nearest of these in ``X``.

    See Also
    --------
    compare_heads : Raises an error if there are any.

    Examples
    --------
    >>> from skclip.evaluation import find_near_duplicates
    >>> find_near_duplicates([[0.0, 1.0], [1.0, 1.0]], [[2.0, 2.01], [1.0, 0.0]])
    (array([1]), array([0]))
    """
    rows, others = unit_rows(X_test), unit_rows(X)
    nearest = np.zeros(len(rows), dtype=np.intp)
    cosine = np.zeros(len(rows))
    if len(others):
        for block in gen_row_blocks(len(rows), len(others)):
            cosines = rows[block] @ others.T
            nearest[block] = cosines.argmax(axis=1)
            cosine[block] = cosines.max(axis=1)
    leaked = np.flatnonzero(cosine >= similarity)
    return leaked, nearest[leaked]


def check_no_leak(X_test: NDArray[Any], others: dict[str, NDArray[Any]], similarity: float) -> None:
    """Raise if test rows are among other rows.

    Parameters
    ----------
    X_test : ndarray of shape (n_test, n_features)
        Test rows.

    others : dict of str to ndarray of shape (n_samples, n_features)
        What heads may learn from, by name of the parameter.

    similarity : float
        Cosine from which two rows are the same image.

    Raises
    ------
    TestLeakError
        With the first positions of both.
    """
    for name, X in others.items():
        test, found = find_near_duplicates(X_test, X, similarity=similarity)
        if len(test):
            pairs = [f"test row {i} is row {j} of {name}" for i, j in zip(test, found, strict=True)]
            raise TestLeakError(
                f"{len(test)} of {len(X_test)} test rows are among the rows of {name}, at a cosine "
                f"of {similarity} or more: {sample_of(pairs)}. Take them out of either; "
                "skclip.evaluation.find_near_duplicates returns all. If they are different images "
                "that look alike, raise `near_duplicates`, or set it to None, which the result "
                "tells."
            )
