"""Similarity of rows to proxies in six metrics: larger is closer."""

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import euclidean_distances

from skclip._linalg import unit_rows

__all__ = ["METRICS", "nearest_proxy", "similarity", "whitening_matrix"]

METRICS = ("inner_product", "cosine", "euclidean", "manhattan", "chebyshev", "mahalanobis")

# Added to the covariance of the proxies, as published.
MAHALANOBIS_RIDGE = 1e-6


def similarity(
    X: NDArray[Any],
    proxies: NDArray[Any],
    metric: str,
    whitening: NDArray[Any] | None = None,
) -> NDArray[Any]:
    r"""Compare every row with every proxy by inner product, cosine or negative distance.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.

    proxies : ndarray of shape (n_proxies, n_features)
        Proxies; for ``metric="mahalanobis"`` already multiplied by ``whitening``.

    metric : str
        One of ``METRICS``.

    whitening : ndarray of shape (n_features, n_features), default=None
        From :func:`whitening_matrix`, for ``metric="mahalanobis"``.

    Returns
    -------
    similarity : ndarray of shape (n_proxies, n_samples)
        Proxies first, so that reductions over the proxies of a class read contiguous rows.
    """
    values: NDArray[Any]
    if metric == "inner_product":
        values = proxies @ X.T
    elif metric == "cosine":
        values = unit_rows(proxies) @ unit_rows(X).T
    elif metric == "euclidean":
        values = -euclidean_distances(proxies, X)
    elif metric == "mahalanobis":
        values = -euclidean_distances(proxies, X @ whitening)
    else:
        values = -cdist(proxies, X, {"manhattan": "cityblock"}.get(metric, metric))
    return values.astype(np.result_type(X, proxies), copy=False)


def nearest_proxy(X: NDArray[Any], proxies: NDArray[Any]) -> NDArray[np.intp]:
    """Return the index of the closest proxy in Euclidean distance for each row.

    scikit-learn's function inspects thread pools first, which takes longer than the comparison.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.

    proxies : ndarray of shape (n_proxies, n_features)
        Proxies.

    Returns
    -------
    nearest : ndarray of shape (n_samples,)
        Index of the closest proxy; of equally close ones, the first.
    """
    # products of rows far from the origin are inaccurate
    center = proxies.mean(axis=0)
    proxies = proxies - center
    scores = (X - center) @ proxies.T - np.einsum("pd,pd->p", proxies, proxies) / 2
    nearest: NDArray[np.intp] = scores.argmax(axis=1)
    return nearest


def whitening_matrix(proxies: NDArray[Any]) -> NDArray[np.float64]:
    r"""Return :math:`(\Sigma + 10^{-6} I)^{-1/2}` for the covariance :math:`\Sigma` of the proxies.

    Mahalanobis distance is Euclidean distance between rows multiplied by it.

    Parameters
    ----------
    proxies : ndarray of shape (n_proxies, n_features)
        Proxies. The covariance of a single proxy is zero.

    Returns
    -------
    whitening : ndarray of shape (n_features, n_features)
        Symmetric.
    """
    n_proxies, n_features = proxies.shape
    centered = proxies.astype(np.float64) - proxies.mean(axis=0, dtype=np.float64)
    # a thin SVD of the proxies is cheaper than decomposing the covariance
    _, singular, axes = scipy.linalg.svd(centered, full_matrices=False)
    variance = singular**2 / max(n_proxies - 1, 1)
    base = MAHALANOBIS_RIDGE**-0.5
    scale = (variance + MAHALANOBIS_RIDGE) ** -0.5 - base
    whitening: NDArray[np.float64] = (axes.T * scale) @ axes
    whitening[np.diag_indices(n_features)] += base
    return whitening
