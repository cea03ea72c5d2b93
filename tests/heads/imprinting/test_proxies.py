"""The state of the imprinter: means that add up, and rows that find their proxy."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from skclip.heads._class_sums import ClassSums
from skclip.heads._imprinting._generation import WeightedRows
from skclip.heads._imprinting._proxies import add_rows, means_of, nearest_of_class, spread, sums_of

EMPTY = WeightedRows(np.zeros((0, 3)), np.zeros(0))


def rows_of(seed, n):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 3)), rng.integers(0, 2, n), rng.uniform(0.5, 2, n)


def test_spread_puts_every_class_where_it_belongs():
    state = [WeightedRows(np.full((1, 2), i), np.ones(1)) for i in range(2)]
    wide = spread(state, np.array(["b", "d"]), np.array(["a", "b", "c", "d"]), 2, np.float32)
    assert [len(one.rows) for one in wide] == [0, 1, 0, 1]
    assert wide[3] is state[1]
    assert wide[0].rows.shape == (0, 2)


@given(st.integers(0, 1000), st.integers(1, 19))
def test_sums_in_two_parts_are_the_weighted_mean(seed, cut):
    X, codes, weight = rows_of(seed, 20)
    codes[:2] = [0, 1]
    state, classes = [EMPTY, EMPTY], np.arange(2)
    for part in (slice(0, cut), slice(cut, None)):
        new = ClassSums.of_rows(X[part], codes[part], classes, weight[part], unit=False)
        state = means_of(sums_of(state, classes) + new)
    for c, one in enumerate(state):
        own = codes == c
        np.testing.assert_allclose(one.rows[0], np.average(X[own], axis=0, weights=weight[own]))
        np.testing.assert_allclose(one.weight, weight[own].sum())


def test_rows_taken_away_leave_the_mean_of_the_others():
    X, codes, weight = rows_of(0, 20)
    sums = ClassSums.of_rows(X, codes, np.arange(2), weight, unit=False)
    only = codes == 1
    gone = ClassSums.of_rows(X[only], codes[only], np.arange(2), weight[only], unit=False)
    state = means_of(sums_of(means_of(sums), np.arange(2)) - gone)
    assert state[1].rows.shape == (0, 3)
    expected = np.average(X[~only], axis=0, weights=weight[~only])
    np.testing.assert_allclose(state[0].rows[0], expected)


def test_rows_of_a_class_are_in_the_order_of_their_first_feature():
    X = np.arange(10.0).reshape(5, 2)[::-1]
    none = WeightedRows(np.zeros((0, 2)), np.zeros(0))
    codes, weight = np.array([1, 0, 1, 3, 0]), np.arange(1.0, 6.0)
    state = add_rows(
        [none] * 4, X, codes, weight, normalize=np.array, generation="all", k=[1] * 4, seed=0
    )
    assert [one.rows[:, 0].tolist() for one in state] == [[0, 6], [4, 8], [], [2]]
    assert [one.weight.tolist() for one in state] == [[5, 2], [3, 1], [], [4]]


def test_classes_without_new_rows_stay_as_they_are():
    X, _, weight = rows_of(1, 6)
    old = WeightedRows(np.ones((2, 3)), np.ones(2))
    state = add_rows(
        [old, EMPTY],
        X,
        np.ones(6, dtype=int),
        weight,
        normalize=lambda rows: 2 * rows,
        generation="all",
        k=[1, 1],
        seed=0,
    )
    assert state[0] is old
    np.testing.assert_array_equal(np.sort(state[1].rows, axis=0), np.sort(2 * X, axis=0))


def test_old_proxies_count_by_their_weight():
    old = WeightedRows(np.array([[0.0, 0, 0]]), np.array([9.0]))
    added = add_rows(
        [old],
        np.array([[1.0, 0, 0]]),
        np.array([0]),
        np.array([1.0]),
        normalize=lambda rows: rows,
        generation="kmeans",
        k=[1],
        seed=0,
    )
    np.testing.assert_allclose(added[0].rows, [[0.1, 0, 0]])
    assert added[0].weight.tolist() == [10]


@pytest.mark.parametrize("n_proxies", [1, 3])
def test_row_finds_the_nearest_proxy_of_its_own_class(n_proxies):
    X, codes, _ = rows_of(2, 40)
    proxies = [np.random.default_rng(c).standard_normal((n_proxies, 3)) for c in range(2)]
    state = [WeightedRows(rows, np.ones(n_proxies)) for rows in proxies]
    nearest, owners = nearest_of_class(X, codes, state)
    np.testing.assert_array_equal(owners[nearest], codes)
    if len(owners) == 2 * n_proxies:
        distance = [np.linalg.norm(proxies[c] - x, axis=1) for x, c in zip(X, codes, strict=True)]
        expected = np.argmin(distance, axis=1) + n_proxies * codes
        np.testing.assert_array_equal(nearest, expected)


def test_proxy_nearest_to_no_row_is_left_out():
    state = [WeightedRows(np.array([[0.0, 0, 0], [9, 9, 9]]), np.ones(2)), EMPTY]
    state[1] = WeightedRows(np.ones((1, 3)), np.ones(1))
    nearest, owners = nearest_of_class(np.zeros((2, 3)), np.array([0, 1]), state)
    assert nearest.tolist() == [0, 1]
    assert owners.tolist() == [0, 1]
