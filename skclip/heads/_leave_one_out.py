r"""Exact leave-one-out of a primed head, in closed form.

Leaving a labelled row out changes the sum of one class, so what the head would say of that row had
it never been seen follows from inner products with the sums: one product of rows and class sums
serves every value of :math:`\alpha` and :math:`\sigma`. Called by PrimedNCMClassifierCV.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip.heads._mixing import SCHEDULES, Moments, Scatter, evidence, scale_of, scatter_of

__all__ = [
    "Candidate",
    "Evidence",
    "LeftOut",
    "candidates",
    "has_another_row",
    "left_out_rows",
]


class Candidate(NamedTuple):
    """A share of the text head to try: a number, or a schedule and its constant."""

    alpha: float | str
    sigma: float | None


class Evidence(NamedTuple):
    """What a fitted head has seen: class sums of unit rows and their weights.

    ``shot_*`` count the labelled rows alone, ``sums`` and ``counts`` also what was recalled.
    """

    text: NDArray[Any]
    sums: NDArray[Any]
    counts: NDArray[Any]
    shot_sums: NDArray[Any]
    shot_counts: NDArray[Any]


class LeftOut(NamedTuple):
    """What the head fitted without row i knows of row i, for a block of rows.

    Attributes
    ----------
    text, image : ndarray of shape (n_rows, n_classes)
        Scores of the text head and of the calibrated image head.

    counts : ndarray of shape (n_rows, n_classes)
        What the schedules count.

    scatter : Scatter
        Arrays of shape (n_rows, 1), or numbers.

    known : ndarray of shape (n_classes,) of bool
        Classes with images.
    """

    text: NDArray[Any]
    image: NDArray[Any]
    counts: NDArray[Any]
    scatter: Scatter
    known: NDArray[np.bool_]

    def scores(self, candidate: Candidate) -> NDArray[Any]:
        """Return the scores of the head that this candidate would give: (n_rows, n_classes)."""
        if isinstance(candidate.alpha, str):
            schedule = SCHEDULES[candidate.alpha]
            sigma = schedule.sigma if candidate.sigma is None else candidate.sigma
            share = schedule.share(self.counts, sigma, self.scatter)
        else:
            share = np.full_like(self.counts, candidate.alpha)
        share = np.where(self.known, share, 1.0)
        mixed: NDArray[Any] = share * self.text + (1 - share) * self.image
        return mixed


def has_another_row(
    codes: NDArray[Any], weight: NDArray[Any], shot_counts: NDArray[Any]
) -> NDArray[np.bool_]:
    """Return the rows whose class keeps a labelled row without them: those that can be left out."""
    rest = shot_counts[codes] - weight
    kept: NDArray[np.bool_] = (weight > 0) & (rest > 1e-9 * shot_counts[codes])
    return kept


def left_out_rows(
    X: NDArray[Any],
    codes: NDArray[Any],
    weight: NDArray[Any],
    seen: Evidence,
    *,
    calibration: str,
    count: str,
    pool_scatter: Scatter,
) -> LeftOut:
    r"""Return what the heads fitted without each of the rows know of it.

    .. math:: \mu_c^{(-i)} = \frac{S_c - w_i x_i}{\lVert S_c - w_i x_i \rVert}, \qquad
              x_i \cdot \mu_c^{(-i)} = \frac{x_i \cdot S_c - w_i}
              {\sqrt{\lVert S_c \rVert^2 - 2 w_i\, x_i \cdot S_c + w_i^2}}

    Scale and scatter are those of the head without the row, too.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Unit rows, for which :func:`has_another_row` holds.

    codes, weight : ndarray of shape (n_rows,)
        Class index and weight of the rows.

    seen : Evidence
        Of the head fitted on all rows.

    calibration, count : str
        As in PrimedNCMClassifier.

    pool_scatter : Scatter
        Of the recalled images, where fewer than two classes have labelled ones.

    Returns
    -------
    left_out : LeftOut
        In the order of the rows.
    """
    X = X.astype(np.float64, copy=False)
    own = np.arange(len(X)), codes
    known = seen.counts > 0
    lengths = np.sqrt(np.square(seen.sums).sum(axis=1))
    products = X @ seen.sums.T
    rest_length = np.sqrt(
        np.maximum(lengths[codes] ** 2 - 2 * weight * products[own] + weight**2, 1e-24)
    )
    text = X @ seen.text.T
    image = products / np.where(lengths > 0, lengths, 1)
    image[own] = (products[own] - weight) / rest_length
    if calibration != "none":
        scale: Any = 1.0
        if calibration != "center" and known.sum() > 1:
            directions = seen.sums / np.where(lengths > 0, lengths, 1)[:, None]
            moments = _moments_without(
                X, codes, weight, seen.text, directions, seen.sums, known, 1 / rest_length
            )
            scale = scale_of(calibration, moments)[:, None]
        image = scale * (image - image[:, known].mean(axis=1, keepdims=True))
        image += text[:, known].mean(axis=1, keepdims=True)
    counts = np.tile(seen.counts, (len(X), 1))
    counts[own] -= weight
    shots = np.tile(seen.shot_counts, (len(X), 1))
    shots[own] -= weight
    return LeftOut(
        text,
        image,
        evidence(counts, count, shots),
        _scatter_without(X, codes, weight, seen, pool_scatter),
        known,
    )


def _scatter_without(
    X: NDArray[Any],
    codes: NDArray[Any],
    weight: NDArray[Any],
    seen: Evidence,
    pool_scatter: Scatter,
) -> Scatter:
    shot = seen.shot_counts > 0
    n_classes = int(shot.sum())
    if n_classes < 2:
        return pool_scatter
    counts = np.where(shot, seen.shot_counts, 1)
    means = seen.shot_sums / counts[:, None]
    rest = counts[codes] - weight
    moments = _moments_without(X, codes, weight, seen.text, means, seen.shot_sums, shot, 1 / rest)
    squares = np.square(seen.shot_sums).sum(axis=1)
    own_product = np.einsum("ij,ij->i", X, seen.shot_sums[codes])
    rest_square = squares[codes] - 2 * weight * own_product + weight**2
    scatter = scatter_of(
        moments,
        n_classes,
        seen.shot_counts.sum() - weight,
        np.sum(1 / counts[shot]) - 1 / counts[codes] + 1 / rest,
        np.sum(squares[shot] / counts[shot]) - squares[codes] / counts[codes] + rest_square / rest,
    )
    return Scatter(scatter.within[:, None], scatter.offset[:, None])


def _moments_without(
    X: NDArray[Any],
    codes: NDArray[Any],
    weight: NDArray[Any],
    text: NDArray[Any],
    rows: NDArray[Any],
    sums: NDArray[Any],
    known: NDArray[np.bool_],
    factor: NDArray[Any],
) -> Moments:
    """Return the moments after ``rows[c]`` became ``factor * (sums[c] - weight * x)``, per row x.

    Every inner product with the new row follows from products with ``sums[c]`` and ``x``.
    """
    n_classes = int(known.sum())
    rows = np.where(known[:, None], rows, 0)
    text = np.where(known[:, None], text, 0)
    row_total, text_total = rows.sum(axis=0), text.sum(axis=0)

    def new_dot(vectors: NDArray[Any], own: bool) -> NDArray[Any]:
        """Product of the new row with one vector, or with the one of its class."""
        if own:
            with_sum = np.einsum("ij,ij->i", vectors, sums)[codes]
            with_row = np.einsum("ij,ij->i", X, vectors[codes])
        else:
            with_sum, with_row = (sums @ vectors)[codes], X @ vectors
        product: NDArray[Any] = factor * (with_sum - weight * with_row)
        return product

    squares = np.square(rows).sum(axis=1)
    new_square = factor**2 * (
        np.square(sums).sum(axis=1)[codes]
        - 2 * weight * np.einsum("ij,ij->i", X, sums[codes])
        + weight**2
    )
    cross = np.einsum("ij,ij->i", text, rows)
    cross_sum = cross.sum() - cross[codes] + new_dot(text, own=True)
    cross_total = (
        text_total @ row_total - (rows @ text_total)[codes] + new_dot(text_total, own=False)
    )
    square_sum = squares.sum() - squares[codes] + new_square
    square_total = (
        row_total @ row_total
        + 2 * (new_dot(row_total, own=False) - (rows @ row_total)[codes])
        + new_square
        - 2 * new_dot(rows, own=True)
        + squares[codes]
    )
    return Moments(
        np.square(text).sum() - text_total @ text_total / n_classes,
        cross_sum - cross_total / n_classes,
        square_sum - square_total / n_classes,
    )


def candidates(alphas: Sequence[float | str], sigmas: Sequence[float]) -> list[Candidate]:
    """Return every number once and every schedule with every multiple of its own constant."""
    tried = []
    for alpha in alphas:
        if isinstance(alpha, str):
            tried += [Candidate(alpha, float(s) * SCHEDULES[alpha].sigma) for s in sigmas]
        else:
            tried.append(Candidate(float(alpha), None))
    return tried
