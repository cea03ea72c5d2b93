import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.kernel_ridge import KernelRidge

from skclip.heads._adapters._kernel_ridge import (
    dual_of,
    kernel_axes,
    kernel_of,
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
    axes = kernel_axes(X, WEIGHT, 2.0)
    found = kernel_of(NEW, X, 2.0) @ dual_of(axes, R, ridge)
    assert_allclose(found, refit(X, R, WEIGHT, ridge, NEW), atol=1e-9)


@pytest.mark.parametrize("fold", [[3], [0, 6, 12, 18], [1, 2, 20]])
def test_left_out_predictions_equal_refits(fold):
    axes, ridges = kernel_axes(X, WEIGHT, 2.0), [0.01, 1.0]
    found = left_out_predictions(axes, R, ridges, [np.array(fold)])
    rest = np.setdiff1d(np.arange(len(X)), fold)
    for ridge, predictions in zip(ridges, found, strict=True):
        expected = refit(X[rest], R[rest], WEIGHT[rest], ridge, X[fold])
        assert_allclose(predictions, expected, atol=1e-9)


def test_all_rows_as_keys_are_exact():
    exact, nystrom = kernel_axes(X, WEIGHT, 2.0), kernel_axes(X, WEIGHT, 2.0, X)
    for axes in (exact, nystrom):
        found = kernel_of(NEW, X, 2.0) @ dual_of(axes, R, 0.1)
        assert_allclose(found, refit(X, R, WEIGHT, 0.1, NEW), atol=1e-6)


def test_left_out_predictions_by_some_keys_equal_refits_by_the_same_keys():
    keys, fold = X[::3], np.array([0, 7, 22])
    rest = np.setdiff1d(np.arange(len(X)), fold)
    (found,) = left_out_predictions(kernel_axes(X, WEIGHT, 2.0, keys), R, [0.2], [fold])
    axes = kernel_axes(X[rest], WEIGHT[rest], 2.0, keys)
    expected = kernel_of(X[fold], keys, 2.0) @ dual_of(axes, R[rest], 0.2)
    assert_allclose(found, expected, atol=1e-8)
