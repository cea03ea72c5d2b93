"""Embeddings of recalled rows: stored ones, or computed on demand and cached."""

import numpy as np
from numpy.typing import NDArray

from skclip.corpus import CaptionStore, Embedder, embed_images
from skclip.exceptions import ModelMismatchError

__all__ = ["check_same_caption_model", "check_same_model", "row_vectors"]


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
