"""Scale and ridge by leave-one-out likelihood, by brute force and where none is left out."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax

from skclip.heads._discriminant._formulas import published_ridge, within_scatter
from skclip.heads._discriminant._left_out_choice import (
    choose_ridge,
    distinct_rows_of_classes,
    fit_scale,
    spread_out_part,
)
from tests.heads.discriminant.left_out import left_out_scores
from tests.heads.discriminant.test_formulas import drawn, sums_of


def mean_loss(scale, scores, codes, weight, log_prior):
    """Weighted loss with one row more whose label may be any."""
    log_proba = log_softmax(scale * scores + log_prior, axis=1)
    n = len(codes)
    own = weight @ log_proba[np.arange(n), codes] / weight.sum()
    anything = weight @ log_proba.mean(axis=1) / weight.sum()
    return -(own * n + anything) / (n + 1)


def test_scale_is_the_likeliest():
    rng = np.random.default_rng(0)
    codes, weight = rng.integers(0, 3, 40), rng.random(40)
    scores = 5 * rng.standard_normal((40, 3)) + 8 * np.eye(3)[codes]
    log_prior = np.log([0.2, 0.3, 0.5])
    scale, _ = fit_scale(scores, codes, weight, log_prior)
    at, less, more = (
        mean_loss(s, scores, codes, weight, log_prior) for s in (scale, 0.99 * scale, 1.01 * scale)
    )
    assert at < less
    assert at < more


def test_scores_in_other_units_give_the_same_probabilities():
    rng = np.random.default_rng(0)
    codes, weight = rng.integers(0, 3, 40), np.ones(40)
    scores = rng.standard_normal((40, 3)) + np.eye(3)[codes]
    one, loss = fit_scale(scores, codes, weight, np.zeros(3))
    other, same_loss = fit_scale(1000 * scores + 7, codes, weight, np.zeros(3))
    assert_allclose(other, one / 1000)
    assert_allclose(same_loss, loss)


def test_scores_without_a_mistake_give_a_finite_scale():
    codes = np.array([0, 1, 2, 0])
    scale, _ = fit_scale(np.eye(3)[codes], codes, np.ones(4), np.zeros(3))
    assert 1 < scale < 10


def test_scores_that_are_wrong_give_probabilities_that_say_nothing():
    codes = np.array([0, 1, 2])
    scale, loss = fit_scale(-np.eye(3), codes, np.ones(3), np.zeros(3))
    assert_allclose(loss, np.log(3), atol=0.02)
    assert scale > 0


def test_ridge_is_the_likeliest_of_those_tried():
    X, codes, weight = drawn(30, 6, 3)
    sums = sums_of(X, codes, 3, weight)
    scatter, dof = within_scatter(sums)
    base, factors = published_ridge(scatter, len(X)), np.array([0.1, 1.0, 10.0])
    prior = np.full(3, 1 / 3)
    arguments = (X, codes, weight, sums.means, sums.counts, scatter, dof)
    choice = choose_ridge(*arguments, base=base, class_weight=prior, factors=factors)
    losses = []
    for factor in factors:
        scores = left_out_scores(*arguments, factor * base)[1:]  # the first class has one row
        shares = 1 / np.bincount(codes)[codes[1:]]
        losses.append(fit_scale(scores, codes[1:], shares, np.log(prior))[1])
    assert_allclose(choice.losses, losses)
    assert choice.factor == factors[np.argmin(losses)]


def test_without_two_rows_of_a_class_nothing_is_chosen():
    X, codes, weight = drawn(0, 6, 3)
    sums = sums_of(X, codes, 3, weight)
    arguments = (X, codes, weight, sums.means, sums.counts, *within_scatter(sums))
    assert choose_ridge(*arguments, base=1.0, class_weight=np.full(3, 1 / 3)) is None


def test_distinct_rows_do_not_depend_on_their_order():
    rng = np.random.default_rng(0)
    X, codes = rng.integers(0, 3, (300, 2)).astype(float), rng.integers(0, 4, 300)
    weight, order = rng.random(300), rng.permutation(300)
    rows, mass = distinct_rows_of_classes(X, codes, weight)
    permuted, same_mass = distinct_rows_of_classes(X[order], codes[order], weight[order])
    assert_array_equal(X[rows], X[order][permuted])
    assert_allclose(mass, same_mass)
    assert len(rows) == len(np.unique(np.c_[codes, X][X.any(axis=1)], axis=0))


def test_part_of_very_many_rows_is_spread_out():
    assert spread_out_part(3000, 2, 10) == slice(None, None, 1)
    assert spread_out_part(100_000, 500, 500) == slice(None, None, 50)


def test_copies_within_a_class_count_as_one_row():
    X = np.array([[1.0, 2.0], [0.0, 0.0], [1.0, 2.0], [1.0, 3.0], [1.0, 2.0], [5.0, 1.0]])
    codes = np.array([0, 0, 0, 0, 1, 1])
    rows, weight = distinct_rows_of_classes(X, codes, np.array([1.0, 1, 2, 1, 1, 0]))
    assert_array_equal(X[rows], [[1, 2], [1, 3], [1, 2]])  # no zero row, none of weight zero
    assert_array_equal(codes[rows], [0, 0, 1])
    assert_array_equal(weight, [3, 1, 1])


def test_without_evident_rows_there_is_none_to_leave_out():
    rows, weight = distinct_rows_of_classes(np.zeros((2, 3)), np.zeros(2, int), np.ones(2))
    assert len(rows) == len(weight) == 0
