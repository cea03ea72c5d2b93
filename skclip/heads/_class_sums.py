"""Sums and counts of the rows of every class: all that heads of class means know of images."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.sparse as sp
from joblib import cpu_count
from numpy.typing import NDArray

from skclip._array_api import cast, is_elsewhere, like, to_numpy
from skclip._compat import get_namespace_and_device
from skclip._linalg import gen_row_blocks, row_norms, unit_rows

__all__ = ["class_sums"]

# Rows summed in their own precision before the sum is added in float64.
N_ROWS_PER_BLOCK = 1 << 15


def class_sums(
    X: NDArray[Any],
    codes: NDArray[np.int32],
    n_classes: int,
    weight: NDArray[Any],
    *,
    unit: bool = True,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Sum the rows of every class in one pass.

    .. math:: S_c = \sum_{i: y_i = c} w_i x_i / \lVert x_i \rVert, \qquad
              n_c = \sum_{i: y_i = c,\, x_i \ne 0} w_i

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        float32 or float64 rows. Zero rows carry no evidence and are not counted.

    codes : ndarray of shape (n_samples,)
        Class index of every row, in ``[0, n_classes)``.

    n_classes : int
        Number of classes.

    weight : ndarray of shape (n_samples,)
        Weight of every row.

    unit : bool, default=True
        Whether rows are normalised first.

    Returns
    -------
    sums : ndarray of shape (n_classes, n_features)
        NaN where ``X`` is not finite.

    counts : ndarray of shape (n_classes,)
        Sum of the weights of the rows that are not zero.
    """
    if is_elsewhere(X):
        return _class_sums_elsewhere(X, codes, n_classes, weight, unit=unit)
    sums, counts = np.zeros((n_classes, X.shape[1])), np.zeros(n_classes)
    blocks = [
        slice(start, start + N_ROWS_PER_BLOCK) for start in range(0, len(X), N_ROWS_PER_BLOCK)
    ]

    def of_block(rows: slice) -> tuple[NDArray[Any], NDArray[Any]]:
        return _block_sums(X[rows], codes[rows], n_classes, weight[rows], unit=unit)

    # the loops over rows run without the interpreter's lock; blocks are added in their order
    with ThreadPoolExecutor(max(1, min(cpu_count(), len(blocks)))) as threads:
        for block_sums, block_counts in threads.map(of_block, blocks):
            sums += block_sums
            counts += block_counts
    return sums, counts


def _block_sums(
    block: NDArray[Any],
    codes: NDArray[np.int32],
    n_classes: int,
    weight: NDArray[Any],
    *,
    unit: bool,
) -> tuple[NDArray[Any], NDArray[Any]]:
    if unit:
        norms = row_norms(block)
        if not np.all((norms > 1e-15) & (norms < 1e15)):
            # over- and underflowing squares, NaN and true zeros: the careful way
            block = unit_rows(block)
            norms = block.any(axis=1).astype(block.dtype)
    else:
        nonzero = row_norms(block) != 0
        nonzero[~nonzero] = block[~nonzero].any(axis=1)  # squares that underflowed
        norms = nonzero.astype(block.dtype)
    is_evidence = norms > 0
    row_scale = weight / np.where(is_evidence, norms, 1)
    # a column of this matrix is a row of X: the product streams through X once, in order
    membership = sp.csc_array(
        (row_scale, codes, np.arange(len(block) + 1, dtype=np.int32)),
        shape=(n_classes, len(block)),
    )
    return membership @ block, np.bincount(codes, weight * is_evidence, minlength=n_classes)


def _class_sums_elsewhere(
    X: Any, codes: NDArray[np.int32], n_classes: int, weight: Any, *, unit: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum by products with one-hot rows, which every array library has."""
    xp, _, device = get_namespace_and_device(X)
    columns = xp.arange(n_classes, dtype=xp.int32, device=device)
    codes = like(codes, X)
    sums, counts = np.zeros((n_classes, X.shape[1])), np.zeros(n_classes)
    for rows in gen_row_blocks(X.shape[0], max(n_classes, X.shape[1])):
        block = unit_rows(X[rows, :]) if unit else X[rows, :]
        membership = cast(codes[rows][:, None] == columns[None, :], X.dtype) * weight[rows][:, None]
        evident = cast(xp.any(block != 0, axis=1), X.dtype)
        sums += to_numpy(membership.T @ block)
        counts += to_numpy(membership.T @ evident)
    return sums, counts
