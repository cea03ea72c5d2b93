"""Add and remove labelled images, which a head keeps for the left-out scores."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._validation import sample_of
from skclip.heads._parts._distinct_images import Images

__all__ = ["add_images", "take_away"]


def add_images(kept: Images | None, new: Images) -> Images:
    """Return the images of both, one after the other."""
    if kept is None:
        return new
    return Images(*(np.concatenate(pair) for pair in zip(kept, new, strict=True)))


def take_away(kept: Images, gone: Images, classes: NDArray[Any]) -> Images:
    """Return the images without those of ``gone``.

    Parameters
    ----------
    kept : Images
        Images, in any order.

    gone : Images
        Rows equal to some in ``kept``, of the same classes. Their weights are subtracted, from as
        many equal rows as needed.

    classes : ndarray of shape (n_classes,)
        Labels, for the error message.

    Returns
    -------
    images : Images
        Rows of weight zero are dropped.

    Raises
    ------
    ValueError
        If a row weighs more than its equal rows in ``kept``.
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
        # what rounding leaves of a weight counts as zero
        if left > 1e-9 * max(1.0, float(gone.weight[i])):
            missing.append(classes[gone.codes[i]])
    if missing:
        raise ValueError(
            "Cannot forget images that were not fitted, or more than were fitted, of the classes "
            f"{sample_of(dict.fromkeys(missing))}. Forget each at most once, as it was given."
        )
    stays = weight > 1e-9
    return Images(kept.X[stays], kept.codes[stays], weight[stays])


def _keys(images: Images) -> list[tuple[int, bytes]]:
    return [(int(code), row.tobytes()) for code, row in zip(images.codes, images.X, strict=True)]
