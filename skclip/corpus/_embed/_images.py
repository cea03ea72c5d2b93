"""Embed the images of a collection, each distinct image once."""

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skclip._files import append_bytes
from skclip._linalg import nonzero_rows
from skclip._validation import sample_of
from skclip.corpus._embed._grow import as_stored, grow_file
from skclip.corpus._embedder import Embedder
from skclip.corpus._engine import ShardTask
from skclip.corpus._images import ImageSlice
from skclip.corpus._shards import write_failures
from skclip.exceptions import CorpusError, UnreadableImageWarning

__all__ = ["MISSES", "embed_images", "embed_images_of"]

# Stop after this many unreadable images without a readable one.
MISSES = 300


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
    for i in np.flatnonzero(finite & ~nonzero_rows(vectors)):
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


def embed_images_of(task: ShardTask, embedder: Embedder) -> Iterator[int]:
    """Embed the images of a shard, and list those that cannot be read.

    Parameters
    ----------
    task : ShardTask
        Shard with the images.

    embedder : Embedder
        Model to embed with.

    Yields
    ------
    n_rows : int
        Rows that are there since the last yield.
    """
    rows = _ImageRows(task, embedder)
    yield from grow_file(task, task.files.embeddings, embedder, rows, rows.list_failures, "rows")
    rows.notes.unlink(missing_ok=True)


class _ImageRows:
    """Embeds rows of a shard, and notes at once why some are zero."""

    def __init__(self, task: ShardTask, embedder: Embedder) -> None:
        self._task, self._shard, self._embedder = task, task.shard, embedder
        self.notes = task.files.failures.with_suffix(".partial")
        self._n_failed = 0
        self._any_embedded: bool | None = None

    def __call__(self, rows: NDArray[np.int64], width: int | None) -> NDArray[np.float16]:
        if self._any_embedded is None:
            self._any_embedded = bool(rows[0] > 0)  # by an interrupted call
        images = self._shard.column("image", rows).tolist()
        vectors, reasons = embed_images(self._embedder, images)
        failed = [why for i, why in zip(images, reasons, strict=True) if why and i is not None]
        self._n_failed += len(failed)
        self._any_embedded |= bool(vectors.any())
        if self._n_failed >= MISSES and not self._any_embedded:
            raise CorpusError(
                f"None of the first {self._n_failed} images of {self._task.entry.name} can be read "
                f"({sample_of(dict.fromkeys(failed), 2)}): give their folder as images_root=, or "
                "solve the problem and run the same build again."
            )
        half, reasons = as_stored(vectors, reasons)
        # before the rows: every zero row on disk then has its reason
        append_bytes(self.notes, _note_lines(rows, reasons))
        return half

    def list_failures(self, complete: Path) -> None:
        """Write the list of rows without an image, from the notes of all calls."""
        stored = np.load(complete, mmap_mode="r", allow_pickle=False)
        # a row that failed before a crash may have succeeded after it
        noted = _read_notes(self.notes).items()
        reasons = {i: why for i, why in noted if 0 <= i < len(stored) and not stored[i].any()}
        del stored  # Windows cannot rename an open file
        write_failures(self._shard, self._task.files, reasons)


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
