"""Published class lists to names that captions and prompts can use."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from html import unescape

from skclip._class_names._check import check_class_names
from skclip._validation import sample_of

__all__ = ["normalize_names"]

# WordNet ids and running numbers: "n02085620-Chihuahua", "001.Black_footed_Albatross". Four digits
# that may be a year stay.
_NUMBER = re.compile(r"^(?:n\d{8}[-_ ]|(?!(?:19|20)\d\d[._])\d{3,}[._])(?=[^\W\d])")
_PATH = re.compile(r"^/?[a-z]/(?=[a-z])")
_CAMEL_CASE = re.compile(r"(?:[A-Z][a-z]{2,}){2,}")
# The seven ranks from kingdom to species.
_TAXON = re.compile(
    r"(?:Animalia|Plantae|Fungi|Chromista|Protozoa|Bacteria)(?:_[A-Za-z-]+){4}_([A-Z][a-z-]+_[a-z-]+)"
)
_SPECIES = re.compile(r"[A-Z][a-z]+ [a-z-]*(?:us|um|is|ens|ii?|ae?|oides)")
_NOTE = re.compile(r"(.+?) ?\(([^()]+)\)")
_COMMA = re.compile(r",(?![^()]*\))")
# A slash beside a single Latin letter belongs to a code: "F/A-18", "F-16A/B".
_EITHER = re.compile(
    r"(?:(?<=[^\W\d])(?<!^[A-Za-z])(?<![^A-Za-z][A-Za-z])/(?=[^\W\d])(?![A-Za-z](?![A-Za-z]))"
    r"| or )(?![^()]*\))"
)
_YEAR_FIRST = re.compile(r"((?:19|20)\d\d) (.+ .+)")
_YEAR_LAST = re.compile(r"(.+ .+) ((?:19|20)\d\d)")
_BODY = re.compile(
    r"(\S+ .+?) (?:Sedan|Coupe|Convertible|SUV|Hatchback|Wagon|Minivan|Van"
    r"|(?:(?:Crew|Extended|Regular|Quad|Club|SuperCab) )?Cab|SuperCab)"
)


def normalize_names(class_names: Iterable[str]) -> dict[str, list[str]]:
    """Return names for captions and prompts from the class names of a published list.

    The result shows what was made of each class name. It can be given as ``synonyms`` of a
    retriever or a text head, whose labels then stay the names of the list.

    Parameters
    ----------
    class_names : iterable of str
        Class names as published.

    Returns
    -------
    names : dict of {str: list of str}
        For each class name as given, at least one name; the first is the best for prompts.

    Raises
    ------
    ValueError
        If a class name is blank or given twice.
    TypeError
        If a class name is not a string.

    See Also
    --------
    build_prompts : Prompts from class names and synonyms.
    skclip.recall.CaptionRetriever : Recall by class names and synonyms.

    Notes
    -----
    The rules, in this order:

    - WordNet ids and running numbers are removed: ``n02085620-Chihuahua``, ``001.Ovenbird``.
    - Paths are reversed: ``/a/apse/indoor`` is an *indoor apse*. Seven biological ranks become the
      last two: *Tinca tinca*.
    - Underscores become spaces, and joined words are separated: ``AnnualCrop``. Entities of HTML
      are decoded.
    - Commas, slashes between words and *or* separate several names, except in brackets.
    - A note in brackets is removed: ``crab_(animal)``. It is a further name if it, or the name
      before it, looks like the Latin name of a species: ``Goldfish (Carassius auratus)``.
    - A year comes first and may be absent: *2012 Audi S5 Coupe*, *Audi S5 Coupe*. The body of a car
      may also be absent: *Audi S5*. The brand stays, since models such as *300* mean many things.
    - A name that two classes would have is removed from both. A class that loses all names keeps
      the text as it was given, with spaces for underscores.

    Commas in the names themselves (``Washington, D.C.``) cannot be told from separators.

    Examples
    --------
    >>> from skclip.prompts import normalize_names
    >>> names = normalize_names(["tench, Tinca tinca", "Audi S5 Coupe 2012", "car_side"])
    >>> for given, found in names.items():
    ...     print(f"{given!r} -> {found}")
    'tench, Tinca tinca' -> ['tench', 'Tinca tinca']
    'Audi S5 Coupe 2012' -> ['2012 Audi S5 Coupe', '2012 Audi S5', 'Audi S5 Coupe', 'Audi S5']
    'car_side' -> ['car side']

    The labels of a text head stay the names of the list:

    >>> first = {given: found[0] for given, found in names.items()}
    >>> options = {"class_names": first, "synonyms": names}  # of ZeroShotClassifier
    """
    given = check_class_names(class_names, parameter="class_names")
    wrong = [name for name in given if not isinstance(name, str)]
    if wrong:
        raise TypeError(f"class_names must be strings, got {sample_of(wrong)}.")
    texts = [_plain(name) for name in given]
    candidates = [_names(text) for text in texts]
    n_classes = Counter(key for names in candidates for key in {*map(_key, names)})
    result = {}
    for name, text, found in zip(given, texts, candidates, strict=True):
        own = [candidate for candidate in found if n_classes[_key(candidate)] == 1]
        result[name] = own or [text]
    return result


def _plain(given: str) -> str:
    """Return a class name without numbers, paths and underscores."""
    text = " ".join(unicodedata.normalize("NFC", unescape(given)).split())
    text = _NUMBER.sub("", text)
    if path := _PATH.match(text):
        text = " ".join(reversed(text[path.end() :].split("/")))
    if species := _TAXON.fullmatch(text):
        text = species[1]
    if _CAMEL_CASE.fullmatch(text):
        text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return " ".join(text.replace("_", " ").split()) or given.strip()


def _names(text: str) -> list[str]:
    """Return the names in a text, the best first; each once."""
    names = [text]
    for rule in (_separated, _without_note, _with_and_without_year, _without_body):
        names = [new for name in names for new in rule(name)]
    return list({_key(name): name for name in reversed(names)}.values())[::-1]


def _separated(text: str) -> list[str]:
    parts = [name.strip() for part in _COMMA.split(text) for name in _EITHER.split(part)]
    return [part for part in parts if part] or [text]


def _without_note(text: str) -> list[str]:
    found = _NOTE.fullmatch(text)
    if found is None:
        return [text]
    is_name = any(_SPECIES.fullmatch(part) for part in found.groups())
    return list(found.groups()) if is_name else [found[1]]


def _with_and_without_year(text: str) -> list[str]:
    if found := _YEAR_FIRST.fullmatch(text):
        return [text, found[2]]
    if found := _YEAR_LAST.fullmatch(text):
        return [f"{found[2]} {found[1]}", found[1]]
    return [text]


def _without_body(text: str) -> list[str]:
    found = _BODY.fullmatch(text)
    return [text] if found is None else [text, found[1]]


def _key(name: str) -> str:
    """Return the form in which names of two classes are compared."""
    return " ".join(re.findall(r"\w+", name.casefold()))
