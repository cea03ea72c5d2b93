"""CaptionMatch: when a caption names a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from skclip._validation import sample_of
from skclip.captions import Disambiguator, Matching, Spellings, make_queries, tokenize

__all__ = ["CaptionMatch", "as_caption_match"]

_KINDS = ("phrase", "substring", "all")
_AMBIGUOUS = ("keep", "drop", "first")


@dataclass(frozen=True)
class CaptionMatch:
    """When a caption names a class, for :class:`CaptionRetriever`.

    A grid search reaches its parameters by name, such as ``match__stem``; nothing else changes an
    object.

    Parameters
    ----------
    kind : {"phrase", "substring", "all"}, default="phrase"
        What the caption must contain: the words of the name in sequence, its letters anywhere
        (``star`` in ``starfish``), or all its words in any order.

    stem : bool, default=False
        Whether words with the same English stem match (``climb``, ``climbing``).

    exclude : mapping, default=None
        Words of other senses for each class: ``{"crane": ["construction"]}`` ignores captions
        that contain one of them.

    require : mapping, default=None
        Words of which a caption must have one to name the class, besides the name:
        ``{"forest": ["satellite", "aerial"]}`` ignores captions of other pictures of forests.

    longest : bool, default=False
        Whether to ignore a name inside a longer name of another class: with the classes ``fire``
        and ``fire truck``, "a fire truck" then names only the second.

    ambiguous : {"keep", "drop", "first"}, default="keep"
        How to treat a caption that names several classes: use it for each of them, for none, or
        for the class named first.

    Raises
    ------
    ValueError
        If a value is not one of those listed, ``require`` has a blank word, or ``stem`` is given
        with ``"substring"``.

    See Also
    --------
    CaptionRetriever : Recalls the images of captions that name a class.

    Examples
    --------
    >>> from skclip.recall import CaptionMatch, CaptionRetriever
    >>> captions = ["a fire truck", "a fire", "a truck and a fire"]
    >>> retriever = CaptionRetriever(match=CaptionMatch(longest=True, ambiguous="drop"))
    >>> retriever.fit(captions).recall(["fire", "fire truck"]).ids.tolist()
    [1, 2, 0]
    >>> CaptionRetriever(match="all").fit(captions).recall(["fire truck"]).ids.tolist()
    [0, 2]
    >>> CaptionRetriever(match=CaptionMatch()).set_params(match__stem=True).match.stem
    True
    """

    kind: str = "phrase"
    stem: bool = False
    exclude: Spellings | None = None
    require: Spellings | None = None
    longest: bool = False
    ambiguous: str = "keep"

    def __post_init__(self) -> None:
        _check_one_of("kind", self.kind, _KINDS)
        _check_one_of("ambiguous", self.ambiguous, _AMBIGUOUS)
        for name in ("stem", "longest"):
            value = getattr(self, name)
            if not isinstance(value, bool | np.bool_):
                raise ValueError(f"CaptionMatch({name}=) must be True or False, got {value!r}.")
        for name in ("exclude", "require"):
            value = getattr(self, name)
            if not (value is None or isinstance(value, Mapping)):
                raise ValueError(
                    f"CaptionMatch({name}=) must be a mapping {{class: [word, ...]}}, got "
                    f"{sample_of([value])[:200]}."
                )
        for name, words in (self.require or {}).items():
            given = [words] if isinstance(words, str) else words
            if isinstance(given, Sequence) and (blank := list(filter(_is_blank, given))):
                raise ValueError(
                    f"CaptionMatch(require=) of {name!r} has {sample_of(blank)}, without letters "
                    "and digits, which no caption has: give words, or leave the class out."
                )
        if self.stem and self.kind == "substring":
            raise ValueError(
                "stem=True compares words and 'substring' compares letters: use one of them."
            )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters.

        Parameters
        ----------
        deep : bool, default=True
            No parameter has parameters of its own.

        Returns
        -------
        params : dict of str to object
            Values by name.
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def set_params(self, **params: Any) -> Self:
        """Set parameters, as the search of a grid does with a clone.

        Parameters
        ----------
        **params : dict
            New values by name.

        Returns
        -------
        self : CaptionMatch
            The same object.
        """
        known = self.get_params()
        if wrong := [name for name in params if name not in known]:
            raise ValueError(
                f"CaptionMatch has no parameter {sample_of(wrong)}; it has {', '.join(known)}."
            )
        vars(self).update(vars(replace(self, **params)))  # checked as a new one
        return self

    def disambiguator(
        self, names: Sequence[Any], *, synonyms: Spellings | None, plural: bool
    ) -> Disambiguator:
        """Return the rules for these classes.

        Parameters
        ----------
        names : sequence
            Class names.

        synonyms : mapping or None
            More names for each class.

        plural : bool
            Whether regular English plurals of the names also match.

        Returns
        -------
        disambiguator : Disambiguator
            Holds the phrases of each class and the rules for matches.
        """
        queries = make_queries(
            names, synonyms=synonyms, exclude=self.exclude, require=self.require, plural=plural
        )
        return Disambiguator(
            names,
            queries,
            Matching(self.kind, self.stem),
            longest=self.longest,
            ambiguous=self.ambiguous,
        )


def as_caption_match(match: CaptionMatch | str) -> CaptionMatch:
    """Return a match; a string is its ``kind``."""
    return CaptionMatch(match) if isinstance(match, str) else match


def _is_blank(text: Any) -> bool:
    return isinstance(text, str) and not tokenize(text)


def _check_one_of(name: str, value: Any, allowed: Sequence[str]) -> None:
    if not (isinstance(value, str) and value in allowed):
        raise ValueError(
            f"CaptionMatch({name}=) must be one of {', '.join(map(repr, allowed))}, got {value!r}."
        )
