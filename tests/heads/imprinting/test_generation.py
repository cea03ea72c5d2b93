"""Generation of proxies: each way against its definition, one row at a time."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from skclip.heads._imprinting._generation import (
    WeightedRows,
    distinct_rows,
    generate_proxies,
)


def rows_of(seed, n_rows=12, n_features=4):
    rng = np.random.default_rng(seed)
    return WeightedRows(rng.standard_normal((n_rows, n_features)), rng.uniform(0.5, 2, n_rows))


def generate(one, generation, k, seed=0):
    return generate_proxies([one], generation, [k], seed)[0]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 3)), max_size=12),
    st.randoms(),
)
def test_distinct_rows_are_the_multiset_in_any_order(triples, random):
    expected = {}
    for a, b, w in triples:
        expected[a, b] = expected.get((a, b), 0) + w
    random.shuffle(triples)
    table = np.array(triples, dtype=float).reshape(-1, 3)
    found = distinct_rows(table[:, :2], table[:, 2])
    assert [tuple(row) for row in found.rows] == sorted(expected)
    assert found.weight.tolist() == [expected[key] for key in sorted(expected)]


@pytest.mark.parametrize("generation", ["kmeans", "kmedoids", "farthest", "covariance", "random"])
def test_class_of_few_rows_keeps_them(generation):
    one = rows_of(0, n_rows=3)
    found = generate(one, generation, 3)
    np.testing.assert_array_equal(found.rows, one.rows)
    np.testing.assert_array_equal(found.weight, one.weight)


@pytest.mark.parametrize("generation", ["kmedoids", "farthest", "covariance", "random"])
def test_chosen_proxies_are_distinct_rows_and_stand_for_the_nearest(generation):
    one = rows_of(1)
    found = generate(one, generation, 4)
    chosen = [np.flatnonzero((one.rows == row).all(axis=1)).item() for row in found.rows]
    assert len(set(chosen)) == 4
    nearest = np.linalg.norm(one.rows[:, None] - found.rows, axis=2).argmin(axis=1)
    np.testing.assert_allclose(found.weight, np.bincount(nearest, one.weight))


def test_all_keeps_every_row():
    one = rows_of(2)
    assert generate(one, "all", 1) is one


def test_farthest_takes_the_row_of_largest_distance_to_those_before():
    one = rows_of(3)
    found = generate(one, "farthest", 5, seed=4).rows
    for i in range(1, 5):
        distance = np.linalg.norm(one.rows[:, None] - found[:i], axis=2).min(axis=1)
        np.testing.assert_array_equal(found[i], one.rows[distance.argmax()])


def test_covariance_takes_the_largest_sums_of_sample_covariance():
    rng = np.random.default_rng(0)
    rows, repeats = rng.standard_normal((9, 6)), rng.integers(1, 4, 9)
    found = generate(WeightedRows(rows, repeats.astype(float)), "covariance", 3)
    # columns of the covariance among all repeated rows; equal rows have equal sums
    sums = np.cov(rows.repeat(repeats, axis=0)).sum(axis=0)[np.cumsum(repeats) - 1]
    np.testing.assert_array_equal(found.rows, rows[np.argsort(-sums)[:3]])


def test_random_rows_are_drawn_by_weight():
    one = WeightedRows(np.arange(4.0)[:, None], np.array([1.0, 1, 1, 5]))
    drawn = [generate(one, "random", 1, seed=s).rows.item() for s in range(2000)]
    share = np.bincount(np.array(drawn, dtype=int), minlength=4) / 2000
    np.testing.assert_allclose(share, one.weight / 8, atol=0.05)


def test_k_may_differ_a_class():
    classes = [rows_of(s) for s in range(3)]
    found = generate_proxies(classes, "kmeans", [2, 5, 2], seed=0)
    assert [len(one.rows) for one in found] == [2, 5, 2]
    np.testing.assert_allclose(found[2].rows, generate(classes[2], "kmeans", 2).rows)


def test_clusterer_gives_weighted_means_of_its_clusters():
    one = rows_of(5)
    found = generate(one, KMeans(3, random_state=0), 99)
    labels = KMeans(3, random_state=0).fit(one.rows, sample_weight=one.weight).labels_
    for label in range(3):
        own = labels == label
        mean = np.average(one.rows[own], axis=0, weights=one.weight[own])
        np.testing.assert_allclose(found.rows[label], mean)


def test_clusterer_without_weights_and_seed_is_accepted():
    assert len(generate(rows_of(6), AgglomerativeClustering(4), 1).rows) == 4


def test_clusterer_is_cloned_and_seeded():
    clusterer = KMeans(3)
    first, again = (generate(rows_of(7), clusterer, 1, seed=5).rows for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert clusterer.random_state is None
    assert not hasattr(clusterer, "labels_")


def test_class_smaller_than_the_clusterer_keeps_its_rows():
    one = rows_of(8, n_rows=3)
    assert generate(one, KMeans(3), 1) is one


def test_mixture_predicts_its_clusters():
    one = rows_of(9)
    found = generate(one, GaussianMixture(2, random_state=0), 1)
    labels = GaussianMixture(2, random_state=0).fit(one.rows).predict(one.rows)
    means = [
        np.average(one.rows[labels == j], axis=0, weights=one.weight[labels == j]) for j in (0, 1)
    ]
    np.testing.assert_allclose(found.rows, means)
    few = rows_of(9, n_rows=2)
    assert generate(few, GaussianMixture(2), 1) is few


def test_estimator_that_finds_no_clusters_is_refused():
    with pytest.raises(ValueError, match="generation must be a clusterer, got StandardScaler"):
        generate(rows_of(10), StandardScaler(), 1)


def test_noise_of_a_clusterer_is_left_out():
    rows = np.array([[0.0, 0], [0, 0.1], [0.1, 0], [5, 5], [5, 5.1], [5.1, 5], [50, -50]])
    found = generate(WeightedRows(rows, np.ones(7)), DBSCAN(eps=1, min_samples=2), 1)
    np.testing.assert_allclose(found.rows, [rows[:3].mean(axis=0), rows[3:6].mean(axis=0)])
    assert found.weight.tolist() == [3, 3]


def test_class_that_is_all_noise_keeps_its_rows():
    one = WeightedRows(np.array([[0.0, 0], [9, 9]]), np.ones(2))
    assert generate(one, DBSCAN(eps=1, min_samples=2), 1) is one


@pytest.mark.parametrize("generation", ["all", "kmeans", "random", KMeans(2)], ids=str)
def test_every_class_is_announced_once(generation):
    classes, done = [rows_of(seed, n) for seed, n in enumerate((2, 9, 12))], []
    generate_proxies(classes, generation, [2, 3, 4], 0, done.append)
    assert sum(done) == len(classes)
