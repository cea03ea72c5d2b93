"""The phrases of a class: name, synonyms and plurals, and phrases that exclude a caption."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from skclip._further_names import of_each_name
from skclip._validation import sample_of
from skclip.captions._words import tokenize

__all__ = ["Phrase", "Query", "Spellings", "make_queries", "plural_forms"]

Phrase = tuple[str, ...]
Spellings = Mapping[Any, Sequence[str] | str]


class Query(NamedTuple):
    """Phrases that name a class, and phrases that show another sense.

    Attributes
    ----------
    phrases : tuple of tuple of str
        Alternatives, as tokens; empty if the name has neither letters nor digits.

    excluded : tuple of tuple of str
        A caption with one of these does not name the class.
    """

    phrases: tuple[Phrase, ...]
    excluded: tuple[Phrase, ...] = ()


def make_queries(
    names: Sequence[Any],
    *,
    synonyms: Spellings | None = None,
    exclude: Spellings | None = None,
    plural: bool = False,
) -> list[Query]:
    """Return the phrases to search for each class.

    Parameters
    ----------
    names : sequence
        Class names; captions are searched for ``str(name)``.

    synonyms : mapping or None
        More names for each class. Keys that are not among ``names`` are ignored with a warning.

    exclude : mapping or None
        Phrases of other senses, for each class.

    plural : bool
        Whether regular English plurals also count.

    Returns
    -------
    queries : list of Query
        One query per name.
    """
    more = _of_each(names, synonyms, "synonyms")
    less = _of_each(names, exclude, "exclude")
    return [
        Query(
            _phrases([str(name), *others], plural=plural),
            _phrases(excluded, plural=plural),
        )
        for name, others, excluded in zip(names, more, less, strict=True)
    ]


def _of_each(
    names: Sequence[Any], spellings: Spellings | None, parameter: str
) -> list[Sequence[str]]:
    by_name: dict[Any, list[str]] = {}
    for name, values in (spellings or {}).items():
        several = isinstance(values, Iterable) and not isinstance(values, str)
        texts: list[Any] = list(values) if several else [values]
        wrong = [text for text in texts if not isinstance(text, str)]
        if wrong:
            raise TypeError(f"{parameter} of {name!r} must be strings, got {sample_of(wrong)}.")
        by_name[name] = texts
    return of_each_name(names, by_name, parameter)


def _phrases(texts: Sequence[str], *, plural: bool) -> tuple[Phrase, ...]:
    """Return distinct phrases; texts without tokens are skipped."""
    phrases = []
    for text in texts:
        tokens = tokenize(text)
        if not tokens:
            continue
        phrases.append(tuple(tokens))
        if plural:
            phrases += [(*tokens[:-1], form) for form in plural_forms(tokens[-1])]
    return tuple(dict.fromkeys(phrases))


def plural_forms(word: str) -> tuple[str, ...]:
    """Return the regular English plurals of a word; two if the spelling is ambiguous.

    Examples
    --------
    >>> from skclip.captions._query import plural_forms
    >>> plural_forms("cat"), plural_forms("fox"), plural_forms("berry"), plural_forms("potato")
    (('cats',), ('foxes',), ('berries',), ('potatoes', 'potatos'))
    """
    if not (word.isascii() and word.isalpha() and len(word) > 1):
        return ()
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return (word + "es",)
    if word.endswith("y") and word[-2] not in "aeiou":
        return (word[:-1] + "ies",)
    if word.endswith("o") and word[-2] not in "aeiou":
        return (word + "es", word + "s")
    return (word + "s",)
