"""Similarities against scipy's distances."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skclip.heads._imprinting._similarity import nearest_proxy, similarity, whitening_matrix

rng = np.random.default_rng(0)
X, PROXIES = rng.standard_normal((9, 4)), rng.standard_normal((7, 4))


def test_inner_product():
    np.testing.assert_allclose(similarity(X, PROXIES, "inner_product"), PROXIES @ X.T)


def test_cosine():
    np.testing.assert_allclose(
        similarity(X, 3 * PROXIES, "cosine"), 1 - cdist(PROXIES, X, "cosine"), rtol=1e-10
    )


@pytest.mark.parametrize(
    ("metric", "name"),
    [("euclidean", "euclidean"), ("manhattan", "cityblock"), ("chebyshev", "chebyshev")],
)
def test_distances_are_negative(metric, name):
    np.testing.assert_allclose(similarity(X, PROXIES, metric), -cdist(PROXIES, X, name))


@pytest.mark.parametrize("n_proxies", [7, 3])  # more proxies than features, and fewer
def test_mahalanobis(n_proxies):
    proxies = PROXIES[:n_proxies]
    whitening = whitening_matrix(proxies)
    inverse = np.linalg.inv(np.cov(proxies.T) + 1e-6 * np.eye(4))
    np.testing.assert_allclose(
        similarity(X, proxies @ whitening, "mahalanobis", whitening),
        -cdist(proxies, X, "mahalanobis", VI=inverse),
        rtol=1e-6,
    )


def test_one_proxy_has_no_covariance():
    np.testing.assert_allclose(whitening_matrix(PROXIES[:1]), 1000 * np.eye(4), atol=1e-9)


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "manhattan", "chebyshev"])
def test_float32_stays(metric):
    found = similarity(X.astype(np.float32), PROXIES.astype(np.float32), metric)
    assert found.dtype == np.float32


@pytest.mark.parametrize("offset", [0, 1e4])
def test_nearest_proxy_has_the_least_distance(offset):
    expected = cdist(X, PROXIES).argmin(axis=1)
    np.testing.assert_array_equal(nearest_proxy(X + offset, PROXIES + offset), expected)


def test_first_of_equally_near_proxies_wins():
    assert nearest_proxy(X, np.repeat(PROXIES[:1], 3, axis=0)).tolist() == [0] * len(X)
