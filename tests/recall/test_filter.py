"""ZeroShotFilter: agreement, its invariants, its two halves, bad input."""

from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from imblearn.pipeline import make_pipeline
from numpy.testing import assert_array_equal

from skclip import NearestClassMean, ZeroShotClassifier, ZeroShotFilter
from skclip._text_head import resolve_text_head

TEXT = {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}
X = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.1], [0.0, 0.0]])
Y = np.array(["cat", "cat", "dog", "cat"])


@st.composite
def pools(draw):
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    n_classes, n_samples = draw(st.integers(2, 4)), draw(st.integers(1, 30))
    labels = np.array(["a", "b", "c", "d"][:n_classes])
    text = dict(zip(labels.tolist(), rng.standard_normal((n_classes, 3)), strict=True))
    bias = draw(st.sampled_from([None, -1.0]))
    zero_shot = ZeroShotClassifier(text, logit_scale=3.0, logit_bias=bias)
    return rng.standard_normal((n_samples, 3)), rng.choice(labels, n_samples), zero_shot


def resample(zero_shot, X, y, **params):
    return ZeroShotFilter(zero_shot, step="resample", **params).fit_resample(X, y)


@given(pools(), st.floats(0, 1))
def test_keeps_what_the_definition_keeps(pool, threshold):
    X, y, zero_shot = pool
    head = zero_shot.fit()
    proba = head.predict_proba(X)
    own = proba[np.arange(len(y)), np.searchsorted(head.classes_, y)]
    expected = (head.predict(X) == y) & (own >= threshold)
    kept = ZeroShotFilter(zero_shot, threshold=threshold).fit(X, y).support_
    assert_array_equal(kept, expected)


def test_threshold_asks_for_the_probability_of_a_model_with_bias():
    # cosines 0.6 and 0.8: as in the test of ZeroShotClassifier, 0.566 for the own class
    zero_shot = ZeroShotClassifier(TEXT, logit_scale=10.0, logit_bias=-5.0)
    rows = [[3.0, 4.0]]
    assert ZeroShotFilter(zero_shot, threshold=0.56).fit(rows, ["dog"]).support_.all()
    assert not ZeroShotFilter(zero_shot, threshold=0.57).fit(rows, ["dog"]).support_.any()


def test_saturated_sigmoids_change_no_label():
    zero_shot = ZeroShotClassifier(TEXT, logit_scale=1000.0, logit_bias=0.0)
    rows = np.array([[3.0, 4.0]], dtype=np.float32)
    assert ZeroShotFilter(zero_shot).fit(rows, ["dog"]).support_.all()


@given(pools(), st.floats(0, 1), st.integers(1, 5))
def test_idempotent(pool, threshold, k):
    X, y, zero_shot = pool
    once = ZeroShotFilter(zero_shot, threshold=threshold, k=k).fit(X, y).support_
    if once.any():
        twice = ZeroShotFilter(zero_shot, threshold=threshold, k=k).fit(X[once], y[once]).support_
        assert twice.all()


@given(pools(), st.floats(0, 1), st.floats(0, 1))
def test_monotone_in_threshold(pool, one, other):
    X, y, zero_shot = pool
    low, high = (
        ZeroShotFilter(zero_shot, threshold=t).fit(X, y).support_ for t in sorted((one, other))
    )
    assert not (high & ~low).any()


@given(pools(), st.integers(1, 5))
def test_k_keeps_the_most_probable_of_each_class(pool, k):
    X, y, zero_shot = pool
    agreeing = ZeroShotFilter(zero_shot).fit(X, y).support_
    kept = ZeroShotFilter(zero_shot, k=k).fit(X, y).support_
    proba = zero_shot.fit().predict_proba(X).max(axis=1)
    for label in np.unique(y):
        own = agreeing & (y == label)
        assert (kept & own).sum() == min(k, own.sum())
        if (own & ~kept).any():
            assert proba[own & kept].min() >= proba[own & ~kept].max()
    assert not (kept & ~agreeing).any()


def test_first_rows_win_ties():
    rows = np.tile([[0.9, 0.1]], (4, 1))
    kept = ZeroShotFilter(TEXT, k=2).fit(rows, ["cat"] * 4).support_
    assert_array_equal(kept, [True, True, False, False])


def test_transformer_zeroes_rejected_rows_and_passes_new_ones():
    pool_filter = ZeroShotFilter(TEXT)
    assert_array_equal(pool_filter.fit_transform(X, Y), [X[0], [0, 0], [0, 0], [0, 0]])
    assert_array_equal(pool_filter.transform(X), X)


def test_sampler_drops_rejected_rows():
    kept_X, kept_y = resample(TEXT, X, Y)
    assert_array_equal(kept_X, X[:1])
    assert_array_equal(kept_y, ["cat"])


def test_zero_row_agrees_with_nobody():
    assert not ZeroShotFilter(TEXT).fit(X, Y).support_[3]


def test_without_text_every_row_stays():
    assert ZeroShotFilter().fit(X, Y).support_.all()
    assert ZeroShotFilter().fit(X).support_.all()


def test_one_half_at_a_time():
    with pytest.raises(AttributeError, match="fit_resample"):
        ZeroShotFilter(TEXT).fit_resample(X, Y)
    assert not hasattr(ZeroShotFilter(step="resample"), "transform")
    assert not hasattr(ZeroShotFilter(step="resample"), "fit_transform")


def test_set_output_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b"])
    out = ZeroShotFilter(TEXT).set_output(transform="pandas").fit_transform(frame, Y)
    assert list(out.columns) == ["a", "b"]
    assert_array_equal(out.to_numpy()[1:], 0)


@pytest.mark.parametrize(
    ("params", "args", "message"),
    [
        ({"zero_shot": TEXT}, (X,), "requires y to be passed"),
        ({"zero_shot": TEXT}, (X, ["cat", "owl", "dog", "cat"]), "without a text embedding: 'owl'"),
        ({"zero_shot": TEXT}, (X[:, :1], Y), "X has 1 features, but the text head has 2"),
        ({"threshold": 1.5}, (X, Y), "The 'threshold' parameter of ZeroShotFilter"),
        ({"k": 0}, (X, Y), "The 'k' parameter of ZeroShotFilter"),
        ({"step": "both"}, (X, Y), "The 'step' parameter of ZeroShotFilter"),
    ],
)
def test_bad_input(params, args, message):
    with pytest.raises(ValueError, match=message):
        ZeroShotFilter(**params).fit(*args)


def test_any_mapping_is_a_text_head():
    text = MappingProxyType(TEXT)
    assert ZeroShotFilter(text).fit(X, Y).support_.tolist() == [True, False, False, False]


def test_a_sampler_keeps_data_frames():
    frame, labels = pd.DataFrame(X, columns=["a", "b"]), pd.Series(Y, name="label")
    kept, y = ZeroShotFilter(TEXT, step="resample").fit_resample(frame, labels)
    assert list(kept.columns) == ["a", "b"]
    assert (y.name, y.tolist()) == ("label", ["cat"])
    sampler = ZeroShotFilter(TEXT, step="resample")
    make_pipeline(sampler, NearestClassMean()).fit(frame, labels).predict(frame)  # no warning


@pytest.mark.parametrize("labels", [["cat", "owl"], [0, 1], [0, 7], [None, "cat"]])
def test_labels_of_a_pool_are_checked_against_the_text(labels):
    text_head = resolve_text_head(TEXT, None)
    labels = np.array(labels, dtype=object)
    with pytest.raises(ValueError, match=r"The pool holds labels that are not among the classes"):
        ZeroShotFilter().support(np.eye(2), labels, text_head)
    if "owl" in labels:
        with pytest.raises(ValueError, match=r"The filter cannot use the labels of the pool"):
            ZeroShotFilter(TEXT).support(np.eye(2), labels, text_head)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("k", [None, 1])
def test_rows_of_a_pool_that_are_not_finite_agree_with_nobody(value, k):
    rows = np.array([[value, 0.0], [value, 0.0], [1.0, 0.0]])
    labels = np.array(["cat", "dog", "cat"])
    kept = ZeroShotFilter(k=k).support(rows, labels, resolve_text_head(TEXT, None))
    assert kept.tolist() == [False, False, True]
