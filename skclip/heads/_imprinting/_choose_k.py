"""Number of proxies per class: given, or chosen by cross-validation."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, check_cv

from skclip._validation import encode_labels, sample_of
from skclip.heads._imprinting._normalization import whiten_rows, within_class_whitener

__all__ = ["K_CANDIDATES", "choose_k", "folds_of_kept", "proxies_per_class"]

# Candidates of k="auto": the published grid.
K_CANDIDATES = (1, 2, 3, 5, 10, 20)


def proxies_per_class(k: int | Mapping[Any, int], classes: Iterable[Any]) -> list[int]:
    """Return the number of proxies of each class.

    Parameters
    ----------
    k : int or mapping of label to int
        One number for all classes, or one per class.

    classes : iterable of labels
        The classes to look up.

    Returns
    -------
    counts : list of int
        One per class.

    Examples
    --------
    >>> from skclip.heads._imprinting._choose_k import proxies_per_class
    >>> proxies_per_class({"cat": 3, "dog": 1}, ["dog", "cat"])
    [1, 3]
    >>> proxies_per_class({"cat": 3}, ["dog", "cat"])
    Traceback (most recent call last):
        ...
    ValueError: k has no number of proxies for: 'dog'. Give one per class, or one int for all.
    """
    classes = list(classes)
    if not isinstance(k, Mapping):
        return [int(k)] * len(classes)
    missing = [c for c in classes if c not in k]
    if missing:
        raise ValueError(
            f"k has no number of proxies for: {sample_of(missing)}. Give one per class, or one int "
            "for all."
        )
    wrong = [c for c in classes if not isinstance(k[c], Integral) or k[c] < 1]
    if wrong:
        raise ValueError(
            f"k must be an int of at least 1 for every class, got k[{wrong[0]!r}]={k[wrong[0]]!r}."
        )
    return [int(k[c]) for c in classes]


def folds_of_kept(
    cv: Any, y: NDArray[Any], kept: NDArray[np.bool_]
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Split all rows, and return the folds as positions among the kept rows.

    Parameters
    ----------
    cv : int, splitter or iterable
        As in scikit-learn.

    y : ndarray of shape (n_samples,)
        Label of every row.

    kept : ndarray of shape (n_samples,)
        Mask of the kept rows.

    Returns
    -------
    folds : list of (train, test)
        Folds without kept rows to train or to test on are left out.
    """
    position = np.cumsum(kept) - 1
    folds = [
        (position[train[kept[train]]], position[test[kept[test]]])
        for train, test in check_cv(cv, y, classifier=True).split(y[:, None], y)
    ]
    return [(train, test) for train, test in folds if len(train) and len(test)]


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
    """Choose the smallest ``k`` that is not clearly worse than the best, by cross-validation.

    A number is clearly worse if its accuracy is lower than the best by more than one standard
    error of the difference over folds.

    Parameters
    ----------
    estimator : estimator
        With parameters ``k`` and ``normalize_inputs``, and ``sample_weight`` in ``fit``.

    X : ndarray of shape (n_samples, n_features)
        Rows.

    y : ndarray of shape (n_samples,)
        Class labels.

    weight : ndarray of shape (n_samples,)
        Positive weights.

    cv : int, splitter, iterable or None
        As in scikit-learn; None is five stratified folds, fewer if the smallest class has fewer
        rows.

    seed : int
        ``random_state`` of every fit.

    candidates : sequence of int, default=K_CANDIDATES
        Numbers to try, ascending. Of the numbers not below the size of the largest class, only
        the first is tried, since all of them keep every row.

    Returns
    -------
    k : int
        The choice.

    scores : dict of int to ndarray of shape (n_splits,)
        Accuracy of every candidate on every fold; empty if there is one candidate.
    """
    sizes = np.unique(y, return_counts=True)[1]
    below = [k for k in candidates if k < sizes.max()]
    tried = [*below, *list(candidates[len(below) : len(below) + 1])]
    if len(tried) == 1:  # one row per class: nothing to choose, and no folds
        return tried[0], {tried[0]: np.empty(0)}
    if cv is None:
        cv = StratifiedKFold(int(np.clip(sizes.min(), 2, 5)), shuffle=True, random_state=seed)
    scores: dict[int, list[float]] = {k: [] for k in tried}
    with warnings.catch_warnings():
        # a class with one row is missing from a fold, for all candidates
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        splits = list(check_cv(cv, y, classifier=True).split(X, y))
    whitens = estimator.get_params(deep=False).get("normalize_inputs") == "whiten"
    if whitens:  # once for all candidates
        estimator = clone(estimator).set_params(normalize_inputs="l2")
    for train, test in splits:
        rows = X
        if whitens:
            classes, codes = encode_labels(y[train])
            rows = whiten_rows(
                X, within_class_whitener(X[train], codes, len(classes), weight[train])
            )
        for k in tried:
            head = clone(estimator).set_params(k=k, random_state=seed)
            head.fit(rows[train], y[train], sample_weight=weight[train])
            scores[k].append(head.score(rows[test], y[test], sample_weight=weight[test]))
    arrays = {k: np.asarray(values) for k, values in scores.items()}
    return _smallest_of_the_best(arrays), arrays


def _smallest_of_the_best(scores: Mapping[int, NDArray[np.float64]]) -> int:
    best = max(scores, key=lambda k: float(scores[k].mean()))
    for k in sorted(scores):
        short = scores[best] - scores[k]
        if short.mean() <= max(short.std(ddof=1) / np.sqrt(len(short)), 1e-12):
            return k
    return best
