"""Batches as one array: what comes out, and what is held meanwhile."""

import tracemalloc

import numpy as np
import pytest

from skclip.embedding._stack import stack_batches


def batches(n_rows, size, width=256):
    """Yield rows that are numbered, one batch at a time."""
    for start in range(0, n_rows, size):
        numbers = np.arange(start, min(start + size, n_rows), dtype=np.float32)
        yield np.repeat(numbers[:, None], width, axis=1)


@pytest.mark.parametrize("n_known", [True, False])
@pytest.mark.parametrize("n_rows", [1, 63, 64, 65, 1000])
def test_rows_come_in_order(n_rows, n_known):
    stacked = stack_batches(batches(n_rows, 64, width=2), n_rows if n_known else None)
    assert stacked.dtype == np.float32
    np.testing.assert_array_equal(stacked, np.repeat(np.arange(n_rows)[:, None], 2, axis=1))


@pytest.mark.parametrize("n", [1, 100, 250, 400])
def test_a_wrong_number_of_rows_does_no_harm(n):
    stacked = stack_batches(batches(300, 64, width=2), n)
    np.testing.assert_array_equal(stacked, np.repeat(np.arange(300)[:, None], 2, axis=1))


def test_rows_of_a_known_number_are_held_once():
    tracemalloc.start()
    try:
        stacked = stack_batches(batches(20_000, 64), 20_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.05 * stacked.nbytes
