"""Embed the captions of a collection by the text encoder of a model."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skclip.corpus._embed._grow import as_stored, grow_file
from skclip.corpus._embedder import Embedder
from skclip.corpus._engine import ShardTask
from skclip.embedding import as_text_embedder
from skclip.exceptions import TruncatedTextWarning

__all__ = ["embed_captions_of"]


def embed_captions_of(task: ShardTask, embedder: Embedder) -> Iterator[int]:
    """Embed the captions of a shard.

    Parameters
    ----------
    task : ShardTask
        Shard with the captions.

    embedder : Embedder
        Its text encoder is used.

    Returns
    -------
    numbers : iterator of int
        Rows that are there since the last one.
    """
    texts, shard = _quiet(as_text_embedder(embedder)), task.shard

    def make(rows: NDArray[np.int64], width: int | None) -> NDArray[np.float16]:
        vectors = _embed_texts(texts, shard.column("caption", rows).tolist(), width)
        return as_stored(vectors, [None] * len(vectors))[0]

    return grow_file(
        task, task.files.caption_embeddings, texts, make, lambda complete: None, "captions"
    )


def _embed_texts(embedder: Any, texts: Sequence[str], width: int | None) -> NDArray[np.float32]:
    """Embed each distinct text once; blank texts, and rows that are not finite, are zero."""
    distinct = list(dict.fromkeys(text for text in texts if text.strip()))
    if not distinct and width is not None:
        return np.zeros((len(texts), width), np.float32)
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore", TruncatedTextWarning)  # common among web captions
        # without any text, embed a word to find the width of the zero rows
        given = np.asarray(embedder.transform(distinct or ["a"]), dtype=np.float32)
    given[~np.isfinite(given).all(axis=1)] = 0
    at = {text: i for i, text in enumerate(distinct)}
    vectors = np.zeros((len(texts), given.shape[1]), np.float32)
    has_text = [i for i, text in enumerate(texts) if text in at]
    vectors[has_text] = given[[at[texts[i]] for i in has_text]]
    return vectors


def _quiet(embedder: Any) -> Any:
    """Return a copy without progress bars of its own, if the embedder has that parameter."""
    if hasattr(embedder, "get_params") and "verbose" in embedder.get_params(deep=False):
        return clone(embedder).set_params(verbose=0)
    return embedder
