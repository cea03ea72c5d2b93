"""Captions and names as users give them."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from skclip._validation import sample_of
from skclip.corpus._memory import MemoryShard
from skclip.recall._pool import PrimingPool

__all__ = ["as_list", "memory_shard"]


def memory_shard(
    captions: Any,
    embeddings: Any,
    ids: Any,
    images: Any,
    *,
    first_row: int = 0,
) -> MemoryShard:
    """Check captions and what comes with them."""
    texts = as_list(captions, parameter="captions")
    wrong = [text for text in texts if not isinstance(text, str)]
    if wrong:
        raise TypeError(
            f"captions must be strings, got {sample_of(wrong)} ({type(wrong[0]).__name__})."
        )
    if not texts:
        raise ValueError("captions is empty (0 samples): give at least one caption.")
    pool = PrimingPool(
        np.asarray(texts), embeddings=embeddings, ids=ids, images=images
    )  # checks lengths
    vectors = None if pool.embeddings is None else pool.embeddings.astype(np.float32, copy=False)
    own_ids = np.arange(first_row, first_row + len(texts)).astype(object)
    return MemoryShard(
        np.fromiter(texts, dtype=object, count=len(texts)),
        own_ids if pool.ids is None else pool.ids,
        pool.images,
        vectors,
    )


def as_list(names: Any, *, parameter: str = "names") -> list[Any]:
    """Return names or captions as a list of Python objects."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ValueError(
            f"{parameter} must be a sequence of strings, got {names!r}: write [{names!r}]."
        )
    return [name.item() if isinstance(name, np.generic) else name for name in names]
