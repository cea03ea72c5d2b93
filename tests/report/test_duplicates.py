import numpy as np
from hypothesis import given, strategies as st

from skclip.report._duplicates import duplicate_groups


def test_groups_are_numbered_as_they_begin():
    X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.001], [0.5, 0.5], [0.0, 2.0], [0.0, 0.0]])
    assert duplicate_groups(X, 0.97).tolist() == [1, 2, 2, 0, 1, 0]


def test_chains_are_one_group():
    angles = np.deg2rad([0, 10, 20, 90])
    X = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert duplicate_groups(X, 0.97).tolist() == [1, 1, 1, 0]


def test_blocks_change_nothing(monkeypatch):
    X = np.random.default_rng(0).integers(0, 3, (60, 3)).astype(float)
    whole = duplicate_groups(X, 0.99)
    monkeypatch.setattr("skclip.report._duplicates._BLOCK", 7)
    np.testing.assert_array_equal(duplicate_groups(X, 0.99), whole)


@given(st.integers(0, 12), st.integers(0, 99))
def test_near_rows_share_a_group(n, seed):
    X = np.random.default_rng(seed).integers(-1, 2, (n, 2)).astype(float)
    groups = duplicate_groups(X, 0.9)
    unit = X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)
    near = unit @ unit.T >= 0.9
    np.fill_diagonal(near, False)
    assert ((groups > 0) == near.any(axis=1)).all()
    assert all(groups[i] == groups[j] for i, j in np.argwhere(near))
