"""Embeddings that are mapped from a file stay there."""

import tracemalloc

import numpy as np
import pytest
from sklearn.base import clone

from skclip import GaussianDiscriminantClassifier, NearestClassMean, PrimedNCMClassifier


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    path = tmp_path_factory.mktemp("mapped") / "X.npy"
    rng = np.random.default_rng(0)
    np.save(path, rng.standard_normal((200_000, 128), dtype=np.float32))
    return np.load(path, mmap_mode="r"), np.arange(200_000) % 10


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


@pytest.fixture(scope="module")
def mapped_half(tmp_path_factory):
    path = tmp_path_factory.mktemp("mapped") / "X.npy"
    rng = np.random.default_rng(0)
    np.save(path, rng.standard_normal((200_000, 128), dtype=np.float32).astype(np.float16))
    return np.load(path, mmap_mode="r"), np.arange(200_000) % 10


HALF_HEADS = [
    NearestClassMean(),
    NearestClassMean(metric="euclidean"),
    PrimedNCMClassifier(),
    GaussianDiscriminantClassifier(),
]


@pytest.mark.parametrize("head", HALF_HEADS, ids=repr)
def test_half_precision_is_widened_in_blocks(head, mapped_half):
    X, y = mapped_half
    n = len(X) // 2
    head.fit(X[:100], y[:100])
    of_half_the_rows = peak_of(lambda: head.fit(X[:n], y[:n]))
    # copied as float32, the other rows would take twice as much as here
    assert peak_of(lambda: head.fit(X, y)) - of_half_the_rows < X[n:].nbytes / 2
    assert peak_of(lambda: head.predict(X)) < X.nbytes / 4


@pytest.mark.parametrize("head", HALF_HEADS, ids=repr)
@pytest.mark.parametrize("method", ["predict", "decision_function", "predict_proba"])
def test_half_precision_gives_what_its_rows_in_single_precision_give(head, method, mapped_half):
    X, y = mapped_half[0][:4000], mapped_half[1][:4000]
    half = clone(head).fit(X, y)
    single = clone(head).fit(X.astype(np.float32), y)
    found = getattr(half, method)(X)
    expected = getattr(single, method)(X.astype(np.float32))
    assert found.dtype == expected.dtype
    if method == "predict":
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("method", ["fit", "predict"])
def test_half_precision_that_is_not_finite_is_refused(value, method):
    X, y = np.ones((20_000, 4), dtype=np.float16), np.arange(20_000) % 2
    head = NearestClassMean().fit(X, y)
    X[-1, 2] = value
    arguments = (X, y) if method == "fit" else (X,)
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        getattr(head, method)(*arguments)
