import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skclip import StatAClassifier, ZeroShotClassifier
from tests.transduction.conftest import NAMES, World


def accuracy(predicted, y):
    return np.mean(predicted == y)


def test_unlabelled_images_help_where_the_text_is_weak():
    world = World(noise=0.45)
    X, y = world.draw(300)
    head = StatAClassifier(world.text).fit(X)
    zero_shot = ZeroShotClassifier(world.text).fit().score(X, y)
    assert accuracy(head.transduction_, y) > zero_shot
    assert head.score(X, y) > zero_shot


@pytest.mark.parametrize("classes", [(0,), (0, 2)])
def test_a_class_that_is_not_there_keeps_its_text(world, classes):
    X, y = world.draw(120, classes=classes)
    head = StatAClassifier(world.text).fit(X)
    zero_shot = ZeroShotClassifier(world.text).fit()
    assert accuracy(head.transduction_, y) >= zero_shot.score(X, y)
    absent, _ = world.draw(40, classes=(1,), seed=3)
    assert accuracy(head.predict(absent), "dog") > 0.5


def test_one_image_gets_the_label_of_the_text(world):
    X, _ = world.draw(50)
    expected = ZeroShotClassifier(world.text).fit().predict(X)
    found = [StatAClassifier(world.text).fit(row[None]).transduction_[0] for row in X]
    assert_array_equal(found, expected)


def test_copies_of_one_image_get_the_label_of_the_text(world):
    X, _ = world.draw(20)
    expected = ZeroShotClassifier(world.text).fit().predict(X)
    heads = [StatAClassifier(world.text).fit(np.tile(row, (5, 1))) for row in X]
    assert_array_equal([head.transduction_[0] for head in heads], expected)
    assert [head.batch_weight_ for head in heads] == pytest.approx([0] * 20, abs=1e-6)


def test_predictions_do_not_depend_on_what_else_is_predicted(world):
    X, _ = world.draw(80)
    head = StatAClassifier(world.text).fit(X)
    alone = np.concatenate([head.predict_proba(row[None]) for row in X])
    assert_allclose(head.predict_proba(X), alone, atol=1e-5)


@given(st.integers(0, 1000))
def test_order_changes_nothing_but_order(seed):
    world = World()
    X, _ = world.draw(60)
    order = np.random.default_rng(seed).permutation(len(X))
    head = StatAClassifier(world.text).fit(X)
    other = StatAClassifier(dict(reversed(world.text.items()))).fit(X[order])
    assert_array_equal(other.transduction_, head.transduction_[order])
    assert_allclose(other.mean_, head.mean_, atol=1e-4)


def test_marked_rows_and_further_rows_are_the_same(world):
    X, y = world.draw(90)
    y = y.astype(object)
    y[20:] = "?"
    marked = StatAClassifier(world.text, unlabeled="?").fit(X, y)
    apart = StatAClassifier(world.text).fit(X[:20], y[:20], X_unlabeled=X[20:])
    assert_allclose(marked.mean_, apart.mean_, atol=1e-6)
    assert_array_equal(marked.transduction_, apart.transduction_)
    assert len(marked.transduction_) == 70


def test_all_rows_marked_are_rows_without_labels(world):
    X, _ = world.draw(30)
    marked = StatAClassifier(world.text, unlabeled="?").fit(X, ["?"] * 30)
    assert_array_equal(marked.mean_, StatAClassifier(world.text).fit(X).mean_)


def test_labels_take_part(world):
    X, y = world.draw(300)
    wrong = {"cat": world.text["dog"], "dog": world.text["cat"], "fox": world.text["fox"]}
    without = StatAClassifier(wrong).fit(X_unlabeled=X).score(X, y)
    labels = StatAClassifier(wrong).fit(X[:150], y[:150], X_unlabeled=X[150:])
    assert labels.score(X, y) > without


def test_without_text_labelled_means_stand_in(world):
    X, y = world.draw(60)
    head = StatAClassifier().fit(X[:12], y[:12], X_unlabeled=X[12:])
    assert accuracy(head.transduction_, y[12:]) > 0.9


def test_zero_rows_teach_nothing(world):
    X, _ = world.draw(40)
    padded = np.concatenate([X, np.zeros((5, X.shape[1]), X.dtype)])
    head, other = StatAClassifier(world.text).fit(X), StatAClassifier(world.text).fit(padded)
    assert_allclose(other.mean_, head.mean_, atol=1e-6)
    assert len(other.transduction_) == 45


def test_integer_labels_are_marked_by_an_integer(world):
    X, y = world.draw(60)
    codes = np.searchsorted(NAMES, y)
    text = dict(enumerate(world.text.values()))
    codes[::2] = -1
    head = StatAClassifier(text, unlabeled=-1).fit(X, codes)
    assert_array_equal(head.classes_, [0, 1, 2])


@pytest.mark.parametrize("y", [["cat", -1, "dog", -1], np.array(["cat", "-1", "dog", "-1"])])
def test_a_number_among_texts_is_refused(world, y):
    X, _ = world.draw(4)
    with pytest.raises(
        (TypeError, ValueError), match=r"of one type|Mark unlabelled rows by a text"
    ):
        StatAClassifier(world.text, unlabeled=-1).fit(X, y)


def test_unlabelled_rows_that_a_cross_validation_has_split_are_refused(world):
    X, y = world.draw(60)
    head = StatAClassifier(world.text)
    with pytest.raises(ValueError, match="a cross-validation splits with X"):
        cross_val_score(head, X, y, params={"X_unlabeled": X}, error_score="raise")
    scores = cross_val_score(head, X[:50], y[:50], params={"X_unlabeled": X}, error_score="raise")
    assert np.isfinite(scores).all()


def test_as_many_unlabelled_as_labelled_rows_are_fine_elsewhere(world):
    X, y = world.draw(60)
    assert StatAClassifier(world.text).fit(X[:30], y[:30], X_unlabeled=X[30:]).score(X, y) > 0.5
    search = GridSearchCV(StatAClassifier(world.text), {"unlabeled": [None, "?"]}, cv=3)
    assert search.fit(X, y).score(X, y) > 0.5


def test_a_pipeline_hands_on_unlabelled_images(world):
    X, _ = world.draw(30)
    pipeline = make_pipeline(FunctionTransformer(), StatAClassifier(world.text))
    assert pipeline.fit(X).predict(X).shape == (30,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "got no images"),
        ({"y": ["cat"]}, "labels need their images"),
        ({"X": np.zeros((3, 16))}, "No row carries evidence"),
        ({"X": np.ones((3, 5))}, "must be embedded by the same model"),
        ({"X": np.ones((3, 16)), "X_unlabeled": np.ones((3, 5))}, "5 features"),
        ({"X": np.full((3, 16), np.nan)}, "NaN"),
    ],
)
def test_bad_input_is_refused(world, arguments, message):
    with pytest.raises(ValueError, match=message):
        StatAClassifier(world.text).fit(**arguments)


def test_classes_without_text_and_images_are_refused(world):
    X, y = world.draw(30, classes=(0, 1))
    with pytest.raises(ValueError, match="every class needs a labelled image"):
        StatAClassifier(classes=NAMES).fit(X, y)


def test_pickled_head_predicts_the_same(world):
    X, _ = world.draw(40)
    head = StatAClassifier(world.text).fit(X)
    assert_array_equal(pickle.loads(pickle.dumps(head)).predict(X), head.predict(X))
