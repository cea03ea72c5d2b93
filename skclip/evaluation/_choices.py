"""Who chose the constants of a head, and what is to be said of the head beside its numbers."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from skclip._validation import sample_of

__all__ = ["AS_PUBLISHED", "CHOICES", "LEFT_OUT", "ORACLE", "Entry", "described", "entries_of"]

AS_PUBLISHED = "as published"
LEFT_OUT = "left-out choice"
ORACLE = "oracle on test (not a method)"
CHOICES = (AS_PUBLISHED, LEFT_OUT, ORACLE)


class Entry(NamedTuple):
    """A head under one name and one choice; an oracle has several candidates."""

    name: str
    choice: str
    candidates: list[Any]


def entries_of(heads: Mapping[str, Any]) -> list[Entry]:
    """Return the entries to compare, from the ``heads`` of a comparison.

    Parameters
    ----------
    heads : mapping of str to classifier or to mapping of choice to classifier
        See :func:`skclip.evaluation.compare_heads`.

    Returns
    -------
    entries : list of Entry
        In the order given.

    Raises
    ------
    ValueError
        If there is none, a choice is unknown, or candidates are given with another choice.
    """
    if not isinstance(heads, Mapping) or not heads:
        raise ValueError(
            "heads must map at least one name to a classifier, as {'stack': "
            f"StackedHeadClassifier(text)}}, got {heads!r}."
        )
    entries = []
    for name, given in heads.items():
        by_choice = given if isinstance(given, Mapping) else {LEFT_OUT: given}
        if unknown := [choice for choice in by_choice if choice not in CHOICES]:
            raise ValueError(
                f"heads[{name!r}] has the choice {unknown[0]!r}: give one of "
                f"{', '.join(map(repr, CHOICES))}, which say how its constants were chosen."
            )
        for choice, head in by_choice.items():
            several = isinstance(head, list | tuple)
            candidates = list(head) if several else [head]
            if choice != ORACLE and several:
                raise ValueError(
                    f"heads[{name!r}][{choice!r}] holds {len(candidates)} classifiers: only under "
                    f"{ORACLE!r} several are allowed. Give one."
                )
            wrong = [one for one in candidates if not hasattr(one, "fit")]
            if wrong or not candidates:
                raise ValueError(
                    f"heads[{name!r}] must be a classifier, got {sample_of(wrong or [head])}."
                )
            entries.append(Entry(str(name), choice, candidates))
    return entries


def described(head: Any) -> Any:
    """Return a head as JSON can keep it: its class and the parameters that are not the defaults.

    Embeddings and other data are kept as their digest.

    Examples
    --------
    >>> from skclip import GaussianDiscriminantClassifier
    >>> from skclip.evaluation._choices import described
    >>> described(GaussianDiscriminantClassifier(ridge=0.5))
    {'class': 'GaussianDiscriminantClassifier', 'ridge': 0.5}
    """
    if head is None or isinstance(head, bool | int | str):
        return head
    if isinstance(head, float):
        return head if np.isfinite(head) else repr(head)
    if isinstance(head, np.generic):
        return described(head.item())
    if isinstance(head, type):
        return head.__name__
    if isinstance(head, BaseEstimator):
        params = head.get_params(deep=False)
        try:
            defaults = type(head)().get_params(deep=False)
        except TypeError:  # a meta-estimator without defaults
            defaults = {}
        changed = {
            name: described(value)
            for name, value in params.items()
            if name not in defaults or not _same(value, defaults[name])
        }
        return {"class": type(head).__name__, **changed}
    if isinstance(head, list | tuple) and len(head) <= 32:
        return [described(part) for part in head]
    return f"<{type(head).__name__} {_digest(head)}>"


def _same(value: Any, default: Any) -> bool:
    return (
        type(value) is type(default)
        and isinstance(value, bool | int | float | str | None)
        and (value == default)
    )


def _digest(value: Any) -> str:
    """Return a short digest of data, the same in every process."""
    found = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, Mapping):
            for key in sorted(part, key=str):
                found.update(str(key).encode("utf-8", "surrogatepass"))
                add(part[key])
        elif isinstance(part, list | tuple):
            for one in part:
                add(one)
        elif hasattr(part, "embeddings") and hasattr(part, "labels"):  # a priming pool
            add([part.labels.tolist(), part.embeddings])
        elif isinstance(part, str):
            found.update(part.encode("utf-8", "surrogatepass"))
        elif isinstance(part, np.ndarray) and part.dtype.kind != "O":
            found.update(np.ascontiguousarray(part).tobytes())
        elif isinstance(part, int | float | np.generic):
            found.update(repr(float(part)).encode())
        else:
            found.update(type(part).__name__.encode())

    add(value)
    return found.hexdigest()[:12]
