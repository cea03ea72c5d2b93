"""Cached embeddings: one row for each content, model, precision and decoding.

The cache is one SQLite file in a folder. Its write-ahead log lets many processes read while one
writes, and stores each batch of rows completely or not at all. A cache that cannot be used does not
stop an embedding run: it is reported (:attr:`EmbeddingCache.problems`) and ignored.
"""

import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from skclip.embedding._cache._file import (
    FILE,
    connect,
    connect_read_only,
    damage,
    is_damage,
    is_refusal,
)
from skclip.embedding._cache._leases import Leases

__all__ = ["DAY", "EmbeddingCache"]

T = TypeVar("T")

DAY = 86_400


class EmbeddingCache:
    """Rows of one model in one cache folder.

    Parameters
    ----------
    folder : path
        Created if it does not exist. Models and processes may share it.

    model : str
        What determines a row besides the content: fingerprint, modality, precision, decoding.

    label : str
        Name of the model for display.

    n_features : int or None, default=None
        Width of the rows; rows of another width are damaged. None accepts any width.

    Attributes
    ----------
    problems : list of str
        Problems for the caller to warn about.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        model: str,
        label: str,
        n_features: int | None = None,
    ) -> None:
        self.folder, self.model, self.label = Path(folder).expanduser(), model, label
        self.n_features = n_features
        self.problems: list[str] = []
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._model_id = 0
        self._leases: Leases | None = None
        self._read_only = self._disabled = self._set_aside_before = False
        self._stale: list[bytes] = []

    def get(self, contents: Iterable[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """Return the cached rows, without damaged ones."""
        return self._attempt(partial(self._select, contents)) or {}

    def lease(self, contents: Sequence[bytes]) -> Sequence[bytes]:
        """Return the part of ``contents`` that the caller must embed; other workers embed the rest.

        The caller then calls :meth:`put`, or :meth:`close` if it gives up. If the cache cannot be
        used, the caller must embed everything.
        """

        def take(connection: sqlite3.Connection) -> list[bytes]:
            if self._leases is None:
                self._leases = Leases(self.folder, self._model_id)
            return self._leases.take(contents, connection)

        mine = self._attempt(take, writes=True)
        return contents if mine is None else mine

    def put(self, rows: Mapping[bytes, NDArray[np.float32]]) -> None:
        """Add finite rows, in one transaction."""
        sound = {content: row for content, row in rows.items() if np.isfinite(row).all()}
        blobs = [(content, row.tobytes()) for content, row in sound.items()]
        values = [(content, blob, zlib.crc32(blob), _today()) for content, blob in blobs]

        def insert(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany(
                    f"INSERT OR REPLACE INTO vectors VALUES ({self._model_id}, ?, ?, ?, ?)", values
                )
                if self._leases is not None:
                    self._leases.end_all(connection)

        self._attempt(insert, writes=True)
        if self._read_only:
            self.problems.append(f"{self.folder} is read-only: it was read, and no rows were added")

    def close(self) -> None:
        """Record which rows were used, and close the file; the next call opens it again."""
        with self._lock:
            if self._stale:
                self._attempt(self._touch, writes=True)
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        # a worker process opens the file itself
        names = ("folder", "model", "label", "n_features")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _select(
        self, contents: Iterable[bytes], connection: sqlite3.Connection
    ) -> dict[bytes, NDArray[np.float32]]:
        query = "SELECT vector, checksum, used FROM vectors WHERE model = ? AND content = ?"
        found = {}
        for content in contents:
            hit = connection.execute(query, (self._model_id, content)).fetchone()
            if hit is None:
                continue
            vector, checksum, used = hit
            row = self._row(vector, checksum)
            if row is None:
                self.problems.append(f"a damaged row in {self.folder} was computed again")
                self._remove(content, connection)
                continue
            found[content] = row
            if not isinstance(used, int) or used < _today():
                self._stale.append(content)
        return found

    def _row(self, vector: Any, checksum: Any) -> NDArray[np.float32] | None:
        """Return the stored row, or None if it is damaged."""
        if not isinstance(vector, bytes) or len(vector) % 4 or zlib.crc32(vector) != checksum:
            return None
        row = np.frombuffer(vector, dtype=np.float32)
        is_sound = len(row) == (self.n_features or len(row)) and bool(np.isfinite(row).all())
        return row if is_sound else None

    def _remove(self, content: bytes, connection: sqlite3.Connection) -> None:
        """Remove a row, so that it can be leased."""
        if not self._read_only:
            with connection:
                connection.execute(
                    "DELETE FROM vectors WHERE model = ? AND content = ?", (self._model_id, content)
                )

    def _touch(self, connection: sqlite3.Connection) -> None:
        """Record today as the last use: once per row and day, so that reading seldom writes."""
        with connection:
            connection.executemany(
                "UPDATE vectors SET used = ? WHERE model = ? AND content = ?",
                [(_today(), self._model_id, content) for content in self._stale],
            )
        self._stale.clear()

    def _attempt(
        self, action: Callable[[sqlite3.Connection], T], *, writes: bool = False
    ) -> T | None:
        """Run ``action``; return None, and stop using the cache, if that is impossible.

        A damaged file is set aside first. A read-only file is only read.
        """
        with self._lock:
            while not (self._disabled or (writes and self._read_only)):
                try:
                    return action(self._open())
                except (sqlite3.Error, OSError) as error:
                    self._release()
                    try:
                        self._prepare_retry(error)
                    except OSError as second:
                        self._disable(second)
            return None

    def _prepare_retry(self, error: Exception) -> None:
        """Prepare for another attempt, once per kind of error."""
        if is_damage(error) and not self._set_aside_before:
            self._set_aside_before = True
            self._set_aside(error)
        elif is_refusal(error) and (self.folder / FILE).is_file() and not self._read_only:
            self._read_only = True
        else:
            self._disable(error)

    def _disable(self, error: Exception) -> None:
        self._disabled = True
        self.problems.append(f"{self.folder} cannot be used any more ({error})")

    def _release(self) -> None:
        if self._leases is not None:
            self._leases.release()
            self._leases = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._inode = _inode(self.folder / FILE)
            self._connection = (connect_read_only if self._read_only else connect)(self.folder)
            self._model_id = self._find_model(self._connection)
        return self._connection

    def _find_model(self, connection: sqlite3.Connection) -> int:
        """Return the number of the model in this file; -1 if it has none and cannot be added."""
        query = "SELECT id FROM models WHERE key = ?"
        found = connection.execute(query, (self.model,)).fetchone()
        if found is None and not self._read_only:
            with connection:
                connection.execute(
                    "INSERT OR IGNORE INTO models (key, label) VALUES (?, ?)",
                    (self.model, self.label),
                )
            found = connection.execute(query, (self.model,)).fetchone()
        if found is None:
            return -1
        if not isinstance(found[0], int):
            raise damage("a model in it has no number")
        return found[0]

    def _set_aside(self, error: Exception) -> None:
        """Rename the damaged file, unless another process has done so."""
        if _inode(self.folder / FILE) != self._inode:
            return
        name = f"{FILE}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
        for suffix in ("", "-wal", "-shm"):
            damaged = self.folder / f"{FILE}{suffix}"
            if damaged.exists():
                damaged.rename(self.folder / f"{name}{suffix}")
        self.problems.append(f"{self.folder / FILE} is damaged ({error}); it is now {name}")


def _today() -> int:
    return int(time.time()) // DAY


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
