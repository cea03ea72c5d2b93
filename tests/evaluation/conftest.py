"""A small task with three classes: rows to draw from, test rows and a text head."""

import numpy as np
import pytest

NAMES = ["ant", "bee", "cat"]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="session")
def data():
    """X, y, X_test and y_test."""
    rng = np.random.default_rng(0)
    means = rng.standard_normal((3, 10))

    def rows(n):
        y = np.repeat(NAMES, n)
        X = np.repeat(means, n, axis=0) + 1.2 * rng.standard_normal((3 * n, 10))
        return unit(X).astype(np.float32), y

    return (*rows(20), *rows(15))


@pytest.fixture(scope="session")
def text():
    """One row per class, somewhere near its images."""
    rng = np.random.default_rng(0)
    means = rng.standard_normal((3, 10))
    return dict(zip(NAMES, unit(means + rng.standard_normal((3, 10))), strict=True))
