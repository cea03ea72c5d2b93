"""Which classes are taken for which."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["confused_pairs"]

_MAX_PAIRS = 50


def confused_pairs(
    own: NDArray[np.intp], label: NDArray[np.intp], classes: list[str]
) -> list[dict[str, Any]]:
    """Return the most frequent pairs of a true and a predicted class.

    Parameters
    ----------
    own : ndarray of shape (n_samples,)
        True classes, or those that images were recalled for.

    label : ndarray of shape (n_samples,)
        Predicted classes; -1 for none.

    classes : list of str
        Names.

    Returns
    -------
    pairs : list of dict
        At most 50, with ``n`` images each and their ``part`` of the class.
    """
    wrong = (label >= 0) & (label != own)
    pairs, counts = np.unique(
        np.stack([own[wrong], label[wrong]], axis=1), axis=0, return_counts=True
    )
    n_own = np.bincount(own, minlength=len(classes))
    order = np.argsort(-counts, kind="stable")[:_MAX_PAIRS]
    return [
        {
            "own": int(i),
            "label": int(j),
            "own_name": classes[i],
            "label_name": classes[j],
            "n": int(n),
            "part": f"{100 * n / n_own[i]:.0f} %",
        }
        for (i, j), n in zip(pairs[order], counts[order], strict=True)
    ]
