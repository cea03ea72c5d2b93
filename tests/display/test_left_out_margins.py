import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import LeaveOneOut

from skclip import NearestClassMean
from skclip.display import LeftOutMarginsDisplay


def test_margins_are_those_of_refits_without_the_image():
    X, y = load_digits(n_class=3, return_X_y=True)
    X, y = X[:12], y[:12]
    display = LeftOutMarginsDisplay.from_estimator(NearestClassMean(), X, y, cv=LeaveOneOut())
    for i in range(12):
        others = np.arange(12) != i
        scores = NearestClassMean().fit(X[others], y[others]).decision_function(X[[i]])[0]
        rest = np.delete(scores, y[i])
        assert display.margins[i] == pytest.approx(scores[y[i]] - rest.max(), rel=1e-5)
    assert display.error == np.mean(display.margins <= 0)
    assert display.name == "NearestClassMean"


def test_columns_may_come_in_any_order():
    scores = [[0.1, 0.9, 0.5], [0.2, 0.3, 0.8]]
    display = LeftOutMarginsDisplay.from_predictions(
        ["ant", "cat"], scores, classes=["dog", "ant", "cat"]
    )
    np.testing.assert_allclose(display.margins, [0.4, 0.5])


def test_one_column_is_that_of_the_second_class():
    display = LeftOutMarginsDisplay.from_predictions(["a", "b"], [0.3, 0.3])
    np.testing.assert_allclose(display.margins, [-0.6, 0.6])


@pytest.mark.parametrize("scores", [[[0.1, 0.2, 0.3]] * 2, [[0.1]] * 2, [[0.1, 0.2]]])
def test_scores_must_match_labels_and_classes(scores):
    with pytest.raises(ValueError, match="one row per label and one column per class"):
        LeftOutMarginsDisplay.from_predictions(["a", "b"], scores)
