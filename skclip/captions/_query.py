"""The phrases of a class: name, synonyms and plurals, and what a caption must or must not have."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from skclip._class_names import of_each_name
from skclip._validation import sample_of
from skclip._warn import warn_caller
from skclip.captions._words import tokenize
from skclip.exceptions import SharedNameWarning

__all__ = ["Phrase", "Query", "Spellings", "make_queries", "plural_forms", "warn_of_shared"]

Phrase = tuple[str, ...]
Spellings = Mapping[Any, Sequence[str] | str]


class Query(NamedTuple):
    """Phrases that name a class, and phrases that decide whether it is meant.

    Attributes
    ----------
    phrases : tuple of tuple of str
        Alternatives, as tokens; empty if the name has neither letters nor digits.

    excluded : tuple of tuple of str
        A caption with one of these does not name the class.

    required : tuple of tuple of str or None
        A caption with none of these does not name the class; None requires nothing.
    """

    phrases: tuple[Phrase, ...]
    excluded: tuple[Phrase, ...] = ()
    required: tuple[Phrase, ...] | None = None

    @property
    def all_phrases(self) -> tuple[Phrase, ...]:
        """Phrases of every kind."""
        return (*self.phrases, *self.excluded, *(self.required or ()))


def make_queries(
    names: Sequence[Any],
    *,
    synonyms: Spellings | None = None,
    exclude: Spellings | None = None,
    require: Spellings | None = None,
    plural: bool = False,
) -> list[Query]:
    """Return the phrases to search for each class.

    Parameters
    ----------
    names : sequence
        Class names; captions are searched for ``str(name)``.

    synonyms : mapping or None
        More names for each class. Keys that are not among ``names`` are ignored, with a warning if
        they differ from one in capital letters only.

    exclude : mapping or None
        Phrases of other senses, for each class.

    require : mapping or None
        Phrases of which a caption must have at least one, for each class.

    plural : bool
        Whether regular English plurals also count.

    Returns
    -------
    queries : list of Query
        One query per name.
    """
    more = _of_each(names, synonyms, "synonyms")
    less = _of_each(names, exclude, "exclude")
    needed = _of_each(names, require, "require")
    return [
        Query(
            _phrases([str(name), *others], plural=plural),
            _phrases(excluded, plural=plural),
            _phrases(required, plural=plural) if required else None,
        )
        for name, others, excluded, required in zip(names, more, less, needed, strict=True)
    ]


def warn_of_shared(names: Sequence[Any], queries: Sequence[Query]) -> None:
    """Warn if a phrase names several classes.

    Parameters
    ----------
    names : sequence
        Class names.

    queries : sequence of Query
        Their phrases.

    Warns
    -----
    SharedNameWarning
        With the first phrases and their classes.
    """
    classes: dict[Phrase, list[Any]] = {}
    for name, query in zip(names, queries, strict=True):
        for phrase in query.phrases:
            classes.setdefault(phrase, []).append(name)
    shared = [
        f"{' '.join(phrase)!r} (of {sample_of(of_phrase)})"
        for phrase, of_phrase in classes.items()
        if len(of_phrase) > 1
    ]
    if shared:
        more = f" and {len(shared) - 3} more" if len(shared) > 3 else ""
        warn_caller(
            f"Several classes have the same name or synonym: {'; '.join(shared[:3])}{more}. A "
            "caption with it names each of them. Remove it from the synonyms of all classes but "
            "one, or tell the classes apart by CaptionMatch(require=) or CaptionMatch(exclude=).",
            SharedNameWarning,
        )


def _of_each(
    names: Sequence[Any], spellings: Spellings | None, parameter: str
) -> list[Sequence[str]]:
    by_name: dict[Any, list[str]] = {}
    for name, values in (spellings or {}).items():
        if isinstance(values, Iterator):
            raise TypeError(f"{parameter} of {name!r} can be read only once: give a list of texts.")
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
