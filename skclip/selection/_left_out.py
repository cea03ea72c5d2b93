"""What a head says of labelled images that it has not seen."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedKFold

from skclip._array_api import to_numpy
from skclip._validation import encode_labels, unknown_labels
from skclip._warn import warn_caller
from skclip.exceptions import NoEvidenceWarning

__all__ = ["class_scores", "is_frozen", "least_score", "left_out"]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

N_FOLDS = 5


def is_frozen(head: Any) -> bool:
    """Return whether a head was fitted elsewhere, so that all rows are new to it."""
    return isinstance(head, FrozenEstimator)


def left_out(
    head: Any,
    X: NDArray[Any],
    y: NDArray[Any],
    tell: Callable[[Any, NDArray[Any], NDArray[Any], NDArray[Any]], NDArray[Any]],
) -> tuple[Array, Rows]:
    """Ask heads about rows that they were not fitted on: five folds, each without one fifth.

    Parameters
    ----------
    head : classifier
        Cloned and fitted for every fold. A frozen one has seen none of the rows and is asked
        about all.

    X : ndarray of shape (n_samples, n_features)
        Rows.

    y : ndarray of shape (n_samples,)
        Labels.

    tell : callable
        ``tell(fitted, X_fit, y_fit, X_new)`` gives one row per new row.

    Returns
    -------
    told : ndarray of shape (n_told, ...)
        What was told of the rows whose class the head of their fold knows.

    rows : ndarray of shape (n_told,)
        These rows.

    Raises
    ------
    ValueError
        If no row can be left out: every class has one row, and the head knows no class without.
    """
    codes = encode_labels(y)[1]
    counts = np.bincount(codes)
    n_folds = min(N_FOLDS, int(counts.max()), len(y))
    if is_frozen(head):
        splits = [(np.arange(len(y)), np.arange(len(y)))]
    elif n_folds < 2:  # one image per class: only a head that knows the classes by text can tell
        fold = np.arange(len(y)) % min(N_FOLDS, len(y))
        splits = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in np.unique(fold)]
    else:
        with warnings.catch_warnings():
            # a class of fewer images than folds is missing from some of them
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            splits = list(StratifiedKFold(n_folds, shuffle=True, random_state=0).split(X, codes))
    told, rows = [], []
    for train, test in splits:
        if not len(train):
            continue
        fitted = clone(head).fit(X[train], y[train])
        gone = unknown_labels(np.unique(y[test]), fitted.classes_)
        test = test[~np.isin(y[test], gone)] if gone else test
        if len(test):
            told.append(np.asarray(tell(fitted, X[train], y[train], X[test]), dtype=np.float64))
            rows.append(test)
    if not rows:
        raise ValueError(
            f"No image can be left out of n_samples = {len(y)}: every class has one image, and "
            f"without it {head!r} does not know the class. Give two images of a class, or a head "
            "with text."
        )
    return np.concatenate(told), np.concatenate(rows)


def class_scores(head: Any, X: NDArray[Any]) -> Array:
    """Return one logit per class of a fitted head, also for two classes.

    A difference of two scores has no level: heads of this package give both.
    """
    scores: Array
    if hasattr(head, "_validated_scores"):
        scores = to_numpy(head._validated_scores(X)) * float(getattr(head, "logit_scale_", 1.0))
        return scores
    if hasattr(head, "decision_function"):
        scores = to_numpy(head.decision_function(X)) * float(getattr(head, "logit_scale_", 1.0))
        return np.stack([-scores, scores], axis=1) / 2 if scores.ndim == 1 else scores
    with np.errstate(divide="ignore"):
        scores = np.log(to_numpy(head.predict_proba(X)))
    return scores


def least_score(scores: Array, rate: float, consequence: str) -> float:
    r"""Return the threshold below which a new score falls at most at a rate.

    Of n scores exchangeable with the new one it is the one at place
    :math:`\lfloor r (n + 1) \rfloor`, smallest first.

    Parameters
    ----------
    scores : ndarray of shape (n_scores,)
        Scores of images that the head has not seen.

    rate : float
        How often the threshold may be missed, in (0, 1).

    consequence : str
        What happens where the images are too few, for the warning.

    Returns
    -------
    threshold : float
        Minus infinity where n is less than :math:`1/r - 1`.

    Warns
    -----
    NoEvidenceWarning
        If it is minus infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.selection._left_out import least_score
    >>> least_score(np.arange(19.0), 0.1, "nothing is rejected")
    1.0
    """
    place = int(np.floor(rate * (len(scores) + 1) + 1e-9))
    if place < 1:
        warn_caller(
            f"{len(scores)} labelled images are too few for one in {1 / rate:.0f}: {consequence}. "
            f"Give at least {int(np.ceil(1 / rate - 1e-9)) - 1}, or allow more errors.",
            NoEvidenceWarning,
        )
        return -np.inf
    return float(np.sort(scores)[place - 1])
