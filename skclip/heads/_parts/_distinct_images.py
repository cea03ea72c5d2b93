"""Merge copies of one image, before labelled images are left out."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from skclip._array_api import to_numpy
from skclip._linalg import nonzero_rows, unit_rows

__all__ = ["Images", "as_images", "copies", "distinct_images", "spread_sample"]

Array = NDArray[np.float64]

# Near copies are found in classes of up to this many images; in larger ones, equal rows only.
MAX_COMPARED = 1024


class Images(NamedTuple):
    """Embeddings of images with their classes and weights."""

    X: NDArray[Any]
    codes: NDArray[Any]
    weight: Array

    def at(self, rows: NDArray[Any]) -> "Images":
        """Return some of the images, by position or mask."""
        return Images(self.X[rows], self.codes[rows], self.weight[rows])


def as_images(X: Any, codes: NDArray[Any], weight: Any) -> Images:
    """Return embeddings of any array library as unit rows in numpy."""
    return Images(unit_rows(to_numpy(X)), codes, to_numpy(weight).astype(np.float64))


def distinct_images(images: Images, *, similarity: float = 0.99) -> Images:
    """Merge copies of an image within a class into one row: their mean, with their weight.

    Otherwise the left-out score of an image would depend on its own copies.

    Parameters
    ----------
    images : Images
        Unit rows; rows of zeros and rows of weight zero are dropped.

    similarity : float, default=0.99
        Two images of a class with at least this cosine are copies, and so are copies of copies. In
        a class of more than 1024 images only equal rows are copies.

    Returns
    -------
    images : Images
        Sorted by class and then by features, in float64. The weights have mean one, so that
        giving all images twice changes nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._parts._distinct_images import Images, distinct_images
    >>> X = np.array([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.6, 0.8]])
    >>> distinct_images(Images(X, np.array([0, 0, 0, 1]), np.ones(4))).weight
    array([0.75, 1.5 , 0.75])
    """
    evident = np.flatnonzero((images.weight > 0) & nonzero_rows(images.X))
    # sorted by features, so that the result does not depend on the order of the rows
    keys = images.X[evident, -1], images.X[evident, 0], images.codes[evident]
    order = evident[np.lexsort(keys)]
    if not len(order):
        return images.at(order)
    codes = images.codes[order]
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    groups, n_groups = np.empty(len(order), dtype=np.intp), 0
    for start, stop in zip(starts, np.r_[starts[1:], len(order)], strict=True):
        n_own, own = copies(images.X[order[start:stop]], similarity, MAX_COMPARED)
        groups[start:stop] = n_groups + own
        n_groups += n_own
    weight = images.weight[order].astype(np.float64)
    total = np.bincount(groups, weight, minlength=n_groups)
    first = np.unique(groups, return_index=True)[1]
    if n_groups == len(order):
        rows = images.X[order].astype(np.float64)
    else:
        rows = np.zeros((n_groups, images.X.shape[1]))
        np.add.at(rows, groups, (weight / total[groups])[:, None] * images.X[order])
    return Images(rows, codes[first], total * (n_groups / max(total.sum(), 1e-300)))


def copies(X: NDArray[Any], similarity: float, most: int) -> tuple[int, NDArray[Any]]:
    """Return the number of distinct images among unit rows, and the index of each row's image.

    Of more than ``most`` rows only equal ones are copies.
    """
    if len(X) > most:
        first, groups = np.unique(X, axis=0, return_inverse=True)
        return len(first), groups.reshape(-1)
    are_copies = similarity <= X @ X.T
    if np.count_nonzero(are_copies) <= len(X):  # every image is a copy of itself only
        return len(X), np.arange(len(X))
    n_groups, groups = connected_components(are_copies, directed=False)
    return int(n_groups), groups


def spread_sample(images: Images, size: int) -> NDArray[np.intp]:
    """Return positions of at most ``size`` images, spread over all classes.

    The choice does not depend on the order of the images.
    """
    n = len(images.codes)
    if n <= size:
        return np.arange(n)
    order = np.lexsort((images.X[:, -1], images.X[:, 0], images.codes))
    chosen: NDArray[np.intp] = order[np.linspace(0, n - 1, size).round().astype(np.intp)]
    return chosen
