"""Labelled images that a head keeps, since left-out scores need them: added and taken away."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._validation import sample_of
from skclip.heads._parts._distinct_images import Images

__all__ = ["add_images", "take_away"]


def add_images(kept: Images | None, new: Images) -> Images:
    """Return the images of both."""
    if kept is None:
        return new
    return Images(*(np.concatenate(pair) for pair in zip(kept, new, strict=True)))


def take_away(kept: Images, gone: Images, classes: NDArray[Any]) -> Images:
    """Return the images without those of ``gone``, as if they had never been added.

    Parameters
    ----------
    kept : Images
        What was added, in any order.

    gone : Images
        Equal rows of the same classes. Weights are taken away, from as many equal rows as needed.

    classes : ndarray of shape (n_classes,)
        Labels, for the message.

    Returns
    -------
    images : Images
        Rows of weight zero are dropped.

    Raises
    ------
    ValueError
        If rows weigh more than what was added of them.
    """
    weight = kept.weight.astype(np.float64)
    places: dict[tuple[int, bytes], list[int]] = {}
    for i, key in enumerate(_keys(kept)):
        places.setdefault(key, []).append(i)
    missing = []
    for i, key in enumerate(_keys(gone)):
        left = float(gone.weight[i])
        for at in places.get(key, ()):
            taken = min(left, float(weight[at]))
            weight[at] -= taken
            left -= taken
        # what is left of a weight after differences of rounded terms is not evidence
        if left > 1e-9 * max(1.0, float(gone.weight[i])):
            missing.append(classes[gone.codes[i]])
    if missing:
        raise ValueError(
            "More images were to be forgotten than were fitted, of the classes "
            f"{sample_of(dict.fromkeys(missing))}. Forget each at most once, as it was given."
        )
    stays = weight > 1e-9
    return Images(kept.X[stays], kept.codes[stays], weight[stays])


def _keys(images: Images) -> list[tuple[int, bytes]]:
    return [(int(code), row.tobytes()) for code, row in zip(images.codes, images.X, strict=True)]
