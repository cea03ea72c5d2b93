import numpy as np
import pytest
from hypothesis import given, strategies as st

from skclip.metrics import reliability_curve


def test_bins_have_mean_confidence_accuracy_and_count():
    curve = reliability_curve([True, False, True, True], [0.55, 0.6, 1.0, 0.95], n_bins=10)
    np.testing.assert_allclose(curve.confidence, [0.575, 0.975])
    np.testing.assert_allclose(curve.accuracy, [0.5, 1.0])
    assert curve.n_predictions.tolist() == [2, 2]
    assert curve.calibration_error == pytest.approx((0.075 + 0.025) / 2)


def test_edges_have_a_bin():
    curve = reliability_curve([False, True], [0.0, 1.0], n_bins=3)
    assert curve.n_predictions.tolist() == [1, 1]
    assert curve.calibration_error == 0


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=30), st.integers(1, 9)
)
def test_error_is_that_of_a_loop_over_bins(pairs, n_bins):
    right, confidence = map(np.array, zip(*pairs, strict=True))
    expected = 0.0
    for i in range(n_bins):
        inside = (confidence * n_bins > i) & (confidence * n_bins <= i + 1)
        inside |= (i == 0) & (confidence == 0)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert reliability_curve(right, confidence, n_bins=n_bins).calibration_error == pytest.approx(
        expected
    )


def test_nothing_has_no_error():
    assert np.isnan(reliability_curve([], []).calibration_error)


@pytest.mark.parametrize(
    ("right", "confidence", "n_bins", "message"),
    [
        ([True], [0.1, 0.2], 10, "one value per prediction"),
        ([True], [1.5], 10, "between 0 and 1, got 1.5"),
        ([True], [np.nan], 10, "between 0 and 1"),
        ([True], [0.5], 0, "n_bins must be at least 1"),
    ],
)
def test_bad_input_is_refused(right, confidence, n_bins, message):
    with pytest.raises(ValueError, match=message):
        reliability_curve(right, confidence, n_bins=n_bins)
