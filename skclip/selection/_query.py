"""Which images to label next."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skclip._array_api import to_numpy
from skclip._linalg import nonzero_rows, unit_rows
from skclip._validation import encode_known, sample_of
from skclip.selection import _strategies
from skclip.selection._strategies import Pool, Rows

__all__ = ["STRATEGIES", "query"]

STRATEGIES: dict[str, Callable[[Pool, int], Rows]] = {
    "pcoreset": _strategies.pcoreset,
    "class_balance": _strategies.class_balance,
    "margin": _strategies.margin,
    "entropy": _strategies.entropy,
    "badge": _strategies.badge,
    "random": _strategies.random,
}


def query(
    head: Any,
    X: ArrayLike,
    n: int,
    *,
    strategy: str = "pcoreset",
    X_labeled: ArrayLike | None = None,
    y_labeled: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> NDArray[np.intp]:
    r"""Choose the images to label next.

    Label the rows, fit the head again, query again. No label is needed to begin: a head of
    class names alone is asked as any other.

    Parameters
    ----------
    head : classifier
        Fitted, with ``predict_proba``; for instance ``StackedHeadClassifier(text).fit()``.

    X : array-like of shape (n_samples, n_features)
        Embeddings of the images that have no label. Zero rows, of images that could not be read,
        are never chosen.

    n : int
        How many to choose.

    strategy : str, default="pcoreset"
        - ``"pcoreset"``: the predictions cover the space of predictions [1]_;
        - ``"margin"``: the two likeliest classes are close to each other;
        - ``"entropy"``: no class is likely;
        - ``"class_balance"``: of the tenth of largest entropy, those predicted as the classes
          with the fewest labels [2]_;
        - ``"badge"``: uncertain and unlike each other [3]_;
        - ``"random"``.

    X_labeled : array-like of shape (n_labelled, n_features), default=None
        Embeddings of the images that have labels: ``"pcoreset"`` keeps away from their
        predictions.

    y_labeled : array-like of shape (n_labelled,), default=None
        Their labels: ``"class_balance"`` counts them.

    random_state : int, RandomState or None, default=None
        For ``"random"``, ``"badge"``, and ``"class_balance"`` where no uncertain row is predicted
        as the class it looks for.

    Returns
    -------
    rows : ndarray of shape (n,)
        Positions in ``X``, the most wanted first.

    Raises
    ------
    ValueError
        If the strategy is unknown, there are fewer rows than wanted, or labels are not among the
        classes of the head.

    References
    ----------
    .. [1] Kang et al., "PCoreSet: Effective Active Learning through Knowledge Distillation from
       Vision-Language Models", `arXiv 2506.00910 <https://arxiv.org/abs/2506.00910>`_.

    .. [2] Bang et al., "Active Prompt Learning in Vision Language Models",
       `arXiv 2311.11178 <https://arxiv.org/abs/2311.11178>`_.

    .. [3] Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds",
       `arXiv 1906.03671 <https://arxiv.org/abs/1906.03671>`_.

    Examples
    --------
    >>> from skclip import StackedHeadClassifier
    >>> from skclip.selection import query
    >>> text = {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}
    >>> head = StackedHeadClassifier(text).fit()
    >>> query(head, [[0.9, 0.1], [0.7, 0.68], [0.2, 0.8]], 1, strategy="margin")
    array([1])
    """
    if strategy not in STRATEGIES:
        raise ValueError(
            f"strategy must be one of {', '.join(map(repr, STRATEGIES))}, got {strategy!r}."
        )
    if not hasattr(head, "predict_proba"):
        raise ValueError(
            f"query needs a head with predict_proba, got {head!r}: wrap it in "
            "CalibratedClassifierCV."
        )
    check_is_fitted(head)
    rows = unit_rows(check_array(to_numpy(X), dtype=[np.float64, np.float32], input_name="X"))
    readable = np.flatnonzero(nonzero_rows(rows))
    if not (isinstance(n, int | np.integer) and 1 <= n <= len(readable)):
        raise ValueError(
            f"n must be a whole number from 1 to {len(readable)}, the number of rows of X that "
            f"are not zero, got {n!r}."
        )
    if len(readable) < len(rows):
        rows = rows[readable]
    classes = to_numpy(head.classes_)
    counts = np.zeros(len(classes), dtype=np.int64)
    labelled = np.zeros((0, len(classes)))
    if X_labeled is not None and y_labeled is not None:
        check_consistent_length(X_labeled, y_labeled)
    if y_labeled is not None and np.size(y_labeled):
        codes = encode_known(y_labeled, classes, source="y_labeled")
        counts = np.bincount(codes, minlength=len(classes))
    if X_labeled is not None and np.size(to_numpy(X_labeled)):
        labelled = to_numpy(head.predict_proba(X_labeled))
    proba = to_numpy(head.predict_proba(rows))
    if not np.isfinite(proba).all():
        wrong = np.flatnonzero(~np.isfinite(proba).all(axis=1))
        raise ValueError(
            f"predict_proba of {head!r} gives NaN or infinity, for the rows "
            f"{sample_of(readable[wrong].tolist())} of X."
        )
    pool = Pool(proba, rows, labelled, counts, check_random_state(random_state))
    return readable[STRATEGIES[strategy](pool, int(n))]
