"""Kill processes that share a cache of embeddings; the others, and the next, get the right rows.

Promised: no row is ever another one than the model gave, and no process waits for a dead one.
"""

import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.trials._kill import _fork, _wait
from skclip.embedding._cache._rows import EmbeddingCache
from skclip.embedding._engine import _encode_once

N_CONTENTS, N_WORKERS, WIDTH, BATCH = 48, 4, 16, 8


def row_of(content: bytes) -> np.ndarray:
    seed = int.from_bytes(content, "big")
    return np.random.default_rng(seed).normal(size=WIDTH).astype(np.float32)


def contents() -> list[bytes]:
    return [i.to_bytes(16, "big") for i in range(N_CONTENTS)]


def embed_all(folder: Path, order: np.ndarray) -> None:
    """Ask for all rows, batch by batch, as an embedder does; fail if one is not the right one."""
    keys = [contents()[i] for i in order]
    with EmbeddingCache(folder, "model", "label", WIDTH) as cache:
        for start in range(0, len(keys), BATCH):
            inputs = {key: key for key in keys[start : start + BATCH]}
            rows = _encode_once(inputs, lambda batch: np.stack([row_of(b) for b in batch]), cache)
            for key in inputs:
                np.testing.assert_array_equal(rows[key], row_of(key))
        if cache.problems:
            raise AssertionError(cache.problems)


def prepare(folder: Path) -> Callable[[list[int]], tuple[str, str | None]]:
    start = time.monotonic()
    if _wait(_fork(lambda: embed_all(folder / "whole", np.arange(N_CONTENTS)), 0, None)):
        raise RuntimeError("undisturbed work failed")
    seconds = time.monotonic() - start

    def trial(number: list[int]) -> tuple[str, str | None]:
        rng, cache = np.random.default_rng(number), folder / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        orders = [rng.permutation(N_CONTENTS) for _ in range(N_WORKERS)]
        children = [_fork(lambda o=order: embed_all(cache, o), 0, None) for order in orders]
        n_killed = int(rng.integers(1, N_WORKERS + 1))
        for child in rng.permutation(children)[:n_killed]:
            time.sleep(rng.uniform(0, 1.5 * seconds / n_killed))
            os.kill(int(child), signal.SIGKILL)
        outcome = f"killed {n_killed} of {N_WORKERS}"
        codes = [_wait(child) for child in children]
        if any(code not in (0, -signal.SIGKILL) for code in codes):
            return outcome, f"survivors ended with status {codes}"
        if fault := _wrong_rows(cache):
            return outcome, fault
        if _wait(_fork(lambda: embed_all(cache, rng.permutation(N_CONTENTS)), 0, None)):
            return outcome, "the next process failed"
        return outcome, _wrong_rows(cache, complete=True)

    return trial


def _wrong_rows(folder: Path, *, complete: bool = False) -> str | None:
    path = folder / "embeddings.sqlite"
    if not path.exists() and not complete:
        return None
    if any(folder.glob("*.damaged-*")):
        return "the cache was found damaged"
    with closing(sqlite3.connect(path)) as connection:
        (state,) = connection.execute("PRAGMA integrity_check").fetchone()
        if state != "ok":
            return f"integrity: {state}"
        if not connection.execute("SELECT * FROM sqlite_master WHERE name='vectors'").fetchone():
            return "no table" if complete else None
        rows = connection.execute("SELECT content, vector FROM vectors").fetchall()
        if any(vector != row_of(content).tobytes() for content, vector in rows):
            return "a row is not the model's"
        if complete and len(rows) != N_CONTENTS:
            return f"{len(rows)} of {N_CONTENTS} rows"
    return None
