"""The Gaussian discriminant as functions: golden values, and left-out scores by brute force."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skclip._linalg import unit_rows
from skclip.heads._class_sums import ClassSums
from skclip.heads._discriminant._formulas import (
    feature_ridge,
    fit_discriminant,
    published_ridge,
    whitener,
    within_scatter,
)
from skclip.heads._discriminant._mean_prior import MeanPrior
from tests.heads.discriminant.left_out import left_out_scores


def sums_of(X, codes, n_classes, weight):
    return ClassSums.of_rows(X, codes, np.arange(n_classes), weight, with_second=True)


def drawn(n_rows, n_features, n_classes, seed=0, weighted=False):
    """Rows about class centres; the first class has one row, weights are 0, 1, 2 and 0.5."""
    rng = np.random.default_rng(seed)
    codes = np.r_[np.arange(n_classes), rng.integers(min(1, n_classes - 1), n_classes, n_rows)]
    X = rng.standard_normal((n_classes, n_features))[codes]
    X = unit_rows(X + rng.standard_normal(X.shape))
    weight = rng.choice([0.0, 1.0, 2.0, 0.5], len(X)) if weighted else np.ones(len(X))
    weight[:n_classes] = 1
    return X, codes, weight


def brute_force_scores(x, X, codes, weight, n_classes, ridge, prior=None):
    """Scores of one row by the definition, from rows."""
    counts = np.bincount(codes, weight, n_classes)
    means = np.zeros((n_classes, X.shape[1]))
    scatter = np.zeros((X.shape[1], X.shape[1]))
    for c in np.flatnonzero(counts):
        own, mass = X[codes == c], weight[codes == c]
        means[c] = mass @ own / counts[c]
        scatter += (own - means[c]).T @ np.diag(mass) @ (own - means[c])
    dof = max(counts.sum() - (counts > 0).sum(), 1)
    d = X.shape[1]
    P = d * np.linalg.inv(scatter + np.diag(np.broadcast_to(ridge, d)))
    scores = np.full(n_classes, np.nan)
    for c in range(n_classes):
        mean, variance = means[c], 1 / counts[c] if counts[c] else np.nan
        if prior is not None:
            mean = prior.n_rows * prior.means[c] + counts[c] * means[c]
            mean /= prior.n_rows + counts[c]
            variance = counts[c] / (prior.n_rows + counts[c]) ** 2
        bias = np.trace(P @ scatter) * variance / (2 * dof)
        scores[c] = mean @ P @ x - mean @ P @ mean / 2 + bias
    return scores


def test_scatter_within_classes_by_hand():
    X, codes = np.array([[0.6, 0.8], [0.6, -0.8], [1.0, 0.0]]), np.array([0, 0, 1])
    scatter, dof = within_scatter(sums_of(X, codes, 3, np.ones(3)))
    assert_allclose(scatter, [[0, 0], [0, 1.28]], atol=1e-15)
    assert dof == 1  # three rows, two classes that have rows


def test_weight_two_is_the_row_twice():
    X, codes, _ = drawn(10, 4, 3)
    twice = np.ones(len(X))
    twice[3] = 2
    ours = within_scatter(sums_of(X, codes, 3, twice))
    repeated = within_scatter(
        sums_of(np.r_[X, X[3:4]], np.r_[codes, codes[3:4]], 3, np.ones(len(X) + 1))
    )
    assert_allclose(ours[0], repeated[0], atol=1e-14)
    assert ours[1] == repeated[1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("copies", [1, 3])
def test_copies_have_no_scatter(dtype, copies):
    X = np.random.default_rng(0).standard_normal((4, 6)).astype(dtype)
    X, codes = np.repeat(X, copies, axis=0), np.repeat(np.arange(4), copies)
    scatter, dof = within_scatter(sums_of(X, codes, 4, np.ones(len(X), dtype)))
    assert_array_equal(scatter, 0)
    assert dof == 4 * (copies - 1)


def test_sums_without_second_moment_are_refused():
    sums = ClassSums.of_rows(np.eye(2), np.array([0, 1]), np.arange(2), np.ones(2))
    with pytest.raises(ValueError, match="with_second=True"):
        within_scatter(sums)


def test_published_ridge_by_hand():
    assert published_ridge(np.diag([1.0, 2.0, 5.0]), 5) == 2.0


def test_ridge_of_every_feature_by_hand():
    # n = 4, d = 3: twice the scatter of the feature, or the mean scatter
    assert_allclose(feature_ridge(np.diag([2.0, 4.0, 0.0]), 4), [4, 8, 2])
    assert_array_equal(feature_ridge(np.zeros((3, 3)), 4), [1, 1, 1])


def test_scale_of_a_feature_changes_no_score():
    X, codes, weight = drawn(30, 5, 3)
    scale = np.array([1.0, 1.2, 0.9, 1.0, 1.1])
    scores = []
    for rows in (X, X * scale):
        sums = ClassSums.of_rows(rows, codes, np.arange(3), weight, unit=False, with_second=True)
        scatter, dof = within_scatter(sums)
        ridge = feature_ridge(scatter, len(X))
        fitted = fit_discriminant(sums.means, sums.counts, scatter, dof, ridge=ridge)
        scores.append(rows @ fitted.coef.T + fitted.intercept)
    assert_allclose(scores[0], scores[1])


def test_without_scatter_the_discriminant_is_that_of_class_means():
    means = np.array([[0.6, 0.8], [1.0, 0.0]])
    none = np.zeros((2, 2))
    fitted = fit_discriminant(means, np.ones(2), none, 0, ridge=published_ridge(none, 2))
    assert_allclose(fitted.coef, 2 * means)
    assert_allclose(fitted.intercept, [-1, -1])


def test_weights_are_those_of_the_published_formula():
    X, codes, _ = drawn(30, 5, 3)
    sums = sums_of(X, codes, 3, np.ones(len(X)))
    scatter, dof = within_scatter(sums)
    fitted = fit_discriminant(
        sums.means, sums.counts, scatter, dof, ridge=published_ridge(scatter, len(X))
    )
    centred = X - sums.means[codes]
    covariance, d = centred.T @ centred / (len(X) - 1), 5
    P = d * np.linalg.pinv((len(X) - 1) * covariance + np.trace(covariance) * np.eye(d))
    assert_allclose(fitted.coef, sums.means @ P)


def test_squared_length_of_a_noisy_mean_is_corrected():
    rng = np.random.default_rng(0)
    centre = np.array([1.0, 0, 0])
    corrected, plain = [], []
    for _ in range(2000):
        X = centre + rng.standard_normal((6, 3))
        codes = np.array([0, 0, 1, 1, 1, 1])
        sums = ClassSums.of_rows(X, codes, np.arange(2), np.ones(6), unit=False, with_second=True)
        scatter, dof = within_scatter(sums)
        # a large ridge, so that the inverse hardly depends on the draw
        fitted = fit_discriminant(sums.means, sums.counts, scatter, dof, ridge=1e6)
        corrected.append(fitted.intercept * 1e6 / 3)
        plain.append(-0.5 * np.sum(sums.means**2, axis=1))
    assert_allclose(np.mean(corrected, axis=0), [-0.5, -0.5], atol=0.06)
    assert_allclose(np.mean(plain, axis=0), [-0.5 - 3 / 4, -0.5 - 3 / 8], atol=0.06)


def test_log_prior_is_added():
    means, counts = np.eye(2), np.ones(2)
    plain = fit_discriminant(means, counts, np.eye(2), 3, ridge=1.0)
    prior = fit_discriminant(
        means, counts, np.eye(2), 3, ridge=1.0, log_prior=np.array([0.5, -2.0])
    )
    assert_allclose(prior.intercept - plain.intercept, [0.5, -2.0])
    assert_array_equal(prior.coef, plain.coef)


def test_class_without_rows_gets_finite_values():
    fitted = fit_discriminant(
        np.array([[1.0, 0], [0, 0]]), np.array([2.0, 0]), np.eye(2), 1, ridge=1.0
    )
    assert np.isfinite(fitted.coef).all()
    assert np.isfinite(fitted.intercept).all()


@pytest.mark.parametrize("ridge", [0.3, np.linspace(0.1, 1, 6)])
def test_whitener_is_the_root_of_the_scaled_inverse(ridge):
    X, codes, weight = drawn(20, 6, 2)
    scatter, _ = within_scatter(sums_of(X, codes, 2, weight))
    root = whitener(scatter, ridge)
    inverse = np.linalg.inv(scatter + ridge * np.eye(6))
    assert_allclose(root, root.T, atol=1e-12)
    assert_allclose(root @ root, 6 * inverse, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("prior_count", [None, 0.5, 4.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_features", [4, 40])
@pytest.mark.parametrize("n_classes", [1, 2, 3, 5])
@pytest.mark.parametrize("ridge", [1e-3, 0.3, "a feature"])
def test_left_out_scores_equal_refits(n_classes, n_features, weighted, ridge, prior_count):
    if ridge == "a feature":
        ridge = np.geomspace(1e-3, 1, n_features)
    X, codes, weight = drawn(17, n_features, n_classes, seed=n_classes, weighted=weighted)
    sums = sums_of(X, codes, n_classes, weight)
    scatter, dof = within_scatter(sums)
    prior = None
    if prior_count is not None:
        prior = MeanPrior(np.random.default_rng(9).standard_normal(sums.means.shape), prior_count)
    ours = left_out_scores(
        X, codes, weight, sums.means, sums.counts, scatter, dof, ridge, prior=prior
    )
    expected = np.empty_like(ours)
    for i, x in enumerate(X):
        rest = np.where(np.arange(len(X)) == i, 0, weight)
        expected[i] = brute_force_scores(x, X, codes, rest, n_classes, ridge, prior)
    assert_allclose(ours, expected, rtol=1e-8, atol=1e-8)
    # the first row is the only one of its class
    assert np.isnan(ours[0, 0]) == (n_classes > 1 and prior is None)


def test_ridge_of_every_feature_equals_one_ridge_on_scaled_rows():
    X, codes, weight = drawn(17, 5, 3)
    sums = sums_of(X, codes, 3, weight)
    scatter, dof = within_scatter(sums)
    ridge = np.linspace(0.1, 1, 5)
    fitted = fit_discriminant(sums.means, sums.counts, scatter, dof, ridge=ridge)
    root = np.sqrt(ridge)
    scaled = fit_discriminant(
        sums.means / root, sums.counts, scatter / np.outer(root, root), dof, ridge=1.0
    )
    assert_allclose(fitted.coef, scaled.coef / root)
    assert_allclose(fitted.intercept, scaled.intercept)


def test_rows_of_a_class_pair_can_be_left_out():
    X = unit_rows(np.random.default_rng(0).standard_normal((2, 3)))
    codes, weight = np.zeros(2, int), np.ones(2)
    sums = sums_of(X, codes, 1, weight)
    ours = left_out_scores(X, codes, weight, sums.means, sums.counts, *within_scatter(sums), 0.1)
    expected = [brute_force_scores(X[i], X, codes, 1.0 - np.eye(2)[i], 1, 0.1) for i in (0, 1)]
    assert_allclose(ours, expected, rtol=1e-8)


def test_zero_rows_are_scored_by_the_whole_fit():
    X, codes, weight = drawn(12, 4, 3)
    X[5] = 0
    sums = sums_of(X, codes, 3, weight)
    scatter, dof = within_scatter(sums)
    ours = left_out_scores(X, codes, weight, sums.means, sums.counts, scatter, dof, 0.1)
    fitted = fit_discriminant(sums.means, sums.counts, scatter, dof, ridge=0.1)
    assert_allclose(ours[5], fitted.intercept)
