"""Heads with weights by left-out likelihood: what must be true for any images and any text."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.svm import SVC

from skclip import (
    MixedHeadClassifier,
    PrimedNCMClassifier,
    PrimingPool,
    StackedHeadClassifier,
)
from skclip.exceptions import BelowZeroShotWarning, TextDisagreementWarning
from skclip.heads._parts import _weighed

HEADS = [PrimedNCMClassifier, StackedHeadClassifier, MixedHeadClassifier]
UPDATED = [PrimedNCMClassifier, StackedHeadClassifier]
NAMES = np.array(["yak", "ant", "fox", "cat", "emu"])

every_head = pytest.mark.parametrize("cls", HEADS)
every_updated_head = pytest.mark.parametrize("cls", UPDATED)
few = settings(max_examples=8, deadline=None)

# wrong labels are among the problems
# text at random agrees with labels by chance, and more often than what is fitted
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::skclip.exceptions.{name}")
    for name in ("BelowZeroShotWarning", "TextDisagreementWarning")
]


@st.composite
def problems(draw, min_classes=1):
    """Return (X, y, text): some classes without images, copies, wrong labels, zero rows."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_classes, d = draw(st.integers(min_classes, 5)), draw(st.integers(2, 7))
    counts = rng.integers(0, draw(st.sampled_from([2, 3, 6])), n_classes)
    counts[rng.integers(n_classes)] += 1
    centres = rng.standard_normal((n_classes, d))
    codes = np.repeat(np.arange(n_classes), counts)
    X = centres[codes] + draw(st.sampled_from([0.0, 0.3, 2.0])) * rng.standard_normal(
        (len(codes), d)
    )
    copied = rng.integers(0, len(codes), draw(st.integers(0, 4)))
    X, codes = np.concatenate([X, X[copied]]), np.concatenate([codes, codes[copied]])
    if draw(st.booleans()):
        wrong = rng.random(len(codes)) < 0.5
        codes = np.where(wrong, rng.permutation(codes), codes)
    if len(codes) > 2 and draw(st.booleans()):
        X[1] = 0
    if draw(st.booleans()):  # squared lengths neither overflow nor underflow
        X *= 10.0 ** rng.integers(-15, 15, (len(codes), 1))
    X = X.astype(draw(st.sampled_from([np.float32, np.float64])))
    text = {
        "random": rng.standard_normal((n_classes, d)),
        "perfect": centres,
        "one direction": np.ones((n_classes, d)),
    }[draw(st.sampled_from(["random", "perfect", "one direction"]))]
    names = NAMES[:n_classes]
    return X, names[codes], dict(zip(names.tolist(), text.tolist(), strict=True))


def fitted(cls, text, *data, **parameters):
    return cls(text, **parameters).fit(*data)


def queries(X):
    rows = np.random.default_rng(0).standard_normal((7, X.shape[1])).astype(X.dtype)
    return np.concatenate([rows, X, np.zeros((1, X.shape[1]), X.dtype)])


def probabilities_agree(ours, theirs, X, tolerance=1e-4):
    assert_array_equal(ours.classes_, theirs.classes_)
    assert_allclose(
        list(ours.head_weights_.values()),
        list(theirs.head_weights_.values()),
        rtol=tolerance,
        atol=tolerance,
    )
    rows = queries(X).astype(np.float64)
    assert_allclose(ours.predict_proba(rows), theirs.predict_proba(rows), atol=tolerance)


@every_head
@few
@given(problem=problems())
def test_scores_are_finite_and_predictions_are_classes(cls, problem):
    X, y, text = problem
    head = fitted(cls, text, X, y)
    rows, n_classes = queries(X), len(text)
    scores, proba = head.decision_function(rows), head.predict_proba(rows)
    assert scores.shape == ((len(rows),) if n_classes == 2 else (len(rows), n_classes))
    assert np.isfinite(scores).all()
    assert proba.shape == (len(rows), n_classes)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert set(head.predict(rows)) <= set(text)
    assert np.isfinite(list(head.head_weights_.values())).all()
    assert min(head.head_weights_.values()) >= 0


@every_head
@few
@given(problem=problems(), random=st.randoms(use_true_random=False))
def test_order_of_rows_and_of_text_changes_nothing(cls, problem, random):
    X, y, text = problem
    X = X.astype(np.float64)
    rows, names = list(range(len(y))), list(text)
    random.shuffle(rows)
    random.shuffle(names)
    ours = fitted(cls, text, X, y)
    shuffled = fitted(cls, {name: text[name] for name in names}, X[rows], y[rows])
    probabilities_agree(shuffled, ours, X, 1e-6)


@every_head
@few
@given(problem=problems())
def test_weight_two_is_the_row_twice(cls, problem):
    X, y, text = problem
    X = X.astype(np.float64)
    weight = 1 + np.arange(len(y)) % 2
    weighted = fitted(cls, text, X, y, weight)
    repeated = fitted(cls, text, X.repeat(weight, 0), y.repeat(weight))
    probabilities_agree(weighted, repeated, X, 1e-6)


@every_head
@few
@given(problem=problems())
def test_weight_zero_is_absent(cls, problem):
    X, y, text = problem
    X = X.astype(np.float64)
    X[0] = 1 + np.arange(X.shape[1])  # one image at least has evidence
    kept = np.arange(len(y)) % 3 != 1
    weighted = fitted(cls, text, X, y, kept.astype(float))
    absent = fitted(cls, text, X[kept], y[kept])
    probabilities_agree(weighted, absent, X, 1e-6)


@every_updated_head
@few
@given(problem=problems(), data=st.data())
def test_partial_fit_over_any_split_is_fit(cls, problem, data):
    X, y, text = problem
    X = X.astype(np.float64)
    bounds = sorted(data.draw(st.sets(st.integers(1, max(1, len(y) - 1)), max_size=3)))
    head = cls(text)
    for rows in np.split(np.arange(len(y)), bounds):
        if len(rows):
            head.partial_fit(X[rows], y[rows])
    probabilities_agree(head, fitted(cls, text, X, y), X, 1e-6)


@every_updated_head
@few
@given(problem=problems())
def test_fit_then_forget_is_never_seen(cls, problem):
    X, y, text = problem
    X = X.astype(np.float64)
    gone = np.arange(len(y)) % 3 == 0
    X, y, gone = np.r_[X, X + 1], np.r_[y, y], np.r_[gone, ~gone]
    head = fitted(cls, text, X, y).forget(X[gone], y[gone])
    never = fitted(cls, text, X[~gone], y[~gone])
    probabilities_agree(head, never, X, 1e-6)


@every_updated_head
@few
@given(problem=problems())
def test_forgetting_all_leaves_the_text(cls, problem):
    X, y, text = problem
    head = fitted(cls, text, X, y).forget(X, y)
    assert head.head_weights_ == {"text": 1.0}


@every_head
def test_copies_of_all_images_change_nothing(cls):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((12, 6)), NAMES[np.arange(12) % 4]
    text = dict(zip(NAMES.tolist(), rng.standard_normal((5, 6)).tolist(), strict=True))
    once = fitted(cls, text, X, y)
    probabilities_agree(fitted(cls, text, np.tile(X, (3, 1)), np.tile(y, 3)), once, X, 1e-6)


@every_head
def test_only_zero_rows_leave_the_text_or_are_refused(cls):
    text = {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}
    X, y = np.zeros((3, 2)), ["cat", "dog", "dog"]
    if cls is MixedHeadClassifier:
        with pytest.raises(ValueError, match="only zero rows"):
            cls(text).fit(X, y)
    else:
        assert cls(text).fit(X, y).head_weights_ == {"text": 1.0}


@every_head
@pytest.mark.parametrize("n_per_class", [1, 2, 8])
def test_ordinary_images_warn_of_nothing(cls, n_per_class):
    rng = np.random.default_rng(n_per_class)
    centres = rng.standard_normal((5, 16))
    codes = np.repeat(np.arange(5), n_per_class)
    X = centres[codes] + 0.5 * rng.standard_normal((len(codes), 16))
    text = dict(zip(NAMES.tolist(), centres + 0.5 * rng.standard_normal((5, 16)), strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(cls, text, X, NAMES[codes])


@every_head
@pytest.mark.parametrize("how", ["fit", "partial_fit", "forget"])
@pytest.mark.filterwarnings("default::skclip.exceptions.BelowZeroShotWarning")
def test_a_head_below_zero_shot_warns_at_the_line_of_its_caller(monkeypatch, cls, how):
    if cls is MixedHeadClassifier and how != "fit":
        pytest.skip("a mixed head is not updated")
    rng = np.random.default_rng(0)
    X, rows = rng.standard_normal((60, 16)), rng.standard_normal((5, 16))
    text = dict(zip(NAMES.tolist(), rows, strict=True))
    y = NAMES[(X @ (rows / np.linalg.norm(rows, axis=1)[:, None]).T).argmax(axis=1)]
    head = fitted(cls, text, X, y)
    # the text is right about all, and not believed
    monkeypatch.setattr(
        _weighed, "mixing_weights", lambda parts, *_, **__: np.arange(len(parts)) == 1.0
    )
    arguments = (X[:1], y[:1]) if how == "forget" else (X, y)
    with pytest.warns(BelowZeroShotWarning, match=r"100\.0% for zero-shot alone") as caught:
        getattr(head, how)(*arguments)
    assert {one.filename for one in caught} == {__file__}


@every_updated_head
def test_a_pool_with_shuffled_labels_is_warned_of_and_another_is_not(cls):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((5, 16))
    codes = np.repeat(np.arange(5), 20)
    X = rows[codes] + 0.3 * rng.standard_normal((100, 16))
    text = dict(zip(NAMES.tolist(), rows, strict=True))
    head = cls(text, retriever=PrimingPool(NAMES[(codes + 1) % 5], X))
    with pytest.warns(TextDisagreementWarning, match="by chance") as caught:
        head.fit()
    assert {one.filename for one in caught} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cls(text, retriever=PrimingPool(NAMES[codes], X)).fit().head_weights_["recalled"] > 0


@every_updated_head
def test_images_after_a_fit_on_names_are_weighed(cls):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 6)), NAMES[np.arange(20) % 5]
    text = dict(zip(NAMES.tolist(), rng.standard_normal((5, 6)), strict=True))
    probabilities_agree(cls(text).fit().partial_fit(X, y), fitted(cls, text, X, y), X, 1e-6)


def test_images_that_were_not_kept_cannot_be_weighed():
    X, y = np.eye(3), ["ant", "cat", "fox"]
    head = PrimedNCMClassifier(dict(zip(y, np.eye(3), strict=True)), alpha=0.5).fit(X, y)
    head.set_params(alpha="auto")
    with pytest.raises(ValueError, match="kept only their sums: call fit"):
        head.partial_fit(X, y)
    assert_array_equal(head.shot_count_, 1)


@pytest.mark.parametrize("cls", [StackedHeadClassifier, MixedHeadClassifier])
def test_one_score_per_pair_of_classes_is_refused(cls):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 6)), NAMES[np.arange(20) % 4]
    text = dict(zip(NAMES.tolist(), rng.standard_normal((5, 6)), strict=True))
    head = SVC(decision_function_shape="ovo")
    heads = head if cls is MixedHeadClassifier else [("pairs", head)]
    with pytest.raises(ValueError, match="6 scores for 4 classes: choose one score per class"):
        cls(text, heads).fit(X, y)
