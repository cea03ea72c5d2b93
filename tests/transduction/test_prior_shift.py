from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp, softmax
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score

from skclip import NearestClassMean, PriorShiftAdapter, StackedHeadClassifier, ZeroShotClassifier
from skclip.transduction import _transport
from skclip.transduction._transport import sinkhorn_weights
from tests.transduction.conftest import NAMES


def head_of(world, scale=50.0):
    return ZeroShotClassifier(world.text, logit_scale=scale)


@given(st.integers(0, 1000), st.integers(2, 8), st.floats(0.5, 30))
def test_marginals_are_the_prior(seed, n_classes, sharpness):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, sharpness, (200, n_classes))
    prior = rng.dirichlet(np.full(n_classes, 2.0))
    weights = sinkhorn_weights(logits, prior)
    assert_allclose(softmax(logits + weights, axis=1).mean(axis=0), prior, atol=1e-8)
    assert prior @ weights == pytest.approx(0, abs=1e-8)


def test_the_prior_of_the_head_is_the_identity(world):
    X, _ = world.draw(100)
    head = PriorShiftAdapter(head_of(world)).fit(X)
    assert_array_equal(head.weight_, 0)
    given = PriorShiftAdapter(head_of(world), prior=head.head_prior_).fit(X)
    assert_allclose(given.weight_, 0, atol=1e-6)
    assert_allclose(given.predict_proba(X), head_of(world).fit().predict_proba(X), atol=1e-6)


def test_marginals_of_the_estimator_are_the_prior(world):
    X, _ = world.draw(150)
    head = PriorShiftAdapter(head_of(world), prior=[1, 2, 5]).fit(X_unlabeled=X)
    assert_allclose(head.predict_proba(X).mean(axis=0), [0.125, 0.25, 0.625], atol=1e-8)


def test_a_known_prior_helps(world):
    X, y = world.draw(300, classes=(0, 0, 0, 0, 0, 0, 1, 2))
    truth = {name: np.mean(y == name) for name in NAMES}
    head = PriorShiftAdapter(head_of(world, 400.0), prior=truth).fit(X)
    assert head.score(X, y) > head_of(world).fit().score(X, y)


def test_predictions_go_row_by_row(world):
    X, _ = world.draw(60)
    head = PriorShiftAdapter(head_of(world), prior="uniform").fit(X)
    alone = np.concatenate([head.predict_proba(row[None]) for row in X])
    assert_allclose(head.predict_proba(X), alone, atol=1e-5)


def test_a_prior_of_zero_all_but_excludes_a_class(world):
    X, _ = world.draw(60)
    head = PriorShiftAdapter(head_of(world), prior={"cat": 1, "dog": 1, "fox": 0}).fit(X)
    assert "fox" not in head.predict(X)
    assert head.prior_[2] == pytest.approx(1e-9)


def test_labels_are_counted_with_one_more_each(world):
    X, y = world.draw(50, classes=(0, 0, 1))
    head = PriorShiftAdapter(StackedHeadClassifier(world.text), prior="labels").fit(X, y)
    expected = np.array([np.sum(y == name) + 1 for name in NAMES])
    assert_allclose(head.prior_, expected / expected.sum())


def test_a_mapping_and_an_array_are_the_same(world):
    X, _ = world.draw(60)
    by_name = PriorShiftAdapter(head_of(world), prior={"fox": 3, "cat": 1, "dog": 2}).fit(X)
    in_order = PriorShiftAdapter(head_of(world), prior=[1, 2, 3]).fit(X)
    assert_allclose(by_name.weight_, in_order.weight_)


def test_counts_of_labels_are_read_by_name(world):
    X, _ = world.draw(60)
    counts = pd.Series(["fox"] * 3 + ["dog"] * 2 + ["cat"]).value_counts()
    head = PriorShiftAdapter(head_of(world), prior=counts).fit(X)
    assert_allclose(head.prior_, np.array([1, 2, 3]) / 6)


def test_a_frozen_head_is_not_fitted(world):
    X, y = world.draw(60)
    inner = NearestClassMean().fit(X, y)
    head = PriorShiftAdapter(FrozenEstimator(inner), prior="uniform").fit(X_unlabeled=X)
    assert_allclose(head.predict_proba(X).mean(axis=0), 1 / 3, atol=1e-8)


def test_zero_rows_are_no_part_of_the_batch(world):
    X, _ = world.draw(60)
    padded = np.concatenate([X, np.zeros((30, X.shape[1]), X.dtype)])
    plain = PriorShiftAdapter(head_of(world), prior=[1, 2, 3]).fit(X)
    assert_allclose(
        PriorShiftAdapter(head_of(world), prior=[1, 2, 3]).fit(padded).weight_, plain.weight_
    )


def test_a_split_batch_is_refused(world):
    X, y = world.draw(60)
    head = PriorShiftAdapter(head_of(world), prior="uniform")
    with pytest.raises(ValueError, match="a cross-validation splits with X"):
        cross_val_score(head, X, y, params={"X_unlabeled": X}, error_score="raise")


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ([1, 2], "one number of at least 0 for each of the 3 classes 'cat', 'dog', 'fox'"),
        ([1, -1, 1], "one number of at least 0"),
        ([1, np.nan, 1], "one number of at least 0"),
        ([0, 0, 0], "zero for every class"),
        ({"cat": 1}, "prior has no number for 'dog', 'fox'"),
        ({"cat": 1, "dog": 1, "fox": 1, "owl": 1}, "prior holds labels .* 'owl'"),
        ("labels", "counts labels: give X and y"),
    ],
)
def test_priors_that_do_not_fit_are_refused(world, prior, message):
    X, _ = world.draw(30)
    with pytest.raises(ValueError, match=message):
        PriorShiftAdapter(head_of(world), prior=prior).fit(X)


def test_bad_input_is_refused(world):
    X, y = world.draw(30)
    with pytest.raises(ValueError, match="got no images"):
        PriorShiftAdapter(head_of(world)).fit()
    with pytest.raises(ValueError, match="No row carries evidence"):
        PriorShiftAdapter(head_of(world)).fit(np.zeros((3, 16)))
    with pytest.raises(ValueError, match="needs a head with predict_proba"):
        PriorShiftAdapter(RidgeClassifier()).fit(X, y)


def test_sure_rows_take_few_products_with_all_classes(monkeypatch):
    rng = np.random.default_rng(0)
    logits = 40 * np.eye(20)[rng.integers(20, size=400)] + rng.normal(0, 12, (400, 20))
    log_proba = logits - logsumexp(logits, axis=1, keepdims=True)
    prior = 1 / np.arange(1, 21)
    counted = Mock(side_effect=_transport._plan)
    monkeypatch.setattr(_transport, "_plan", counted)
    weights = _transport.sinkhorn_weights(log_proba, prior / prior.sum())
    assert counted.call_count < 80
    moved = log_proba + weights
    marginals = np.exp(moved - logsumexp(moved, axis=1, keepdims=True)).mean(axis=0)
    assert_allclose(marginals, prior / prior.sum(), atol=1e-8)


def test_a_prior_that_is_not_reached_is_an_error(world, monkeypatch):
    monkeypatch.setattr(_transport, "N_SCALINGS", 1)
    monkeypatch.setattr(_transport, "N_NEWTON", 0)
    X, _ = world.draw(30)
    with pytest.raises(ValueError, match="No weights bring the classes to the prior"):
        PriorShiftAdapter(head_of(world, 500.0), prior=[1, 1, 98]).fit(X)
