"""The classes of an estimator and their text, settled in one place."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from skclip import ZeroShotClassifier
from skclip._text_head import TextHead, are_codes, resolve_classes, resolve_text_head

TEXT = {"cat": [1.0, 0.0, 0.0], "dog": [0.0, 1.0, 0.0], "fox": [0.0, 0.0, 1.0]}


class LetterEmbedder(BaseEstimator):
    """Counts letters."""

    def transform(self, texts):
        return np.array([[t.count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for t in texts], float)


def resolve(zero_shot=None, classes=None, y=None):
    return resolve_classes(zero_shot, classes, y, estimator="Head")


def test_labels_alone_are_the_classes():
    found = resolve(y=["dog", "cat", "dog"])
    assert_array_equal(found.names, ["cat", "dog"])
    assert_array_equal(found.codes, [1, 0, 1])
    assert found.text_head is None


def test_a_text_head_names_classes_that_were_not_labelled():
    for zero_shot in (
        TEXT,
        ZeroShotClassifier(TEXT),
        FrozenEstimator(ZeroShotClassifier(TEXT).fit()),
    ):
        found = resolve(zero_shot, y=["fox", "cat"])
        assert_array_equal(found.names, ["cat", "dog", "fox"])
        assert_array_equal(found.codes, [2, 0])
        assert_array_equal(found.text_head.weights, np.eye(3))


def test_classes_restrict_the_text_head():
    for zero_shot in (
        TEXT,
        ZeroShotClassifier(TEXT),
        FrozenEstimator(ZeroShotClassifier(TEXT).fit()),
    ):
        found = resolve(zero_shot, classes=["fox", "cat"], y=["fox"])
        assert_array_equal(found.names, ["cat", "fox"])
        assert_array_equal(found.codes, [1])
        assert_array_equal(found.text_head.classes, ["cat", "fox"])
        assert_array_equal(found.text_head.weights, np.eye(3)[[0, 2]])


def test_names_without_labels():
    found = resolve(TEXT)
    assert_array_equal(found.names, list(TEXT))
    assert found.codes is None
    assert_array_equal(resolve(classes=["b", "a"]).names, ["a", "b"])


@pytest.mark.parametrize(
    "zero_shot", [TEXT, ZeroShotClassifier(TEXT), ZeroShotClassifier(TEXT, classes=list(TEXT))]
)
@pytest.mark.parametrize("classes", [None, list(TEXT)])
def test_codes_stand_for_names_in_sorted_order(zero_shot, classes):
    found = resolve(zero_shot, classes, y=np.array([2, 0, 1, 1]))
    assert_array_equal(found.names, [0, 1, 2])
    assert_array_equal(found.codes, [2, 0, 1, 1])
    assert_array_equal(found.text_head.classes, [0, 1, 2])
    assert_array_equal(found.text_head.weights, np.eye(3))
    assert found.text_head.names == ["cat", "dog", "fox"]


def test_codes_of_a_part_of_the_text_head():
    found = resolve(TEXT, classes=["cat", "fox"], y=[0, 1])
    assert_array_equal(found.text_head.weights, np.eye(3)[[0, 2]])
    assert found.text_head.class_names == {0: "cat", 1: "fox"}


@pytest.mark.parametrize(
    ("zero_shot", "classes", "y"),
    [
        (dict(reversed(TEXT.items())), None, [0, 1, 2]),
        (TEXT, ["fox", "cat", "dog"], [0, 1, 2]),
        (TEXT, None, [0, 1]),
        (TEXT, None, [1, 2, 3]),
        (TEXT, None, [0.0, 1.0, 2.0]),
        (TEXT, ["cat", "dog"], [False, True]),
        (ZeroShotClassifier(TEXT), None, [0, 1]),
        (FrozenEstimator(ZeroShotClassifier(TEXT).fit()), None, [0, 1, 2]),
    ],
)
def test_other_numbers_are_refused_with_the_way_out(zero_shot, classes, y):
    with pytest.raises(ValueError, match=r"The labels are numbers .* class_names=\{label: name\}"):
        resolve(zero_shot, classes, y)


def test_named_labels_keep_their_names():
    zero_shot = ZeroShotClassifier(embedder=LetterEmbedder(), class_names={7: "b", 3: "a"})
    found = resolve(zero_shot, y=[7, 7, 3])
    assert_array_equal(found.names, [3, 7])
    assert_array_equal(found.codes, [1, 1, 0])
    assert found.text_head.names == ["a", "b"]
    assert resolve(zero_shot, classes=[7]).text_head.names == ["b"]


def test_numbers_that_are_labels_are_no_codes():
    assert not are_codes(np.array([0, 1]), [0, 1, 2])
    assert not are_codes(np.array(["0", "1"]), ["a", "b"])
    found = resolve({1: [1.0, 0.0], 0: [0.0, 1.0]}, y=[1])
    assert_array_equal(found.text_head.weights, [[0, 1], [1, 0]])


@pytest.mark.parametrize("zero_shot", [None, ZeroShotClassifier(embedder=LetterEmbedder())])
def test_the_estimator_that_was_fitted_asks_for_labels(zero_shot):
    with pytest.raises(
        ValueError, match=r"^Head requires y to be passed, but the target y is None"
    ):
        resolve(zero_shot)


@pytest.mark.parametrize(
    ("zero_shot", "classes", "y", "message"),
    [
        (None, ["cat"], ["owl"], "y holds labels that are not among the classes: 'owl'"),
        (None, ["cat", "dog"], [0, 1], "y holds labels that are not among the classes: 0, 1"),
        (TEXT, ["cat"], ["owl"], "y holds labels that are not among the classes: 'owl'"),
        (TEXT, None, ["owl"], "There are labels without a text embedding: 'owl'. The text head"),
        (TEXT, ["owl"], None, "'owl'"),
        (TEXT, ["cat", "cat"], None, r"duplicates: 'cat'.* class_names=\{label: name\}"),
        ({0: [1.0, 0.0]}, None, ["cat"], "without a text embedding: 'cat'"),
        ({None: [1.0]}, None, None, "invalid class names: None"),
        ({"cat": [1.0], 1: [1.0]}, None, None, "mixes strings with other types"),
    ],
)
def test_bad_input(zero_shot, classes, y, message):
    with pytest.raises(ValueError, match=message):
        resolve(zero_shot, classes, y)


def test_large_labels_find_their_rows():
    text = {2**60 + i: row for i, row in enumerate(np.eye(3))}
    labels = np.array([2**60 + 2, 2**60], dtype=np.uint64)
    head = resolve_text_head(text, np.sort(labels))
    assert_array_equal(head.restricted(np.sort(labels)).weights, np.eye(3)[[0, 2]])


def test_heads_of_older_callers_have_no_names():
    head = TextHead(np.array(["a", "b"]), np.eye(2), 100.0, None, None)
    assert head.class_names is None
    assert head.names == ["a", "b"]
