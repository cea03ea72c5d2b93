"""Exact nearest rows equal brute force."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from skclip.neighbors._exact import nearest_rows, top_k

# few distinct values make many ties
small = st.integers(-2, 2).map(float)


def brute_force(Q, X, k):
    rows = []
    for q in Q:
        cosines = [
            float(q @ x) / float(np.sqrt((q @ q) * (x @ x))) if (x @ x) and (q @ q) else 0.0
            for x in X
        ]
        usable = [i for i, x in enumerate(X) if x.any()]
        order = sorted(usable, key=lambda i: (-round(cosines[i], 5), i))[:k]
        rows.append([*order, *([-1] * (k - len(order)))])
    return rows


@given(
    X=arrays(np.float64, st.tuples(st.integers(0, 12), st.just(2)), elements=small),
    Q=arrays(np.float64, st.tuples(st.integers(1, 4), st.just(2)), elements=small),
    k=st.integers(1, 14),
    size=st.integers(1, 5),
)
def test_blocks_do_not_matter_and_ties_go_to_the_lower_row(X, Q, k, size):
    blocks = [X[i : i + size] for i in range(0, len(X), size)]
    similarities, rows = nearest_rows(Q, blocks, k)
    cosines = np.where(rows >= 0, similarities, -9)
    assert (np.diff(cosines, axis=1) <= 0).all()
    expected = brute_force(Q, X, k)
    for q, found, wanted in zip(Q, rows.tolist(), expected, strict=True):
        # equal directions of different lengths differ by rounding: compare what is found
        assert sorted(map(tuple, unit(X[[r for r in found if r >= 0]], q))) == sorted(
            map(tuple, unit(X[[r for r in wanted if r >= 0]], q))
        )


def unit(X, q):
    """Return the cosines of rows with q, rounded: what a neighbour is judged by."""
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return np.round(X @ q[:, None] / np.where(norms, norms, 1), 4)


@given(arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=small))
def test_top_k_is_a_stable_sort(scores):
    for k in range(1, scores.shape[1] + 1):
        np.testing.assert_array_equal(
            top_k(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k]
        )


def test_top_k_handles_infinities():
    scores = np.array([[-np.inf, 1.0, -np.inf, -np.inf]])
    assert top_k(scores, 3).tolist() == [[1, 0, 2]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_large_random_rows(dtype):
    rng = np.random.default_rng(0)
    X, Q = rng.normal(size=(3_000, 16)).astype(dtype), rng.normal(size=(1_100, 16))
    unit_X = X.astype(float) / np.linalg.norm(X.astype(float), axis=1, keepdims=True)
    expected = np.argsort(-(Q @ unit_X.T), axis=1)[:, :5]
    similarities, rows = nearest_rows(Q, [X[:999], X[999:]], 5)
    assert similarities.dtype == np.float32
    np.testing.assert_array_equal(rows, expected)


def test_every_later_row_may_be_nearer():
    angles = np.linspace(np.pi / 2, 0, 5_000)
    X = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    _, rows = nearest_rows(np.array([[1.0, 0.0], [0.0, 1.0]]), [X], 3)
    assert rows.tolist() == [[4_999, 4_998, 4_997], [0, 1, 2]]


def test_no_queries_have_no_neighbours():
    similarities, rows = nearest_rows(np.empty((0, 2)), [np.eye(2)], 1)
    assert similarities.shape == rows.shape == (0, 1)
