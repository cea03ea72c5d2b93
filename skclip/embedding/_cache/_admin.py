"""Inspect, prune and clear a folder of cached embeddings."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from skclip.embedding._cache._file import (
    FILE,
    connect,
    connect_read_only,
    is_damage,
    is_refusal,
)
from skclip.embedding._cache._rows import DAY

__all__ = ["CacheInfo", "cache_info", "clear_cache", "prune_cache"]


@dataclass(frozen=True)
class CacheInfo:
    """The size of a cache and the number of its embeddings.

    Parameters
    ----------
    path : str
        The folder.

    n_bytes : int
        Size on disk.

    n_vectors : dict of {str: int}
        Number of embeddings for each model, modality and precision.

    Examples
    --------
    >>> from skclip.embedding import CacheInfo
    >>> CacheInfo("embeddings", 4096, {"a model": 2}).n_bytes
    4096
    """

    path: str
    n_bytes: int
    n_vectors: dict[str, int] = field(default_factory=dict)


def cache_info(path: str | os.PathLike[str]) -> CacheInfo:
    """Return the size of a cache and the number of its embeddings.

    Parameters
    ----------
    path : path
        Folder given to :class:`~skclip.embedding.CLIPEmbedder` as ``cache``.

    Returns
    -------
    info : CacheInfo
        Size and number of embeddings.

    Raises
    ------
    FileNotFoundError
        If there is no cache.

    OSError
        If its file is damaged or of another format.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from skclip.embedding import CLIPEmbedder, cache_info
    >>> folder = mkdtemp()
    >>> embedder = CLIPEmbedder("skclip-tiny", modality="text", cache=folder)
    >>> _ = embedder.transform(["a red star", "a ring", "a ring"])
    >>> list(cache_info(folder).n_vectors.values())
    [2]
    """
    with _opened(path, writes=False) as connection:
        counts = connection.execute(
            "SELECT label, COUNT(content) FROM models LEFT JOIN vectors ON model = id "
            "GROUP BY id ORDER BY id"
        ).fetchall()
    return CacheInfo(os.fspath(path), _size(_folder(path)), dict(counts))


def prune_cache(
    path: str | os.PathLike[str],
    *,
    max_bytes: int | None = None,
    max_age_days: float | None = None,
) -> int:
    """Remove embeddings that have not been used recently, and free their space.

    Parameters
    ----------
    path : path
        Folder given to :class:`~skclip.embedding.CLIPEmbedder` as ``cache``.

    max_bytes : int, default=None
        Size to shrink to; the least recently used embeddings are removed first.

    max_age_days : float, default=None
        Remove embeddings unused for more days than this. Use is recorded per day.

    Returns
    -------
    n_removed : int
        Number of embeddings removed.

    Raises
    ------
    FileNotFoundError
        If there is no cache.

    OSError
        If its file is damaged, of another format, or read-only.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from skclip.embedding import CLIPEmbedder, prune_cache
    >>> folder = mkdtemp()
    >>> _ = CLIPEmbedder("skclip-tiny", modality="text", cache=folder).transform(["a star"])
    >>> prune_cache(folder, max_age_days=30)
    0
    """
    if max_bytes is None and max_age_days is None:
        raise ValueError("Give max_bytes or max_age_days: both are None.")
    for name, limit in (("max_bytes", max_bytes), ("max_age_days", max_age_days)):
        if limit is not None and limit < 0:
            raise ValueError(f"{name} must not be negative, got {limit!r}.")
    with _opened(path, writes=True) as connection:
        (before,) = connection.execute("SELECT COUNT(*) FROM vectors").fetchone()
        with connection:
            if max_age_days is not None:
                oldest = int(time.time() // DAY - max_age_days)
                connection.execute("DELETE FROM vectors WHERE used < ?", (oldest,))
            if max_bytes is not None:
                keep = int(before * max_bytes / _used_bytes(connection))
                connection.execute(
                    "DELETE FROM vectors WHERE rowid NOT IN "
                    "(SELECT rowid FROM vectors ORDER BY used DESC, rowid DESC LIMIT ?)",
                    (keep,),
                )
        (after,) = connection.execute("SELECT COUNT(*) FROM vectors").fetchone()
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return int(before - after)


def clear_cache(path: str | os.PathLike[str]) -> int:
    """Remove all embeddings of a cache, and files set aside as damaged.

    Parameters
    ----------
    path : path
        Folder given to :class:`~skclip.embedding.CLIPEmbedder` as ``cache``.

    Returns
    -------
    n_removed : int
        Number of embeddings removed.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from skclip.embedding import CLIPEmbedder, clear_cache
    >>> folder = mkdtemp()
    >>> _ = CLIPEmbedder("skclip-tiny", modality="text", cache=folder).transform(["a star"])
    >>> clear_cache(folder)
    1
    """
    folder = _folder(path)
    try:
        n_removed = prune_cache(folder, max_bytes=0)
    except _DamagedCacheError:
        n_removed = 0
        for file in _files(folder):
            file.unlink(missing_ok=True)
    for damaged in folder.glob(f"{FILE}.damaged-*"):
        damaged.unlink(missing_ok=True)
    return n_removed


class _DamagedCacheError(OSError):
    """The file is damaged; :func:`clear_cache` removes it."""


@contextmanager
def _opened(path: str | os.PathLike[str], *, writes: bool) -> Iterator[sqlite3.Connection]:
    """Open the cache; translate SQLite's errors for users."""
    folder = _folder(path)
    if not (folder / FILE).is_file():
        raise FileNotFoundError(f"{os.fspath(path)!r} holds no cache of embeddings ({FILE}).")
    try:
        with closing(_connect(folder, writes=writes)) as connection:
            yield connection
    except sqlite3.Error as error:
        if is_damage(error):
            raise _DamagedCacheError(
                f"The cache {str(folder)!r} is damaged ({error}). clear_cache removes it; an "
                "embedder that uses it moves it aside and starts a new cache."
            ) from error
        raise OSError(f"The cache {str(folder)!r} cannot be used ({error}).") from error


def _connect(folder: Path, *, writes: bool) -> sqlite3.Connection:
    try:
        return connect(folder)
    except (sqlite3.Error, OSError) as error:
        if writes or not is_refusal(error):
            raise
    return connect_read_only(folder)


def _folder(path: str | os.PathLike[str]) -> Path:
    return Path(path).expanduser()


def _files(folder: Path) -> list[Path]:
    return [folder / f"{FILE}{suffix}" for suffix in ("", "-wal", "-shm")]


def _used_bytes(connection: sqlite3.Connection) -> int:
    (n_bytes,) = connection.execute(
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    ).fetchone()
    return int(n_bytes)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in _files(folder) if file.is_file())
