"""How often a collection uses each name of a class, and prompts with the name that it uses most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skclip._class_names import of_each_name
from skclip._validation import sample_of
from skclip.captions import Disambiguator, Matching, Spellings, make_queries, tokenize
from skclip.corpus import CaptionStore
from skclip.prompts import build_prompts
from skclip.recall._matches import find_matches
from skclip.recall._names._caption_match import CaptionMatch

__all__ = ["count_names", "frequent_prompts", "is_part"]


def count_names(
    store: CaptionStore,
    names: Sequence[Any],
    match: CaptionMatch,
    *,
    synonyms: Spellings | None,
    plural: bool,
    method: str,
) -> dict[Any, dict[str, int]]:
    """Return the number of captions with each name of each class.

    Parameters
    ----------
    store : CaptionStore
        Collection to search.

    names : sequence
        Class names.

    match : CaptionMatch
        When a caption has a name. Names of other classes in the caption do not matter.

    synonyms : mapping or None
        More names for each class.

    plural : bool
        Whether regular English plurals also count.

    method : {"index", "scan"}
        How to search.

    Returns
    -------
    counts : dict of {name: dict of {str: int}}
        By class and by name of the class, the class's own name first.
    """
    of_class = make_queries(
        names, synonyms=synonyms, exclude=match.exclude, require=match.require, plural=plural
    )
    texts, queries = [], []
    more = of_each_name(names, synonyms or {}, "synonyms")
    for name, others, query in zip(names, more, of_class, strict=True):
        own = [str(name), *([others] if isinstance(others, str) else others)]
        texts.append(list(dict.fromkeys(own)))
        for text in texts[-1]:
            (alone,) = make_queries([text], plural=plural)
            queries.append(query._replace(phrases=alone.phrases))
    rules = Disambiguator(
        [text for own in texts for text in own],
        queries,
        Matching(match.kind, match.stem),
        longest=False,
        ambiguous="keep",
    )
    n_captions = iter(find_matches(store, rules, method=method, n_jobs=None).n_matches.tolist())
    return {
        name: {text: next(n_captions) for text in own}
        for name, own in zip(names, texts, strict=True)
    }


def frequent_prompts(
    name_counts: Mapping[Any, Mapping[str, int]], templates: str | Sequence[str] = "photo"
) -> dict[Any, list[str]]:
    """Write the prompts of each class with the name that a collection uses most.

    Models know the names that are frequent in the captions they were trained on. For a class whose
    own name is rare there, the prompts of a frequent synonym give a better text head [1]_.

    Parameters
    ----------
    name_counts : mapping of {name: mapping of {str: int}}
        Number of captions with each name of each class, from
        :meth:`CaptionRetriever.count_names`.

    templates : str or list of str, default="photo"
        As for :func:`skclip.prompts.build_prompts`.

    Returns
    -------
    prompts : dict of {name: list of str}
        For the parameter ``templates`` of :class:`~skclip.ZeroShotClassifier`.

    Notes
    -----
    A synonym replaces the class's own name if more captions have it, unless the words of the
    synonym are part of the name (every caption with "tiger shark" has "shark", which means more),
    or another class has the same name or synonym.

    References
    ----------
    .. [1] Parashar et al., "The Neglected Tails in Vision-Language Models", 2024,
       `arXiv 2401.12425 <https://arxiv.org/abs/2401.12425>`_ (REAL-Prompt).

    Examples
    --------
    >>> from skclip.recall import CaptionRetriever, frequent_prompts
    >>> captions = ["a car", "red car", "an automobile", "a shark", "a shark", "a tiger shark"]
    >>> synonyms = {"automobile": ["car"], "tiger shark": ["shark"]}
    >>> counts = CaptionRetriever(synonyms=synonyms).fit(captions).count_names(list(synonyms))
    >>> counts
    {'automobile': {'automobile': 1, 'car': 2}, 'tiger shark': {'tiger shark': 1, 'shark': 3}}
    >>> frequent_prompts(counts)
    {'automobile': ['a photo of a car.'], 'tiger shark': ['a photo of a tiger shark.']}
    """
    of_names = name_counts.values() if isinstance(name_counts, Mapping) else [name_counts]
    if wrong := [counts for counts in of_names if not isinstance(counts, Mapping)]:
        raise TypeError(
            "name_counts must map every class to the counts of its names, as "
            f"CaptionRetriever.count_names returns them; got {sample_of(wrong)[:200]}."
        )
    classes: dict[tuple[str, ...], set[Any]] = {}
    for name, counts in name_counts.items():
        for text in (str(name), *counts):
            classes.setdefault(tuple(tokenize(text)), set()).add(name)
    prompts = {}
    for name, counts in name_counts.items():
        own = tuple(tokenize(str(name)))
        best, n_best = str(name), counts.get(str(name), 0)
        for text, n_captions in counts.items():
            words = tuple(tokenize(text))
            if n_captions > n_best and not is_part(words, own) and len(classes[words]) == 1:
                best, n_best = text, n_captions
        (prompts[name],) = build_prompts([best], templates).values()
    return prompts


def is_part(words: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    """Return whether words are a run of other words."""
    starts = range(len(whole) - len(words) + 1)
    return any(whole[start : start + len(words)] == words for start in starts)
