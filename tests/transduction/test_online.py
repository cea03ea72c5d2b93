"""Streams of unlabelled images."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import entr
from sklearn.multiclass import OneVsRestClassifier

from skclip import GaussianDiscriminantClassifier, OnlineAdaptedClassifier, ZeroShotClassifier
from skclip.transduction import _online
from skclip.transduction._bank import OF_A_LABEL, Bank, bank_weight, surest
from skclip.transduction._online import BANK_SIZE
from tests.transduction.conftest import NAMES, World


def in_stream(head, X, size=20):
    """Return the labels predicted for every part of a stream before the head learns from it."""
    labels = []
    for start in range(0, len(X), size):
        labels.append(head.predict(X[start : start + size]))
        head.partial_fit(X_unlabeled=X[start : start + size])
    return np.concatenate(labels)


def same(one, other):
    assert_array_equal(one.bank_labels_, other.bank_labels_)
    assert_allclose(one.bank_embeddings_, other.bank_embeddings_, atol=1e-6)
    assert_allclose(one.coef_, other.coef_, rtol=1e-3, atol=1e-3)
    assert_allclose(one.intercept_, other.intercept_, rtol=1e-3, atol=1e-3)


def test_a_stream_helps_where_the_text_is_weak():
    world = World(noise=0.45)
    X, y = world.draw(300)
    text = ZeroShotClassifier(world.text).fit()
    head = OnlineAdaptedClassifier(world.text).fit()
    assert np.mean(in_stream(head, X) == y) > text.score(X, y)
    X, y = world.draw(300, seed=5)
    assert head.score(X, y) > text.score(X, y)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_a_stream_class_by_class_does_not_harm(order):
    world = World(noise=0.35)
    parts = [world.draw(80, classes=(c,), seed=c) for c in order]
    X, y = (np.concatenate(part) for part in zip(*parts, strict=True))
    head = OnlineAdaptedClassifier(world.text).fit()
    own = ZeroShotClassifier(world.text).fit().score(X, y)
    assert np.mean(in_stream(head, X) == y) >= own - 0.01
    X, y = world.draw(300, seed=5)
    assert head.score(X, y) >= ZeroShotClassifier(world.text).fit().score(X, y)


def test_copies_of_one_image_teach_as_much_as_one(world):
    X, _ = world.draw(10)
    once = OnlineAdaptedClassifier(world.text).fit(X)
    often = OnlineAdaptedClassifier(world.text).fit()
    for row in X:
        often.partial_fit(X_unlabeled=np.tile(row, (7, 1)))
    same(often, once)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 119), max_size=5), st.integers(0, 1000))
def test_neither_cuts_nor_order_of_the_stream_matter(cuts, seed):
    world = World()
    X, _ = world.draw(120)
    expected = OnlineAdaptedClassifier(world.text).fit(X_unlabeled=X)
    head = OnlineAdaptedClassifier(world.text)
    for part in np.split(np.random.default_rng(seed).permutation(X), sorted(set(cuts))):
        head.partial_fit(X_unlabeled=part)
    same(head, expected)


def test_the_bank_is_bounded_and_holds_the_surest(world):
    X, _ = world.draw(400)
    head = OnlineAdaptedClassifier(world.text).fit()
    in_stream(head, X, 50)
    assert len(head.bank_embeddings_) == len(NAMES) * BANK_SIZE
    proba = ZeroShotClassifier(world.text).fit().predict_proba(X)
    for c, name in enumerate(NAMES):
        entropies = np.sort(entr(proba[proba.argmax(axis=1) == c].astype(float)).sum(axis=1))
        assert_allclose(
            head.bank_entropy_[head.bank_labels_ == name], entropies[:BANK_SIZE], atol=1e-5
        )


def test_scores_are_text_and_discriminant_of_the_bank(world):
    X, _ = world.draw(90)
    head = OnlineAdaptedClassifier(world.text).fit(X)
    bank = GaussianDiscriminantClassifier(zero_shot=world.text)
    bank.fit(head.bank_embeddings_, head.bank_labels_)
    of_text = 100 * ZeroShotClassifier(world.text).fit().decision_function(X)
    expected = of_text + head.bank_weight_ * bank.logit_scale_ * bank.decision_function(X)
    assert_allclose(head.decision_function(X), expected, rtol=1e-3, atol=1e-2)


def test_weight_counts_what_the_bank_holds():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 30)
    posterior = rng.dirichlet(np.ones(5), 30)
    apart = 1 - np.mean([entr(p).sum() for p in posterior]) / entr(posterior.mean(axis=0)).sum()
    m = apart * np.array([np.sum(codes == c) for c in range(5)])
    assert bank_weight(codes, posterior) == pytest.approx(np.mean(m / (m + 8)))
    assert bank_weight(codes, np.full((30, 5), 0.2)) == pytest.approx(0)


def test_nothing_seen_is_the_text(world):
    X, _ = world.draw(50)
    text = ZeroShotClassifier(world.text).fit()
    head = OnlineAdaptedClassifier(world.text).fit()
    assert_allclose(head.predict_proba(X), text.predict_proba(X), atol=1e-5)
    assert head.bank_weight_ == 0
    head.partial_fit(X_unlabeled=np.zeros((3, X.shape[1])))
    assert_allclose(head.predict_proba(X), text.predict_proba(X), atol=1e-5)


def test_one_image_keeps_the_labels_of_the_text(world):
    X, _ = world.draw(50)
    head = OnlineAdaptedClassifier(world.text).fit(X[:1])
    assert_array_equal(head.predict(X), ZeroShotClassifier(world.text).fit().predict(X))


def test_labelled_images_come_before_all_others(world):
    X, y = world.draw(200)
    head = OnlineAdaptedClassifier(world.text, unlabeled="?").fit(X_unlabeled=X[:150])
    head.partial_fit(X[150:156], [*y[150:155], "?"])
    labelled = head.bank_entropy_ == OF_A_LABEL
    assert_array_equal(np.sort(head.bank_labels_[labelled]), np.sort(y[150:155]))


def test_labels_correct_the_text(world):
    X, y = world.draw(300)
    wrong = {"cat": world.text["dog"], "dog": world.text["cat"], "fox": world.text["fox"]}
    with_labels = OnlineAdaptedClassifier(wrong).fit(X[:100], y[:100]).score(X, y)
    assert with_labels > ZeroShotClassifier(wrong).fit().score(X, y)


def test_without_text_labelled_means_stand_in(world):
    X, y = world.draw(300)
    head = OnlineAdaptedClassifier().fit(X[:12], y[:12])
    before = head.score(X, y)
    assert in_stream(head, X[12:200]).shape == (188,)
    assert head.score(X, y) >= before
    assert OneVsRestClassifier(OnlineAdaptedClassifier()).fit(X, y).score(X, y) > 0.9


def test_fit_begins_anew(world):
    X, _ = world.draw(60)
    head = OnlineAdaptedClassifier(world.text).fit(X[:30])
    assert_array_equal(
        head.fit(X[30:]).coef_, OnlineAdaptedClassifier(world.text).fit(X[30:]).coef_
    )


def test_images_that_do_not_enter_the_bank_change_nothing(world):
    X, _ = world.draw(200)
    head = OnlineAdaptedClassifier(world.text).fit(X)
    before = head.coef_
    assert head.partial_fit(X_unlabeled=X).coef_ is before


def test_blocks_within_a_call_change_nothing(world, monkeypatch):
    X, _ = world.draw(100)
    expected = OnlineAdaptedClassifier(world.text).fit(X)
    monkeypatch.setattr(_online, "ROW_BLOCK", 7)
    same(OnlineAdaptedClassifier(world.text).fit(X), expected)


def test_one_row_of_equal_entropy_is_that_which_came_first():
    rows = np.arange(6.0).reshape(3, 2)
    posterior = np.tile([0.7, 0.3], (3, 1))
    parts = [Bank.unlabelled(rows[:1], posterior[:1]), Bank.unlabelled(rows[1:], posterior[1:])]
    assert_array_equal(surest(parts, 2).rows, rows[:2])


def test_bad_input(world):
    X, y = world.draw(20)
    with pytest.raises(ValueError, match="neither text nor images: give `zero_shot`"):
        OnlineAdaptedClassifier(classes=["a", "b"]).fit()
    with pytest.raises(ValueError, match="OnlineAdaptedClassifier got no images"):
        OnlineAdaptedClassifier(world.text).fit().partial_fit()
    with pytest.raises(ValueError, match="got y without X"):
        OnlineAdaptedClassifier(world.text).fit(None, y)
    head = OnlineAdaptedClassifier(world.text).fit(X)
    with pytest.raises(ValueError, match="has 3 features"):
        head.partial_fit(X_unlabeled=X[:, :3])
    with pytest.raises(ValueError, match="not among the classes: 'owl'"):
        head.partial_fit(X[:1], ["owl"])
    with pytest.raises(ValueError, match=r"classes holds labels that are not among .*'owl'"):
        head.partial_fit(X, y, classes=["cat", "owl"])
    with pytest.raises(ValueError, match="NaN"):
        head.partial_fit(X_unlabeled=np.full((1, X.shape[1]), np.nan))


def test_an_image_with_a_label_is_not_labelled_by_the_text_as_well():
    world = World(noise=0.35)
    X, _ = world.draw(40)
    labels = np.full(len(X), "cat")
    together = OnlineAdaptedClassifier(world.text).fit(X, labels, X_unlabeled=X)
    assert set(together.bank_labels_) == {"cat"}
    same(together, OnlineAdaptedClassifier(world.text).fit(X, labels))


def test_the_first_images_name_the_features():
    world = World(noise=0.35)
    X, y = world.draw(40)
    frame = pd.DataFrame(X.astype(np.float32)).rename(columns="feature {}".format)
    head = OnlineAdaptedClassifier(world.text).fit().partial_fit(frame, y)
    assert_array_equal(head.feature_names_in_, frame.columns)
    assert head.coef_.dtype == np.float32
    with pytest.raises(ValueError, match="feature names should match"):
        head.partial_fit(frame[frame.columns[::-1]], y)


def test_images_of_another_width_change_nothing():
    world = World(noise=0.35)
    X, y = world.draw(40)
    head = OnlineAdaptedClassifier(world.text).fit()
    with pytest.raises(ValueError, match="features"):
        head.partial_fit(X[:, :-1], y)
    assert head.n_features_in_ == X.shape[1]
