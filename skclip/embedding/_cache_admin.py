"""Look into, prune and clear a folder of cached embeddings."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from skclip.embedding._cache import DAY, FILE, connect

__all__ = ["CacheInfo", "cache_info", "clear_cache", "prune_cache"]


@dataclass(frozen=True)
class CacheInfo:
    """What a cache holds.

    Parameters
    ----------
    path : str
        The folder.

    n_bytes : int
        Size on disk.

    n_vectors : dict of {str: int}
        Number of embeddings by model, modality and precision.

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
    """Tell what a cache holds.

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
    with _opened(path) as connection:
        counts = connection.execute(
            "SELECT label, COUNT(content) FROM models LEFT JOIN vectors ON model = id "
            "GROUP BY id ORDER BY id"
        ).fetchall()
    return CacheInfo(os.fspath(path), _size(Path(path)), dict(counts))


def prune_cache(
    path: str | os.PathLike[str],
    *,
    max_bytes: int | None = None,
    max_age_days: float | None = None,
) -> int:
    """Remove embeddings that were not used for long, and give the space back.

    Parameters
    ----------
    path : path
        Folder given to :class:`~skclip.embedding.CLIPEmbedder` as ``cache``.

    max_bytes : int, default=None
        Size to shrink to; the longest unused embeddings go first.

    max_age_days : float, default=None
        Embeddings unused for more days than this go. Use is recorded by day.

    Returns
    -------
    n_removed : int
        Number of embeddings removed.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from skclip.embedding import CLIPEmbedder, prune_cache
    >>> folder = mkdtemp()
    >>> _ = CLIPEmbedder("skclip-tiny", modality="text", cache=folder).transform(["a star"])
    >>> prune_cache(folder, max_age_days=30)
    0
    """
    with _opened(path) as connection:
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
    """Remove all embeddings of a cache, and what was set aside as damaged.

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
    n_removed = prune_cache(path, max_bytes=0)
    for damaged in Path(path).glob(f"{FILE}.damaged-*"):
        damaged.unlink(missing_ok=True)
    return n_removed


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[sqlite3.Connection]:
    if not (Path(path) / FILE).is_file():
        raise FileNotFoundError(f"{os.fspath(path)!r} holds no cache of embeddings ({FILE}).")
    connection = connect(Path(path))
    try:
        yield connection
    finally:
        connection.close()


def _used_bytes(connection: sqlite3.Connection) -> int:
    (n_bytes,) = connection.execute(
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    ).fetchone()
    return int(n_bytes)


def _size(folder: Path) -> int:
    files = (folder / f"{FILE}{suffix}" for suffix in ("", "-wal", "-shm"))
    return sum(file.stat().st_size for file in files if file.is_file())
