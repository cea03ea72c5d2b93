"""Warn of classes whose name mostly means something else in a collection."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._linalg import nonzero_rows, unit_rows
from skclip._validation import sample_of
from skclip._warn import warn_caller
from skclip.corpus import CaptionStore
from skclip.exceptions import OtherSenseWarning

__all__ = ["compare_with_all", "fractions_lost", "mean_something_else", "warn_of_other_senses"]

# A fraction of fewer matches is too noisy, and a median of fewer classes says little.
ENOUGH_MATCHES, ENOUGH_CLASSES = 20, 3
# So many tell what a name means.
_SAMPLE = 50
# Most matches must be lost, and this fraction more than in the median class: benchmarks measure
# false alarms and hits by pseudo-words.
MOST_MATCHES, BEYOND_MEDIAN = 0.5, 0.4


def fractions_lost(winners: ArrayLike, codes: ArrayLike, n_classes: int) -> NDArray[np.float64]:
    r"""Return the fraction of the matches of each class that the text head gives to other classes.

    .. math:: \ell_c = \frac{|\{i : y_i = c,\ \arg\max_j x_i \cdot t_j \ne c\}|}{|\{i : y_i = c\}|}

    Parameters
    ----------
    winners : array-like of shape (n_matches,)
        Class whose text is most similar to each match.

    codes : array-like of shape (n_matches,)
        Class that the caption of each match names.

    n_classes : int
        Number of classes.

    Returns
    -------
    lost : ndarray of shape (n_classes,)
        In [0, 1]; NaN for classes with fewer than 20 matches.

    Examples
    --------
    >>> from skclip.recall._other_senses import fractions_lost
    >>> fractions_lost([0] * 15 + [1] * 25, [0] * 20 + [1] * 20, 2)
    array([0.25, 0.  ])
    """
    winners, codes = np.asarray(winners), np.asarray(codes)
    n_matches = np.bincount(codes, minlength=n_classes)
    n_lost = np.bincount(codes[winners != codes], minlength=n_classes)
    enough = n_matches >= ENOUGH_MATCHES
    return np.where(enough, n_lost / np.maximum(n_matches, 1), np.nan)


def mean_something_else(lost: ArrayLike) -> NDArray[np.bool_]:
    r"""Return the classes that lose most matches, and far more than the median class.

    .. math:: \ell_c > 0.5 \;\wedge\; \ell_c > \mathrm{median}_j\, \ell_j + 0.4

    The median is what text and images disagree on anyway.

    Parameters
    ----------
    lost : array-like of shape (n_classes,)
        Result of :func:`fractions_lost`.

    Returns
    -------
    chosen : ndarray of shape (n_classes,) of bool
        False for all if fewer than three classes have a fraction.

    Examples
    --------
    >>> from skclip.recall._other_senses import mean_something_else
    >>> mean_something_else([0.1, 0.2, 0.9])
    array([False, False,  True])
    """
    lost = np.asarray(lost, dtype=np.float64)
    known = np.isfinite(lost)
    if known.sum() < ENOUGH_CLASSES:
        return np.zeros(len(lost), dtype=bool)
    threshold = max(MOST_MATCHES, np.median(lost[known]) + BEYOND_MEDIAN)
    return np.asarray(known & (np.nan_to_num(lost) > threshold))


def warn_of_other_senses(
    names: Sequence[Any],
    winners: NDArray[Any],
    codes: NDArray[Any],
    captions: Callable[[NDArray[np.intp]], NDArray[Any]],
    *,
    what: str = "images",
) -> None:
    """Warn if the text head gives most matches of a class to other classes.

    Parameters
    ----------
    names : sequence of length n_classes
        Class names.

    winners : ndarray of shape (n_matches,)
        Class whose text is most similar to each match.

    codes : ndarray of shape (n_matches,)
        Class that the caption of each match names.

    captions : callable
        Returns the captions of matches, by their positions.

    what : {"images", "captions"}, default="images"
        What is compared with the text.

    Warns
    -----
    OtherSenseWarning
        With up to three classes, their fractions and captions.
    """
    lost = fractions_lost(winners, codes, len(names))
    chosen = np.flatnonzero(mean_something_else(lost))
    if not len(chosen):
        return
    lines = []
    for c in chosen[np.argsort(-lost[chosen], kind="stable")][:3].tolist():
        rows = np.flatnonzero((codes == c) & (winners != c))[:2]
        examples = sample_of(captions(rows).tolist())[:200]
        lines.append(f"{names[c]!r} ({lost[c]:.0%}, such as {examples})")
    ranking = "" if what == "captions" else "rank the matches by select='caption', "
    more = f" and {len(chosen) - 3} more" if len(chosen) > 3 else ""
    warn_caller(
        f"These names may mean something else in the captions, since most of their {what} are more "
        f"similar to the text of another class: {'; '.join(lines)}{more}. The median class has "
        f"{np.nanmedian(lost):.0%} of such {what}. Look at them. Leave out other senses by "
        f"exclude= or require= of CaptionMatch, {ranking}or say in the text which sense is meant.",
        OtherSenseWarning,
    )


def compare_with_all(
    store: CaptionStore,
    names: Sequence[Any],
    ordered: Sequence[NDArray[np.int64]],
    text: NDArray[Any],
    embeddings: Callable[[NDArray[np.int64]], NDArray[Any]],
    *,
    what: str,
) -> None:
    """Compare up to 50 matches of each class with the text of all classes, and warn.

    Parameters
    ----------
    store : CaptionStore
        Collection of the matches.

    names : sequence of length n_classes
        Class names.

    ordered : sequence of ndarray of int64
        Matches of each class, most similar first; those compared are evenly spaced.

    text : ndarray of shape (n_classes, n_features)
        Unit rows.

    embeddings : callable
        Returns the embeddings of rows.

    what : {"images", "captions"}
        What has these embeddings.
    """
    chosen, winners = [], []
    for own in ordered:
        some = own[np.linspace(0, len(own) - 1, min(len(own), _SAMPLE)).astype(np.intp)]
        X = unit_rows(embeddings(some))
        evident = nonzero_rows(X) & np.isfinite(X).all(axis=1)
        chosen.append(some[evident])
        winners.append((X[evident] @ text.T).argmax(axis=1))
    rows = np.concatenate(chosen)
    codes = np.repeat(np.arange(len(names)), list(map(len, chosen)))
    warn_of_other_senses(
        names, np.concatenate(winners), codes, lambda i: store.captions(rows[i]), what=what
    )
