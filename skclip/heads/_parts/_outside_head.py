"""Any classifier as a part of a mixture: its scores, and its out-of-fold scores."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from skclip._array_api import like, to_numpy
from skclip._text_head import TextHead
from skclip._validation import encode_known
from skclip.heads._parts._distinct_images import Images
from skclip.heads._parts._filled_scores import fill_by_text, slope_on_text

__all__ = [
    "FittedHead",
    "OutOfFold",
    "OutsideHead",
    "class_logits",
    "filled_rows",
    "fit_on",
    "linear_rows",
    "out_of_fold",
    "outside_scores",
    "over_all_classes",
]

Array = NDArray[np.float64]

N_FOLDS = 5
# Lower bound of probabilities, so that their logarithm is finite.
LEAST_PROBABILITY = 1e-6


class FittedHead(NamedTuple):
    """A classifier unfitted and fitted, with the codes of its classes."""

    given: Any
    fitted: Any
    codes: NDArray[np.integer]


class OutsideHead(NamedTuple):
    """A fitted classifier; the text predicts its scores of classes that it does not know."""

    head: FittedHead
    slope: float

    def scores(self, X: NDArray[Any], text: Array) -> Array:
        """Return scores over all classes for unit rows, given those of the text."""
        logits = class_logits(self.head.fitted, X)
        own, known = over_all_classes(logits, self.head.codes, text.shape[1])
        return fill_by_text(own, known, text, self.slope)


def outside_scores(
    outside: list[tuple[float, OutsideHead]],
    X: NDArray[Any],
    text_head: TextHead | None,
    *,
    scale: float,
    n_classes: int,
) -> NDArray[Any]:
    """Return the weighted scores of parts that are not linear, for unit rows on any device.

    Parts are in numpy. The scores are divided by the logit scale, as those of the text head are.
    """
    rows = to_numpy(X)
    text = np.zeros((len(rows), n_classes))
    if text_head is not None:
        text_head = text_head._replace(weights=to_numpy(text_head.weights))
        text = scale * text_head.scores(rows).astype(np.float64)
    logits = sum((weight * head.scores(rows, text) for weight, head in outside), 0 * text)
    scores: NDArray[Any] = like(logits / scale, X, X.dtype)
    return scores


class OutOfFold(NamedTuple):
    """Out-of-fold scores; see PartScores."""

    left_out: Array
    hidden: Array
    slope: float


def over_all_classes(
    scores: NDArray[Any], codes: Any, n_classes: int
) -> tuple[Array, NDArray[np.bool_]]:
    """Return scores with one column per class, and a mask of the columns that were given."""
    wide, known = np.zeros((len(scores), n_classes)), np.zeros((len(scores), n_classes), dtype=bool)
    wide[:, codes], known[:, codes] = scores, True
    return wide, known


def class_logits(head: Any, X: NDArray[Any]) -> Array:
    """Return one logit per class, also for two classes.

    The logits are ``decision_function`` times ``logit_scale_``, if the head has one. Without
    ``decision_function`` they are the logarithms of ``predict_proba``.

    Parameters
    ----------
    head : classifier
        Fitted classifier.

    X : ndarray of shape (n_samples, n_features)
        Rows.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_classes)
        Float64.
    """
    if hasattr(head, "decision_function"):
        scores = to_numpy(head.decision_function(X)).astype(np.float64)
        scores = scores * float(getattr(head, "logit_scale_", 1.0))
        n_classes = len(to_numpy(head.classes_))
        if n_classes == 1:
            return np.zeros((len(scores), 1))
        if scores.ndim == 1:
            return np.stack([-scores, scores], axis=1) / 2
        if scores.shape[1] == n_classes:
            return scores
        if not hasattr(head, "predict_proba"):
            raise ValueError(
                f"The decision_function of {head!r} gives {scores.shape[1]} scores for "
                f"{n_classes} classes: choose one score per class, as "
                "decision_function_shape='ovr' does, or wrap the head in CalibratedClassifierCV."
            )
    proba = to_numpy(head.predict_proba(X)).astype(np.float64)
    return np.log(np.maximum(proba, LEAST_PROBABILITY))


def fit_on(head: Any, X: Any, y: Any, weight: Any, *, must_weigh: bool = False) -> Any:
    """Return a fitted clone of ``head``, with sample weights if its ``fit`` accepts them.

    Without ``must_weigh``, weights are left out for other heads; with it, they are an error.
    """
    fitted = clone(head)
    if has_fit_parameter(fitted, "sample_weight"):
        return fitted.fit(X, y, sample_weight=weight)
    if must_weigh:
        raise ValueError(
            f"sample_weight was given, but fit of the head {head!r} does not accept it: leave the "
            "weights out, or choose a head whose fit has sample_weight."
        )
    return fitted.fit(X, y)


def linear_rows(head: FittedHead, X: NDArray[Any]) -> tuple[Array, Array] | None:
    """Return the logits of a head as weights and intercepts; None if it is not linear.

    Parameters
    ----------
    head : FittedHead
        Any classifier.

    X : ndarray of shape (n_samples, n_features)
        Rows to check ``coef_`` with: it need not hold one linear function per class.

    Returns
    -------
    coef, intercept : ndarray of shape (n_own_classes, n_features) and (n_own_classes,)
        One row per class of the head; two rows for two classes.
    """
    if not hasattr(head.fitted, "coef_") or not hasattr(head.fitted, "decision_function"):
        return None
    scale = float(getattr(head.fitted, "logit_scale_", 1.0))
    coef = scale * np.atleast_2d(to_numpy(head.fitted.coef_)).astype(np.float64)
    intercept = scale * np.atleast_1d(to_numpy(getattr(head.fitted, "intercept_", 0.0)))
    if len(coef) == 1 and len(head.codes) == 2:
        coef = np.concatenate([-coef, coef]) / 2
        intercept = np.concatenate([-intercept, intercept]) / 2
    if len(head.codes) == 1:
        return np.zeros((1, X.shape[1])), np.zeros(1)
    if coef.shape != (len(head.codes), X.shape[1]) or not np.isfinite(intercept).all():
        return None
    intercept = np.broadcast_to(intercept, len(coef)).astype(np.float64)
    logits, own = to_numpy(X) @ coef.T + intercept, class_logits(head.fitted, X)
    apart = (logits - logits.mean(axis=1)[:, None]) - (own - own.mean(axis=1)[:, None])
    if np.abs(apart).max(initial=0) > 1e-3 * max(1.0, float(np.abs(own).max(initial=0))):
        return None
    return coef, intercept


def filled_rows(
    coef: Array, intercept: Array, codes: NDArray[np.integer], text: Array, slope: float
) -> tuple[Array, Array]:
    """Return a linear head over all classes: :func:`fill_by_text` applied to weights."""
    known = np.zeros(len(text), dtype=bool)
    known[codes] = True
    own, offsets = np.zeros(text.shape), np.zeros(len(text))
    own[codes], offsets[codes] = coef, intercept
    filled = fill_by_text(own.T, np.broadcast_to(known, own.T.shape), text.T, slope).T
    offsets = np.where(known, offsets - intercept.mean(), 0)
    return filled, offsets


def out_of_fold(head: Any, images: Images, text: Array, classes: NDArray[Any]) -> OutOfFold:
    """Score every image by a head fitted on the other folds.

    Parameters
    ----------
    head : classifier
        Cloned and fitted for each of at most five folds.

    images : Images
        Distinct images, unit rows.

    text : ndarray of shape (n_samples, n_classes)
        Scores of the text head; zeros without one.

    classes : ndarray of shape (n_classes,)
        Labels.

    Returns
    -------
    scores : OutOfFold
        Scores of classes missing from a fold are predicted from the text.
    """
    X, codes, weight = images
    scores = np.zeros((len(codes), len(classes)))
    known = np.zeros(scores.shape, dtype=bool)
    counts = np.bincount(codes, minlength=len(classes))
    n_folds = min(N_FOLDS, int(counts.max()))
    if n_folds >= 2:
        from sklearn.model_selection import StratifiedKFold  # half of the import time of a head

        with warnings.catch_warnings():
            # a class with fewer images than folds is missing from some of them
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            splits = list(StratifiedKFold(n_folds).split(X, codes))
        for train, test in splits:
            if len(np.unique(codes[train])) < 2:
                continue
            fold = fit_on(head, X[train], classes[codes[train]], weight[train])
            columns = encode_known(to_numpy(fold.classes_), classes)
            scores[np.ix_(test, columns)] = class_logits(fold, X[test])
            known[np.ix_(test, columns)] = True
    slope = slope_on_text(scores, known, text, weight)
    without_own = known.copy()
    without_own[np.arange(len(codes)), codes] = False
    return OutOfFold(
        fill_by_text(scores, known, text, slope),
        fill_by_text(scores, without_own, text, slope),
        slope,
    )
