"""Hashes of a corpus's files, to detect damage."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from skclip.corpus._manifest import ShardEntry

__all__ = ["damaged_files", "file_hash", "hashed", "own_files"]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, reading it in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def own_files(directory: Path, entry: ShardEntry) -> Iterator[str]:
    """Yield the names of a shard's files written by skclip, including lost ones.

    Parameters
    ----------
    directory : Path
        Directory of the corpus.

    entry : ShardEntry
        The shard.

    Yields
    ------
    name : str
        File name in the directory. Embedding files outside the directory are not included.
    """
    for name in entry.files:
        known = name in entry.needed_files or name in entry.sha256 or (directory / name).exists()
        if known and not Path(name).is_absolute():
            yield name


def hashed(directory: Path, entry: ShardEntry, *, generation: int) -> ShardEntry:
    """Return the entry with the hashes of its files.

    Parameters
    ----------
    directory : Path
        Directory of the corpus.

    entry : ShardEntry
        A shard whose files are complete.

    generation : int
        Files of this generation are hashed. Older files keep their hash: a new one would hide
        damage since they were written.

    Returns
    -------
    entry : ShardEntry
        The entry with the hashes of its own files.
    """
    new = f"{generation:03d}-"
    sha256 = {
        name: file_hash(directory / name) if name.startswith(new) else entry.sha256[name]
        for name in own_files(directory, entry)
        if name.startswith(new) or name in entry.sha256
    }
    return replace(entry, sha256=sha256)


def damaged_files(directory: Path, entries: Iterable[ShardEntry]) -> Iterator[tuple[str, str]]:
    """Read all files that have a hash and yield the damaged ones.

    Parameters
    ----------
    directory : Path
        Directory of the corpus.

    entries : iterable of ShardEntry
        Shards to read.

    Yields
    ------
    name : str
        File name in the directory.

    why : str
        The problem with the file.
    """
    for entry in entries:
        for name, expected in entry.sha256.items():
            try:
                if file_hash(directory / name) != expected:
                    yield name, "its contents have changed"
            except OSError as error:
                yield name, error.strerror or str(error)
