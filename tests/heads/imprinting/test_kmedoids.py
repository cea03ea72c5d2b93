"""k-medoids against all subsets."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.spatial.distance import cdist

from skclip.heads._imprinting._kmedoids import kmedoids


def cost(rows, weight, medoids):
    return weight @ cdist(rows, rows[list(medoids)]).min(axis=1)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), n=st.integers(3, 9), k=st.integers(1, 3))
def test_no_swap_lowers_the_cost(seed, n, k):
    rng = np.random.default_rng(seed)
    rows, weight = rng.standard_normal((n, 2)), rng.uniform(0.1, 3, n)
    k = min(k, n - 1)
    found = set(kmedoids(rows, weight, k).tolist())
    assert len(found) == k
    here = cost(rows, weight, found)
    for out in found:
        for candidate in set(range(n)) - found:
            assert here <= cost(rows, weight, found - {out} | {candidate}) + 1e-9


def test_cost_is_mostly_the_best_of_all_subsets():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(20):
        rows, weight = rng.standard_normal((10, 2)), rng.uniform(0.1, 3, 10)
        best = min(cost(rows, weight, subset) for subset in combinations(range(10), 3))
        hits += cost(rows, weight, kmedoids(rows, weight, 3)) <= best + 1e-9
    assert hits >= 16


def test_weight_is_repetition():
    rng = np.random.default_rng(1)
    rows, repeats = rng.standard_normal((12, 3)), rng.integers(1, 4, 12)
    weighted = rows[kmedoids(rows, repeats.astype(float), 3)]
    repeated = rows.repeat(repeats, axis=0)
    medoids = repeated[kmedoids(repeated, np.ones(len(repeated)), 3)]
    np.testing.assert_array_equal(weighted, medoids)


@pytest.mark.parametrize("n_medoids", [1, 2])
def test_outlier_does_not_move_a_medoid(n_medoids):
    rows = np.array([[0.0], [1], [2], [10], [11], [12], [1000]])
    weight = np.array([1.0, 1, 1, 1, 1, 1, 1e-6])
    assert kmedoids(rows, weight, n_medoids).tolist() == {1: [3], 2: [1, 4]}[n_medoids]
