import numpy as np
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skclip._linalg import unit_rows
from skclip.transduction._neighbor_graph import neighbor_graph


def brute_force(X, k):
    U = unit_rows(X)
    cosines = U @ U.T
    np.fill_diagonal(cosines, -2)
    dense = np.zeros(cosines.shape)
    for i, row in enumerate(cosines):
        for j in np.argsort(-row, kind="stable")[:k]:
            dense[i, j] = max(row[j], 0)
    return dense


@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 100))
def test_equals_a_full_table_of_cosines(n, k, seed):
    X = np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)
    expected = brute_force(X, min(k, n - 1))
    assert_allclose(neighbor_graph(X, k).toarray(), expected, atol=1e-6)


def test_zero_rows_are_nobodys_neighbours():
    X = np.array([[1.0, 0.0], [0.0, 0.0], [0.9, 0.1]], dtype=np.float32)
    graph = neighbor_graph(X, 2).toarray()
    assert not graph[1].any()
    assert not graph[:, 1].any()


def test_copies_are_each_others_neighbours_and_never_their_own():
    graph = neighbor_graph(np.ones((7, 3), dtype=np.float32), 2).toarray()
    assert_array_equal(graph.diagonal(), 0)
    assert_array_equal((graph > 0).sum(axis=1), 2)


def test_one_row_has_no_neighbours():
    assert neighbor_graph(np.ones((1, 3)), 3).nnz == 0
