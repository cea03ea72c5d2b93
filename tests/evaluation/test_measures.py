import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss

from skclip.evaluation._measures import measure


class Sure:
    """Says cat, with given confidence."""

    classes_ = np.array(["cat", "dog"])

    def __init__(self, confidence):
        self.confidence = confidence

    def predict(self, X):
        return np.full(len(X), "cat")

    def predict_proba(self, X):
        return np.stack([self.confidence, np.zeros(len(X))], axis=1)


def test_measures_are_those_of_scikit_learn(data):
    X, y, X_test, y_test = data
    head = LogisticRegression().fit(X, y)
    found = measure(head, X_test, y_test)
    assert_array_equal(found.right, head.predict(X_test) == y_test)
    assert_allclose(found.nll, log_loss(y_test, head.predict_proba(X_test)))


def test_calibration_error_is_the_gap_in_every_bin():
    confidence = np.array([0.21, 0.22, 0.95, 0.97, 1.0])
    y = np.array(["cat", "dog", "cat", "cat", "dog"])
    expected = (2 * abs(0.5 - 0.215) + 3 * abs(2 / 3 - (0.95 + 0.97 + 1) / 3)) / 5
    assert_allclose(measure(Sure(confidence), np.zeros((5, 1)), y).ece, expected)


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
