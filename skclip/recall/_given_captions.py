"""Validate captions and names given by users."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from skclip._finite import without_unreadable
from skclip._validation import sample_of
from skclip.corpus import (
    SOURCE_SUFFIXES,
    Columns,
    MemoryShard,
    as_values,
    caption_text,
    frame_columns,
    is_frame,
    is_missing,
)
from skclip.recall._pool import PrimingPool, as_embeddings

__all__ = ["as_list", "check_single_values", "memory_shard"]


def memory_shard(
    captions: Any,
    embeddings: Any,
    ids: Any,
    images: Any,
    *,
    caption_embeddings: Any = None,
    first_row: int = 0,
) -> MemoryShard:
    """Check captions and the columns given with them.

    Parameters
    ----------
    captions : sequence of str, or data frame
        The columns of a data frame are found as in :meth:`skclip.Corpus.build`.

    embeddings, ids, images, caption_embeddings : sequence or None
        Further columns, one value per caption.

    first_row : int, default=0
        Number of the first row.

    Returns
    -------
    shard : MemoryShard
        The captions; its embeddings are read-only.
    """
    if is_frame(captions):
        captions, own_images, own_ids = frame_columns(captions, Columns())
        captions = [text if isinstance(text, list) else caption_text(text) for text in captions]
        images = own_images if images is None else images
        ids = own_ids if ids is None else ids
    texts = ["" if is_missing(text) else text for text in as_list(captions, parameter="captions")]
    wrong = [text for text in texts if not isinstance(text, str)]
    if wrong:
        raise TypeError(
            f"captions must be strings, got {sample_of(wrong)} ({type(wrong[0]).__name__})."
        )
    if not texts:
        raise ValueError("captions is empty (0 samples): give at least one caption.")
    if all(text.lower().endswith(SOURCE_SUFFIXES) and os.path.isfile(text) for text in texts):
        raise ValueError(
            f"captions has file paths ({sample_of(texts)}), not captions: read the files with "
            "Corpus.build(paths, directory)."
        )
    columns = {"embeddings": embeddings, "ids": ids, "images": images}
    columns["caption_embeddings"] = caption_embeddings
    for name, column in columns.items():
        if hasattr(column, "__len__") and len(column) != len(texts):
            raise ValueError(
                f"{name} has {len(column)} rows but captions has {len(texts)}: give one per "
                "caption."
            )
    numbers = np.arange(first_row, first_row + len(texts))
    pool = PrimingPool(numbers, embeddings=embeddings, ids=ids, images=images)  # checks lengths
    if caption_embeddings is not None:  # named so in messages
        caption_embeddings = as_embeddings(caption_embeddings, "caption_embeddings")
    texts_only = PrimingPool(numbers, embeddings=caption_embeddings)
    return MemoryShard(
        np.fromiter(texts, dtype=object, count=len(texts)),
        numbers.astype(object) if pool.ids is None else pool.ids,
        pool.images,
        _finite_rows(pool.embeddings, "embeddings"),
        _finite_rows(texts_only.embeddings, "caption_embeddings"),
    )


def _finite_rows(rows: Any, parameter: str) -> Any:
    if rows is None:
        return None
    with np.errstate(over="ignore"):
        return without_unreadable(rows.astype(np.float32, copy=False), parameter)


def as_list(names: Any, *, parameter: str = "names") -> list[Any]:
    """Return names or captions as a list of Python objects.

    The only column of a data frame is used: iterating over a frame yields its header.
    """
    shape: tuple[int, ...] = getattr(names, "shape", ())
    if isinstance(names, str | bytes | Mapping) or not (shape or isinstance(names, Iterable)):
        raise ValueError(
            f"{parameter} must be a sequence of strings, got {sample_of([names])[:200]}"
            + (f": write [{names!r}]." if isinstance(names, str) else ".")
        )
    if len(shape) > 1:
        if len(shape) > 2 or shape[1] != 1:
            raise ValueError(
                f"{parameter} must be a sequence of strings, got a table of shape {tuple(shape)}: "
                "select one column."
            )
        names = np.asarray(names, dtype=object)[:, 0]
    return [name.item() if isinstance(name, np.generic) else name for name in as_values(names)]


def check_single_values(names: list[Any], *, parameter: str = "names") -> list[Any]:
    """Raise for class names that are not single values."""
    wrong = [name for name in names if is_missing(name) or isinstance(name, _SEVERAL)]
    if wrong:
        raise ValueError(
            f"{parameter} must have one text or number per class, got {sample_of(wrong)[:200]}. "
            "Give further names of a class as `synonyms`."
        )
    return names


_SEVERAL = (list, tuple, set, frozenset, dict, bytes, np.ndarray)
