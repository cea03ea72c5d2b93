"""Reduce similarities to proxies to one score per class: the AGG step of IMPRINT.

Proxies are along the first axis, class after class: those of class ``c`` are
``similarity[bounds[c]:bounds[c + 1]]``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["aggregate", "neighbor_votes"]


def aggregate(
    similarity: NDArray[Any], bounds: NDArray[np.intp], how: str, temperature: float
) -> NDArray[Any]:
    r"""Reduce the similarities to the proxies of each class to one score.

    .. math:: \max_p s_p, \qquad
              \tau \log \sum_p e^{s_p / \tau} \to \max_p s_p \;(\tau \to 0), \qquad
              \frac{1}{k_c} \sum_p s_p

    Parameters
    ----------
    similarity : ndarray of shape (n_proxies, n_samples)
        Larger is closer.

    bounds : ndarray of shape (n_classes + 1,)
        Positions where the proxies of each class begin and end.

    how : {"max", "logsumexp", "mean"}
        The reduction.

    temperature : float
        :math:`\tau`, for ``how="logsumexp"``.

    Returns
    -------
    scores : ndarray of shape (n_classes, n_samples)
        Minus infinity for a class without proxies.
    """
    counts = np.diff(bounds)
    filled = np.flatnonzero(counts)
    scores = np.full((len(counts), similarity.shape[1]), -np.inf, dtype=similarity.dtype)
    starts = bounds[filled]
    if how == "mean":
        scores[filled] = np.add.reduceat(similarity, starts, axis=0) / counts[filled, None]
        return scores
    best = np.maximum.reduceat(similarity, starts, axis=0)
    if how == "max":
        scores[filled] = best
        return scores
    # shifted by the maximum against overflow
    shifted = np.exp((similarity - np.repeat(best, counts[filled], axis=0)) / temperature)
    scores[filled] = best + temperature * np.log(np.add.reduceat(shifted, starts, axis=0))
    return scores


def neighbor_votes(
    similarity: NDArray[Any],
    bounds: NDArray[np.intp],
    n_neighbors: int,
    distance: NDArray[Any] | None = None,
) -> NDArray[Any]:
    r"""Return the fractions of the votes of the ``n_neighbors`` closest proxies of all classes.

    Parameters
    ----------
    similarity : ndarray of shape (n_proxies, n_samples)
        Larger is closer.

    bounds : ndarray of shape (n_classes + 1,)
        Positions where the proxies of each class begin and end.

    n_neighbors : int
        Number of voting proxies, at most all.

    distance : ndarray of shape (n_proxies, n_samples), default=None
        The weight of a vote is :math:`1 / (\mathrm{distance} + 10^{-10})`; None gives equal
        weights.

    Returns
    -------
    scores : ndarray of shape (n_classes, n_samples)
        Columns sum to one.
    """
    n_proxies, n_samples = similarity.shape
    n_neighbors = min(n_neighbors, n_proxies)
    voters = np.argpartition(-similarity.T, n_neighbors - 1, axis=1)[:, :n_neighbors]
    if distance is None:
        votes = np.ones(voters.shape)
    else:
        votes = 1 / (np.take_along_axis(distance.T, voters, axis=1).astype(np.float64) + 1e-10)
    n_classes = len(bounds) - 1
    owners = np.repeat(np.arange(n_classes), np.diff(bounds))[voters]
    flat = owners + np.arange(n_samples)[:, None] * n_classes
    total = np.bincount(flat.ravel(), votes.ravel(), minlength=n_samples * n_classes)
    scores: NDArray[Any] = total.reshape(n_samples, n_classes) / votes.sum(axis=1, keepdims=True)
    return scores.T.astype(similarity.dtype)
