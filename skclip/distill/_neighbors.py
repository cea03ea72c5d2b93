"""The nearest neighbour of every pair in each modality, computed once before training.

Pairs of the same image are never neighbours of each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skclip._files import replacing
from skclip._linalg import unit_rows
from skclip.distill._damage import damaged_file
from skclip.neighbors import build_index, nearest_rows, search_or_fall_back

__all__ = ["Guides", "find_guides", "nearest_of_another_group"]

_BLOCK = 1 << 14


@dataclass(frozen=True)
class Guides:
    """The bank rows that guide each pair.

    Parameters
    ----------
    image : ndarray of shape (2, n_pairs)
        Rows of the image bank: the nearest image, and the image of the nearest text.

    text : ndarray of shape (2, n_pairs)
        Rows of the text bank: the nearest text, and the text of the nearest image.
    """

    image: NDArray[np.int64]
    text: NDArray[np.int64]

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, image=self.image, text=self.text)

    @classmethod
    def load(cls, path: Path, n_rows: tuple[int, int] | None = None) -> Self:
        """Read a file written by :meth:`save`.

        Parameters
        ----------
        path : Path
            The file.

        n_rows : tuple of two int, default=None
            Required number of rows of the image bank and of the text bank.

        Returns
        -------
        guides : Guides
            The saved guides.

        Raises
        ------
        TrainingRunError
            If the file is damaged or belongs to other pairs.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                guides = cls(arrays["image"], arrays["text"])
            if n_rows is not None:
                for rows, n in zip((guides.image, guides.text), n_rows, strict=True):
                    if rows.shape != (2, n_rows[1]) or rows.dtype.kind != "i":
                        raise ValueError
                    if rows.min() < 0 or rows.max() >= n:
                        raise ValueError
        except Exception:  # NumPy's message may recommend a parameter that allows code execution
            raise damaged_file(path, "it has no row numbers, or is truncated") from None
        return guides


def find_guides(
    image_bank: NDArray[Any], text_bank: NDArray[Any], image_of: NDArray[np.int64], method: str
) -> Guides:
    r"""Find :math:`n_I(i)` and :math:`n_T(i)` for every pair.

    If the nearest image has several texts, the i-th text of an image uses the i-th of them.

    Parameters
    ----------
    image_bank : ndarray of shape (n_images, d_image)
        Features of the image teacher, one row per image.

    text_bank : ndarray of shape (n_pairs, d_text)
        Features of the text teacher, one row per pair.

    image_of : ndarray of shape (n_pairs,)
        Row of the image bank for every pair.

    method : {"exact", "hnsw", "faiss"}
        Search method.

    Returns
    -------
    guides : Guides
        Rows of both banks.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.distill._neighbors import find_guides
    >>> images = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    >>> texts = np.array([[0.0, 1.0], [1.0, 0.0], [0.1, 0.9]])
    >>> guides = find_guides(images, texts, np.arange(3), "exact")
    >>> guides.image.tolist(), guides.text.tolist()
    ([[1, 0, 1], [2, 2, 0]], [[2, 2, 0], [1, 0, 1]])
    """
    nearest_image = nearest_of_another_group(image_bank, np.arange(len(image_bank)), method)
    nearest_text = nearest_of_another_group(text_bank, image_of, method)
    by_image = np.argsort(image_of, kind="stable")
    n_texts = np.bincount(image_of, minlength=len(image_bank))
    first = np.cumsum(n_texts) - n_texts
    rank = np.empty(len(image_of), dtype=np.int64)
    rank[by_image] = np.arange(len(image_of)) - np.repeat(first, n_texts)
    image_guide = nearest_image[image_of]
    image_guides_text = by_image[first[image_guide] + rank % n_texts[image_guide]]
    return Guides(
        image=np.stack([image_guide, image_of[nearest_text]]),
        text=np.stack([nearest_text, image_guides_text]),
    )


def nearest_of_another_group(
    bank: NDArray[Any], groups: NDArray[np.int64], method: str = "exact"
) -> NDArray[np.int64]:
    """Return, for each row, the row of largest cosine in another group.

    Parameters
    ----------
    bank : ndarray of shape (n_rows, n_features)
        Features.

    groups : ndarray of shape (n_rows,)
        Rows of the same group are never neighbours.

    method : {"exact", "hnsw", "faiss"}, default="exact"
        Search method.

    Returns
    -------
    nearest : ndarray of shape (n_rows,)
        Nearest rows; of equally near rows the lower one. A zero row is its own neighbour, as is a
        row without rows in other groups.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.distill._neighbors import nearest_of_another_group
    >>> X = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    >>> nearest_of_another_group(X, np.array([0, 0, 1])).tolist()
    [2, 2, 1]
    """
    # all rows of the same group may be nearer than the wanted row
    k = min(int(np.bincount(groups).max()) + 1, len(bank))
    source = _Bank(bank)
    index = None if method == "exact" else build_index(method, source)
    nearest = np.arange(len(bank))
    # query in blocks: k candidates for all rows at once would be larger than the bank
    for start in range(0, len(bank), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(bank)))
        Q = bank[rows]

        def exact(Q: NDArray[Any] = Q) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
            return nearest_rows(Q, source.blocks(), k)

        _, found = exact() if index is None else search_or_fall_back(index, Q, k, exact)
        has_direction = np.any(Q, axis=1, keepdims=True)
        allowed = (found >= 0) & (groups[found] != groups[rows, None]) & has_direction
        some = allowed.any(axis=1)
        nearest[rows[some]] = found[some, allowed[some].argmax(axis=1)]
    return nearest


class _Bank:
    """A bank with the interface of the neighbour search."""

    def __init__(self, bank: NDArray[Any]) -> None:
        self.n_rows, self.n_features = bank.shape
        self._bank = bank

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield all rows in order."""
        for start in range(0, self.n_rows, _BLOCK):
            yield self._bank[start : start + _BLOCK]

    def embeddings(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return some rows."""
        return unit_rows(self._bank[rows])
