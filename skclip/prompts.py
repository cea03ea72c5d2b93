"""Turn class names into prompts, and prompts into one text embedding per class.

The template sets are those published with CLIP's zero-shot evaluations, as selected by Wallingford
et al., Neural Priming (2023).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._class_names import check_class_names, normalize_names, of_each_name
from skclip._linalg import unit_rows
from skclip._validation import sample_of
from skclip._warn import warn_caller
from skclip.embedding import CLIPEmbedder, as_text_embedder, check_texts
from skclip.exceptions import BareNumberWarning

__all__ = [
    "TEMPLATES",
    "TextEmbedder",
    "build_prompts",
    "encode_prompts",
    "encode_texts",
    "load_class_names",
    "normalize_names",
]

Templates: TypeAlias = "str | Sequence[str] | Mapping[Any, str | Sequence[str]]"

TEMPLATES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "photo": ("a photo of a {}.",),
        "imagenet": (
            "itap of a {}.",
            "a bad photo of the {}.",
            "a origami {}.",
            "a photo of the large {}.",
            "a {} in a video game.",
            "art of the {}.",
            "a photo of the small {}.",
        ),
        "aircraft": (
            "a photo of a {}, a type of aircraft.",
            "a photo of the {}, a type of aircraft.",
        ),
        "cars": (
            "a photo of a {}.",
            "a photo of the {}.",
            "a photo of my {}.",
            "i love my {}!",
            "a photo of my dirty {}.",
            "a photo of my clean {}.",
            "a photo of my new {}.",
            "a photo of my old {}.",
        ),
        "caltech101": ("a photo of a {}.",),
        "dtd": ("{} texture.",),
        "eurosat": ("a centered satellite photo of {}.",),
        "flowers": ("a photo of a {}, a type of flower.",),
        "food": ("a photo of {}, a type of food.",),
        "pets": ("a photo of a {}, a type of pet.",),
        "sun": ("a photo of a {}.", "a photo of the {}."),
        "ucf101": ("a photo of a person doing {}.",),
    }
)

# The place of the name in a description; braces next to a letter are ordinary text.
_PLACE = re.compile(r"(?<![\w{])\{\}(?!\})")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")

# Cached rows per model, so that clones in a search do not encode the same texts again.
MAX_CACHED = 100_000


class TextEmbedder(Protocol):
    """An object that embeds texts, such as a scikit-learn transformer."""

    def transform(self, X: list[str]) -> ArrayLike:
        """Return one row per text."""


def load_class_names(name: str) -> list[str]:
    """Return the class names of a published image set, in the order of its integer labels.

    Parameters
    ----------
    name : str
        Name of the set, as in ``TEMPLATES``: ``"aircraft"``, ``"caltech101"``, ``"cars"``,
        ``"dtd"``, ``"eurosat"``, ``"flowers"``, ``"food"``, ``"imagenet"``, ``"pets"``, ``"sun"``
        or ``"ucf101"``.

    Returns
    -------
    class_names : list of str
        Distinct names. Two pairs of ImageNet's classes share a name in CLIP's list; classes 744
        and 836 have their WordNet names here, "projectile" and "sunglass".

    Raises
    ------
    ValueError
        If there is no such set.

    See Also
    --------
    build_prompts : Prompts of these names.

    Examples
    --------
    >>> from skclip.prompts import build_prompts, load_class_names
    >>> load_class_names("dtd")[:3], len(load_class_names("imagenet"))
    (['banded', 'blotchy', 'braided'], 1000)
    >>> build_prompts(load_class_names("eurosat"), "eurosat")["Forest"]
    ['a centered satellite photo of Forest.']
    """
    content = files("skclip._class_names").joinpath("published.json").read_text(encoding="utf-8")
    class_names: dict[str, list[str]] = json.loads(content)
    if not isinstance(name, str) or name not in class_names:
        close = difflib.get_close_matches(str(name), class_names, n=1)
        raise ValueError(
            f"name={name!r} is none of the published sets: {', '.join(class_names)}"
            + (f"; did you mean {close[0]!r}?" if close else ".")
        )
    return class_names[name]


def build_prompts(
    class_names: Iterable[Any],
    templates: Templates = "photo",
    synonyms: Mapping[Any, str | Sequence[str]] | None = None,
) -> dict[Any, list[str]]:
    """Write the prompts of every class.

    Parameters
    ----------
    class_names : iterable
        Class labels. ``str(name)``, with spaces for underscores, is inserted into the templates.
        A name that is only a number gives a warning.

    templates : str, list of str or dict, default="photo"
        Name of a published set in ``TEMPLATES``, one or several templates, or templates per
        class (``{name: template or templates}``). ``{}`` is replaced by the class name. Texts in a
        dict may be descriptions without ``{}``; other braces in them are kept.

    synonyms : dict, default=None
        Further names of each class, ``{name: name or names}``, inserted into the same templates.
        Keys that are not class names are ignored.

    Returns
    -------
    prompts : dict of {name: list of str}
        Prompts without repetitions, in the order of ``class_names``.

    Raises
    ------
    ValueError
        If a template has no ``{}``, or a class has no template.
    TypeError
        If a template or synonym is not a string.

    Warns
    -----
    BareNumberWarning
        If a name is only a number.
    NoMatchWarning
        If a key of ``synonyms`` differs from a class name in capital letters only.

    See Also
    --------
    encode_prompts : One embedding per class from its prompts.

    Examples
    --------
    >>> from skclip.prompts import build_prompts
    >>> build_prompts(["cat", "car"], synonyms={"car": "automobile"})
    {'cat': ['a photo of a cat.'], 'car': ['a photo of a car.', 'a photo of a automobile.']}
    >>> build_prompts(["dog"], {"dog": ["a {} on a leash.", "Dogs have wet noses."]})
    {'dog': ['a dog on a leash.', 'Dogs have wet noses.']}
    """
    names = check_class_names(class_names, parameter="class_names")
    per_class = _templates_per_class(names, templates)
    more = _synonyms_per_class(names, synonyms)
    prompts, numbers = {}, []
    for name in names:
        aliases = [_spaced(alias) for alias in (str(name), *more[name])]
        filled = [
            _filled(text, alias, is_description=isinstance(templates, Mapping))
            for alias in aliases
            for text in per_class[name]
        ]
        prompts[name] = list(dict.fromkeys(filled))
        if _NUMBER.fullmatch(aliases[0].strip()) and filled[0] != per_class[name][0]:
            numbers.append(filled[0])
    if numbers:
        warn_caller(
            f"Class names that are numbers give prompts such as {sample_of(numbers)}, which mean "
            "nothing to a model. If they are codes, give the names of the classes: "
            "class_names={label: name} of the estimator, or names as labels.",
            BareNumberWarning,
        )
    return prompts


def encode_prompts(
    embedder: TextEmbedder, prompts: Mapping[Any, Sequence[str]]
) -> NDArray[np.floating[Any]]:
    r"""Embed every class by the mean of its prompts.

    Parameters
    ----------
    embedder : CLIPEmbedder or transformer of texts
        A :class:`~skclip.embedding.CLIPEmbedder` of either modality, or any object whose
        ``transform`` turns a list of texts into rows. With a CLIPEmbedder, results are cached in
        this process, so that clones in a search do not encode the same prompts again.

    prompts : dict of {name: list of str}
        From :func:`build_prompts`.

    Returns
    -------
    weights : ndarray of shape (n_classes, n_features)
        Unit rows in the order of ``prompts``.

    Notes
    -----
    For the prompts :math:`p_{c1}, …, p_{cM}` of class :math:`c`,

    .. math:: t_c = \frac{\sum_m u_{cm}}{\lVert \sum_m u_{cm} \rVert}, \qquad
              u_{cm} = \frac{f(p_{cm})}{\lVert f(p_{cm}) \rVert}.

    References
    ----------
    Radford et al., Learning Transferable Visual Models From Natural Language Supervision,
    ICML 2021, section 3.1.4.

    Examples
    --------
    >>> from skclip import CLIPEmbedder
    >>> from skclip.prompts import build_prompts, encode_prompts
    >>> encode_prompts(CLIPEmbedder("skclip-tiny"), build_prompts(["star", "ring"])).shape[0]
    2
    """
    empty = [name for name, texts in prompts.items() if isinstance(texts, str) or not len(texts)]
    if empty or not prompts:
        raise ValueError(
            "prompts must map every class name to a list of at least one text"
            + (f"; wrong for {sample_of(empty)}." if empty else ", got none.")
        )
    texts = [check_texts(of_class, 0, f"prompts of {name!r}") for name, of_class in prompts.items()]
    if not isinstance(embedder, CLIPEmbedder):
        return _mean_rows(embedder, texts)
    return _cached_rows(embedder, "prompts", [_digest(of_class) for of_class in texts], texts)


def encode_texts(embedder: TextEmbedder, texts: Sequence[str]) -> NDArray[np.floating[Any]]:
    """Embed texts; equal texts have equal rows.

    Parameters
    ----------
    embedder : CLIPEmbedder or transformer of texts
        As for :func:`encode_prompts`, including the cache.

    texts : sequence of str
        At least one text.

    Returns
    -------
    rows : ndarray of shape (n_texts, n_features)
        Unit rows.

    See Also
    --------
    encode_prompts : One row per class, the mean of its prompts.

    Examples
    --------
    >>> from skclip import CLIPEmbedder
    >>> from skclip.prompts import encode_texts
    >>> rows = encode_texts(CLIPEmbedder("skclip-tiny"), ["a star", "a ring", "a star"])
    >>> (rows[0] == rows[2]).all(), (rows[0] == rows[1]).all()
    (np.True_, np.False_)
    """
    if isinstance(texts, str) or not len(texts):
        raise ValueError(f"texts must be a list of at least one text, got {texts!r}.")
    texts = check_texts(texts, 0, "texts")
    distinct = list(dict.fromkeys(texts))
    if isinstance(embedder, CLIPEmbedder):
        rows = _cached_rows(embedder, "texts", distinct, [[text] for text in distinct])
    else:
        rows = unit_rows(np.asarray(embedder.transform(distinct)))
    at = {text: i for i, text in enumerate(distinct)}
    return rows[[at[text] for text in texts]]


def _cached_rows(
    embedder: CLIPEmbedder, kind: str, keys: list[Any], texts: Sequence[Sequence[str]]
) -> NDArray[np.floating[Any]]:
    """Return the mean row of each group of texts; encode those that are not cached."""
    model: CLIPEmbedder = as_text_embedder(embedder)
    cached = model.load_model().cache.setdefault(kind, {})
    found = {key: cached.get(key) for key in keys}
    missing = {k: t for k, t in zip(keys, texts, strict=True) if found[k] is None}
    if missing:
        new = dict(zip(missing, _mean_rows(model, list(missing.values())), strict=True))
        found.update(new)
        if len(cached) + len(new) > MAX_CACHED:
            cached.clear()
        cached.update(new)
    return np.stack([found[key] for key in keys])


def _digest(texts: Sequence[str]) -> bytes:
    return hashlib.blake2b("\0".join(texts).encode("utf-8", "surrogatepass")).digest()


def _mean_rows(
    embedder: TextEmbedder, prompts: Sequence[Sequence[str]]
) -> NDArray[np.floating[Any]]:
    """Encode all prompts in one call; return the normalised mean of the unit rows of each class."""
    texts = [text for of_class in prompts for text in of_class]
    rows = unit_rows(np.asarray(embedder.transform(texts)))
    starts = np.cumsum([0, *map(len, prompts[:-1])])
    return unit_rows(np.add.reduceat(rows, starts, axis=0))


def _templates_per_class(names: list[Any], templates: Templates) -> dict[Any, tuple[str, ...]]:
    if isinstance(templates, Mapping):
        missing = [name for name in names if name not in templates]
        if not missing:
            per_class = {
                name: _strings(templates[name], f"templates of {name!r}") for name in names
            }
            missing = [name for name, texts in per_class.items() if not texts]
        if missing:
            raise ValueError(
                f"templates has no entry for {sample_of(missing)}: give at least one text per "
                "class."
            )
        return per_class
    if isinstance(templates, str) and templates in TEMPLATES:
        return dict.fromkeys(names, TEMPLATES[templates])
    texts = _strings(templates, "templates")
    _check_fields(texts)
    nowhere = [text for text in texts if "{}" not in text]
    if isinstance(templates, str) and nowhere:
        close = difflib.get_close_matches(templates, TEMPLATES, n=1)
        raise ValueError(
            f"templates={templates!r} is neither a published set ({', '.join(TEMPLATES)}) nor a "
            "template with {} in place of the class name"
            + (f"; did you mean {close[0]!r}?" if close else ".")
        )
    if nowhere or not texts:
        raise ValueError(
            "templates must be at least one text with {} in place of the class name, got "
            f"{sample_of(nowhere) if texts else 'none'}. Give descriptions of a class in a dict, "
            "{name: texts}."
        )
    return dict.fromkeys(names, texts)


def _synonyms_per_class(
    names: list[Any], synonyms: Mapping[Any, str | Sequence[str]] | None
) -> dict[Any, tuple[str, ...]]:
    if synonyms is not None and not isinstance(synonyms, Mapping):
        raise TypeError(
            f"synonyms must be a mapping {{name: names}}, got {type(synonyms).__name__}."
        )
    given = of_each_name(names, synonyms or {}, "synonyms")
    found = {
        name: _strings(texts, f"synonyms of {name!r}")
        for name, texts in zip(names, given, strict=True)
    }
    # blank synonyms are ignored, as in caption search
    return {name: tuple(filter(str.strip, texts)) for name, texts in found.items()}


def _spaced(name: str) -> str:
    """Return a name with spaces for underscores, as in caption search."""
    return (" ".join(name.replace("_", " ").split()) or name) if "_" in name else name


def _filled(text: str, name: str, *, is_description: bool) -> str:
    """Insert a name into a template, or into a description that may lack ``{}``."""
    return _PLACE.sub(lambda _: name, text) if is_description else text.replace("{}", name)


def _check_fields(texts: Iterable[str]) -> None:
    """Raise for ``{name}``, ``{0}`` and single braces, which would remain in the prompt."""
    for text in texts:
        if set("{}") & set(text.replace("{}", "")):
            raise ValueError(
                f"templates holds {text!r}: write {{}} in place of the class name, without other "
                "braces. Give descriptions with braces in a dict, {name: texts}."
            )


def _strings(texts: Any, what: str) -> tuple[str, ...]:
    """Return one or several texts as a tuple."""
    if isinstance(texts, str):
        return (texts,)
    several = tuple(texts) if isinstance(texts, Iterable) else (texts,)
    wrong = [text for text in several if not isinstance(text, str)]
    if wrong:
        raise TypeError(f"{what} must be strings, got {sample_of(wrong)}.")
    return several
