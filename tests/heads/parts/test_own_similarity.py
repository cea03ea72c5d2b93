"""Similarity of an unseen image to the one image of its class."""

from itertools import combinations

import numpy as np
from numpy.testing import assert_allclose

from skclip.heads._parts._own_similarity import expected_largest, own_similarity


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_expected_largest_equals_the_mean_over_all_draws():
    values = np.random.default_rng(0).standard_normal((3, 7))
    for n in range(1, 8):
        draws = [values[:, list(chosen)].max(axis=1) for chosen in combinations(range(7), n)]
        assert_allclose(expected_largest(values, n), np.mean(draws, axis=0))


def test_of_fewer_values_all_are_drawn():
    assert_allclose(expected_largest(np.array([[1.0, 5.0, 2.0]]), 9), [5.0])


def test_many_values_do_not_overflow():
    values = np.random.default_rng(0).standard_normal((2, 5000))
    largest = expected_largest(values, 9)
    assert np.isfinite(largest).all()
    assert (largest < values.max(axis=1)).all()


def test_images_that_follow_the_text_are_told_by_the_line():
    rng = np.random.default_rng(0)
    text = unit(rng.standard_normal((6, 8)))
    text_similarity = text @ text.T
    # inner products of images are .2 + .6 of those of the text
    gram = 0.2 + 0.6 * text_similarity
    np.fill_diagonal(gram, 1)
    means = np.linalg.cholesky(gram)
    ours = own_similarity(means, text)
    assert_allclose(ours.mean, 0.8)
    assert_allclose(ours.deviation, 0, atol=1e-12)


def test_a_text_that_says_nothing_leaves_the_most_similar_of_nine_others():
    means = unit(np.random.default_rng(0).standard_normal((20, 6)))
    ours = own_similarity(means, np.zeros((20, 4)))
    others = (means @ means.T)[~np.eye(20, dtype=bool)].reshape(20, 19)
    assert_allclose(ours.mean, expected_largest(others, 9).mean())
    assert_allclose(ours.deviation, (means @ means.T)[np.triu_indices(20, 1)].std())


def test_no_similarity_is_larger_than_one():
    text = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    means = np.array([[1.0, 0.0], [-1.0, 0.0], [0.9, 0.0]])
    assert own_similarity(means, text).mean <= 1


def test_one_class_has_nothing_to_learn_from():
    assert own_similarity(np.ones((1, 3)), np.ones((1, 3))) == (1.0, 0.0)


def test_order_of_classes_changes_nothing():
    rng = np.random.default_rng(0)
    means, text = unit(rng.standard_normal((9, 5))), unit(rng.standard_normal((9, 4)))
    order = rng.permutation(9)
    assert_allclose(own_similarity(means[order], text[order]), own_similarity(means, text))
