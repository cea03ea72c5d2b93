"""The interval of right shares, and the accuracies it gives, against trying every share."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skclip.heads._share_search import candidates, compare, right_between


@given(st.integers(0, 999), st.integers(1, 30), st.integers(2, 6))
def test_interval_holds_the_right_shares_and_no_others(seed, n_rows, n_classes):
    rng = np.random.default_rng(seed)
    text, image = rng.standard_normal((2, n_rows, n_classes))
    codes = rng.integers(0, n_classes, n_rows)
    low, high = right_between(text, image, codes)
    for share in np.linspace(0, 1, 13):
        right = (share * text + (1 - share) * image).argmax(axis=1) == codes
        assert_array_equal((low < share) & (share < high), right)


def test_class_that_is_level_with_the_own_one_at_every_share():
    text, image = np.array([[0.5, 0.25]]), np.array([[1.25, 1.0]])  # ahead by a quarter
    assert_array_equal(right_between(text, image, np.array([0])), [[-np.inf], [np.inf]])
    low, high = right_between(text, image, np.array([1]))
    assert low[0] >= high[0]


@given(st.integers(0, 99))
def test_numbers_and_schedules_are_judged_alike(seed):
    rng = np.random.default_rng(seed)
    text, image = rng.standard_normal((2, 25, 3))
    codes, weight = rng.integers(0, 3, 25), rng.uniform(0.1, 2, 25)
    shares = [np.full(3, share) for share in (0.2, 0.5, 0.9)]
    as_numbers = [(0.2, None), (0.5, None), (0.9, None)]
    as_schedules = [("variance", 1.0)] * 3

    def judged(tried):
        return compare(iter([(text, image, codes, weight)]), tried, shares, np.full(3, 0.4))

    for numbers, schedules in zip(judged(as_numbers), judged(as_schedules), strict=True):
        assert_allclose(numbers, schedules, atol=1e-12)


def test_standard_error_is_that_of_paired_differences():
    rng = np.random.default_rng(0)
    text, image = rng.standard_normal((2, 50, 3))
    codes = rng.integers(0, 3, 50)
    right = [((s * text + (1 - s) * image).argmax(1) == codes).astype(float) for s in (0.8, 0.3)]
    block = (text, image, codes, np.ones(50))
    result = compare(iter([block]), [(0.8, None)], [np.full(3, 0.8)], np.full(3, 0.3))
    difference = right[0] - right[1]
    expected = [right[0].mean(), difference.mean(), difference.std() / np.sqrt(50)]
    assert_allclose(np.ravel(result), expected)


def test_candidates_multiply_each_schedules_own_constant():
    assert candidates([0.5, "shrinkage"], [1.0, 2.0]) == [
        (0.5, None),
        ("shrinkage", 5.0),
        ("shrinkage", 10.0),
    ]
