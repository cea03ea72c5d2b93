"""Embeddings that people already have: into the shards of a corpus, row by row."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._files import append_bytes, replacing, start_rows
from skclip.corpus._build import Job
from skclip.corpus._embed._grow import as_stored
from skclip.corpus._manifest import Manifest, ShardEntry
from skclip.corpus._shards import DiskShard, write_failures
from skclip.corpus._stored_paths import user_path
from skclip.exceptions import CorpusError

__all__ = ["open_embeddings", "store_embeddings"]

_CHUNK = 4096


def open_embeddings(given: Any) -> NDArray[Any]:
    """Return embeddings as a matrix; a file is mapped into memory.

    Parameters
    ----------
    given : array-like of shape (n_captions, n_features), or path-like
        Rows, or an ``.npy`` file of them.

    Returns
    -------
    rows : ndarray of shape (n_captions, n_features)
        Numbers.
    """
    if isinstance(given, (str, os.PathLike)):
        path = user_path(given)
        try:
            rows = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise CorpusError(f"embeddings={str(path)!r} is no .npy file ({error}).") from error
    else:
        rows = np.asarray(given)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind not in "fiu":
        what = f"{rows.dtype} of shape {rows.shape}" if hasattr(rows, "shape") else "an archive"
        raise CorpusError(
            "embeddings must be numbers, one row per caption, (n_captions, n_features); got "
            f"{what}."
        )
    return rows


def store_embeddings(
    job: Job, entries: Sequence[ShardEntry], rows: NDArray[Any], model_id: str | None
) -> Manifest:
    """Write embeddings beside the captions that they belong to.

    Parameters
    ----------
    job : Job
        Work these shards belong to.

    entries : sequence of ShardEntry
        All shards of the corpus to come.

    rows : ndarray of shape (n_captions, n_features)
        From :func:`open_embeddings`, in the order of the captions.

    model_id : str or None
        The model that made them, if it is known.

    Returns
    -------
    manifest : Manifest
        All shards, with embeddings in half precision. Rows that are zero or not finite are listed
        as failures.
    """
    if any(entry.embeddings is not None for entry in entries):
        raise CorpusError("The source brings its own embeddings: leave embeddings= out.")
    n_captions = sum(entry.n_rows for entry in entries)
    if len(rows) != n_captions:
        raise CorpusError(
            f"embeddings has {len(rows)} rows, and the source has {n_captions} captions: give one "
            "row per caption, in their order."
        )
    start, done = 0, []
    with job.progress("embeddings", n_captions) as bar:
        for entry in entries:
            done.append(_store_shard(job, entry, rows[start : start + entry.n_rows]))
            start += entry.n_rows
            bar.update(entry.n_rows)
    return Manifest(tuple(done), model_id, rows.shape[1])


def _store_shard(job: Job, entry: ShardEntry, rows: NDArray[Any]) -> ShardEntry:
    files, shard = job.files(entry), DiskShard(job.directory, entry)
    reasons: dict[int, str] = {}
    with replacing(files.embeddings) as temporary:
        start_rows(temporary, (len(rows), rows.shape[1]))
        for start in range(0, len(rows), _CHUNK):
            with np.errstate(over="ignore"):
                part = np.array(rows[start : start + _CHUNK], dtype=np.float32)
            zero: list[str | None] = [
                None if row.any() else "its embedding is zero" for row in part
            ]
            half, whys = as_stored(part, zero)
            reasons |= {start + i: why for i, why in enumerate(whys) if why is not None}
            append_bytes(temporary, half.tobytes())
    write_failures(shard, files, reasons)
    return replace(
        entry,
        embeddings=files.embeddings.name,
        failures=files.failures.name if files.failures.exists() else None,
    )
