"""k-means of many classes at once against scikit-learn's, one class at a time."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from skclip.heads._imprinting import _kmeans, _lloyd
from skclip.heads._imprinting._kmeans import kmeans_of_groups
from skclip.heads._imprinting._lloyd import _fill_empty


def inertia(rows, weight, labels):
    total = 0.0
    for label in np.unique(labels):
        own, w = rows[labels == label], weight[labels == label]
        total += (w[:, None] * (own - np.average(own, axis=0, weights=w)) ** 2).sum()
    return total


def cluster(rows, k, *, weight=None, seed=0):
    weight = np.ones(len(rows), rows.dtype) if weight is None else weight
    return kmeans_of_groups([rows], [weight], k, seed=seed)[0]


# 40 rows go by the Gram matrix, 3000 rows of 4 features directly
@pytest.mark.parametrize("shape", [(40, 64), (3000, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inertia_is_scikit_learns(shape, dtype):
    rng = np.random.default_rng(0)
    groups = [rng.standard_normal(shape).astype(dtype) for _ in range(12)]
    weights = [np.ones(len(g), dtype) for g in groups]
    labels = kmeans_of_groups(groups, weights, 5, seed=0)
    ours = sum(inertia(*triple) for triple in zip(groups, weights, labels, strict=True))
    theirs = sum(KMeans(5, random_state=0).fit(g).inertia_ for g in groups)
    assert ours < 1.02 * theirs


@pytest.mark.parametrize("shape", [(60, 40), (900, 3)])
def test_separated_clusters_are_found(shape):
    rng = np.random.default_rng(0)
    truth = np.arange(shape[0]) % 6
    rows = rng.standard_normal((6, shape[1]))[truth] * 50 + rng.standard_normal(shape)
    labels = cluster(rows, 6)
    assert len(np.unique(labels)) == 6
    assert len({(a, b) for a, b in zip(truth, labels, strict=True)}) == 6


def noisy_modes(seed, n_modes, n_rows, n_features):
    """Modes whose noise hides from one row which others are of its mode."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n_rows) % n_modes
    modes = rng.standard_normal((n_modes, n_features))
    modes *= 3.5 / np.linalg.norm(modes, axis=1, keepdims=True)
    return modes[truth] + rng.standard_normal((n_rows, n_features)), truth


@pytest.mark.parametrize("by_gram", [True, False])
def test_exchanges_find_the_modes_that_one_start_misses(by_gram, monkeypatch):
    monkeypatch.setattr(_kmeans, "_gram_pays", lambda *sizes: by_gram)
    groups, truths = zip(*[noisy_modes(seed, 7, 700, 32) for seed in range(8)], strict=True)
    weights = [np.ones(700)] * 8

    def excess():
        labels = kmeans_of_groups(groups, weights, 7, seed=0)
        triples = zip(groups, weights, labels, truths, strict=True)
        return [inertia(g, w, found) / inertia(g, w, truth) for g, w, found, truth in triples]

    assert max(excess()) < 1.002
    monkeypatch.setattr(_lloyd, "EXCHANGE_GAIN", np.inf)
    assert max(excess()) > 1.03


def test_one_start_is_as_good_as_ten_of_scikit_learn():
    groups = [noisy_modes(seed, 10, 320, 32)[0] for seed in range(4)]
    labels = kmeans_of_groups(groups, [np.ones(320)] * 4, 10, seed=0)
    ours = sum(inertia(g, np.ones(320), found) for g, found in zip(groups, labels, strict=True))
    theirs = sum(KMeans(10, n_init=10, random_state=0).fit(g).inertia_ for g in groups)
    assert ours < 1.005 * theirs


@pytest.mark.parametrize("shape", [(30, 20), (700, 3)])
def test_result_is_a_fixed_point(shape):
    rng = np.random.default_rng(3)
    rows, weight = rng.standard_normal(shape), rng.uniform(0.5, 2, shape[0])
    labels = kmeans_of_groups([rows], [weight], 4, seed=0, tol=0.0)[0]
    centers = np.stack(
        [np.average(rows[labels == j], axis=0, weights=weight[labels == j]) for j in range(4)]
    )
    nearest = np.linalg.norm(rows[:, None] - centers, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(labels, nearest)


def test_groups_of_any_size_do_not_disturb_each_other():
    rng = np.random.default_rng(0)
    groups = [rng.standard_normal((n, 8)) for n in (9, 200, 31, 30, 12, 900)]
    weights = [rng.uniform(0.5, 2, len(g)) for g in groups]
    together = kmeans_of_groups(groups, weights, 4, seed=7)
    for group, weight, labels in zip(groups, weights, together, strict=True):
        np.testing.assert_array_equal(labels, cluster(group, 4, weight=weight, seed=7))


def test_rotation_of_the_rows_changes_no_label():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((80, 10))
    rotation = np.linalg.qr(rng.standard_normal((10, 10)))[0]
    np.testing.assert_array_equal(cluster(rows, 5), cluster(rows @ rotation, 5))


def test_same_seed_same_labels_and_other_seed_other_labels():
    rows = np.random.default_rng(0).standard_normal((300, 5))
    np.testing.assert_array_equal(cluster(rows, 8, seed=1), cluster(rows, 8, seed=1))
    assert np.any(cluster(rows, 8, seed=1) != cluster(rows, 8, seed=2))


def test_rows_far_from_the_origin_keep_their_digits():
    rng = np.random.default_rng(0)
    truth = np.arange(100) % 4
    rows = (rng.standard_normal((4, 30))[truth] + 0.01 * rng.standard_normal((100, 30))) + 300
    labels = cluster(rows.astype(np.float32), 4)
    assert len({(a, b) for a, b in zip(truth, labels, strict=True)}) == 4


def test_every_cluster_has_rows_even_among_few_distinct_ones():
    rows = np.repeat(np.arange(5.0)[:, None], 3, axis=1)
    rows = np.concatenate([rows, rows[:1] + 1e-9])
    labels = cluster(rows, 5)
    assert set(labels) == set(range(5))


def test_empty_cluster_takes_the_farthest_row_of_a_larger_one():
    labels = np.array([0, 0, 1, 0, 0])
    distance = np.array([0.1, 3.0, 9.0, 0.2, 99.0])
    weight = np.array([1.0, 1, 1, 1, 0])  # the last row is padding
    _fill_empty(labels, distance, weight, 3)
    assert labels[:4].tolist() == [0, 2, 1, 0]
    assert distance[1] == 0


@pytest.mark.parametrize("scale", [1e-50, 1e50])
def test_only_ratios_of_weights_count(scale):
    rng = np.random.default_rng(0)
    rows, weight = rng.standard_normal((40, 6)).astype(np.float32), rng.uniform(0.5, 2, 40)
    expected = cluster(rows, 4, weight=weight)
    np.testing.assert_array_equal(cluster(rows, 4, weight=scale * weight), expected)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_every_group_is_announced_once(n_threads):
    rng = np.random.default_rng(0)
    groups = [rng.standard_normal((n, 3)) for n in (5, 50, 6, 500, 51)]
    done = []
    with threadpool_limits(n_threads):
        kmeans_of_groups(groups, [np.ones(len(g)) for g in groups], 3, seed=0, on_done=done.append)
    assert sum(done) == len(groups)
    assert len(done) > 1
