"""Copies of one image count as one image."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skclip.heads._parts import _distinct_images
from skclip.heads._parts._distinct_images import Images, as_images, distinct_images, spread_sample


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def images_of(n=12, n_classes=3, d=5, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % n_classes
    return Images(unit(rng.standard_normal((n, d))), codes, rng.uniform(0.5, 2, n))


def as_set(images):
    return sorted(
        (int(c), *x.round(9).tolist(), round(float(w), 9)) for x, c, w in zip(*images, strict=True)
    )


def test_images_that_differ_stay_class_after_class():
    images = images_of()
    ours = distinct_images(images)
    assert_array_equal(ours.codes, np.repeat(np.arange(3), 4))
    assert_allclose(ours.weight.mean(), 1)
    assert as_set(ours) == as_set(images._replace(weight=images.weight / images.weight.mean()))


def test_copies_of_all_images_change_nothing():
    images = images_of()
    threefold = images.at(np.tile(np.arange(12), 3))
    assert as_set(distinct_images(threefold)) == as_set(distinct_images(images))


def test_weight_two_is_the_image_twice():
    images = images_of()
    twice = 1 + np.arange(12) % 2
    repeated = images.at(np.arange(12).repeat(twice))
    weighted = images._replace(weight=images.weight * twice)
    assert as_set(distinct_images(repeated)) == as_set(distinct_images(weighted))


def test_order_of_rows_changes_nothing():
    images = images_of().at(np.r_[np.arange(12), [0, 0, 5]])
    order = np.random.default_rng(0).permutation(15)
    assert as_set(distinct_images(images.at(order))) == as_set(distinct_images(images))


def test_copies_are_their_weighted_mean():
    X = unit(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]))
    ours = distinct_images(Images(X, np.zeros(3, int), np.array([1.0, 3.0, 2.0])))
    order = np.argsort(-ours.weight)
    assert_allclose(ours.X[order], [(X[0] + 3 * X[1]) / 4, X[2]])
    assert_allclose(ours.weight[order], np.array([4.0, 2.0]) / 3)


def test_copies_by_way_of_a_third_are_copies():
    angles = np.array([0.0, 0.1, 0.2, 0.3])  # neighbours have a cosine of .995, the ends .955
    X = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert len(distinct_images(Images(X, np.zeros(4, int), np.ones(4))).codes) == 1
    assert len(distinct_images(Images(X, np.arange(4) % 2, np.ones(4))).codes) == 4


def test_rows_of_zeros_and_without_weight_are_left_out():
    images = images_of()
    images.X[2] = 0
    images.weight[5] = 0
    kept = distinct_images(images)
    assert as_set(kept) == as_set(distinct_images(images.at(~np.isin(np.arange(12), [2, 5]))))


def test_no_images():
    images = images_of().at(np.zeros(0, dtype=int))
    ours = distinct_images(images)
    assert ours.X.shape == (0, 5)
    assert len(ours.codes) == len(ours.weight) == 0


def test_large_classes_are_compared_for_equal_rows_only(monkeypatch):
    monkeypatch.setattr(_distinct_images, "MAX_COMPARED", 3)
    X = unit(np.array([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0], [0.0, 1.0]]))
    ours = distinct_images(Images(X, np.zeros(4, int), np.ones(4)))
    assert sorted(ours.weight.tolist()) == [0.75, 0.75, 1.5]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_embeddings_become_unit_rows(dtype):
    images = as_images(np.array([[3.0, 4.0], [0.0, 0.0]], dtype=dtype), np.array([0, 1]), [1, 2])
    assert_allclose(images.X, [[0.6, 0.8], [0, 0]], rtol=1e-3)
    assert images.weight.dtype == np.float64


def test_a_sample_spreads_over_all_classes_whatever_the_order():
    images = images_of(90, 3)
    sample = images.at(spread_sample(images, 30))
    assert_array_equal(np.bincount(sample.codes), [10, 10, 10])
    shuffled = images.at(np.random.default_rng(0).permutation(90))
    assert as_set(shuffled.at(spread_sample(shuffled, 30))) == as_set(sample)


def test_a_sample_of_no_fewer_than_all_is_all():
    assert_array_equal(spread_sample(images_of(), 12), np.arange(12))
