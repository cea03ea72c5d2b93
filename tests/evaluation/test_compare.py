import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegressionCV

from skclip import (
    GaussianDiscriminantClassifier,
    NearestClassMean,
    TipAdapterClassifier,
    ZeroShotClassifier,
)
from skclip.evaluation import (
    AS_PUBLISHED,
    LEFT_OUT,
    ORACLE,
    HeadComparison,
    compare_heads,
    replay_comparison,
    usual_heads,
)

FITTED = []


class Recorder(ClassifierMixin, BaseEstimator):
    """Remembers what it was fitted on and predicts one class."""

    def __init__(self, label="ant"):
        self.label = label

    def fit(self, X, y):
        FITTED.append((X.tobytes(), tuple(y)))
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.label)


@pytest.fixture(scope="module")
def comparison(data, text):
    heads = {
        "means": NearestClassMean(),
        "GDA": {
            AS_PUBLISHED: GaussianDiscriminantClassifier("published"),
            LEFT_OUT: GaussianDiscriminantClassifier(),
            ORACLE: [GaussianDiscriminantClassifier(ridge) for ridge in (0.01, 1.0, 100.0)],
        },
    }
    return compare_heads(heads, *data, zero_shot=text, shots=(2, 5, (0, 4)), seeds=4)


def test_all_heads_are_fitted_on_the_same_images(data):
    FITTED.clear()
    heads = {"first": Recorder(), "second": Recorder("bee")}
    compare_heads(heads, *data, shots=(1, 3), seeds=(5, 9))
    assert FITTED[:4] == FITTED[4:]
    assert len(set(FITTED)) == 4


def test_test_images_are_never_fitted(data):
    FITTED.clear()
    compare_heads({"head": Recorder()}, *data, shots=(20,), seeds=1)
    (fitted,) = FITTED
    drawn = np.frombuffer(fitted[0], np.float32).reshape(-1, 10)
    test = {row.tobytes() for row in data[2]}
    assert not test & {row.tobytes() for row in drawn}


def test_the_same_images_are_fitted_once(data):
    FITTED.clear()
    compare_heads({"head": Recorder()}, *data, shots=(20,), seeds=5)
    assert len(FITTED) == 1


def test_accuracy_is_that_of_a_fit_by_hand(data, comparison):
    X, y, X_test, y_test = data
    runs = comparison.cell("means", 2, LEFT_OUT)
    from skclip.evaluation._draws import draw_rows

    for run in runs:
        rows = draw_rows(np.unique(y, return_inverse=True)[1], ["ant", "bee", "cat"], 2, run.seed)
        head = NearestClassMean().fit(X[rows], y[rows])
        assert run.accuracy == head.score(X_test, y_test)


def test_zero_shot_is_a_row_of_its_own(data, text, comparison):
    score = ZeroShotClassifier(text).fit().score(data[2], data[3])
    for shots in comparison.settings["shots"]:
        assert {run.accuracy for run in comparison.cell("zero-shot", shots, LEFT_OUT)} == {score}


def test_an_oracle_is_the_best_candidate_of_each_number_of_shots(data, comparison):
    for shots in (2, 5):
        means = []
        for ridge in (0.01, 1.0, 100.0):
            alone = compare_heads(
                {"GDA": GaussianDiscriminantClassifier(ridge)}, *data, shots=(shots,), seeds=4
            )
            means.append(alone.summary()[0].accuracy)
        runs = comparison.cell("GDA", shots, ORACLE)
        assert {run.candidate for run in runs} == {int(np.argmax(means))}
        assert_allclose(100 * np.mean([run.accuracy for run in runs]), max(means))


def test_a_head_that_cannot_be_fitted_has_no_number_and_a_reason(data):
    heads = {"CV": LogisticRegressionCV(cv=5), "means": NearestClassMean()}
    comparison = compare_heads(heads, *data, shots=(1,), seeds=2)
    assert "n_splits=5" in comparison.failures["CV, 1"]
    assert comparison.summary()[0].n_runs == 0
    assert "| CV | - |" in comparison.to_markdown()


def test_a_replay_gives_the_same_bytes(data, text, comparison):
    saved = comparison.to_json(timings=False)
    heads = {
        "means": NearestClassMean(),
        "GDA": {
            AS_PUBLISHED: GaussianDiscriminantClassifier("published"),
            LEFT_OUT: GaussianDiscriminantClassifier(),
            ORACLE: [GaussianDiscriminantClassifier(ridge) for ridge in (0.01, 1.0, 100.0)],
        },
    }
    again = replay_comparison(HeadComparison.from_json(saved), heads, *data, zero_shot=text)
    assert again.to_json(timings=False) == saved


def test_a_replay_of_all_usual_heads_gives_the_same_bytes(data, text):
    first = compare_heads(None, *data, zero_shot=text, shots=(1, 3), seeds=2)
    again = replay_comparison(first, None, *data, zero_shot=text)
    assert again.to_json(timings=False) == first.to_json(timings=False)


@pytest.mark.parametrize("what", ["X and y", "X_test and y_test", "heads"])
def test_a_replay_of_something_else_is_refused(data, what):
    heads = {"means": NearestClassMean()}
    first = compare_heads(heads, *data, shots=(2,), seeds=2)
    X, y, X_test, y_test = data
    if what == "X and y":
        X = X[::-1]
    elif what == "X_test and y_test":
        X_test = X_test[::-1]
    else:
        heads = {"means": NearestClassMean("euclidean")}
    with pytest.raises(ValueError, match=f"cannot be replayed: {what} differ"):
        replay_comparison(first, heads, X, y, X_test, y_test)


def test_images_in_another_order_are_another_draw(data):
    X, y, X_test, y_test = data
    heads = {"means": NearestClassMean()}
    first = compare_heads(heads, *data, shots=(2,), seeds=2)
    order = np.random.default_rng(1).permutation(len(X))
    with pytest.raises(ValueError, match="the draws of labelled images differ"):
        replay_comparison(first, heads, X[order], y[order], X_test, y_test)


def test_usual_heads_have_pool_and_text_where_there_are_some(text):
    assert not any("pool" in name for name in usual_heads(text))
    assert "StackedHeadClassifier + pool" in usual_heads(text, pool=object())
    assert "PrimedNCMClassifier" not in usual_heads()


def test_heads_are_kept_by_class_and_changed_parameters(data, text):
    heads = {"Tip": TipAdapterClassifier(text, beta=5.5)}
    kept = compare_heads(heads, *data, shots=(1,), seeds=1).settings["heads"]["Tip"][LEFT_OUT]
    assert kept[0]["beta"] == 5.5
    assert kept[0]["class"] == "TipAdapterClassifier"
    assert kept[0]["zero_shot"].startswith("<dict ")
    assert set(kept[0]) == {"class", "beta", "zero_shot"}


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ({}, "heads must map at least one name"),
        ([NearestClassMean()], "heads must map at least one name"),
        ({"a": {"best": NearestClassMean()}}, "has the choice 'best': give one of"),
        ({"a": {LEFT_OUT: [NearestClassMean()]}}, "holds 1 classifiers: only under 'oracle"),
        ({"a": "means"}, "must be a classifier, got 'means'"),
        ({"a": {ORACLE: []}}, "must be a classifier"),
    ],
)
def test_wrong_heads_are_refused(data, heads, message):
    with pytest.raises(ValueError, match=message):
        compare_heads(heads, *data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shots": ()}, "shots must hold at least one number"),
        ({"shots": (2, 2)}, "shots must hold at least one number, each once"),
        ({"shots": (1.5,)}, "shots must hold numbers of images"),
        ({"shots": (-1,)}, "shots must hold numbers of images"),
        ({"shots": (21,)}, "asks for more images than these classes have"),
        ({"seeds": 0}, "seeds must be a number of draws"),
        ({"seeds": (1, 1)}, "seeds must be a number of draws"),
        ({"X": np.ones((60, 4))}, "X has 4 features, but X_test has 10"),
        ({"X": np.full((60, 10), np.nan)}, "X holds NaN or infinity in the rows 0, 1, 2 and 57"),
        ({"X": np.ones(60)}, "X must hold one embedding per row"),
        ({"y": ["ant"] * 60}, "y_test holds labels that y lacks: 'bee', 'cat'"),
        ({"y": ["ant"]}, "y has 1 labels for 60 rows"),
    ],
)
def test_wrong_input_is_refused(data, change, message):
    given = dict(zip(["X", "y", "X_test", "y_test"], data, strict=True)) | change
    with pytest.raises(ValueError, match=message):
        compare_heads({"means": NearestClassMean()}, **given)


def test_json_is_strict_and_marks_missing_numbers(data):
    comparison = compare_heads({"a": Recorder()}, *data, shots=(1,), seeds=1)
    kept = json.loads(comparison.to_json(timings=False), parse_constant=pytest.fail)
    assert kept["runs"][0]["nll"] is None
    assert "fit_seconds" not in kept["runs"][0]
    assert "fit_seconds" in json.loads(comparison.to_json())["runs"][0]


def test_what_was_read_is_what_was_written(comparison):
    text = comparison.to_json()
    read = HeadComparison.from_json(text)
    assert read.to_json() == text
    for run, other in zip(comparison.runs, read.runs, strict=True):
        assert_array_equal(run.right, other.right)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other"}', "null"])
def test_other_files_are_refused(text):
    with pytest.raises(ValueError, match="no comparison that HeadComparison"):
        HeadComparison.from_json(text)
