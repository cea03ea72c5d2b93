"""Heads that are fitted on very many images keep a sample of them."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skclip import PrimedNCMClassifier, StackedHeadClassifier
from skclip.heads import _stacked
from skclip.heads._parts import _recalling_head
from skclip.heads._parts._sampled_images import sample_rows, sample_sizes
from skclip.heads._priming import _primed

N, LIMIT = 600, 200
HEADS = [PrimedNCMClassifier, StackedHeadClassifier]


@pytest.fixture
def many(monkeypatch):
    """Return text, rows and labels: three times as many rows as are kept."""
    monkeypatch.setattr(_recalling_head, "MAX_KEPT", LIMIT)
    for module in (_stacked, _primed):
        monkeypatch.setattr(module, "N_SAMPLED", LIMIT)
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((4, 32)).astype(np.float32)
    y = np.repeat([0, 1, 2, 3], [N // 2 - 2, N // 4, N // 4, 2])
    X = centers[y] + rng.standard_normal((N, 32), dtype=np.float32)
    return dict(enumerate(centers + rng.standard_normal(centers.shape))), X, y


@pytest.mark.parametrize("head", HEADS)
def test_sample_stands_for_all(head, many, monkeypatch):
    text, X, y = many
    sampled = head(text).fit(X, y)
    assert len(sampled._shots.X) <= LIMIT
    monkeypatch.setattr(_recalling_head, "MAX_KEPT", N)
    whole = head(text).fit(X, y)
    assert len(whole._shots.X) == N
    assert np.mean(sampled.predict(X) == whole.predict(X)) > 0.97


@pytest.mark.parametrize("head", HEADS)
def test_order_of_the_rows_does_not_matter(head, many):
    text, X, y = many
    order = np.random.default_rng(1).permutation(N)
    once, again = head(text).fit(X, y), head(text).fit(X[order], y[order])
    assert_allclose(once.coef_, again.coef_, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_half_precision_is_sampled_without_being_widened_whole(head, many):
    text, X, y = many
    half = X.astype(np.float16)
    sampled = head(text).fit(half, y)
    assert len(sampled._shots.X) <= LIMIT
    assert_allclose(sampled.coef_, head(text).fit(half.astype(np.float32), y).coef_, atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("method", ["partial_fit", "forget"])
def test_single_images_cannot_be_changed(head, method, many):
    text, X, y = many
    fitted = head(text).fit(X, y)
    with pytest.raises(ValueError, match=f"{method} needs all labelled images"):
        getattr(fitted, method)(X[:2], y[:2])


@pytest.mark.parametrize("head", HEADS)
def test_images_with_weights_or_given_in_parts_are_all_kept(head, many):
    text, X, y = many
    weighted = head(text).fit(X, y, np.full(N, 2.0))
    parts = head(text).partial_fit(X[:400], y[:400]).partial_fit(X[400:], y[400:])
    for fitted in (weighted, parts):
        assert len(fitted._shots.X) == N


def test_next_fit_of_few_images_forgets_that_there_were_many(many):
    text, X, y = many
    head = PrimedNCMClassifier(text).fit(X, y).fit(X[:10], y[:10])
    assert_array_equal(head.forget(X[:1], y[:1]).shot_count_, [9, 0, 0, 0])


def test_every_class_is_in_the_sample_and_zero_rows_are_not(many):
    _, X, y = many
    X[:5] = 0
    rows = sample_rows(X, y, 50)
    assert_array_equal(rows, np.unique(rows))
    assert not (rows < 5).any()
    counts = np.bincount(y[5:])
    assert_array_equal(np.bincount(y[rows]), sample_sizes(counts, 50))
    assert counts[3] == np.bincount(y[rows])[3] == 2


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=30), st.integers(2, 1000))
def test_a_stratified_sample_has_every_class_and_not_too_many_rows(counts, most):
    counts = np.array(counts)
    sizes = sample_sizes(counts, most)
    assert (sizes <= counts).all()
    assert sizes.sum() <= most or counts.sum() <= most
    if len(counts) <= most:
        assert (sizes >= 1).all()
