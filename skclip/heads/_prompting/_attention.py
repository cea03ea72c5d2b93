"""Attention over the reference prompts of each class: class weights that depend on the image.

The prompts of all classes are in one matrix, class after class, with a count per class. Class
weights per image, ``(n_samples, n_classes, n_features)``, are never formed. Scores are computed
from the cosines of images and templates with the prompts, and of prompts with each other.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import unit_rows

__all__ = ["ClassPrompts", "class_groups", "mean_weights", "prompt_scores"]

# Elements of the attention of a block of images over a block of classes: 16 MB in float32.
BLOCK_ELEMENTS = 1 << 22


class ClassPrompts(NamedTuple):
    """Text of every class: a template row and reference prompts.

    Attributes
    ----------
    text : ndarray of shape (n_classes, n_features)
        Template rows :math:`t_c`, unit rows or zero.

    rows : ndarray of shape (n_prompts, n_features)
        Prompts :math:`p_{cj}`, unit rows, class after class.

    counts : ndarray of shape (n_classes,)
        Number of prompts of each class; a class with 0 uses its template only.
    """

    text: NDArray[Any]
    rows: NDArray[Any]
    counts: NDArray[np.intp]

    def of(self, classes: NDArray[np.intp]) -> "ClassPrompts":
        """Return the text of the classes at some positions."""
        starts = np.cumsum(self.counts) - self.counts
        taken = [np.arange(starts[c], starts[c] + self.counts[c]) for c in classes]
        rows = self.rows[np.concatenate(taken)] if len(taken) else self.rows[:0]
        return ClassPrompts(self.text[classes], rows, self.counts[classes])


def class_groups(
    counts: NDArray[np.intp],
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield classes with equally many prompts, and the positions of their prompts.

    Parameters
    ----------
    counts : ndarray of shape (n_classes,)
        Prompts of each class; classes without any are left out.

    Yields
    ------
    classes : ndarray of shape (n_equal,)
        Positions of the classes.

    rows : ndarray of shape (n_equal, n_prompts_each)
        Positions of their prompts.
    """
    starts = np.cumsum(counts) - counts
    for count in np.unique(counts[counts > 0]):
        classes = np.flatnonzero(counts == count)
        yield classes, starts[classes, None] + np.arange(count)


def _blocks(
    counts: NDArray[np.intp], n_images: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], slice]]:
    """Yield groups of classes and slices of images whose attention fits into a block."""
    for classes, rows in class_groups(counts):
        count = rows.shape[1]
        images = max(1, min(n_images, 256, BLOCK_ELEMENTS // count))
        step = max(1, BLOCK_ELEMENTS // (count * images))
        for first in range(0, len(classes), step):
            chunk = slice(first, first + step)
            for start in range(0, n_images, images):
                yield classes[chunk], rows[chunk], slice(start, start + images)


def prompt_scores(
    images: NDArray[Any],
    queries: NDArray[Any],
    prompts: ClassPrompts,
    *,
    gamma: float,
    temperature: float,
) -> NDArray[Any]:
    r"""Score every class by its template and by attention over its prompts.

    .. math:: a_{cj} = \operatorname{softmax}_j(q \cdot p_{cj} / \tau), \qquad
              \bar p_c = \mathrm{normalize}\Big(\sum_j a_{cj} p_{cj}\Big), \qquad
              \mathrm{score}_c = x \cdot \mathrm{normalize}(t_c + \gamma \bar p_c)

    Parameters
    ----------
    images : ndarray of shape (n_samples, n_features)
        Unit rows :math:`x` that are compared with the class weights.

    queries : ndarray of shape (n_samples, n_features)
        Unit rows :math:`q` that attend to prompts; may be ``images`` itself.

    prompts : ClassPrompts
        Templates and prompts.

    gamma : float
        Weight :math:`\gamma` of the prompts; the template has weight 1.

    temperature : float
        :math:`\tau` of the attention. 0 is the nearest prompt, infinity the mean.

    Returns
    -------
    scores : ndarray of shape (n_samples, n_classes)
        Cosines; :math:`x \cdot t_c` for a class without prompts.
    """
    scores: NDArray[Any] = images @ prompts.text.T
    if gamma == 0:
        return scores
    for classes, rows, at in _blocks(prompts.counts, len(images)):
        members = prompts.rows[rows]  # (n_equal, count, d)
        text = prompts.text[classes]
        keys = _cosines(members, queries[at])
        attention = _softmax(keys, temperature)
        cosines = keys if queries is images else _cosines(members, images[at])
        length = _summary_norms(attention, members)
        along_image = _safe_ratio((attention * cosines).sum(axis=1), length)
        of_text = np.einsum("cjd,cd->cj", members, text)
        along_text = _safe_ratio(np.matmul(of_text[:, None], attention)[:, 0], length)
        has_text = (text * text).sum(axis=1) > 0
        square = has_text[:, None] + 2 * gamma * along_text + gamma**2 * (length > 0)
        mixed = scores[at, classes].T + gamma * along_image
        scores[at, classes] = _safe_ratio(mixed, np.sqrt(np.maximum(square, 0))).T
    return scores


def mean_weights(prompts: ClassPrompts, gamma: float) -> NDArray[Any]:
    r"""Return the class weights for infinite temperature, which do not depend on the image.

    .. math:: w_c = \mathrm{normalize}\Big(t_c + \gamma\,
              \mathrm{normalize}\big(\sum_j p_{cj}\big)\Big)

    Parameters
    ----------
    prompts : ClassPrompts
        Templates and prompts.

    gamma : float
        Weight of the prompts; the template has weight 1.

    Returns
    -------
    weights : ndarray of shape (n_classes, n_features)
        Unit rows; the template if there are no prompts or ``gamma`` is 0.
    """
    weights = prompts.text.copy()
    if gamma:
        for classes, rows in class_groups(prompts.counts):
            summary = unit_rows(prompts.rows[rows].sum(axis=1))
            weights[classes] = unit_rows(weights[classes] + gamma * summary)
    return weights


def _cosines(members: NDArray[Any], queries: NDArray[Any]) -> NDArray[Any]:
    """Return prompt-query cosines ``(n_equal, count, n)`` by one matrix product."""
    n_equal, count, width = members.shape
    flat: NDArray[Any] = members.reshape(-1, width) @ queries.T
    return flat.reshape(n_equal, count, len(queries))


def _softmax(keys: NDArray[Any], temperature: float) -> NDArray[Any]:
    """Return the attention over axis 1; at temperature 0 it is 1 for the first nearest prompt."""
    if temperature == 0:
        best = np.zeros_like(keys)
        np.put_along_axis(best, keys.argmax(axis=1)[:, None], 1, axis=1)
        return best
    attention: NDArray[Any] = keys - keys.max(axis=1, keepdims=True)
    attention /= temperature
    np.exp(attention, out=attention)
    attention /= attention.sum(axis=1, keepdims=True)
    return attention


def _summary_norms(attention: NDArray[Any], members: NDArray[Any]) -> NDArray[Any]:
    """Return the norms of attention-weighted sums, ``(n_equal, n)``, by the cheaper of two ways."""
    _, count, n_images = attention.shape
    width = members.shape[2]
    if n_images * width <= count * (width + n_images):  # few images: the sums themselves
        sums = np.matmul(attention.transpose(0, 2, 1), members)
        square = np.einsum("cnd,cnd->cn", sums, sums)
    else:
        gram = np.matmul(members, members.transpose(0, 2, 1))
        square = (attention * np.matmul(gram, attention)).sum(axis=1)
    norms: NDArray[Any] = np.sqrt(np.maximum(square, 0))
    return norms


def _safe_ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> NDArray[Any]:
    """Divide; 0 where the denominator is 0."""
    ratio: NDArray[Any] = np.divide(
        numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0
    )
    return ratio
