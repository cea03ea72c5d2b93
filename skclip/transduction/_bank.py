r"""The surest images of every class, and what they weigh against the text.

A bank holds at most :math:`k` images per class: those of the least entropy
:math:`H(\hat y_i)` of the text posterior, each under the likeliest class. Labelled images come
before all others. The bank of all images so far is a function of the bank before and of the new
images: it does not matter how they were split. Pure functions on arrays; called by
:class:`~skclip.transduction.OnlineAdaptedClassifier`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from skclip.transduction._stat_a import HALF_WEIGHT, part_told_apart

__all__ = ["OF_A_LABEL", "Bank", "bank_weight", "surest"]

# Counts as the entropy of a labelled image: below that of any other.
OF_A_LABEL = -1.0


class Bank(NamedTuple):
    """Unit rows (n, d), codes of their classes (n,) and entropies of their posteriors (n,)."""

    rows: NDArray[Any]
    codes: NDArray[np.integer]
    entropy: NDArray[Any]

    @classmethod
    def labelled(cls, rows: NDArray[Any], codes: NDArray[np.integer]) -> "Bank":
        """Return labelled rows."""
        return cls(rows, codes, np.full(len(rows), OF_A_LABEL))

    @classmethod
    def unlabelled(cls, rows: NDArray[Any], posterior: NDArray[Any]) -> "Bank":
        """Return rows under the likeliest class of their text posterior."""
        entropy = entr(posterior.astype(np.float64)).sum(axis=1)
        return cls(rows, posterior.argmax(axis=1), entropy)


def surest(parts: list[Bank], size: int) -> Bank:
    """Return the surest rows of every class, sorted by class and then by entropy.

    Copies of a row are one row. Of equal entropies the row that comes first is kept.

    Parameters
    ----------
    parts : list of Bank
        The rows so far, then new ones.

    size : int
        Most rows per class.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.transduction._bank import Bank, surest
    >>> posterior = np.array([[0.6, 0.4], [0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    >>> surest([Bank.unlabelled(np.eye(4), posterior)], 2).rows.argmax(axis=1)
    array([1, 2, 3])
    """
    rows, codes, entropy = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(entropy, kind="stable")
    order = order[np.sort(np.unique(rows[order], axis=0, return_index=True)[1])]
    order = order[np.argsort(codes[order], kind="stable")]
    begin = np.searchsorted(codes[order], codes[order])  # of the class of each row
    kept = order[np.arange(len(order)) - begin < size]
    return Bank(rows[kept], codes[kept], entropy[kept])


def bank_weight(codes: NDArray[np.integer], posterior: NDArray[Any]) -> float:
    r"""Return the weight of what a bank teaches, from 0 to 1.

    .. math::
        w = \frac{1}{C} \sum_c \frac{m_c}{m_c + 8}, \qquad
        m_c = n_c \Big(1 - \frac{\overline{H(\hat y_i)}}{H(\bar y)}\Big)

    with the number :math:`n_c` of images that the bank holds of a class, and the part of them that
    the text tells apart, as in :func:`~skclip.transduction._stat_a.batch_weight`. Classes that have
    not come yet count as the others do: a stream may bring its classes one by one.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Classes of the rows.

    posterior : ndarray of shape (n_samples, n_classes)
        Text posteriors of the rows; ones and zeros for a labelled row.

    Returns
    -------
    weight : float
        At least 0, below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.transduction._bank import bank_weight
    >>> codes = np.repeat([0, 1], 8)
    >>> bank_weight(codes, np.eye(2)[codes])  # 8 images of each of two classes
    0.5
    >>> bank_weight(codes, np.eye(4)[codes])  # and none of two others
    0.25
    """
    told_apart = part_told_apart(posterior)
    per_class = told_apart * np.bincount(codes, minlength=posterior.shape[1])
    return float(np.mean(per_class / (per_class + HALF_WEIGHT)))
