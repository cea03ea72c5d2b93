import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skclip import NearestClassMean, PrimingPool
from skclip.evaluation import compare_heads, find_near_duplicates
from skclip.exceptions import TestLeakError

HEADS = {"means": NearestClassMean()}


def noisy(row):
    return row + 0.01 * np.random.default_rng(0).standard_normal(row.shape)


@pytest.mark.parametrize(
    "copied", [lambda row: row, lambda row: 3 * row, lambda row: row.astype(np.float16), noisy]
)
def test_a_planted_test_image_is_refused(data, copied):
    X, y, X_test, y_test = data
    planted = X.copy()
    planted[7] = copied(X_test[11])
    with pytest.raises(TestLeakError, match=r"1 of 45 test rows .* 'test row 11 is row 7 of X'"):
        compare_heads(HEADS, planted, y, X_test, y_test, shots=(2,))


def test_a_test_image_in_the_pool_is_refused(data):
    X, y, X_test, y_test = data
    pool = PrimingPool(y_test[:5], X_test[:5])
    with pytest.raises(TestLeakError, match="5 of 45 test rows are among the rows of pool"):
        compare_heads(HEADS, X, y, X_test, y_test, shots=(2,), pool=pool)


def test_the_check_can_be_left_out_and_the_result_says_so(data):
    X, y, _, _ = data
    comparison = compare_heads(HEADS, X, y, X, y, shots=(2,), near_duplicates=None)
    assert comparison.settings["near_duplicates"] is None


def test_the_nearest_copies_are_named():
    X = np.eye(4)[:3]
    found = find_near_duplicates(np.array([X[2] + 0.01, [1.0, 1, 1, 1], X[0]]), X)
    assert_array_equal(found, [[0, 2], [2, 0]])


def test_zero_rows_are_like_none():
    assert not len(find_near_duplicates(np.zeros((2, 3)), np.zeros((2, 3)))[0])
    assert not len(find_near_duplicates(np.ones((2, 3)), np.zeros((0, 3)))[0])
