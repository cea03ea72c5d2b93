"""Checks before work on a directory begins, and the note of unfinished work."""

import errno
import json
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from skclip._files import replacing
from skclip.corpus._manifest import LOCK, MANIFEST, UNFINISHED, read_manifest, read_note
from skclip.corpus._shards import ShardFiles
from skclip.corpus._stored_paths import arrow_source
from skclip.exceptions import CorpusError

__all__ = [
    "WorkLeft",
    "check_free",
    "is_taken",
    "refuse_links",
    "storage_problem",
    "was_committed",
    "work_left",
    "write_note",
]


def check_free(directory: Path, *, overwrite: bool) -> None:
    """Raise if the directory has contents that must not be replaced."""
    if (directory / MANIFEST).exists():
        # the unfinished work may be this build, killed in its last step
        if not overwrite and not was_committed(directory):
            raise is_taken(directory)
        return
    resumable = (directory / UNFINISHED).exists()
    # a build that is killed before it writes its note leaves these
    begun = {LOCK, f"{UNFINISHED}.tmp"}
    free = not directory.exists() or (
        directory.is_dir() and all(path.name in begun for path in directory.iterdir())
    )
    if not (resumable or free):
        raise CorpusError(
            f"{str(directory)!r} exists and is not a corpus: give a new or empty directory."
        )


def is_taken(directory: Path) -> CorpusError:
    """Return the error for a directory that already contains a corpus."""
    return CorpusError(
        f"{str(directory)!r} already holds a corpus: pass overwrite=True to replace it, or add to "
        "it with Corpus(path).append(source)."
    )


def was_committed(directory: Path) -> bool:
    """Return whether the note of unfinished work refers to the current manifest."""
    manifest, note = read_note(directory, MANIFEST), read_note(directory)
    begun = note.get("generation"), note.get("repeats")
    return bool(manifest) and manifest["generation"] in begun


def refuse_links(directory: Path) -> None:
    """Raise if a symbolic link would lead writes out of the directory.

    Files that are only replaced or removed may be links: the link itself is replaced.
    """
    for path in directory.iterdir():
        written = path.name == LOCK or path.suffix in (".tmp", ".partial", ".lock")
        if written and path.is_symlink():
            raise CorpusError(
                f"{str(path)!r} is a symbolic link, and writes would follow it out of the "
                "corpus: remove it."
            )


def write_note(directory: Path, generation: int, model_id: str | None, repeats: int | None) -> None:
    """Write the note of unfinished work; remove files of a different earlier attempt."""
    path = directory / UNFINISHED
    begun = {"generation": generation, "model_id": model_id}
    if repeats is not None:
        begun["repeats"] = repeats
    if read_note(directory) == begun:
        return
    for stale in directory.glob(f"{generation:03d}-*.*"):
        if "embeddings." in stale.name or ".failures." in stale.name:
            stale.unlink()
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(begun), encoding="utf-8")


def storage_problem(error: Exception) -> str | None:
    """Return the problem of the disk, or None if the error has another cause."""
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in str(error):
        return "the disk is full"
    if code in (errno.EROFS, errno.EACCES, errno.EPERM) or "readonly" in str(error):
        return "the disk or directory is read-only"
    return None


class WorkLeft(NamedTuple):
    """How far unfinished work on a corpus is.

    Attributes
    ----------
    model_id : str or None
        Model that embeds the images; None if they are not embedded.

    n_shards, n_rows : int
        Shards whose captions are written, and their rows. More follow while captions are read.

    n_indexed : int
        Shards among them with a caption index.

    n_embedded, n_rows_embedded : int
        Shards and rows with embeddings.
    """

    model_id: str | None
    n_shards: int
    n_rows: int
    n_indexed: int
    n_embedded: int
    n_rows_embedded: int


def work_left(directory: Path) -> WorkLeft | None:
    """Return how far the unfinished work on a directory is; None if there is none.

    Parameters
    ----------
    directory : Path
        Directory of a corpus. Nothing in it is changed, and other processes may work on it.
    """
    note = read_note(directory)
    if not note:
        return None
    prefix = f"{note['generation']:03d}-"
    suffix = ".captions.parquet"
    names = [p.name.removesuffix(suffix) for p in sorted(directory.glob(f"{prefix}*{suffix}"))]
    stems = {name: name for name in names}
    if note.get("model_id") is not None and (directory / MANIFEST).exists():
        old = [e.name for e in read_manifest(directory).shards if e.embeddings is None]
        stems |= {name: name if name in stems else prefix + name for name in old}
    n_rows, n_indexed, n_embedded, n_rows_embedded = 0, 0, 0, 0
    for name, stem in stems.items():
        captions, files = ShardFiles(directory, name), ShardFiles(directory, stem)
        with arrow_source(captions.captions) as source:
            rows = pq.read_metadata(source).num_rows
        n_rows += rows
        n_indexed += captions.index.exists()
        n_embedded += files.embeddings.exists()
        n_rows_embedded += rows if files.embeddings.exists() else _rows_in(files)
    return WorkLeft(
        note.get("model_id"), len(stems), n_rows, n_indexed, n_embedded, n_rows_embedded
    )


def _rows_in(files: ShardFiles) -> int:
    """Return the number of rows in an unfinished file of embeddings."""
    partial = files.embeddings.with_suffix(".partial")
    with suppress(OSError, ValueError), partial.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        return int((partial.stat().st_size - file.tell()) // (dtype.itemsize * shape[1]))
    return 0
