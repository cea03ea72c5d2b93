"""Suggest further names of classes from the captions of the images nearest to their text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import hypergeom
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from skclip.captions import Spellings, tokenize
from skclip.corpus import CaptionStore
from skclip.neighbors import nearest_rows
from skclip.recall._matches import find_matches
from skclip.recall._names._caption_match import CaptionMatch
from skclip.recall._names._count_names import is_part

__all__ = ["Suggestion", "log_odds_scores", "suggest_phrases", "suggest_synonyms"]

_LONGEST = 3
# Fewer captions tell nothing; phrases beyond the most frequent are not counted in the collection.
_LEAST, _MOST_COUNTED = 3, 200
# Probability that chance suggests any phrase to a class.
_BY_CHANCE = 0.05
# A phrase that is nearly always part of a longer one is not a name of its own.
_PART = 0.8

Phrase = tuple[str, ...]


class Suggestion(NamedTuple):
    """A phrase that may be a further name of a class.

    Attributes
    ----------
    phrase : str
        Words, in lower case.

    score : float
        Log-odds ratio in standard errors.

    n_near : int
        Number of captions with the phrase among those near the class.

    n_elsewhere : int
        Number of other captions with the phrase.

    Examples
    --------
    >>> from skclip.recall import Suggestion
    >>> suggestions = {"automobile": [Suggestion("car", 33.8, 121, 194)]}
    >>> {name: [s.phrase for s in accepted] for name, accepted in suggestions.items()}
    {'automobile': ['car']}
    """

    phrase: str
    score: float
    n_near: int
    n_elsewhere: int


def log_odds_scores(
    near: ArrayLike, n_near: int, elsewhere: ArrayLike, n_elsewhere: int
) -> NDArray[np.float64]:
    r"""Return how many standard errors phrases are more frequent near a class than elsewhere.

    Parameters
    ----------
    near, elsewhere : array-like of shape (n_phrases,)
        Number of captions with each phrase.

    n_near, n_elsewhere : int
        Number of captions.

    Returns
    -------
    scores : ndarray of shape (n_phrases,)
        Positive for phrases that are more frequent near the class.

    Notes
    -----
    For :math:`a` of :math:`n` captions near the class and :math:`b` of :math:`m` others, the score
    is :math:`z = \delta / \sigma` of the log-odds ratio with half a caption added to each cell
    (Haldane and Anscombe),

    .. math:: \delta = \log\frac{a + ½}{n - a + ½} - \log\frac{b + ½}{m - b + ½}, \qquad
              \sigma^2 = \frac{1}{a + ½} + \frac{1}{n - a + ½} + \frac{1}{b + ½}
                         + \frac{1}{m - b + ½}.

    Examples
    --------
    >>> from skclip.recall._names._suggest import log_odds_scores
    >>> log_odds_scores([8, 8], 10, [1, 80], 100).round(1)
    array([ 5. , -0.2])
    """
    a, b = np.asarray(near) + 0.5, np.asarray(elsewhere) + 0.5
    rest_a, rest_b = n_near + 1 - a, n_elsewhere + 1 - b
    difference = np.log(a / rest_a) - np.log(b / rest_b)
    error: NDArray[np.float64] = np.sqrt(1 / a + 1 / rest_a + 1 / b + 1 / rest_b)
    return np.asarray(difference / error)


def suggest_phrases(
    near: Sequence[Sequence[str]],
    known: Sequence[Sequence[Phrase]],
    count: Callable[[list[Phrase]], Sequence[int]],
    n_captions: int,
    n_phrases: int,
) -> list[list[Suggestion]]:
    """Return the phrases of up to three words that are typical of the captions near each class.

    Parameters
    ----------
    near : sequence of sequence of str
        Captions near each class that do not name it.

    known : sequence of sequence of phrases
        Names of each class; phrases that contain one, or are part of one, are not suggested.

    count : callable
        Returns the number of captions of the collection with each of some phrases.

    n_captions : int
        Size of the collection.

    n_phrases : int
        Maximum number of suggestions per class.

    Returns
    -------
    suggestions : list of list of Suggestion
        For each class, highest score first.
    """
    counts = [Counter(p for t in texts for p in set(_phrases(tokenize(t)))) for texts in near]
    candidates = [_candidates(n_of, names) for n_of, names in zip(counts, known, strict=True)]
    distinct = list(dict.fromkeys(phrase for found in candidates for phrase in found))
    total = dict(zip(distinct, count(distinct), strict=True)) if distinct else {}
    return [
        _best(found, total, (len(texts), n_captions), n_tried=len(n_of), n_phrases=n_phrases)
        for texts, n_of, found in zip(near, counts, candidates, strict=True)
    ]


def _candidates(counts: Counter[Phrase], known: Sequence[Phrase]) -> dict[Phrase, int]:
    """Return the frequent phrases, with the number of captions that have each."""
    frequent = [
        (phrase, n)
        for phrase, n in counts.most_common()
        if n >= _LEAST and not any(_overlap(phrase, name) for name in known)
    ][:_MOST_COUNTED]
    return {
        phrase: n
        for phrase, n in frequent
        if not any(
            len(p) > len(phrase) and m >= _PART * n and _overlap(p, phrase) for p, m in frequent
        )
    }


def _phrases(words: list[str]) -> Iterator[Phrase]:
    """Yield runs of words that neither begin nor end with a stop word."""
    for start, first in enumerate(words):
        if first not in ENGLISH_STOP_WORDS:
            for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
                if words[end - 1] not in ENGLISH_STOP_WORDS:
                    yield tuple(words[start:end])


def _best(
    found: dict[Phrase, int],
    total: dict[Phrase, int],
    sizes: tuple[int, int],
    *,
    n_tried: int,
    n_phrases: int,
) -> list[Suggestion]:
    """Return the suggestions of a class, without phrases that contain each other."""
    n_near, n_captions = sizes
    near = np.fromiter(found.values(), dtype=np.int64)
    in_all = np.fromiter((max(total[phrase], n) for phrase, n in found.items()), dtype=np.int64)
    elsewhere = in_all - near
    scores = log_odds_scores(near, n_near, elsewhere, n_captions - n_near)
    # Fisher's exact test; every phrase near the class was tried
    chance = n_tried * hypergeom.sf(near - 1, n_captions, in_all, n_near)
    taken: dict[Phrase, Suggestion] = {}
    phrases = list(found)
    for i in np.argsort(-scores, kind="stable").tolist():
        if len(taken) == n_phrases:
            break
        if chance[i] < _BY_CHANCE and not any(_overlap(phrases[i], other) for other in taken):
            counts = int(near[i]), int(elsewhere[i])
            taken[phrases[i]] = Suggestion(" ".join(phrases[i]), float(scores[i]), *counts)
    return list(taken.values())


def _overlap(one: Phrase, other: Phrase) -> bool:
    """Return whether one of two phrases is a run of words of the other."""
    return is_part(*sorted((one, other), key=len))


def suggest_synonyms(
    store: CaptionStore,
    names: Sequence[Any],
    text: NDArray[Any],
    *,
    synonyms: Spellings | None,
    method: str,
    n_nearest: int,
    n_phrases: int,
) -> dict[Any, list[Suggestion]]:
    """Return phrases that may be further names of each class.

    Parameters
    ----------
    store : CaptionStore
        Collection with embeddings of images.

    names : sequence
        Class names.

    text : ndarray of shape (n_classes, n_features)
        Text embeddings of the classes.

    synonyms : mapping or None
        Names that are known already.

    method : {"index", "scan"}
        How to search the captions.

    n_nearest : int
        Number of captions near each class.

    n_phrases : int
        Maximum number of suggestions per class.

    Returns
    -------
    suggestions : dict of {name: list of Suggestion}
        Highest score first.
    """
    rules = CaptionMatch().disambiguator(names, synonyms=synonyms, plural=True)
    named = find_matches(store, rules, method=method, n_jobs=None).rows
    nearest = nearest_rows(text, store.embedding_blocks(), n_nearest)[1]
    near = [
        store.captions(np.setdiff1d(rows[rows >= 0], own)).tolist()
        for rows, own in zip(nearest, named, strict=True)
    ]

    def count(phrases: list[Phrase]) -> Sequence[int]:
        words = [" ".join(phrase) for phrase in phrases]
        alone = CaptionMatch().disambiguator(words, synonyms=None, plural=False)
        n_matches = find_matches(store, alone, method=method, n_jobs=None).n_matches
        counts: list[int] = n_matches.tolist()
        return counts

    known = [query.phrases for query in rules.queries]
    found = suggest_phrases(near, known, count, len(store), n_phrases)
    return dict(zip(names, found, strict=True))
