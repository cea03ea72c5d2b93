"""Number of proxies a class: given for all, given a class, or chosen by cross-validation."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, check_cv

from skclip._validation import sample_of

__all__ = ["K_CANDIDATES", "choose_k", "proxies_per_class"]

# What k="auto" tries: the published grid.
K_CANDIDATES = (1, 2, 3, 5, 10, 20)


def proxies_per_class(k: int | Mapping[Any, int], classes: Iterable[Any]) -> list[int]:
    """Return the number of proxies of each class.

    Parameters
    ----------
    k : int or mapping of label to int
        One number for all, or one a class.

    classes : iterable of labels
        The classes to look up.

    Returns
    -------
    counts : list of int
        One a class.

    Examples
    --------
    >>> from skclip.heads._proxy_count import proxies_per_class
    >>> proxies_per_class({"cat": 3, "dog": 1}, ["dog", "cat"])
    [1, 3]
    >>> proxies_per_class({"cat": 3}, ["dog", "cat"])
    Traceback (most recent call last):
        ...
    ValueError: k names no number of proxies for: 'dog'. Give every class one, or one int for all.
    """
    classes = list(classes)
    if not isinstance(k, Mapping):
        return [int(k)] * len(classes)
    missing = [c for c in classes if c not in k]
    if missing:
        raise ValueError(
            f"k names no number of proxies for: {sample_of(missing)}. Give every class one, or "
            "one int for all."
        )
    wrong = [c for c in classes if not isinstance(k[c], Integral) or k[c] < 1]
    if wrong:
        raise ValueError(
            f"k must be an int of at least 1 for every class, got k[{wrong[0]!r}]={k[wrong[0]]!r}."
        )
    return [int(k[c]) for c in classes]


def choose_k(
    estimator: Any,
    X: NDArray[Any],
    y: NDArray[Any],
    weight: NDArray[Any],
    *,
    cv: Any,
    seed: int,
    candidates: Sequence[int] = K_CANDIDATES,
) -> tuple[int, dict[int, NDArray[np.float64]]]:
    """Choose ``k`` by cross-validated accuracy; of equally good ones the smallest.

    Parameters
    ----------
    estimator : estimator
        Has a parameter ``k`` and takes ``sample_weight``.

    X : ndarray of shape (n_samples, n_features)
        Rows.

    y : ndarray of shape (n_samples,)
        Class labels.

    weight : ndarray of shape (n_samples,)
        Positive weights.

    cv : int, splitter, iterable or None
        As in scikit-learn; ``None`` means five stratified folds, fewer when the smallest class
        has fewer rows.

    seed : int
        ``random_state`` of every fit.

    candidates : sequence of int, default=K_CANDIDATES
        Numbers to try, ascending. Of those not below the size of the largest class, which all
        keep every row, only the first is tried.

    Returns
    -------
    k : int
        The choice.

    scores : dict of int to ndarray of shape (n_splits,)
        Accuracy of every candidate on every fold; no fold where there is one candidate.
    """
    sizes = np.unique(y, return_counts=True)[1]
    below = [k for k in candidates if k < sizes.max()]
    tried = [*below, *list(candidates[len(below) : len(below) + 1])]
    if len(tried) == 1:  # one row a class: nothing to choose, and no fold could hold one out
        return tried[0], {tried[0]: np.empty(0)}
    if cv is None:
        cv = StratifiedKFold(int(np.clip(sizes.min(), 2, 5)))
    scores: dict[int, list[float]] = {k: [] for k in tried}
    with warnings.catch_warnings():
        # a class of one row is missing from one fold for every candidate alike
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        splits = list(check_cv(cv, y, classifier=True).split(X, y))
    for train, test in splits:
        for k in tried:
            head = clone(estimator).set_params(k=k, random_state=seed)
            head.fit(X[train], y[train], sample_weight=weight[train])
            scores[k].append(head.score(X[test], y[test], sample_weight=weight[test]))
    arrays = {k: np.asarray(values) for k, values in scores.items()}
    best = max(tried, key=lambda k: (round(float(arrays[k].mean()), 12), -k))
    return best, arrays
