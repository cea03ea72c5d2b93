"""Embeddings that are mapped from a file stay there."""

import tracemalloc

import numpy as np
import pytest

from skclip import NearestClassMean, PrimedNCMClassifier


@pytest.fixture
def mapped(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "X.npy", rng.standard_normal((200_000, 128), dtype=np.float32))
    return np.load(tmp_path / "X.npy", mmap_mode="r"), np.arange(200_000) % 10


def peak_of(work):
    """Return the most bytes that were allocated at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "head", [NearestClassMean(), PrimedNCMClassifier()], ids=lambda h: type(h).__name__
)
def test_fit_and_predict_do_not_copy_the_rows(head, mapped):
    X, y = mapped
    head.fit(X[:100], y[:100])  # what is imported or compiled on first use does not count
    assert peak_of(lambda: head.fit(X, y)) < X.nbytes / 4
    assert peak_of(lambda: head.predict(X)) < X.nbytes / 4
