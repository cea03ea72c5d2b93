"""Embed the images of a collection: nothing twice, nothing invented, nothing lost."""

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
from skclip.corpus._shard import DiskShard, ShardFiles, write_failures
from skclip.exceptions import CorpusError, UnreadableImageWarning

__all__ = ["MISSES", "Embedder", "as_stored", "embed_images", "embed_shard"]

# Batches between two writes: few enough that little is lost, many enough that reading images
# ahead, which ends with a call of the embedder, hardly pauses.
_BATCHES_A_CHUNK = 8
# So many images that cannot be read, and none that can: all the others would fail, too.
MISSES = 300


class Embedder(Protocol):
    """What embeds images; :class:`skclip.CLIPEmbedder` does."""

    @property
    def model_id(self) -> str:
        """Identity of model, weights and preprocessing."""

    def transform(self, X: Any) -> NDArray[Any]:
        """Return one row an image."""


def embed_images(
    embedder: Embedder, images: Sequence[Any]
) -> tuple[NDArray[np.float32], list[str | None]]:
    """Embed images; those that cannot be read get a zero row and a reason.

    Parameters
    ----------
    embedder : Embedder
        Images that occur twice by path or content are given to it once.

    images : sequence
        Paths, bytes, or anything the embedder takes; None where there is no image.

    Returns
    -------
    embeddings : ndarray of shape (n_images, n_features)
        float32.

    reasons : list of str or None
        Why a row is zero.
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
    # without any image a blank one tells how wide the zero rows must be
    vectors, reasons = _embed_items(embedder, items or [np.zeros((32, 32, 3), np.uint8)])
    embeddings = np.zeros((len(images), vectors.shape[1]), dtype=np.float32)
    embeddings[position >= 0] = vectors[position[position >= 0]]
    return embeddings, [reasons[p] if p >= 0 else "no image" for p in position]


def _embed_items(
    embedder: Embedder, items: list[Any]
) -> tuple[NDArray[np.float32], list[str | None]]:
    """Embed items that exist; ask again, one by one, why a row is zero."""
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore", UnreadableImageWarning)
        given = _on_error(embedder, "skip").transform(items)
        vectors: NDArray[np.float32] = np.asarray(given, dtype=np.float32)
    reasons: list[str | None] = [None] * len(items)
    finite = np.logical_and.reduce(np.isfinite(vectors), axis=1)
    if not finite.all():
        vectors = np.where(finite[:, None], vectors, np.float32(0))
        for i in np.flatnonzero(~finite):
            reasons[i] = "the model gave NaN or infinity"
    strict = _on_error(embedder, "raise")
    for i in np.flatnonzero(finite & ~vectors.any(axis=1)):
        reasons[i] = "its embedding is zero"
        try:
            strict.transform([items[i]])
        except (ValueError, OSError) as error:
            # the embedder's advice on its own parameter is no part of the reason
            reasons[i] = str(error).partition(" on_error=")[0].removesuffix(".")
    return vectors, reasons


def _on_error(embedder: Any, on_error: str) -> Any:
    """Return a quiet copy of the embedder that raises or skips, if it knows the difference."""
    if not hasattr(embedder, "get_params"):
        return embedder
    wanted = {"on_error": on_error, "verbose": 0}
    known = embedder.get_params(deep=False)
    return clone(embedder).set_params(**{k: v for k, v in wanted.items() if k in known})


def as_stored(
    vectors: NDArray[np.float32], reasons: Sequence[str | None]
) -> tuple[NDArray[np.float16], list[str | None]]:
    """Return rows in the half precision that a corpus keeps, and why rows are zero.

    Parameters
    ----------
    vectors : ndarray of shape (n_rows, n_features)
        What a model gave.

    reasons : sequence of str or None
        Why rows are zero already.

    Returns
    -------
    half : ndarray of shape (n_rows, n_features)
        float16; a row that half precision cannot hold is zero.

    reasons : list of str or None
        Those of such rows added.
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
    """Embed the images of a shard into ``files.embeddings``, going on where it stopped.

    Chunks of rows are appended to a file of the final size's header; whatever a crash left behind
    a whole chunk is embedded again. Rows are always embedded in the same chunks, so that an
    interrupted build gives the same bytes as an uninterrupted one.

    Parameters
    ----------
    shard : DiskShard
        Gives the images.

    files : ShardFiles
        Gets embeddings and failures.

    embedder : Embedder
        Model to embed with.

    Yields
    ------
    n_rows : int
        Rows done since the last time.
    """
    partial = files.embeddings.with_suffix(".partial")
    notes = files.failures.with_suffix(".partial")
    chunk = _BATCHES_A_CHUNK * getattr(embedder, "batch_size", 64)
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
                f"({sample_of(dict.fromkeys(failed), 2)}): give the folder they are in by "
                "images_root=, or mend what is wrong and run the same build again."
            )
        if width is None:
            width = vectors.shape[1]
            start_rows(partial, (shard.n_rows, width))
        elif vectors.shape[1] != width:
            raise CorpusError(
                f"The embedder gave {vectors.shape[1]} features for rows {done} onwards of "
                f"{shard.entry.name} but {width} before: an embedder must not change its width."
            )
        half, reasons = as_stored(vectors, reasons)
        # reasons first: a vector on disk then always has its reason
        append_bytes(notes, _note_lines(rows, reasons))
        append_bytes(partial, half.tobytes())
        done += len(rows)
        yield len(rows)
    stored = np.load(partial, mmap_mode="r", allow_pickle=False)
    # a row that failed before a crash may have succeeded after it
    noted = {row: why for row, why in _read_notes(notes).items() if 0 <= row < shard.n_rows}
    write_failures(shard, files, {row: why for row, why in noted.items() if not stored[row].any()})
    del stored  # Windows renames no file that is open
    partial.replace(files.embeddings)
    notes.unlink(missing_ok=True)


def _note_lines(rows: NDArray[np.int64], reasons: list[str | None]) -> bytes:
    # each on a line of its own even after a torn one
    lines = [
        "\n" + json.dumps([int(row), reason])
        for row, reason in zip(rows, reasons, strict=True)
        if reason is not None
    ]
    return "".join(lines).encode()


def _read_notes(notes: Path) -> dict[int, str]:
    """Return the reasons by row; the last line of a row counts, a torn one was repeated."""
    reasons: dict[int, str] = {}
    with suppress(FileNotFoundError):
        for line in notes.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError):
                row, reason = json.loads(line)
                reasons[int(row)] = str(reason)
    return reasons
