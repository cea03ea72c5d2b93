"""Embeddings of recalled rows: stored ones, or computed on demand and cached."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._text_head import resolve_text_head
from skclip.corpus import CaptionStore, Embedder, embed_images
from skclip.exceptions import CorpusError, ModelMismatchError
from skclip.recall._pool import label_array

__all__ = [
    "check_same_caption_model",
    "check_same_model",
    "check_text_of_images",
    "row_vectors",
    "text_rows",
]


def check_same_model(store: CaptionStore, embedder: Embedder | None) -> None:
    """Raise if the collection was embedded by another model."""
    if embedder is None or not store.has_embeddings or store.model_id is None:
        return
    if store.model_id != embedder.model_id:
        raise ModelMismatchError(
            f"{store!r} was embedded by {store.model_id}, but embedder is {embedder.model_id}: "
            "their vectors cannot be compared. Use that embedder, or build a corpus with this one."
        )


def check_same_caption_model(store: CaptionStore, text_model_id: str | None) -> None:
    """Raise if the captions were embedded by another model than the text of the classes."""
    known = (store.caption_model_id, text_model_id)
    if None not in known and known[0] != known[1]:
        raise ModelMismatchError(
            f"The captions of {store!r} were embedded by {known[0]}, but zero_shot is of "
            f"{known[1]}: select='caption' compares texts of one model."
        )


def check_text_of_images(store: CaptionStore, text_model_id: str | None, width: int) -> None:
    """Raise if images have no embeddings, or none that can be compared with the text."""
    if not store.has_embeddings:
        raise CorpusError(
            f"{store!r} has no embeddings of its images to compare with the text of the classes: "
            "build it with embedder=, or add them with Corpus(path).embed(embedder)."
        )
    known = (store.model_id, text_model_id)
    if None not in known and known[0] != known[1]:
        raise ModelMismatchError(
            f"{store!r} was embedded by {known[0]}, but zero_shot is of {known[1]}: their vectors "
            "cannot be compared."
        )
    if (n_features := store.embeddings([]).shape[1]) != width:
        raise ValueError(
            f"zero_shot has {width} features, but the images have {n_features}: embed both with "
            "the same model."
        )


def text_rows(zero_shot: Any, names: list[Any]) -> tuple[NDArray[Any], str | None]:
    """Return the text embedding of each class, and the identity of their model if it is known.

    Parameters
    ----------
    zero_shot : mapping or classifier
        Text embeddings.

    names : list
        Class names.

    Returns
    -------
    text : ndarray of shape (n_classes, n_features)
        Unit rows in the order of ``names``.

    model_id : str or None
        Identity of the model.
    """
    head = resolve_text_head(zero_shot, np.unique(label_array(names)))
    assert head is not None
    row_of = {name: row for row, name in enumerate(head.classes.tolist())}
    return head.weights[[row_of[name] for name in names]], head.model_id


def row_vectors(
    store: CaptionStore, rows: NDArray[np.int64], embedder: Embedder | None
) -> tuple[NDArray[np.float32] | None, dict[int, str]]:
    """Return the embeddings of rows; zero if an image cannot be read.

    Parameters
    ----------
    store : CaptionStore
        Collection of the rows.

    rows : ndarray of int64
        Row numbers; repeated rows are embedded once.

    embedder : Embedder or None
        Used if the collection has no embeddings. Its embeddings are cached.

    Returns
    -------
    embeddings : ndarray of shape (n_rows, n_features) or None
        None without stored embeddings and embedder.

    problems : dict of int to str
        Reasons for images that could not be read in this call, keyed by row.
    """
    if store.has_embeddings:
        return store.embeddings(rows), {}
    if embedder is None:
        return None, {}
    model_id, cache = embedder.model_id, store.embedded
    vectors = {row: cache.get((model_id, row)) for row in np.unique(rows).tolist()}
    new = [row for row, vector in vectors.items() if vector is None]
    if not new and len(rows):
        return np.stack([vectors[row] for row in rows.tolist()]), {}
    embeddings, reasons = embed_images(embedder, store.image_references(new).tolist())
    for row, vector in zip(new, embeddings, strict=True):
        vectors[row] = vector
        cache.put((model_id, row), vector)
    problems = {row: why for row, why in zip(new, reasons, strict=True) if why is not None}
    return np.stack([embeddings[:0].sum(axis=0), *(vectors[r] for r in rows.tolist())])[
        1:
    ], problems
