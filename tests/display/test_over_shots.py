import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skclip import NearestClassMean, PrimedNCMClassifier
from skclip.display import AccuracyOverShotsDisplay, MixingWeightsDisplay
from skclip.display._shots import draw_shots


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(n_class=3, return_X_y=True)
    return X[:200], y[:200], X[200:300], y[200:300]


def test_draws_have_n_rows_per_class_or_all():
    y = np.array(["a"] * 5 + ["b"] * 2 + ["c"] * 9)
    drawn = draw_shots(y, 3, random_state=0)
    assert len(set(drawn.tolist())) == len(drawn)
    labels, counts = np.unique(y[drawn], return_counts=True)
    assert dict(zip(labels.tolist(), counts.tolist(), strict=True)) == {"a": 3, "b": 2, "c": 3}


def test_draws_differ_by_seed_and_not_by_chance():
    y = np.zeros(50)
    first = draw_shots(y, 5, random_state=0)
    np.testing.assert_array_equal(first, draw_shots(y, 5, random_state=0))
    assert first.tolist() != draw_shots(y, 5, random_state=1).tolist()


def test_scores_are_those_of_heads_fitted_on_the_draws(digits):
    X, y, X_test, y_test = digits
    display = AccuracyOverShotsDisplay.from_estimator(
        NearestClassMean(), *digits, shots=[1, 4], n_seeds=2
    )
    drawn = draw_shots(y, 4, [1, 4])
    expected = NearestClassMean().fit(X[drawn], y[drawn]).score(X_test, y_test)
    assert display.scores["NearestClassMean"][1, 1] == expected


def test_all_heads_see_the_same_images(digits):
    same = {"one": NearestClassMean(), "two": NearestClassMean()}
    scores = AccuracyOverShotsDisplay.from_estimator(same, *digits, shots=[1], n_seeds=3).scores
    np.testing.assert_array_equal(scores["one"], scores["two"])


def test_predictions_are_scored():
    y = ["cat", "dog", "dog"]
    predicted = [[["cat", "dog", "cat"], ["cat", "dog", "dog"]], [["dog"] * 3, ["cat"] * 3]]
    display = AccuracyOverShotsDisplay.from_predictions(y, {"a": predicted}, shots=[1, 4])
    np.testing.assert_allclose(display.scores["a"], [[2 / 3, 1], [2 / 3, 1 / 3]])


@pytest.mark.parametrize("shape", [(2, 3), (2, 2, 4)])
def test_predictions_must_be_one_per_label(shape):
    with pytest.raises(ValueError, match=r"predictions of 'a' have shape .* give \(n_shots, n_see"):
        AccuracyOverShotsDisplay.from_predictions([0, 1, 1], {"a": np.zeros(shape)}, shots=[1, 4])


def test_results_are_sorted_into_curves():
    frame = pd.DataFrame(
        {
            "head": ["a", "a", "b", "b", "a", "a", "b", "b"],
            "shots": [4, 4, 4, 4, 1, 1, 1, 1],
            "accuracy": [0.4, 0.5, 0.6, 0.7, 0.1, 0.2, 0.3, 0.35],
        }
    )
    display = AccuracyOverShotsDisplay.from_results(frame)
    assert display.shots.tolist() == [1, 4]
    assert display.scores["a"].tolist() == [[0.1, 0.2], [0.4, 0.5]]
    assert display.scores["b"].tolist() == [[0.3, 0.35], [0.6, 0.7]]


def test_results_must_be_complete():
    results = {"head": ["a", "a", "a"], "shots": [1, 1, 2], "accuracy": [0.1, 0.2, 0.3]}
    with pytest.raises(ValueError, match="'a' has 1, 2 scores per number of shots"):
        AccuracyOverShotsDisplay.from_results(results)


def test_scores_must_match_the_shots():
    with pytest.raises(ValueError, match=r"scores of 'a' have shape \(1, 2\), but there are 2"):
        AccuracyOverShotsDisplay(shots=[1, 2], scores={"a": [[0.1, 0.2]]})
    with pytest.raises(ValueError, match=r"weights of 'a' have shape \(2,\), but there are 2"):
        MixingWeightsDisplay(shots=[1, 2], weights={"a": [0.1, 0.2]})


def test_weights_are_those_of_the_fitted_head(digits):
    X, y, *_ = digits
    text = {label: X[y == label].mean(axis=0) for label in (0, 1, 2)}
    head = PrimedNCMClassifier(text)
    display = MixingWeightsDisplay.from_estimator(head, X, y, shots=[2], n_seeds=2)
    drawn = draw_shots(y, 2, [1, 2])
    expected = PrimedNCMClassifier(text).fit(X[drawn], y[drawn]).head_weights_
    assert {name: values[0, 1] for name, values in display.weights.items()} == expected


def test_weights_of_the_last_step_of_a_pipeline(digits):
    X, y, *_ = digits
    text = {label: X[y == label].mean(axis=0) for label in (0, 1, 2)}
    head = make_pipeline(FunctionTransformer(), PrimedNCMClassifier(text))
    display = MixingWeightsDisplay.from_estimator(head, X, y, shots=[2], n_seeds=1)
    assert set(display.weights) == {"text", "labelled"}


def test_head_must_choose_weights(digits):
    with pytest.raises(ValueError, match="NearestClassMean has no head_weights_"):
        MixingWeightsDisplay.from_estimator(NearestClassMean(), *digits[:2], shots=[1])
