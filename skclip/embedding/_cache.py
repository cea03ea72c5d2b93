"""Embeddings that are computed once: one row for every content, model, precision and decoding.

One SQLite file in a folder. Its write-ahead log lets many processes read while one writes, and
makes every batch of rows whole or absent, whatever kills the process. Nothing here stops an
embedding run: a cache that cannot be used is reported (:attr:`EmbeddingCache.problems`) and done
without.
"""

import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["EmbeddingCache", "connect"]

T = TypeVar("T")

FILE = "embeddings.sqlite"
FORMAT = 1
DAY = 86_400

SCHEMA = f"""
CREATE TABLE models (id INTEGER PRIMARY KEY, key TEXT UNIQUE, label TEXT);
CREATE TABLE vectors (
    model INTEGER, content BLOB, vector BLOB, checksum INTEGER, used INTEGER,
    PRIMARY KEY (model, content)
);
PRAGMA user_version = {FORMAT};
"""


class EmbeddingCache:
    """Rows of one model in one cache folder.

    Parameters
    ----------
    folder : path
        Made if it does not exist. Models and processes may share it.

    model : str
        What decides a row besides the content: fingerprint, modality, precision, decoding.

    label : str
        How people know the model.

    Attributes
    ----------
    problems : list of str
        What went wrong, for the caller to warn about.
    """

    def __init__(self, folder: str | os.PathLike[str], model: str, label: str) -> None:
        self.folder, self.model, self.label = Path(folder), model, label
        self.problems: list[str] = []
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._model_id = 0
        self._usable = True
        self._stale: list[bytes] = []

    def get(self, contents: Iterable[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """Return the rows that are there; damaged ones are not."""
        return self._attempt(partial(self._select, contents)) or {}

    def put(self, rows: Mapping[bytes, NDArray[np.float32]]) -> None:
        """Add rows, all of them or, if the process dies, none."""
        blobs = [(content, row.tobytes()) for content, row in rows.items()]
        values = [(content, blob, zlib.crc32(blob), _today()) for content, blob in blobs]

        def insert(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany(
                    f"INSERT OR REPLACE INTO vectors VALUES ({self._model_id}, ?, ?, ?, ?)", values
                )

        self._attempt(insert)

    def close(self) -> None:
        """Record what was used, and let go of the file; the next call opens it again."""
        with self._lock:
            if self._stale:
                self._attempt(self._touch)
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        # a worker process opens the file itself
        return {"folder": self.folder, "model": self.model, "label": self.label}

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
            if zlib.crc32(vector) != checksum:
                self.problems.append(f"a damaged row in {self.folder} was computed again")
                continue
            found[content] = np.frombuffer(vector, dtype=np.float32)
            if used < _today():
                self._stale.append(content)
        return found

    def _touch(self, connection: sqlite3.Connection) -> None:
        """Note today as the last use: once a day and row, so that reading seldom writes."""
        with connection:
            connection.executemany(
                "UPDATE vectors SET used = ? WHERE model = ? AND content = ?",
                [(_today(), self._model_id, content) for content in self._stale],
            )
        self._stale.clear()

    def _attempt(self, action: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run ``action``; a damaged file is set aside first, any other failure ends the use."""
        with self._lock:
            if not self._usable:
                return None
            try:
                try:
                    return action(self._open())
                except sqlite3.Error as error:
                    if not _is_damage(error):
                        raise
                    self._release()
                    self._set_aside(error)
                return action(self._open())
            except (sqlite3.Error, OSError) as error:
                self._release()
                self._usable = False
                self.problems.append(f"{self.folder} cannot be used from here on ({error})")
                return None

    def _release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._inode = _inode(self.folder / FILE)
            connection = self._connection = connect(self.folder)
            query = "SELECT id FROM models WHERE key = ?"
            if connection.execute(query, (self.model,)).fetchone() is None:
                with connection:
                    connection.execute(
                        "INSERT OR IGNORE INTO models (key, label) VALUES (?, ?)",
                        (self.model, self.label),
                    )
            (self._model_id,) = connection.execute(query, (self.model,)).fetchone()
        return self._connection

    def _set_aside(self, error: Exception) -> None:
        """Rename the damaged file, unless another process has done so meanwhile."""
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


def connect(folder: Path) -> sqlite3.Connection:
    """Open the file of a cache folder; make both if need be.

    Parameters
    ----------
    folder : Path
        The cache.

    Returns
    -------
    connection : sqlite3.Connection
        For use by one thread at a time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(folder / FILE, timeout=60, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        version = _format(connection)
        if version == 0:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                if _format(connection) == 0:  # nobody else was faster
                    for statement in SCHEMA.split(";"):
                        connection.execute(statement)
        elif version != FORMAT:
            raise OSError(f"its format is {version}, this version of skclip writes {FORMAT}")
    except BaseException:
        connection.close()
        raise
    return connection


def _format(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
