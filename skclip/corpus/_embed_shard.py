"""Embed the images of a collection, each distinct image once."""

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skclip._row_file import append_bytes, resume_rows, start_rows
from skclip._validation import sample_of
from skclip.corpus._images import ImageSlice
from skclip.corpus._shards import DiskShard, ShardFiles, write_failures
from skclip.exceptions import CorpusError, UnreadableImageWarning

__all__ = ["BATCHES_A_CHUNK", "MISSES", "Embedder", "as_stored", "embed_images", "embed_shard"]

# Batches between two writes: few, so that little work is lost, but enough that prefetching, which
# ends with each call of the embedder, hardly pauses.
BATCHES_A_CHUNK = 8
# Stop after this many unreadable images without a readable one.
MISSES = 300


class Embedder(Protocol):
    """An embedder of images, such as :class:`skclip.CLIPEmbedder`."""

    @property
    def model_id(self) -> str:
        """Identity of model, weights and preprocessing."""

    def transform(self, X: Any) -> NDArray[Any]:
        """Return one row per image."""


def embed_images(
    embedder: Embedder, images: Sequence[Any]
) -> tuple[NDArray[np.float32], list[str | None]]:
    """Embed images; unreadable images get a zero row and a reason.

    Parameters
    ----------
    embedder : Embedder
        It is given each distinct image, by path and content, once.

    images : sequence
        Paths, bytes, or anything the embedder accepts; None if there is no image.

    Returns
    -------
    embeddings : ndarray of shape (n_images, n_features)
        float32.

    reasons : list of str or None
        Reasons for zero rows.
    """
    distinct: dict[Any, int] = {}
    items: list[Any] = []
    position = np.full(len(images), -1)
    for i, image in enumerate(images):
        if image is None:
            continue
        key = image if isinstance(image, str | bytes | ImageSlice) else id(image)
        if key not in distinct:
            distinct[key] = len(items)
            items.append(image)
        position[i] = distinct[key]
    # without any image, embed a blank one to find the width of the zero rows
    vectors, reasons = _embed_items(embedder, items or [np.zeros((32, 32, 3), np.uint8)])
    embeddings = np.zeros((len(images), vectors.shape[1]), dtype=np.float32)
    embeddings[position >= 0] = vectors[position[position >= 0]]
    return embeddings, [reasons[p] if p >= 0 else "no image" for p in position]


def _embed_items(
    embedder: Embedder, items: list[Any]
) -> tuple[NDArray[np.float32], list[str | None]]:
    """Embed existing items; embed failures again one by one to find the reasons."""
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore", UnreadableImageWarning)
        given = _on_error(embedder, "skip").transform(items)
        vectors: NDArray[np.float32] = np.asarray(given, dtype=np.float32)
    reasons: list[str | None] = [None] * len(items)
    finite = np.logical_and.reduce(np.isfinite(vectors), axis=1)
    if not finite.all():
        vectors = np.where(finite[:, None], vectors, np.float32(0))
        for i in np.flatnonzero(~finite):
            reasons[i] = "its embedding has NaN or infinity"
    strict = _on_error(embedder, "raise")
    for i in np.flatnonzero(finite & ~vectors.any(axis=1)):
        reasons[i] = "its embedding is zero"
        try:
            strict.transform([items[i]])
        except (ValueError, OSError) as error:
            # drop the embedder's advice about its own parameter
            reasons[i] = str(error).partition(" on_error=")[0].removesuffix(".")
    return vectors, reasons


def _on_error(embedder: Any, on_error: str) -> Any:
    """Return a quiet copy of the embedder with the given ``on_error``, if it has that parameter."""
    if not hasattr(embedder, "get_params"):
        return embedder
    wanted = {"on_error": on_error, "verbose": 0}
    known = embedder.get_params(deep=False)
    return clone(embedder).set_params(**{k: v for k, v in wanted.items() if k in known})


def as_stored(
    vectors: NDArray[np.float32], reasons: Sequence[str | None]
) -> tuple[NDArray[np.float16], list[str | None]]:
    """Return rows in half precision, as stored in a corpus, and the reasons for zero rows.

    Parameters
    ----------
    vectors : ndarray of shape (n_rows, n_features)
        Output of the model.

    reasons : sequence of str or None
        Known reasons for zero rows.

    Returns
    -------
    half : ndarray of shape (n_rows, n_features)
        float16; a row that half precision cannot represent is zero.

    reasons : list of str or None
        The reasons, including those of such rows.
    """
    with np.errstate(over="ignore", under="ignore"):
        half = vectors.astype("<f2")
    too_large, found = ~np.isfinite(half).all(axis=1), list(reasons)
    half[too_large] = 0
    for i in np.flatnonzero(vectors.any(axis=1) & ~half.any(axis=1)):
        size = "large" if too_large[i] else "small"
        found[i] = f"its embedding is too {size} for half precision: normalise it"
        if not np.isfinite(vectors[i]).all():
            found[i] = "its embedding is not finite"
    return half, found


def embed_shard(shard: DiskShard, files: ShardFiles, embedder: Embedder) -> Iterator[int]:
    """Embed the images of a shard into ``files.embeddings``, resuming interrupted work.

    Chunks of rows are appended to a file with the final header; an incomplete chunk is embedded
    again. Rows are always embedded in the same chunks, so that an interrupted build writes the same
    bytes as an uninterrupted one.

    Parameters
    ----------
    shard : DiskShard
        Shard with the images.

    files : ShardFiles
        Files for embeddings and failures.

    embedder : Embedder
        Model to embed with.

    Yields
    ------
    n_rows : int
        Rows embedded since the last yield.
    """
    partial = files.embeddings.with_suffix(".partial")
    notes = files.failures.with_suffix(".partial")
    chunk = BATCHES_A_CHUNK * getattr(embedder, "batch_size", 64)
    done, width = resume_rows(partial, shard.n_rows, chunk)
    yield done
    n_failed, any_embedded = 0, done > 0
    while done < shard.n_rows:
        rows = np.arange(done, min(done + chunk, shard.n_rows))
        images = shard.column("image", rows).tolist()
        vectors, reasons = embed_images(embedder, images)
        failed = [why for i, why in zip(images, reasons, strict=True) if why and i is not None]
        n_failed += len(failed)
        any_embedded = any_embedded or bool(vectors.any())
        if n_failed >= MISSES and not any_embedded:
            raise CorpusError(
                f"None of the first {n_failed} images of {shard.entry.name} can be read "
                f"({sample_of(dict.fromkeys(failed), 2)}): give their folder as images_root=, or "
                "solve the problem and run the same build again."
            )
        if width is None:
            width = vectors.shape[1]
            start_rows(partial, (shard.n_rows, width))
        elif vectors.shape[1] != width:
            raise CorpusError(
                f"The embedder returned {vectors.shape[1]} features for rows {done} onwards of "
                f"{shard.entry.name} but {width} before: an embedder must not change its width."
            )
        half, reasons = as_stored(vectors, reasons)
        # write reasons first: every zero row on disk then has its reason
        append_bytes(notes, _note_lines(rows, reasons))
        append_bytes(partial, half.tobytes())
        done += len(rows)
        yield len(rows)
    stored = np.load(partial, mmap_mode="r", allow_pickle=False)
    # a row that failed before a crash may have succeeded after it
    noted = {row: why for row, why in _read_notes(notes).items() if 0 <= row < shard.n_rows}
    write_failures(shard, files, {row: why for row, why in noted.items() if not stored[row].any()})
    del stored  # Windows cannot rename an open file
    partial.replace(files.embeddings)
    notes.unlink(missing_ok=True)


def _note_lines(rows: NDArray[np.int64], reasons: list[str | None]) -> bytes:
    # start a new line, in case the last one is incomplete
    lines = [
        "\n" + json.dumps([int(row), reason])
        for row, reason in zip(rows, reasons, strict=True)
        if reason is not None
    ]
    return "".join(lines).encode()


def _read_notes(notes: Path) -> dict[int, str]:
    """Return the reasons by row from the last line of each row; incomplete lines are skipped."""
    reasons: dict[int, str] = {}
    with suppress(FileNotFoundError):
        for line in notes.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError):
                row, reason = json.loads(line)
                reasons[int(row)] = str(reason)
    return reasons
