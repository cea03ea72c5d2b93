"""Predict how similar a new image of a class is to the only labelled image of the class.

The left-out score of a class with one image cannot be measured, since no other image is left. It is
predicted from the similarities of the other classes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb

__all__ = ["OwnSimilarity", "own_similarity"]

Array = NDArray[np.float64]

# A new image is about as similar to its class as the most similar of this many other classes.
N_OTHERS = 9


class OwnSimilarity(NamedTuple):
    """Expected inner product of two images of one class, and its standard deviation."""

    mean: float
    deviation: float


def own_similarity(means: Array, text: Array) -> OwnSimilarity:
    r"""Predict the inner product of two different images of one class.

    The result is the larger of two predictions:

    - the regression of :math:`m_i \cdot m_j` on :math:`t_i \cdot t_j` over pairs of classes, at
      :math:`t_i \cdot t_j = 1`;
    - the expected largest of nine inner products with other classes, averaged over classes.

    Parameters
    ----------
    means : ndarray of shape (n_classes, n_features)
        The image of each class that has one.

    text : ndarray of shape (n_classes, n_features)
        Their text rows; zeros where there is no text.

    Returns
    -------
    similarity : OwnSimilarity
        Mean, at most one, and standard deviation of the residuals of the regression.
    """
    n_classes = len(means)
    if n_classes < 2:
        return OwnSimilarity(1.0, 0.0)
    similarity, pairs = means @ means.T, np.triu_indices(n_classes, 1)
    of_images, of_text = similarity[pairs], (text @ text.T)[pairs]
    centred = of_text - of_text.mean()
    slope = max(0.0, float(centred @ of_images) / max(float(centred @ centred), 1e-12))
    residual = of_images - of_images.mean() - slope * centred
    by_text = of_images.mean() + slope * (1 - of_text.mean())
    others = similarity[~np.eye(n_classes, dtype=bool)].reshape(n_classes, -1)
    by_others = expected_largest(others, N_OTHERS).mean()
    return OwnSimilarity(float(min(max(by_text, by_others), 1.0)), float(residual.std()))


def expected_largest(values: Array, n: int) -> Array:
    r"""Return the expected largest of ``n`` random values of each row, without replacement.

    .. math:: \sum_j s_{(j)} \binom{m - j}{n - 1} \Big/ \binom{m}{n}

    with the values of a row in descending order :math:`s_{(1)} \ge s_{(2)} \ge \dots`.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._parts._own_similarity import expected_largest
    >>> expected_largest(np.array([[1.0, 2.0, 3.0]]), 2)
    array([2.66666667])
    """
    m = values.shape[1]
    n = min(n, m)
    weight = comb(m - np.arange(1, m + 1), n - 1) / comb(m, n)
    largest: Array = -np.sort(-values, axis=1) @ weight
    return largest
