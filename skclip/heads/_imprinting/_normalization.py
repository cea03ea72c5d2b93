"""Normalisation of rows and proxies: the NORM steps of IMPRINT."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from skclip._linalg import unit_rows
from skclip.heads._class_sums import ClassSums
from skclip.heads._discriminant import feature_ridge, whitener, within_scatter

__all__ = [
    "normalize_proxies",
    "normalize_rows",
    "quantile_in_order",
    "quantile_reference",
    "quantile_rows",
    "reference_for",
    "whiten_rows",
    "within_class_whitener",
]


def normalize_rows(
    X: NDArray[Any], how: str | None, reference: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Normalise every row.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows.

    how : {"l2", "quantile"} or None
        To unit length, to the reference distribution, or not at all.

    reference : ndarray of shape (n_features,), default=None
        Quantiles of the reference distribution, for ``how="quantile"``.

    Returns
    -------
    X : ndarray of shape (n_rows, n_features)
        Normalised rows.
    """
    if how == "l2":
        return unit_rows(X)
    if how == "quantile" and reference is not None:
        return quantile_rows(X, reference)
    return X


def within_class_whitener(
    X: NDArray[Any], codes: NDArray[np.integer], n_classes: int, weight: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the matrix that whitens unit rows by their scatter within classes.

    Class means of whitened rows, compared by cosine, approximate the Gaussian discriminant.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.

    codes : ndarray of shape (n_samples,)
        Class of each row.

    n_classes : int
        Number of classes.

    weight : ndarray of shape (n_samples,)
        Weights.

    Returns
    -------
    whitener : ndarray of shape (n_features, n_features)
        For :func:`whiten_rows`. A multiple of the identity where every class has one row.
    """
    sums = ClassSums.of_rows(
        X.astype(np.float64),
        codes.astype(np.int32),
        np.arange(n_classes),
        weight,
        with_second=True,
    )
    scatter, _ = within_scatter(sums)
    return whitener(scatter, feature_ridge(scatter, sums.counts.sum()))


def whiten_rows(X: NDArray[Any], whitener: NDArray[Any] | None) -> NDArray[Any]:
    """Return unit rows, whitened and normalised again; unchanged without a whitener."""
    if whitener is None:
        return X
    return unit_rows(unit_rows(X) @ whitener.astype(X.dtype, copy=False))


def quantile_reference(values: ArrayLike, n_features: int) -> NDArray[np.float64]:
    r"""Return the quantiles of ``values`` at :math:`(i + 1/2) / d`, :math:`i = 0 \dots d - 1`.

    Parameters
    ----------
    values : array-like
        Sample of the reference distribution, of any shape.

    n_features : int
        Width :math:`d` of the rows to normalise.

    Returns
    -------
    reference : ndarray of shape (n_features,)
        Ascending.
    """
    sample = np.asarray(values, dtype=np.float64)
    if not sample.size or not np.isfinite(sample).all():
        raise ValueError(
            f"quantile_reference must hold at least one number, all finite, got {values!r}. "
            "Give a sample of the distribution, or None for that of the rows."
        )
    quantiles: NDArray[np.float64] = np.quantile(sample, (np.arange(n_features) + 0.5) / n_features)
    return quantiles


def reference_for(
    how: str | None, values: NDArray[Any], given: NDArray[Any] | None
) -> NDArray[Any] | None:
    """Return the quantiles that rows are normalised to.

    Parameters
    ----------
    how : str or None
        A normalisation.

    values : ndarray of shape (n_rows, n_features)
        Sample of the reference distribution if ``given`` is None.

    given : ndarray of shape (n_features,) or None
        Quantiles of a given reference distribution.

    Returns
    -------
    reference : ndarray of shape (n_features,) or None
        ``given``, or the quantiles of ``values`` for ``how="quantile"``, or ``None``.
    """
    if how != "quantile" or given is not None:
        return given
    return quantile_reference(values, values.shape[1])


def quantile_rows(X: NDArray[Any], reference: NDArray[Any]) -> NDArray[Any]:
    """Replace the i-th smallest entry of every row by the i-th entry of ``reference``.

    Equal entries get their mean rank, so that a permutation of the features permutes the result.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows.

    reference : ndarray of shape (n_features,)
        From :func:`quantile_reference`.

    Returns
    -------
    X : ndarray of shape (n_rows, n_features)
        Rows whose entries are distributed as the reference.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._imprinting._normalization import quantile_rows
    >>> quantile_rows(np.array([[7.0, -1.0, 2.0]]), np.array([0.0, 1.0, 10.0]))
    array([[10.,  0.,  1.]])
    """
    if not len(X):
        return X
    ranks = rankdata(X, axis=1) - 1
    replaced: NDArray[Any] = np.interp(ranks, np.arange(len(reference)), reference)
    return replaced.astype(X.dtype, copy=False)


def quantile_in_order(proxies: NDArray[Any], bounds: NDArray[np.intp]) -> NDArray[Any]:
    """Normalise each class to the distribution of the normalised proxies of the classes before.

    This is the published form: the first class is not normalised, and the result depends on the
    order of the classes.

    Parameters
    ----------
    proxies : ndarray of shape (n_proxies, n_features)
        Proxies, class after class.

    bounds : ndarray of shape (n_classes + 1,)
        The proxies of class ``c`` are ``proxies[bounds[c]:bounds[c + 1]]``.

    Returns
    -------
    proxies : ndarray of shape (n_proxies, n_features)
        Normalised copy.
    """
    normalized = proxies.copy()
    for start, stop in pairwise(bounds):
        if start > 0:
            reference = quantile_reference(normalized[:start], proxies.shape[1])
            normalized[start:stop] = quantile_rows(proxies[start:stop], reference)
    return normalized


def normalize_proxies(
    proxies: NDArray[Any],
    bounds: NDArray[np.intp],
    how: str | None,
    given: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Normalise the proxies of all classes.

    Parameters
    ----------
    proxies : ndarray of shape (n_proxies, n_features)
        Proxies, class after class.

    bounds : ndarray of shape (n_classes + 1,)
        The proxies of class ``c`` are ``proxies[bounds[c]:bounds[c + 1]]``.

    how : {"l2", "quantile", "quantile_in_order"} or None
        See :func:`normalize_rows` and :func:`quantile_in_order`.

    given : ndarray of shape (n_features,), default=None
        Quantiles of the reference distribution; ``None`` takes those of the proxies.

    Returns
    -------
    proxies : ndarray of shape (n_proxies, n_features)
        Normalised.
    """
    if how == "quantile_in_order":
        return quantile_in_order(proxies, bounds)
    return normalize_rows(proxies, how, reference_for(how, proxies, given))
