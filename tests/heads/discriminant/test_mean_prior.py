"""Text rows as prior means: by hand."""

import numpy as np
from numpy.testing import assert_allclose

from skclip.heads._discriminant._mean_prior import MeanPrior, posterior_means, text_prior


def test_posterior_mean_by_hand():
    prior = MeanPrior(np.array([[0.0, 3.0], [5.0, 5.0]]), 2.0)
    means, counts = posterior_means(np.array([[3.0, 0.0], [0.0, 0.0]]), np.array([1.0, 0.0]), prior)
    assert_allclose(means, [[1, 2], [5, 5]])
    assert_allclose(counts, [9, np.inf])  # variance 1 / 9 of that of a row, and none


def test_text_is_moved_to_where_images_lie():
    text = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    images = np.array([[5.0, 7, 9], [6, 6, 9], [0, 0, 0]])
    prior = text_prior(text, images, np.array([1.0, 2.0, 0.0]), 4.0)
    # images differ as their texts turned around: text says nothing
    assert_allclose(prior.means, np.tile([5.5, 6.5, 9], (3, 1)))
    prior = text_prior(text, images[[1, 0, 2]], np.array([1.0, 2.0, 0.0]), 4.0)
    assert_allclose(prior.means, [[6, 6, 9], [5, 7, 9], [5, 6, 10]])  # slope 1
    assert prior.n_rows == 4


def test_text_of_one_known_class_is_moved_as_it_is():
    prior = text_prior(np.eye(2), np.array([[3.0, 3], [0, 0]]), np.array([1.0, 0.0]), 1.0)
    assert_allclose(prior.means, [[3, 3], [2, 4]])
