"""imbalanced-learn's protocol: append recalled rows to labelled rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from skclip.recall._pool import PrimingPool

__all__ = ["append_pool", "as_given", "check_labelled"]


def as_given(rows: NDArray[Any], given: Any) -> Any:
    """Return rows or labels as a data frame or series if one was given.

    Like imbalanced-learn's samplers, this keeps feature names for the next estimators.

    Parameters
    ----------
    rows : ndarray
        Output of a sampler.

    given : array-like
        Input of the sampler.

    Returns
    -------
    rows : ndarray, data frame or series
        In the type of ``given`` if that is from pandas or polars.
    """
    make, n_axes = type(given), len(getattr(given, "shape", ()))
    if rows.ndim != n_axes:
        return rows
    if hasattr(given, "iloc"):  # pandas
        return make(rows, columns=given.columns) if n_axes == 2 else make(rows, name=given.name)
    if make.__module__.startswith("polars."):
        return make(rows, schema=list(given.columns)) if n_axes == 2 else make(given.name, rows)
    return rows


def check_labelled(X: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Validate labelled embeddings."""
    rows: NDArray[Any] = check_array(X, dtype=[np.float64, np.float32])
    labels: NDArray[Any] = column_or_1d(y, warn=True)
    check_consistent_length(rows, labels)
    return rows, labels


def append_pool(
    X: NDArray[Any], y: NDArray[Any], pool: PrimingPool
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Append the embeddings and labels of a pool to labelled embeddings.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Embeddings.

    y : ndarray of shape (n_samples,)
        Their labels.

    pool : PrimingPool
        Rows to append.

    Returns
    -------
    X_resampled : ndarray of shape (n_samples + len(pool), n_features)
        Has the dtype of ``X``.

    y_resampled : ndarray of shape (n_samples + len(pool),)
        Has the dtype of ``y``.
    """
    if not len(pool):
        return X, y
    if pool.embeddings is None:
        raise ValueError(
            "The recalled images have no embeddings to append: build the corpus with embedder=, or "
            "give the retriever an embedder."
        )
    if pool.embeddings.shape[1] != X.shape[1]:
        model = "" if pool.model_id is None else f" of {pool.model_id}"
        raise ValueError(
            f"X has {X.shape[1]} features but the recalled embeddings{model} have "
            f"{pool.embeddings.shape[1]}: embed both with the same model."
        )
    embeddings = pool.embeddings.astype(X.dtype, copy=False)
    return np.concatenate([X, embeddings]), np.concatenate([y, pool.labels])
