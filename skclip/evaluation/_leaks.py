"""Test images among those that heads may learn from: found by their embeddings, and refused."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import gen_row_blocks, unit_rows
from skclip._validation import sample_of
from skclip.exceptions import TestLeakError

__all__ = ["check_no_leak", "near_duplicates"]


def near_duplicates(
    X_test: NDArray[Any], X: NDArray[Any], similarity: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the test rows that have a near-duplicate among other rows, and the nearest of these.

    Parameters
    ----------
    X_test : ndarray of shape (n_test, n_features)
        Test rows.

    X : ndarray of shape (n_samples, n_features)
        Other rows.

    similarity : float
        Least cosine of near-duplicates. Rows of zeros are like none.

    Returns
    -------
    test, others : ndarray of int
        Positions.
    """
    X_test, X = unit_rows(X_test), unit_rows(X)
    nearest = np.zeros(len(X_test), dtype=np.intp)
    cosine = np.zeros(len(X_test))
    if len(X):
        for rows in gen_row_blocks(len(X_test), len(X)):
            cosines = X_test[rows] @ X.T
            nearest[rows] = cosines.argmax(axis=1)
            cosine[rows] = cosines.max(axis=1)
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
        test, found = near_duplicates(X_test, X, similarity)
        if len(test):
            pairs = [f"test row {i} is row {j} of {name}" for i, j in zip(test, found, strict=True)]
            raise TestLeakError(
                f"{len(test)} of {len(X_test)} test rows are among the rows of {name}, at a cosine "
                f"of {similarity} or more: {sample_of(pairs)}. Take them out of either. If they "
                "are different images that look alike, raise `near_duplicates`, or set it to None "
                "and say so beside the numbers."
            )
