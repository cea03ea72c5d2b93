"""Aggregations against loops over classes and against scikit-learn's neighbours."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.neighbors import KNeighborsClassifier

from skclip.heads._imprinting._aggregation import aggregate, neighbor_votes

BOUNDS = np.array([0, 3, 3, 4, 9])  # the second class has no proxy
SIMILARITY = np.random.default_rng(0).standard_normal((9, 6))


def by_loop(reduce):
    return [
        reduce(SIMILARITY[start:stop]) if stop > start else np.full(6, -np.inf)
        for start, stop in pairwise(BOUNDS)
    ]


@pytest.mark.parametrize(
    ("how", "reduce"),
    [
        ("max", lambda own: own.max(axis=0)),
        ("mean", lambda own: own.mean(axis=0)),
        ("logsumexp", lambda own: 0.3 * logsumexp(own / 0.3, axis=0)),
    ],
)
def test_scores_are_reductions_over_the_proxies_of_a_class(how, reduce):
    np.testing.assert_allclose(aggregate(SIMILARITY, BOUNDS, how, 0.3), by_loop(reduce))


def test_logsumexp_tends_to_max():
    smooth = aggregate(SIMILARITY, BOUNDS, "logsumexp", 1e-6)
    np.testing.assert_allclose(smooth, aggregate(SIMILARITY, BOUNDS, "max", 1e-6), atol=1e-5)


def test_logsumexp_does_not_overflow():
    similarity = np.float32(1e4) * SIMILARITY.astype(np.float32)
    scores = aggregate(similarity, BOUNDS, "logsumexp", 0.01)
    assert np.isfinite(scores[[0, 2, 3]]).all()


@pytest.mark.parametrize("n_neighbors", [1, 3, 7])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_votes_are_those_of_scikit_learns_neighbours(n_neighbors, weights):
    rng = np.random.default_rng(1)
    proxies, X, bounds = rng.standard_normal((9, 3)), rng.standard_normal((20, 3)), [0, 3, 5, 9]
    distance = np.linalg.norm(proxies[:, None] - X, axis=2)
    neighbors = KNeighborsClassifier(n_neighbors, weights=weights)
    neighbors.fit(proxies, np.repeat([0, 1, 2], np.diff(bounds)))
    found = neighbor_votes(
        -distance, np.array(bounds), n_neighbors, distance if weights == "distance" else None
    )
    np.testing.assert_allclose(found.T, neighbors.predict_proba(X), rtol=1e-6)


def test_proxy_at_distance_zero_has_all_votes():
    distance = np.array([[0.0], [1.0], [1.0]])
    votes = neighbor_votes(-distance, np.array([0, 1, 3]), 3, distance)
    np.testing.assert_allclose(votes[:, 0], [1, 0], atol=1e-9)


def test_all_proxies_vote_when_there_are_fewer():
    votes = neighbor_votes(SIMILARITY, BOUNDS, 100)
    np.testing.assert_allclose(votes, np.tile([[3 / 9], [0], [1 / 9], [5 / 9]], (1, 6)))
