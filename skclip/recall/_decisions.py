"""What a person decided about the images of a pool: read from a file, and what it changes."""

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._files import unguard_cell
from skclip._validation import sample_of

__all__ = ["COLUMNS", "Decided", "Decision", "decide", "read_decisions"]

COLUMNS = ("corpus_id", "row", "id", "class", "decision", "new_class", "note")
_KINDS = ("keep", "reject", "relabel", "unsure")


@dataclass(frozen=True)
class Decision:
    """What was decided about one image.

    Attributes
    ----------
    corpus_id : str
        Identity of the collection; empty where it has none.

    row : int or None
        Row of the pool that was looked at.

    id : str
        What the collection calls the image; empty where it has no ids.

    label : str
        Class that the image was recalled for.

    kind : {"keep", "reject", "relabel", "unsure"}
        What was decided.

    new_class : str
        Class that the image shows, for ``"relabel"``.

    place : str
        Where the decision is written, for messages.
    """

    corpus_id: str
    row: int | None
    id: str
    label: str
    kind: str
    new_class: str
    place: str

    @property
    def verdict(self) -> tuple[str, str]:
        """What was decided, without where it is written."""
        return self.kind, self.new_class


@dataclass(frozen=True)
class Decided:
    """What decisions make of the rows of a pool.

    Attributes
    ----------
    kept : ndarray of shape (n_samples,) of bool
        Rows that stay.

    confirmed : ndarray of shape (n_samples,) of bool
        Rows that a person has kept or given another class.

    classes : ndarray of shape (n_samples,)
        Position in ``names`` of the new class of each row, -1 where it stays as it was.

    unused : list of Decision
        Decisions about images that are not in the pool.
    """

    kept: NDArray[np.bool_]
    confirmed: NDArray[np.bool_]
    classes: NDArray[np.intp]
    unused: list[Decision]


def read_decisions(source: Any) -> list[Decision]:
    """Read decisions from a file or take them as they are.

    Parameters
    ----------
    source : path-like, data frame, or sequence of mapping
        CSV or JSON file (by its ending) as a report exports it, or its rows. The columns are those
        of :data:`COLUMNS`; ``corpus_id``, ``row``, ``new_class`` and ``note`` may be absent.

    Returns
    -------
    decisions : list of Decision
        In the order of the source, blank lines left out.

    Raises
    ------
    ValueError
        If a column is missing, a decision is unknown, or one image has two.
    """
    if isinstance(source, str | os.PathLike):
        name, rows = repr(str(source)), _read_file(Path(source))
    else:
        name = "decisions"
        records = source.to_dict("records") if hasattr(source, "to_dict") else source
        rows = [(f"number {i}", row) for i, row in enumerate(records, 1)]
    decisions = [_decision(row, f"{name}, {where}") for where, row in rows]
    _check_agreement(decisions)
    return decisions


def _read_file(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".json"):
        raise ValueError(
            f"decisions {str(path)!r} must end in .csv or .json, as what a report exports does."
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
        if suffix == ".json":
            rows = json.loads(text)
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise ValueError("it is no list of objects")
            return [(f"number {i}", row) for i, row in enumerate(rows, 1)]
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        missing = {"id", "class", "decision"} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"it has no column {sample_of(sorted(missing))}")
        return [
            (f"line {reader.line_num}", {k: unguard_cell(v or "") for k, v in row.items() if k})
            for row in reader
        ]
    except (ValueError, csv.Error) as error:
        raise ValueError(
            f"decisions {str(path)!r} cannot be read: {error}. Give a file that a report has "
            f"exported, with the columns {', '.join(COLUMNS)}."
        ) from error


def _decision(row: Mapping[str, Any], place: str) -> Decision:
    missing = [name for name in ("class", "decision") if name not in row]
    if missing:
        raise ValueError(f"{place}: a decision needs {sample_of(missing)}, got {dict(row)!r}.")
    text = {name: _text(row.get(name)) for name in COLUMNS}
    kind = text["decision"].strip().lower()
    if kind not in _KINDS:
        raise ValueError(f"{place}: decision must be one of {', '.join(_KINDS)}, got {kind!r}.")
    if (kind == "relabel") != bool(text["new_class"]):
        raise ValueError(
            f"{place}: new_class goes with the decision 'relabel' and no other, got "
            f"{text['new_class']!r} with {kind!r}."
        )
    number = text["row"].strip()
    if number and not (number.isascii() and number.isdigit()):
        raise ValueError(f"{place}: row must be a row of the pool, 0 or more, got {number!r}.")
    return Decision(
        text["corpus_id"],
        int(number) if number else None,
        text["id"],
        text["class"],
        kind,
        text["new_class"],
        place,
    )


def _text(value: Any) -> str:
    """Return a value as a browser writes it: None is empty, half a surrogate pair is U+FFFD."""
    if value is None or value != value:  # NaN is what a data frame has for an empty cell
        return ""
    return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _check_agreement(decisions: Iterable[Decision]) -> None:
    """Raise if one image of a class has two decisions that differ."""
    seen: dict[tuple[Any, ...], Decision] = {}
    for one in decisions:
        other = seen.setdefault((one.row, one.id, one.label), one)
        if other.verdict != one.verdict:
            raise ValueError(
                f"The image {one.id!r} of {one.label!r} has two decisions: {other.kind!r} "
                f"({other.place}) and {one.kind!r} ({one.place}). Leave one of them."
            )


def decide(
    decisions: Sequence[Decision],
    labels: Sequence[Any],
    ids: Sequence[Any] | None,
    names: Sequence[Any],
    *,
    corpus_id: str | None = None,
) -> Decided:
    """Find the rows that decisions are about.

    A decision is about the row it names if id and class agree there. Otherwise, as after another
    recall, it is about every row of its id and class.

    Parameters
    ----------
    decisions : sequence of Decision
        From :func:`read_decisions`.

    labels : sequence of shape (n_samples,)
        Classes of the pool's rows.

    ids : sequence of shape (n_samples,) or None
        Their ids.

    names : sequence
        Classes that an image may be given.

    corpus_id : str or None
        Identity of the collection behind the pool.

    Returns
    -------
    decided : Decided
        What the decisions make of the rows.

    Raises
    ------
    ValueError
        If decisions are about another collection, or name a class that there is not.
    """
    others = [d for d in decisions if corpus_id and d.corpus_id and d.corpus_id != corpus_id]
    if others:
        raise ValueError(
            f"{others[0].place}: this was decided about the collection {others[0].corpus_id}, and "
            f"the pool is of {corpus_id}: give the decisions about this one."
        )
    position = {_text(name): i for i, name in enumerate(names)}
    rows_of: dict[tuple[str, str], list[int]] = {}
    keys = [
        (_text(identifier), _text(label))
        for identifier, label in zip(ids or [None] * len(labels), labels, strict=True)
    ]
    for row, key in enumerate(keys):
        rows_of.setdefault(key, []).append(row)
    n = len(keys)
    kept, confirmed = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
    classes, unused = np.full(n, -1, dtype=np.intp), []
    for one in decisions:
        key = one.id, one.label
        if one.row is not None and one.row < n and keys[one.row] == key:
            rows = [one.row]
        else:  # without an id only the row says which image is meant
            rows = rows_of.get(key, []) if one.id else []
        if not rows:
            unused.append(one)
            continue
        kept[rows] = one.kind != "reject"
        confirmed[rows] = one.kind in ("keep", "relabel")
        if one.kind == "relabel":
            if one.new_class not in position:
                raise ValueError(
                    f"{one.place}: new_class {one.new_class!r} is none of the "
                    f"{len(position)} classes of the pool: {sample_of(position)}."
                )
            classes[rows] = position[one.new_class]
    return Decided(kept, confirmed, classes, unused)
