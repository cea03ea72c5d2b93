"""What the text says of recalled images: label, probability, similarity."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import gen_row_blocks, nonzero_rows, unit_rows
from skclip._text_head import TextHead

__all__ = ["Evidence", "class_positions", "text_evidence"]


@dataclass(frozen=True)
class Evidence:
    """Zero-shot label, probability and similarity of each image.

    Attributes
    ----------
    label : ndarray of shape (n_samples,)
        Position of the most probable class in ``text_head.classes``; -1 for a zero row.

    probability : ndarray of shape (n_samples,)
        Probability of that class.

    own_probability : ndarray of shape (n_samples,)
        Probability of the class the image was recalled for.

    image_similarity : ndarray of shape (n_samples,)
        Cosine of the image with the text of the class it was recalled for.
    """

    label: NDArray[np.intp]
    probability: NDArray[np.float64]
    own_probability: NDArray[np.float64]
    image_similarity: NDArray[np.float64]


def text_evidence(X: NDArray[Any], own: NDArray[np.intp], text_head: TextHead) -> Evidence:
    """Compare images with the text of every class, in blocks.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Embeddings.

    own : ndarray of shape (n_samples,)
        Position of each image's own class in ``text_head.classes``.

    text_head : TextHead
        Text weights.

    Returns
    -------
    evidence : Evidence
        NaN and -1 for zero rows.
    """
    n = len(X)
    label = np.full(n, -1, dtype=np.intp)
    best, of_own, similarity = (np.full(n, np.nan) for _ in range(3))
    for rows in gen_row_blocks(n, len(text_head.classes)):
        unit = unit_rows(X[rows])
        proba = text_head.proba(unit)
        at = np.arange(len(unit))
        seen = nonzero_rows(unit)
        label[rows] = np.where(seen, proba.argmax(axis=1), -1)
        best[rows] = np.where(seen, proba.max(axis=1), np.nan)
        of_own[rows] = np.where(seen, proba[at, own[rows]], np.nan)
        similarity[rows] = np.where(seen, text_head.scores(unit)[at, own[rows]], np.nan)
    return Evidence(label, best, of_own, similarity)


def class_positions(labels: list[Any], text_head: TextHead) -> NDArray[np.intp]:
    """Return the position of each label, or class name, in the text head.

    Raises
    ------
    ValueError
        If it does not know one.
    """
    known = {name: i for i, name in enumerate(text_head.names)}
    known.update({str(label): i for i, label in enumerate(text_head.classes.tolist())})
    missing = [label for label in labels if str(label) not in known]
    if missing:
        raise ValueError(
            f"zero_shot has no text for {missing[0]!r}, which the pool was recalled for: it knows "
            f"{', '.join(text_head.names[:5])}{', …' if len(text_head.names) > 5 else ''}."
        )
    return np.asarray([known[str(label)] for label in labels], dtype=np.intp)
