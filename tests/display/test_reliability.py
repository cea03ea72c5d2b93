import numpy as np
import pytest

from skclip import ZeroShotClassifier
from skclip.display import ReliabilityDisplay
from skclip.metrics import reliability_curve

X = np.array([[1.0, 0.2], [0.4, 0.6], [0.3, 0.9]])


def test_curve_is_that_of_the_predictions():
    head = ZeroShotClassifier({"cat": [1.0, 0.0], "dog": [0.0, 1.0]}).fit()
    y = ["cat", "cat", "dog"]
    proba = head.predict_proba(X)
    expected = reliability_curve([True, False, True], proba.max(axis=1), n_bins=7)
    for display in (
        ReliabilityDisplay.from_estimator(head, X, y, n_bins=7),
        ReliabilityDisplay.from_predictions(y, proba, n_bins=7),
    ):
        np.testing.assert_array_equal(display.curve.accuracy, expected.accuracy)
    assert ReliabilityDisplay.from_estimator(head, X, y).name == "ZeroShotClassifier"


def test_columns_must_have_a_class():
    with pytest.raises(ValueError, match=r"proba has shape \(2, 2\).*1 classes"):
        ReliabilityDisplay.from_predictions(["a", "a"], [[0.9, 0.1], [0.8, 0.2]])


def test_curves_share_one_diagonal():
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="needs the extra `plot`")
    curve = reliability_curve([True, False], [0.9, 0.6])
    first = ReliabilityDisplay(curve=curve, name="one").plot()
    ReliabilityDisplay(curve=curve, name="two").plot(ax=first.ax_)
    assert len(first.ax_.lines) == 3
    pyplot.close("all")
