"""Image-caption pairs, with pairs of the same image identified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._validation import sample_of
from skclip.corpus import ImageSlice
from skclip.embedding import as_items, check_texts

__all__ = ["Pairs", "gather_pairs"]


@dataclass(frozen=True)
class Pairs:
    """Pairs, with every distinct image once.

    Parameters
    ----------
    images : sequence of length n_images
        Distinct images, in order of first appearance.

    captions : list of str of length n_pairs
        One caption per pair.

    image_of : ndarray of shape (n_pairs,)
        Index into ``images`` for each pair.

    positions : ndarray of shape (n_pairs,)
        Position of each pair in the input.

    ids : ndarray of shape (n_given,) or None
        ``image_ids`` as given.
    """

    images: Sequence[Any]
    captions: list[str]
    image_of: NDArray[np.int64]
    positions: NDArray[np.int64]
    ids: NDArray[Any] | None

    @property
    def image_positions(self) -> NDArray[np.int64]:
        """Position of the first pair of every image, of shape ``(n_images,)``."""
        first = np.unique(self.image_of, return_index=True)[1]
        return self.positions[first]

    def without(self, images: Iterable[int], pairs: Iterable[int]) -> Pairs:
        """Return the pairs without those of ``images`` and those in ``pairs``."""
        kept = np.ones(len(self.captions), dtype=bool)
        kept[np.isin(self.image_of, list(images))] = False
        kept[list(pairs)] = False
        remaining, image_of = np.unique(self.image_of[kept], return_inverse=True)
        return Pairs(
            [self.images[i] for i in remaining],
            [self.captions[i] for i in np.flatnonzero(kept)],
            image_of,
            self.positions[kept],
            self.ids,
        )


def gather_pairs(images: Any, captions: Any, image_ids: ArrayLike | None = None) -> Pairs:
    """Check the input of ``fit`` and find the pairs that show the same image.

    Parameters
    ----------
    images : iterable of length n_pairs
        Images in any form that :class:`~skclip.CLIPEmbedder` accepts.

    captions : iterable of str of length n_pairs
        One caption per image.

    image_ids : array-like of shape (n_pairs,), default=None
        Equal for pairs of the same image. By default, pairs with the same path, the same bytes or
        the same object share an image.

    Returns
    -------
    pairs : Pairs
        The pairs, in the given order.

    Examples
    --------
    >>> from skclip.distill._pairs import gather_pairs
    >>> pairs = gather_pairs(["a.jpg", "b.jpg", "a.jpg"], ["a cat", "a dog", "a pet"])
    >>> pairs.images, pairs.image_of.tolist()
    (['a.jpg', 'b.jpg'], [0, 1, 0])
    """
    items = list(as_items(images, "image", "images"))
    texts = check_texts(as_items(captions, "text", "captions"), 0, "captions")
    if len(items) != len(texts):
        raise ValueError(
            f"There are {len(items)} images but {len(texts)} captions: give one caption per image. "
            "Repeat an image with several captions, and give image_ids."
        )
    ids = None if image_ids is None else _check_ids(image_ids, len(items))
    keys: Iterable[Any] = map(_key, items) if ids is None else ids.tolist()
    number: dict[Any, int] = {}
    image_of = np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.int64)
    first = np.unique(image_of, return_index=True)[1]
    return Pairs([items[i] for i in first], texts, image_of, np.arange(len(items)), ids)


def _check_ids(image_ids: ArrayLike, n_pairs: int) -> NDArray[Any]:
    ids = np.asarray(image_ids)
    if ids.shape != (n_pairs,):
        raise ValueError(
            f"image_ids has shape {ids.shape} but there are {n_pairs} pairs: give one id per pair."
        )
    if ids.dtype.kind == "f" and not np.isfinite(ids).all():
        raise ValueError(
            "image_ids has NaN or infinity at positions "
            f"{sample_of(np.flatnonzero(~np.isfinite(ids)))}: give every pair an id."
        )
    return ids


def _key(image: Any) -> Any:
    if isinstance(image, str | PathLike):
        return fspath(image)
    if isinstance(image, Mapping):
        image = image.get("bytes") or image.get("path")
    return image if isinstance(image, str | bytes | ImageSlice) else id(image)
