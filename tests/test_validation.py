"""Labels and class names: exact codes for every type, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator

from skclip._validation import (
    check_labelled_embeddings,
    check_optional_embeddings,
    encode_known,
    encode_labels,
    union_classes,
    unknown_labels,
)

TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


@st.composite
def integers_of_any_type(draw):
    limits = np.iinfo(draw(st.sampled_from(TYPES)))
    numbers = st.integers(int(limits.min), int(limits.max))
    start = draw(numbers)
    near = st.integers(max(start - 9, limits.min), min(start + 9, limits.max))
    values = draw(st.lists(draw(st.sampled_from([numbers, near])), min_size=1, max_size=30))
    return np.array(values, dtype=limits.dtype)


@given(integers_of_any_type())
def test_codes_of_integers_are_exact(y):
    classes, codes = encode_labels(y)
    assert classes.dtype == y.dtype
    assert codes.dtype == np.int32
    assert classes.tolist() == sorted(set(y.tolist()))
    assert classes[codes].tolist() == y.tolist()
    assert_array_equal(encode_known(y, classes), codes)


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.array([-100, 100, -100], dtype=np.int8), [-100, 100]),
        (np.array([2**60 + 2, 2**60 + 1], dtype=np.uint64), [2**60 + 1, 2**60 + 2]),
        (np.arange(40, dtype=np.uint64) % 5 + np.uint64(2**63), [2**63 + i for i in range(5)]),
        (np.array([-(2**63), 2**63 - 1]), [-(2**63), 2**63 - 1]),
        ([True, False], [False, True]),
        (np.array([True, False], dtype=object), [False, True]),
        (np.array([3, 1, 3], dtype=object), [1, 3]),
        (np.array([2**63, 1], dtype=object), [1, 2**63]),
        (["dog", "cat"], ["cat", "dog"]),
        (np.array(["dog", "cat"], dtype=object), ["cat", "dog"]),
        ([2.0, 1.0], [1.0, 2.0]),
        (np.array([["b"], ["a"]]), ["a", "b"]),
    ],
)
def test_classes_of_every_type(y, expected):
    classes, codes = encode_labels(y)
    assert classes.tolist() == expected
    assert classes[codes].tolist() == np.ravel(y).tolist()


def test_columns_of_pandas_keep_their_labels():
    pd = pytest.importorskip("pandas")
    for dtype in "Int64", "int8":
        assert encode_labels(pd.Series([2, 1], dtype=dtype))[0].tolist() == [1, 2]
    for dtype in "string", "category", "object":
        assert encode_labels(pd.Series(["b", "a"], dtype=dtype))[0].tolist() == ["a", "b"]
    assert encode_labels(pd.DataFrame({"label": ["b", "a"]}))[0].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("y", "types"),
    [
        (["cat", 1], r"\['int', 'str'\]"),
        (["cat", None], r"\['NoneType', 'str'\]"),
        (["cat", np.nan], r"\['float', 'str'\]"),
        ([None, None], r"\['NoneType'\]"),
        (["cat", ["dog"]], r"\['list', 'str'\]"),
    ],
)
def test_labels_of_several_types_or_missing(y, types):
    with pytest.raises(TypeError, match=f"of the types {types}: give labels of one type"):
        encode_labels(y)


def test_missing_labels_beside_embeddings():
    pd = pytest.importorskip("pandas")
    for y in (["a", np.nan], pd.Series(["a", pd.NA], dtype="string"), np.array([1, None])):
        with pytest.raises(TypeError, match="leave out the rows without one"):
            check_labelled_embeddings(BaseEstimator(), np.eye(2), y)
    with pytest.raises(ValueError, match="y contains NaN"):
        check_labelled_embeddings(BaseEstimator(), np.eye(2), pd.Series([1, pd.NA], dtype="Int64"))


def test_labels_are_one_per_row():
    with pytest.raises(ValueError, match=r"y must hold one label per row, .* shape \(2, 2\)"):
        encode_labels(np.array([["a", "b"], ["c", "d"]]))


@pytest.mark.parametrize(
    ("labels", "classes", "wrong"),
    [
        (["dog", "zebra", "bear", "zebra"], ["cat", "dog"], "'zebra', 'bear'"),
        ([0, 1], ["cat", "dog"], "0, 1"),
        (["0", "1"], np.array([0, 1]), "'0', '1'"),
        ([None, "cat"], ["cat"], "None"),
        ([np.nan], ["nan"], "nan"),
        ([["cat"], "cat"], ["cat"], r"\['cat'\]"),
        (np.array([2**63], dtype=np.uint64), np.array([2**63 - 1]), str(2**63)),
        (np.array([2**53 + 1], dtype=np.uint64), np.array([2**53]), str(2**53 + 1)),
        (["a", "b", "c", "d", "e"], ["e"], "'a', 'b', 'c' and 1 more"),
    ],
)
def test_unknown_labels_are_named_with_who_gave_them(labels, classes, wrong):
    message = f"The pool holds labels that are not among the classes: {wrong}\\. The classes are"
    with pytest.raises(ValueError, match=message):
        encode_known(labels, classes, source="The pool")


def test_known_labels_of_other_types():
    assert_array_equal(encode_known(np.array([3, 1], dtype=object), np.array([1, 3])), [1, 0])
    assert_array_equal(encode_known(np.array([3], np.int8), np.array([1, 3], np.uint64)), [1])
    assert_array_equal(encode_known([], ["cat"]), [])
    assert unknown_labels(["cat", "owl"], np.array(["cat"], dtype=object)) == ["owl"]


def test_union_of_classes_is_exact():
    united = union_classes(np.array([-1, 2**53]), np.array([2**53 + 1], dtype=np.uint64))
    assert united.tolist() == [-1, 2**53, 2**53 + 1]
    united = union_classes(np.array(["b"]), np.array(["a", "b"], dtype=object))
    assert united.tolist() == ["a", "b"]
    assert union_classes(np.array([1, 2]), np.array([], dtype=str)).tolist() == [1, 2]


def test_names_do_not_join_numbers():
    with pytest.raises(TypeError, match="y holds 1, but the labels so far are of another type"):
        union_classes(np.array(["cat"]), np.array([1]))


def test_images_and_labels_may_be_left_out():
    rows, labels = [[1, 0], [0, 1]], ["b", "a"]
    head = BaseEstimator()
    assert check_optional_embeddings(head, None, ["a", "b", "c"]) == (None, ["a", "b", "c"])
    assert not hasattr(head, "n_features_in_")
    X, y = check_optional_embeddings(head, rows, None)
    assert_array_equal(X, rows)
    assert y is None
    X, y = check_optional_embeddings(head, rows, labels)
    assert_array_equal(y, labels)
    assert head.n_features_in_ == 2
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check_optional_embeddings(head, rows, ["a", "b", "c"])
