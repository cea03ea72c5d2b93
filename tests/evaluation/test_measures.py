import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss

from skclip.evaluation._measures import calibration_error, measure


def test_measures_are_those_of_scikit_learn(data):
    X, y, X_test, y_test = data
    head = LogisticRegression().fit(X, y)
    found = measure(head, X_test, y_test)
    assert_array_equal(found.right, head.predict(X_test) == y_test)
    assert_allclose(found.nll, log_loss(y_test, head.predict_proba(X_test)))


def test_calibration_error_is_the_gap_in_every_bin():
    confidence = np.array([0.21, 0.22, 0.95, 0.97, 1.0])
    right = np.array([True, False, True, True, False])
    expected = (2 * abs(0.5 - 0.215) + 3 * abs(2 / 3 - (0.95 + 0.97 + 1) / 3)) / 5
    assert_allclose(calibration_error(confidence, right, n_bins=10), expected)


def test_a_head_without_probabilities_has_its_accuracy_alone(data):
    X, y, X_test, y_test = data
    found = measure(RidgeClassifier().fit(X, y), X_test, y_test)
    assert found.right.mean() > 0.5
    assert np.isnan([found.nll, found.ece]).all()


def test_a_head_that_lacks_a_class_has_no_log_loss(data):
    X, y, X_test, y_test = data
    kept = y != "cat"
    found = measure(LogisticRegression().fit(X[kept], y[kept]), X_test, y_test)
    assert np.isnan(found.nll)
    assert found.ece == pytest.approx(found.ece)
