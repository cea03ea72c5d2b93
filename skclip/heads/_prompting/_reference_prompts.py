"""Turn the parameter ``prompts`` into one matrix of prompts, class after class.

The prompts of a class are a set: repetitions are dropped and rows are sorted, so that repetitions
and order do not change the result.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skclip._linalg import nonzero_rows, unit_rows
from skclip._validation import sample_of
from skclip._warn import warn_caller
from skclip.exceptions import ModelMismatchError, NoEvidenceWarning
from skclip.prompts import encode_texts

__all__ = ["reference_prompts"]


def reference_prompts(
    prompts: Any,
    classes: NDArray[Any],
    *,
    called: Sequence[Any] | None = None,
    embedder: Any,
    retriever: Any,
    n_features: int | None,
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the distinct prompts of every class as unit rows.

    Parameters
    ----------
    prompts : None, mapping or "recall"
        ``{class: texts or rows}``, or ``"recall"`` for the captions that ``retriever`` finds.
        Entries of other classes are ignored.

    classes : ndarray of shape (n_classes,)
        Class labels.

    called : sequence of shape (n_classes,), default=None
        Names of the classes, if they are not the labels: captions are recalled by these names,
        and they may be the keys of ``prompts``.

    embedder : object with ``transform`` or None
        Encodes texts; not needed for rows.

    retriever : object with ``recall`` or None
        Not needed without ``"recall"``.

    n_features : int or None
        Required number of features; None takes that of the first class.

    Returns
    -------
    rows : ndarray of shape (n_prompts, n_features)
        Prompts, class after class, without blank texts and zero rows.

    counts : ndarray of shape (n_classes,)
        Prompts of each class.
    """
    names = classes.tolist()
    called = names if called is None else called
    given = {} if prompts is None else prompts
    if isinstance(prompts, str):
        given = _recalled(called, retriever)
    texts: dict[Any, list[str]] = {}
    rows: dict[Any, NDArray[Any]] = {}
    blank = []
    for name, of_name in zip(names, called, strict=True):
        entry = given.get(name, given.get(of_name, ()))
        if hasattr(entry, "iloc"):  # pandas objects are not indexed by position
            entry = np.asarray(entry)
        if _holds_texts(entry, name):
            texts[name], n_blank = _distinct_texts(entry, name)
            blank += [name] * bool(n_blank)
        elif len(entry):
            rows[name] = _checked_rows(entry, name)
    if blank:
        warn_caller(
            f"Blank prompts of {sample_of(blank)} are ignored.",
            NoEvidenceWarning,
        )
    rows.update(_encoded(texts, embedder))
    width = n_features
    for name, of_class in rows.items():
        width = of_class.shape[1] if width is None else width
        if of_class.shape[1] != width:
            raise ModelMismatchError(
                f"The prompts of {name!r} have {of_class.shape[1]} features, but the other text "
                f"has {width}: embed class names and prompts with one model."
            )
    parts = [_as_set(rows[name]) for name in names if name in rows]
    counts = dict(zip((name for name in names if name in rows), map(len, parts), strict=True))
    together = np.concatenate(parts) if parts else np.zeros((0, width or 0), np.float32)
    return together, np.asarray([counts.get(name, 0) for name in names], dtype=np.intp)


def _recalled(names: Sequence[Any], retriever: Any) -> dict[Any, list[str]]:
    """Return the captions recalled for each name."""
    if retriever is None:
        raise ValueError(
            "prompts='recall' needs a retriever: give `retriever`, for instance "
            "CaptionRetriever(corpus)."
        )
    numbers = [name for name in names if not isinstance(name, str)]
    if numbers:
        raise ValueError(
            f"The labels {sample_of(numbers)} are numbers, and captions cannot be recalled by "
            "numbers: give their names, class_names={label: name}."
        )
    pool = clone(retriever, safe=False).recall(list(dict.fromkeys(names)))
    if pool.captions is None:
        raise ValueError(
            f"The {len(pool)} recalled images have no captions, which prompts='recall' needs: "
            "recall from a captioned collection."
        )
    of_class: dict[Any, list[str]] = {}
    for label, caption in zip(pool.labels.tolist(), pool.captions, strict=True):
        of_class.setdefault(label, []).append(caption)
    return of_class


def _holds_texts(entry: Any, name: Any) -> bool:
    """Return whether the entry of a class is text."""
    if isinstance(entry, str):
        return True
    if not isinstance(entry, Sequence | np.ndarray) and not hasattr(entry, "__array__"):
        raise TypeError(
            f"The prompts of {name!r} must be texts or rows of embeddings, got {entry!r}."
        )
    return len(entry) > 0 and isinstance(entry[0], str)


def _distinct_texts(entry: Any, name: Any) -> tuple[list[str], int]:
    """Return the sorted distinct texts of a class, and the number of blank texts."""
    texts = [entry] if isinstance(entry, str) else list(entry)
    wrong = [text for text in texts if not isinstance(text, str)]
    if wrong:
        raise TypeError(
            f"The prompts of {name!r} mix texts with {sample_of(wrong)}: give strings, or rows of "
            "embeddings."
        )
    kept = [text for text in texts if text.strip()]
    return sorted(set(kept)), len(texts) - len(kept)


def _checked_rows(entry: Any, name: Any) -> NDArray[Any]:
    rows = np.asarray(entry)
    if rows.ndim != 2 or rows.dtype.kind not in "fiu":
        raise ValueError(
            f"The prompts of {name!r} must be texts or a matrix of embeddings, one row per prompt; "
            f"got an array of shape {rows.shape} and type {rows.dtype}."
        )
    if not np.isfinite(rows).all():
        raise ValueError(f"The prompt embeddings of {name!r} contain NaN or infinity.")
    return unit_rows(rows)


def _encoded(texts: dict[Any, list[str]], embedder: Any) -> dict[Any, NDArray[Any]]:
    """Embed the texts of all classes in one call."""
    every = sorted({text for of_class in texts.values() for text in of_class})
    if not every:
        return {}
    if embedder is None:
        raise ValueError(
            f"prompts holds texts ({sample_of(every, 1)}), but there is no embedder: give "
            "`embedder`, a `zero_shot` with an embedder, or embeddings as prompts."
        )
    rows = encode_texts(embedder, every)
    at = {text: i for i, text in enumerate(every)}
    return {
        name: rows[[at[text] for text in of_class]] for name, of_class in texts.items() if of_class
    }


def _as_set(rows: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct rows that are not zero, sorted."""
    distinct: NDArray[Any] = np.unique(rows[nonzero_rows(rows)], axis=0)
    return distinct
