r"""Exact leave-one-out scores of a primed head, in closed form.

Leaving a row out changes the sum of one class, so what the class means would say of that row had it
never been seen follows from inner products with the sums: one product of rows and class sums serves
every share of text. Called by PrimedNCMClassifierCV.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip.heads._mixing import Moments, scale_of

__all__ = ["has_another_row", "left_out_scores"]


def has_another_row(
    codes: NDArray[Any], weight: NDArray[Any], counts: NDArray[Any]
) -> NDArray[np.bool_]:
    """Return the rows whose class keeps an image without them: those that can be left out."""
    rest = counts[codes] - weight
    kept: NDArray[np.bool_] = (weight > 0) & (rest > 1e-9 * counts[codes])
    return kept


def left_out_scores(
    X: NDArray[Any],
    codes: NDArray[Any],
    weight: NDArray[Any],
    text: NDArray[Any],
    sums: NDArray[Any],
    *,
    calibration: str,
) -> tuple[NDArray[Any], NDArray[Any]]:
    r"""Return what the text head and the class means without each row say of it.

    .. math:: \mu_c^{(-i)} = \frac{S_c - w_i x_i}{\lVert S_c - w_i x_i \rVert}, \qquad
              x_i \cdot \mu_c^{(-i)} = \frac{x_i \cdot S_c - w_i}
              {\sqrt{\lVert S_c \rVert^2 - 2 w_i\, x_i \cdot S_c + w_i^2}}

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Unit rows, for which :func:`has_another_row` holds.

    codes, weight : ndarray of shape (n_rows,)
        Class index and weight of the rows.

    text : ndarray of shape (n_classes, n_features)
        Unit text rows.

    sums : ndarray of shape (n_classes, n_features)
        Sums over all rows; zero for a class without images.

    calibration : str
        As in PrimedNCMClassifier; the scale is that without the row.

    Returns
    -------
    text_scores, image_scores : ndarray of shape (n_rows, n_classes)
        The latter calibrated; the text scores where a class has no images.
    """
    X = X.astype(np.float64, copy=False)
    own = np.arange(len(X)), codes
    lengths = np.linalg.norm(sums, axis=1)
    known = lengths > 0
    products = X @ sums.T
    rest = np.sqrt(np.maximum(lengths[codes] ** 2 - 2 * weight * products[own] + weight**2, 1e-24))
    text_scores = X @ text.T
    image_scores = products / np.where(known, lengths, 1)
    image_scores[own] = (products[own] - weight) / rest
    if calibration != "none":
        scale: Any = 1.0
        if calibration != "center" and known.sum() > 1:
            moments = _moments_without(X, codes, weight, text[known], sums[known], known, rest)
            scale = scale_of(calibration, moments)[:, None]
        image_scores = scale * (image_scores - image_scores[:, known].mean(axis=1, keepdims=True))
        image_scores += text_scores[:, known].mean(axis=1, keepdims=True)
    image_scores[:, ~known] = text_scores[:, ~known]
    return text_scores, image_scores


def _moments_without(
    X: NDArray[Any],
    codes: NDArray[Any],
    weight: NDArray[Any],
    text: NDArray[Any],
    sums: NDArray[Any],
    known: NDArray[np.bool_],
    rest: NDArray[Any],
) -> Moments:
    r"""Return the moments of text and class means without each row in turn.

    Every inner product with :math:`\mu_c^{(-i)} = (S_c - w_i x_i) / r_i` is
    :math:`(v \cdot S_c - w_i\, v \cdot x_i) / r_i`; ``text`` and ``sums`` hold the known classes.
    """
    at = (np.cumsum(known) - 1)[codes]  # the row's class among the known ones
    n_classes = len(sums)
    means = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    text_total, mean_total = text.sum(axis=0), means.sum(axis=0)

    def new_dot(with_sums: NDArray[Any], with_rows: NDArray[Any]) -> NDArray[Any]:
        """Return v·mean without the row, from v·sum of every class and v·x of every row."""
        product: NDArray[Any] = (with_sums[at] - weight * with_rows) / rest
        return product

    def rowwise(A: NDArray[Any], B: NDArray[Any]) -> NDArray[Any]:
        product: NDArray[Any] = np.einsum("ij,ij->i", A, B)
        return product

    own_cross = rowwise(text, means)
    cross = own_cross.sum() - own_cross[at] + new_dot(rowwise(text, sums), rowwise(X, text[at]))
    cross_total = (
        text_total @ mean_total
        - (means @ text_total)[at]
        + new_dot(sums @ text_total, X @ text_total)
    )
    # both old and new mean have length 1, so of |total - old + new|^2 only products are left
    old_new = new_dot(rowwise(means, sums), rowwise(X, means[at]))
    total_square = (
        mean_total @ mean_total
        + 2 * (new_dot(sums @ mean_total, X @ mean_total) - (means @ mean_total)[at])
        + 2 * (1 - old_new)
    )
    return Moments(
        np.square(text).sum() - text_total @ text_total / n_classes,
        cross - cross_total / n_classes,
        n_classes - total_square / n_classes,
    )
