"""Sums of classes: bounds of codes, and states over different classes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skclip.heads._class_sums import ClassSums, class_sums

X = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])


def sums_of(codes, classes):
    return ClassSums.of_rows(X, np.array(codes, np.int32), classes, np.ones(3))


@pytest.mark.parametrize("codes", [[0, 1, 2], [0, -1, 1], [0, 0, 2**31 - 1]])
def test_codes_out_of_bounds_are_refused_before_anything_is_written(codes):
    with pytest.raises(ValueError, match=r"codes must be class indices in \[0, 2\)"):
        class_sums(X, np.array(codes, np.int32), 2, np.ones(3))


def test_no_rows_have_no_sums():
    sums, counts = class_sums(X[:0], np.zeros(0, np.int32), 2, np.ones(0))
    assert_array_equal(sums, np.zeros((2, 2)))
    assert_array_equal(counts, [0, 0])


def test_states_over_different_classes_add_up():
    both = sums_of([0, 1, 1], np.array(["b", "d"])) + sums_of([0, 0, 1], np.array(["a", "d"]))
    assert_array_equal(both.classes, ["a", "b", "d"])
    assert_array_equal(both.counts, [2, 1, 3])
    assert_allclose(both.sums, [X[0] + X[1], X[0], X[1] + 2 * X[2]])


def test_large_labels_of_two_types_stay_apart():
    unsigned = sums_of([0, 1, 1], np.array([2**60 + 1, 2**60 + 2], dtype=np.uint64))
    signed = sums_of([0, 1, 1], np.array([5, 2**60 + 1]))
    both = unsigned + signed
    assert both.classes.tolist() == [5, 2**60 + 1, 2**60 + 2]
    assert_array_equal(both.counts, [1, 3, 2])
    assert_allclose((both - signed).over(both.classes).counts, [0, 1, 2])


def test_labels_of_another_type_are_unknown():
    known = sums_of([0, 1, 1], np.array(["cat", "dog"]))
    numbers = sums_of([0, 1, 1], np.array([0, 1]))
    with pytest.raises(TypeError, match="the labels so far are of another type"):
        known + numbers
    with pytest.raises(ValueError, match="classes this head does not know: 0, 1"):
        known - numbers
    with pytest.raises(ValueError, match="does not know: 0"):
        known.without([0])
