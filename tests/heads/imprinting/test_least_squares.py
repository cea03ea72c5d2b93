"""Class-balanced ridge against the normal equations, leave-one-out against leaving out."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from skclip.heads._class_sums import second_moment
from skclip.heads._imprinting._least_squares import (
    RELATIVE_RIDGES,
    least_squares_weights,
    leave_one_out_regularization,
)


def problem(seed=0, n=24, d=5, n_classes=3):
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    X = rng.standard_normal((n, d)) + rng.standard_normal((n_classes, d))[codes]
    return X, codes, rng.integers(1, 4, n).astype(float)


def means_of(X, codes, weight):
    return np.stack(
        [np.average(X[codes == c], axis=0, weights=weight[codes == c]) for c in np.unique(codes)]
    )


def test_second_moment_is_the_weighted_sum_of_outer_products():
    X, _, weight = problem()
    expected = sum(w * np.outer(x, x) for x, w in zip(X, weight, strict=True))
    np.testing.assert_allclose(second_moment(X, weight, unit=False), expected)
    np.testing.assert_allclose(
        second_moment(X.astype(np.float32), weight, unit=False), expected, rtol=1e-5, atol=1e-5
    )


def test_weights_are_the_published_formula():
    X, codes, _ = problem()
    means, grand, n = means_of(X, codes, np.ones(24)), X.mean(axis=0), len(X)
    total_covariance = np.cov(X.T, bias=True)
    expected = (
        means @ np.linalg.inv(total_covariance + np.outer(grand, grand) + 0.1 * np.eye(5)) / 3
    )
    found = least_squares_weights(second_moment(X, np.ones(n), unit=False), means, n, 0.1)
    np.testing.assert_allclose(found, expected)


def test_weights_are_ridge_regression_of_balanced_one_hot_targets():
    X, codes, weight = problem()
    total, mass = weight.sum(), np.bincount(codes, weight)
    targets = np.eye(3)[codes] * (total / (3 * mass))[codes, None]
    ridge = Ridge(alpha=0.1 * total, fit_intercept=False).fit(X, targets, sample_weight=weight)
    found = least_squares_weights(
        second_moment(X, weight, unit=False), means_of(X, codes, weight), total, 0.1
    )
    np.testing.assert_allclose(found, ridge.coef_)


@pytest.mark.parametrize("n_features", [5, 40])  # more rows than features, and fewer
def test_leave_one_out_accuracies_are_those_of_leaving_out(n_features):
    X, codes, _ = problem(n=20, d=n_features)
    n, mass = len(X), np.bincount(codes)
    targets = np.eye(3)[codes] * (n / (3 * mass))[codes, None]
    ridges = RELATIVE_RIDGES * (X**2).sum() / n / n_features
    accuracies, errors = [], []
    for ridge in ridges:
        right, error = np.zeros(n), np.zeros(n)
        for i in range(n):
            kept = np.arange(n) != i
            moment = X[kept].T @ X[kept] / n + ridge * np.eye(n_features)
            W = np.linalg.solve(moment, X[kept].T @ targets[kept] / n).T
            right[i] = np.argmax(W @ X[i]) == codes[i]
            error[i] = ((W @ X[i] - targets[i]) ** 2).sum()
        accuracies.append(np.mean(np.bincount(codes, right) / mass))
        errors.append(error.mean())
    chosen, *found = leave_one_out_regularization(X, codes, np.arange(3), np.ones(n))
    np.testing.assert_allclose(found, [accuracies, errors], rtol=1e-6)
    best = min(range(len(ridges)), key=lambda r: (-round(accuracies[r], 9), errors[r]))
    assert chosen == pytest.approx(ridges[best])


def test_several_targets_a_class_count_as_right_for_their_class():
    X, targets, weight = problem(n=60, d=4, n_classes=6)
    owners = np.array([0, 0, 3, 3, 4, 4])
    _, as_classes, _ = leave_one_out_regularization(X, targets, np.arange(6), weight)
    _, paired, _ = leave_one_out_regularization(X, targets, owners, weight)
    assert np.all(paired >= as_classes - 0.2)
    assert paired.max() > as_classes.max()


def test_choice_does_not_tell_a_weight_from_repetition():
    X, codes, weight = problem(n=30)
    owners, repeats = np.arange(3), weight.astype(int)
    weighted = leave_one_out_regularization(X, codes, owners, weight)
    repeated = leave_one_out_regularization(
        X.repeat(repeats, axis=0), codes.repeat(repeats), owners, np.ones(repeats.sum())
    )
    assert weighted[0] == pytest.approx(repeated[0])
    np.testing.assert_allclose(weighted[1:], repeated[1:])


def test_scale_of_the_rows_scales_the_choice():
    X, codes, weight = problem(n=40)
    small, *_ = leave_one_out_regularization(X, codes, np.arange(3), weight)
    large, *_ = leave_one_out_regularization(10 * X, codes, np.arange(3), weight)
    assert large == pytest.approx(100 * small)


def test_one_row_a_class_is_no_evidence_and_squared_error_decides():
    X = np.random.default_rng(0).standard_normal((4, 9))
    chosen, accuracies, errors = leave_one_out_regularization(
        X, np.arange(4), np.arange(4), np.ones(4)
    )
    assert len(set(accuracies)) == 1
    ridges = RELATIVE_RIDGES * (X**2).sum() / 4 / 9
    assert chosen == pytest.approx(ridges[np.argmin(errors)])
