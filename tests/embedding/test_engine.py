"""Batches through the model: memory that does not suffice, failures by position."""

import threading

import numpy as np
import pytest
from joblib import parallel_config

from skclip.embedding import _engine
from skclip.embedding._cache._rows import EmbeddingCache
from skclip.embedding._engine import (
    _AdaptiveEncoder,
    _may_run_ahead,
    _n_workers,
    _prefetch,
    embed_images,
    embed_texts,
)
from skclip.embedding._registry import get_model

torch = pytest.importorskip("torch")


class Tower:
    """Doubles numbers and has memory for ``room`` of them at once."""

    def __init__(self, room: int, error: Exception) -> None:
        self.room, self.error, self.sizes = room, error, []

    def __call__(self, batch):
        self.sizes.append(len(batch))
        if len(batch) > self.room:
            raise self.error
        return np.asarray(batch, dtype=np.float32)[:, None] * 2


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("MPS backend out of memory"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["cuda", "cpu", "mps"])
def test_batches_shrink_until_they_fit_and_stay_small(error):
    tower = Tower(3, error)
    encode = _AdaptiveEncoder(tower)
    for _ in range(2):
        np.testing.assert_array_equal(encode(list(range(10)))[:, 0], np.arange(0, 20, 2))
    assert tower.sizes == [10, 5, *[2] * 5, *[2] * 5]


def test_shrinking_is_logged(caplog):
    _AdaptiveEncoder(Tower(2, OUT_OF_MEMORY[0]))([1, 2, 3, 4])
    assert "out of memory: continuing with batches of 2" in caplog.text


def test_one_item_too_large_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        _AdaptiveEncoder(Tower(0, OUT_OF_MEMORY[0]))([1, 2])


def test_other_errors_are_not_tried_again():
    tower = Tower(0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        _AdaptiveEncoder(tower)([1, 2])
    assert tower.sizes == [2]


def test_failures_carry_position_name_and_reason(tiny_model, pictures):
    loaded = get_model(tiny_model, device="cpu")
    items = [*pictures[:3], b"nothing", pictures[3]]
    batches = list(embed_images(loaded, items, batch_size=2, n_jobs=1))
    assert [len(batch.rows) for batch in batches] == [2, 2, 1]
    assert [f.position for batch in batches for f in batch.failures] == [3]
    assert str(batches[1].failures[0]).startswith("item 3 (bytes): not an image")


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
@pytest.mark.parametrize("ahead", [False, True])
def test_batches_come_in_order_and_no_more_than_one_is_loaded_ahead(n_jobs, ahead):
    taken = []

    def watched():
        for i in range(11):
            taken.append(i)
            yield f"item {i}"

    def load(chunk):
        return [item for _, item in chunk]

    seen = []
    for batch in _prefetch(load, watched(), 4, n_jobs, ahead=ahead):
        seen += batch
        assert len(taken) == min(11, len(seen) + 4 * ahead)
    assert seen == [f"item {i}" for i in range(11)]


@pytest.mark.parametrize("ahead", [False, True])
def test_errors_of_workers_reach_the_caller(ahead):
    def load(chunk):
        if chunk[0][0] >= 4:
            raise KeyError("a defect, not an unreadable image")
        return [item for _, item in chunk]

    batches = _prefetch(load, range(12), 4, 2, ahead=ahead)
    assert next(batches) == [0, 1, 2, 3]
    with pytest.raises(KeyError, match="a defect"):
        list(batches)


@pytest.mark.parametrize(
    ("device", "n_jobs", "n_threads", "expected"),
    [("cuda", 8, 8, True), ("cpu", 8, 8, False), ("cpu", 4, 4, True), ("cpu", 1, 8, False)],
)
def test_workers_run_ahead_where_there_are_cores_for_both(
    monkeypatch, device, n_jobs, n_threads, expected
):
    monkeypatch.setattr(_engine, "cpu_count", lambda: 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    assert _may_run_ahead(device, n_jobs) is expected


@pytest.mark.parametrize(("n_jobs", "expected"), [(None, 3), (1, 1), (2, 2)])
def test_by_default_there_is_a_worker_per_thread_of_torch(monkeypatch, n_jobs, expected):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert _n_workers(n_jobs) == expected


def test_a_joblib_context_sets_the_number_of_workers(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    with parallel_config(n_jobs=2):
        assert _n_workers(None) == 2


@pytest.mark.parametrize(("n_items", "in_threads"), [(1, False), (8, True)])
def test_more_than_one_image_is_loaded_in_threads(n_items, in_threads):
    threads = set()

    def load(chunk):
        threads.add(threading.get_ident())
        return chunk

    (batch,) = _prefetch(load, range(n_items), 8, 2, ahead=False)
    assert len(batch) == n_items
    assert (threading.get_ident() not in threads) is in_threads


def test_truncated_texts_are_counted_by_batch(tiny_model):
    loaded = get_model(tiny_model, device="cpu")
    texts = ["a", "b " * 40, "c " * 40]
    batches = list(embed_texts(loaded, texts, batch_size=2))
    assert [batch.n_truncated for batch in batches] == [1, 1]


class Overflowing:
    """A model whose rows are not finite for images of one colour."""

    def __init__(self, loaded):
        self.loaded = loaded

    def __getattr__(self, name):
        return getattr(self.loaded, name)

    def encode_pixels(self, pixels):
        rows = self.loaded.encode_pixels(pixels)
        rows[[bool((p.std((1, 2)) == 0).all()) for p in pixels], 0] = np.nan
        return rows


@pytest.mark.parametrize("cached", [False, True])
def test_a_row_that_is_not_finite_is_named_and_zero(tiny_model, tmp_path, cached):
    loaded = Overflowing(get_model(tiny_model, device="cpu"))
    white, grey = np.full((9, 9, 3), 255, dtype=np.uint8), np.zeros((9, 9, 3), dtype=np.uint8)
    grey[:4] = 90
    items = [grey, white, grey, white]
    for _ in range(2):
        with EmbeddingCache(tmp_path, "key", "label") as opened:
            cache = opened if cached else None
            (batch,) = embed_images(loaded, items, batch_size=4, cache=cache)
            assert [str(failure) for failure in batch.failures] == [
                f"item {i} (ndarray): the output of the model in float32 is NaN, infinite or zero"
                for i in (1, 3)
            ]
            assert not batch.rows[[1, 3]].any()
            assert batch.rows[[0, 2]].any(axis=1).all()
            assert opened.problems == []


def test_a_text_without_a_finite_row_is_refused(tiny_model, monkeypatch):
    loaded = get_model(tiny_model, device="cpu")
    monkeypatch.setattr(
        loaded, "encode_text", lambda tokens: torch.full((len(tokens), loaded.n_features), 1e30)
    )
    with pytest.raises(ValueError, match=r"text 'a cat' at position 0 has no embedding: .*float32"):
        list(embed_texts(loaded, ["a cat"], batch_size=2))
