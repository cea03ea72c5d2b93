import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.kernel_ridge import KernelRidge

from skclip.heads._adapters._kernel_ridge import (
    dual_of,
    kernel_of,
    kernel_rows,
    left_out_predictions,
)
from tests.heads.adapters.data import task

X, Y, _ = task()
CODES = np.unique(Y, return_inverse=True)[1]
WEIGHT = np.linspace(0.5, 2, len(Y))
R = np.eye(4)[CODES] - 0.25
NEW = task(seed=1)[0]


def refit(keys, targets, weight, ridge, new):
    """Predict by scikit-learn, whose weights are ours."""
    model = KernelRidge(alpha=ridge, kernel="precomputed")
    model.fit(kernel_of(keys, keys, 2.0), targets, sample_weight=weight)
    return model.predict(kernel_of(new, keys, 2.0))


@pytest.mark.parametrize("ridge", [0.01, 0.3, 10.0])
def test_predictions_are_those_of_kernel_ridge(ridge):
    rows = kernel_rows(X, WEIGHT, 2.0)
    found = kernel_of(NEW, X, 2.0) @ dual_of(rows, R, ridge)
    assert_allclose(found, refit(X, R, WEIGHT, ridge, NEW), atol=1e-9)


@pytest.mark.parametrize("fold", [[3], [0, 6, 12, 18], [1, 2, 20]])
def test_left_out_predictions_equal_refits(fold):
    rows, ridges = kernel_rows(X, WEIGHT, 2.0), [0.01, 1.0]
    found = left_out_predictions(rows, R, ridges, [np.array(fold)])
    rest = np.setdiff1d(np.arange(len(X)), fold)
    for ridge, predictions in zip(ridges, found, strict=True):
        expected = refit(X[rest], R[rest], WEIGHT[rest], ridge, X[fold])
        assert_allclose(predictions, expected, atol=1e-9)


def test_all_rows_as_keys_are_exact():
    exact, nystrom = kernel_rows(X, WEIGHT, 2.0), kernel_rows(X, WEIGHT, 2.0, X)
    for rows in (exact, nystrom):
        found = kernel_of(NEW, X, 2.0) @ dual_of(rows, R, 0.1)
        assert_allclose(found, refit(X, R, WEIGHT, 0.1, NEW), atol=1e-6)


def test_left_out_predictions_by_some_keys_equal_refits_by_the_same_keys():
    keys, fold = X[::3], np.array([0, 7, 22])
    rest = np.setdiff1d(np.arange(len(X)), fold)
    (found,) = left_out_predictions(kernel_rows(X, WEIGHT, 2.0, keys), R, [0.2], [fold])
    rows = kernel_rows(X[rest], WEIGHT[rest], 2.0, keys)
    expected = kernel_of(X[fold], keys, 2.0) @ dual_of(rows, R[rest], 0.2)
    assert_allclose(found, expected, atol=1e-8)


def test_rows_in_single_precision_are_told_apart_by_a_small_ridge():
    single = X.astype(np.float32)
    (found,) = left_out_predictions(kernel_rows(single, WEIGHT, 2.0), R, [1e-7], [np.arange(4)])
    exact = single.astype(np.float64)
    expected = refit(exact[4:], R[4:], WEIGHT[4:], 1e-7, exact[:4])
    assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("keys", [None, X])
def test_a_ridge_below_rounding_errors_still_interpolates(keys):
    near = np.vstack([X, X + 1e-9])
    rows = kernel_rows(near, np.ones(len(near)), 0.01, keys)
    targets = near[:, :1]
    dual = dual_of(rows, targets, 1e-300)
    found = kernel_of(near, near if keys is None else keys, 0.01) @ dual
    assert_allclose(found, targets, atol=1e-4)
