"""Which rows to label next, from what a head says of them: pure functions on arrays.

Each takes :class:`Pool` and the number of rows wanted, and returns their positions in the order in
which they were chosen. Ties go to the row that comes first.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

__all__ = [
    "Pool",
    "badge",
    "class_balance",
    "entropy",
    "margin",
    "pcoreset",
    "random",
]

Rows = NDArray[np.intp]

# Class balance chooses among the least certain rows: this part of the pool.
CANDIDATES = 0.1


class Pool(NamedTuple):
    """Rows that could be labelled, and what is known of them.

    Attributes
    ----------
    proba : ndarray of shape (n_samples, n_classes)
        Probabilities by the head.

    X : ndarray of shape (n_samples, n_features)
        Unit rows.

    labelled_proba : ndarray of shape (n_labelled, n_classes)
        Probabilities of the rows that have labels.

    counts : ndarray of shape (n_classes,)
        Labels of each class so far.

    rng : RandomState
        For strategies that draw.
    """

    proba: NDArray[Any]
    X: NDArray[Any]
    labelled_proba: NDArray[Any]
    counts: NDArray[np.integer]
    rng: np.random.RandomState


def random(pool: Pool, n: int) -> Rows:
    """Return rows drawn without replacement."""
    rows: Rows = pool.rng.permutation(len(pool.proba))[:n]
    return rows


def margin(pool: Pool, n: int) -> Rows:
    """Return the rows whose two likeliest classes are nearest to each other."""
    if pool.proba.shape[1] < 2:
        return np.arange(n)
    best = np.partition(pool.proba, -2, axis=1)[:, -2:]
    return _smallest(best[:, 1] - best[:, 0], n)


def entropy(pool: Pool, n: int) -> Rows:
    r"""Return the rows of largest :math:`-\sum_c p_c \log p_c`."""
    return _smallest(_negative_entropy(pool.proba), n)


def pcoreset(pool: Pool, n: int) -> Rows:
    r"""Return rows that cover the predictions (PCoreSet, 2506.00910).

    k-centre greedy over probabilities: the next row is
    :math:`\arg\max_i \min_{j \in S} \lVert p_i - p_j \rVert`, with all rows labelled or chosen in
    :math:`S`. Where nothing is labelled yet, the mean prediction stands for it.
    """
    centres = pool.labelled_proba
    if not len(centres):
        centres = pool.proba.mean(axis=0, keepdims=True)
    norms = np.vecdot(pool.proba, pool.proba)
    nearest = np.full(len(pool.proba), np.inf)
    for centre in centres:
        np.minimum(nearest, _squared_distances(pool.proba, norms, centre), out=nearest)
    chosen = np.empty(n, dtype=np.intp)
    for i in range(n):
        chosen[i] = nearest.argmax()
        far = _squared_distances(pool.proba, norms, pool.proba[chosen[i]])
        np.minimum(nearest, far, out=nearest)
        nearest[chosen[i]] = -1
    return chosen


def class_balance(pool: Pool, n: int) -> Rows:
    """Return uncertain rows that are predicted as the classes with the fewest labels (PCB).

    Of the rows of largest entropy, a tenth of the pool, the next is the least certain one of those
    predicted as the class with the fewest labels, chosen rows counted by their prediction
    (2311.11178). Where none is predicted as that class, one is drawn.
    """
    n_candidates = min(len(pool.proba), max(n, int(np.ceil(CANDIDATES * len(pool.proba)))))
    left = entropy(pool, n_candidates).tolist()
    predicted = pool.proba.argmax(axis=1)
    counts = pool.counts.astype(np.int64)
    chosen = np.empty(n, dtype=np.intp)
    for i in range(n):
        wanted = counts.argmin()
        own = [place for place, row in enumerate(left) if predicted[row] == wanted]
        place = own[0] if own else int(pool.rng.randint(len(left)))
        chosen[i] = left.pop(place)
        counts[wanted] += 1
    return chosen


def badge(pool: Pool, n: int) -> Rows:
    r"""Return rows that are uncertain and unlike each other (BADGE, 1906.03671).

    k-means++ over the gradients that the likeliest label would give a linear head,
    :math:`(p_i - e_{\hat y_i}) \otimes x_i`. Their products are
    :math:`(a_i \cdot a_j)(x_i \cdot x_j)`, so none is written out.
    """
    gradients = pool.proba.astype(np.float64)
    gradients[np.arange(len(gradients)), gradients.argmax(axis=1)] -= 1
    norms = np.vecdot(gradients, gradients) * np.vecdot(pool.X, pool.X)
    nearest = norms.copy()
    chosen = np.empty(n, dtype=np.intp)
    for i in range(n):
        total = nearest.sum()
        if i == 0:
            chosen[i] = norms.argmax()
        elif total > 0:
            drawn = np.searchsorted(np.cumsum(nearest), pool.rng.uniform(0, total), side="right")
            chosen[i] = min(int(drawn), len(nearest) - 1)
        else:  # what is left is copies of what was chosen
            chosen[i] = np.setdiff1d(np.arange(len(norms)), chosen[:i])[0]
        at = chosen[i]
        products = (gradients @ gradients[at]) * (pool.X @ pool.X[at])
        np.minimum(nearest, np.maximum(norms + norms[at] - 2 * products, 0), out=nearest)
        nearest[chosen[: i + 1]] = 0
    return chosen


def _negative_entropy(proba: NDArray[Any]) -> NDArray[Any]:
    negative: NDArray[Any] = xlogy(proba, proba).sum(axis=1)
    return negative


def _smallest(values: NDArray[Any], n: int) -> Rows:
    """Return the positions of the n smallest values, smallest first."""
    rows: Rows = np.argsort(values, kind="stable")[:n]
    return rows


def _squared_distances(
    proba: NDArray[Any], norms: NDArray[Any], centre: NDArray[Any]
) -> NDArray[Any]:
    distances: NDArray[Any] = np.maximum(norms - 2 * (proba @ centre) + centre @ centre, 0)
    return distances
