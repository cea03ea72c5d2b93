"""Leases: workers of one cache divide the work, and the work of dead workers is done."""

import multiprocessing
import os
import signal

import numpy as np
import pytest

from skclip.embedding import _engine
from skclip.embedding._cache._rows import EmbeddingCache
from skclip.embedding._engine import _encode_once


def key(i: int) -> bytes:
    return i.to_bytes(16, "big")


KEYS = [key(i) for i in range(8)]


def row(content: bytes) -> np.ndarray:
    return np.array([content[-1], 1], dtype=np.float32)


def rows(contents) -> dict[bytes, np.ndarray]:
    return {content: row(content) for content in contents}


@pytest.fixture
def open_cache(tmp_path):
    opened = []

    def open_cache(model: str = "model") -> EmbeddingCache:
        opened.append(EmbeddingCache(tmp_path / "cache", model, model))
        return opened[-1]

    yield open_cache
    for cache in opened:
        cache.close()


def test_who_works_alone_gets_everything(open_cache):
    cache = open_cache()
    assert cache.lease(KEYS) == KEYS
    cache.put(rows(KEYS))
    assert cache.lease(KEYS) == []  # it is cached


def test_two_share_and_nothing_is_claimed_twice(open_cache):
    first, second = open_cache(), open_cache()
    assert first.lease(KEYS[:1]) == KEYS[:1]
    assert second.lease(KEYS) == KEYS[1:5]
    first.put(rows(KEYS[:1]))
    assert first.lease(KEYS) == KEYS[5:]
    assert second.lease(KEYS[5:]) == []
    first.put(rows(KEYS[5:]))
    assert second.lease(KEYS[1:]) == KEYS[1:5]  # a new lease ends the old ones


def test_workers_on_another_model_do_not_count(open_cache):
    other, cache = open_cache("other"), open_cache()
    other.lease(KEYS)
    assert cache.lease(KEYS) == KEYS


def test_who_leaves_off_leaves_the_work_to_others(open_cache):
    first, second = open_cache(), open_cache()
    first.lease(KEYS[:4])
    first.close()
    assert second.lease(KEYS) == KEYS


def claim_and_die(folder: str) -> None:
    with EmbeddingCache(folder, "model", "model") as cache:
        assert cache.lease(KEYS)
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
@pytest.mark.parametrize("is_open", [False, True])
def test_leases_of_dead_workers_are_void(open_cache, tmp_path, is_open):
    cache = open_cache()
    if is_open:  # and so has another number than the one that dies
        cache.lease(KEYS[:0])
    worker = multiprocessing.get_context("spawn").Process(
        target=claim_and_die, args=(str(tmp_path / "cache"),)
    )
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    assert cache.lease(KEYS) == KEYS


class Encoder:
    """Makes rows of keys; before the first time, something else happens."""

    def __init__(self, before=lambda: None) -> None:
        self.before, self.seen = before, []

    def __call__(self, inputs):
        self.before()
        self.before = lambda: None
        self.seen += inputs
        return np.array([row(content) for content in inputs])


def encode(encoder: Encoder, cache: EmbeddingCache) -> dict[bytes, np.ndarray]:
    return _encode_once({content: content for content in KEYS}, encoder, cache)


def assert_all_rows(found) -> None:
    for content in KEYS:
        np.testing.assert_array_equal(found[content], row(content))


def test_rows_that_others_make_meanwhile_are_waited_for(open_cache, monkeypatch):
    cache, other = open_cache(), open_cache()
    other.lease(KEYS[:3])
    encoder = Encoder()
    naps = []

    def other_ends(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            other.put(rows(KEYS[:3]))

    monkeypatch.setattr(_engine.time, "sleep", other_ends)
    assert_all_rows(encode(encoder, cache))
    assert encoder.seen == KEYS[3:]
    assert len(naps) == 3


def test_one_that_stands_still_is_not_waited_for_forever(open_cache, monkeypatch):
    cache, other = open_cache(), open_cache()
    other.lease(KEYS[:3])
    monkeypatch.setattr(_engine, "PATIENCE", 0.0)
    encoder = Encoder()
    assert_all_rows(encode(encoder, cache))
    assert sorted(encoder.seen) == KEYS


def test_an_encoder_that_fails_leaves_the_work_to_others(open_cache):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_cache() as cache:
        encode(Encoder(before=fail), cache)
    encoder = Encoder()
    assert_all_rows(encode(encoder, open_cache()))
    assert encoder.seen == KEYS


def test_without_a_usable_cache_everything_is_encoded(tmp_path):
    (tmp_path / "file").touch()
    with EmbeddingCache(tmp_path / "file", "model", "model") as cache:
        encoder = Encoder()
        assert_all_rows(encode(encoder, cache))
        assert encoder.seen == KEYS
        assert len(cache.problems) == 1


def test_a_damaged_row_is_made_again(open_cache):
    cache = open_cache()
    cache.put(rows(KEYS))
    cache._open().execute("UPDATE vectors SET checksum = 0 WHERE content = ?", (KEYS[2],))
    cache._open().commit()
    encoder = Encoder()
    assert_all_rows(encode(encoder, cache))
    assert encoder.seen == [KEYS[2]]
    assert list(cache.get(KEYS)) == KEYS
