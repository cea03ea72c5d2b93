"""Filters of the rows of a table, as pyarrow takes them. No text is evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from skclip._validation import sample_of
from skclip.exceptions import CorpusError

__all__ = ["OPERATORS", "Filters"]

OPERATORS = ("=", "==", "!=", "<", "<=", ">", ">=", "in", "not in")
_EXPECTED = (
    "filters must be as pyarrow.parquet.read_table takes them: a list of (column, operator, "
    'value), all of which must hold, such as [("similarity", ">", 0.3)]; a list of such lists, of '
    "which one must hold; or a pyarrow.compute.Expression"
)


@dataclass(frozen=True)
class Filters:
    """A condition on the columns of a table.

    Parameters
    ----------
    expression : pyarrow.compute.Expression
        The condition.

    columns : tuple of str or None
        The columns in it; None if they are unknown.
    """

    expression: pc.Expression
    columns: tuple[str, ...] | None

    @classmethod
    def of(cls, given: Any) -> "Filters | None":
        """Check the parameter ``filters`` of a user; None stays None."""
        if given is None:
            return None
        if isinstance(given, pc.Expression):
            return cls(given, None)
        if not isinstance(given, list | tuple) or not given:
            raise TypeError(f"{_EXPECTED}; got {given!r}.")
        groups = [given] if _is_triple(given[0]) else given
        triples = [triple for group in groups for triple in _as_list(group)]
        if wrong := [triple for triple in triples if not _is_triple(triple)]:
            raise TypeError(f"{_EXPECTED}; got {sample_of(wrong)} in it.")
        if wrong := [triple[1] for triple in triples if triple[1] not in OPERATORS]:
            raise ValueError(
                f"filters has the operators {sample_of(wrong)}; expected {', '.join(OPERATORS)}."
            )
        # isin takes a text for the collection of its letters, which select other rows or none
        if wrong := [t for t in triples if t[1] in ("in", "not in") and isinstance(t[2], str)]:
            column, operator, value = wrong[0]
            raise ValueError(
                f"filters compares {column!r} with one text by {operator!r}, which needs several: "
                f"write ({column!r}, {operator!r}, [{value!r}])."
            )
        try:
            expression = pq.filters_to_expression([list(map(tuple, group)) for group in groups])
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise ValueError(f"{_EXPECTED}; pyarrow refuses {given!r}: {error}.") from error
        return cls(expression, tuple(dict.fromkeys(triple[0] for triple in triples)))

    def to_read(self, names: Sequence[str], present: Sequence[str], *, where: str) -> list[str]:
        """Return the columns of a table to read.

        Parameters
        ----------
        names : sequence of str
            Columns of the table.

        present : sequence of str
            Columns that are read anyway.

        where : str
            Name of the table, for messages.

        Returns
        -------
        columns : list of str
            ``present``, and those of the filters; all if those are unknown.
        """
        columns = names if self.columns is None else self.columns
        if missing := [name for name in columns if name not in names]:
            raise CorpusError(
                f"{where} has no column {sample_of(missing)} for filters; its columns are "
                f"{sample_of(names, 20)}."
            )
        return list(dict.fromkeys((*present, *columns)))

    def apply(self, batch: pa.RecordBatch, *, where: str) -> pa.RecordBatch:
        """Return the rows of a batch that fulfil the filters; missing values fulfil none."""
        try:
            rows = pa.Table.from_batches([batch]).filter(self.expression).combine_chunks()
        except (pa.ArrowException, TypeError) as error:
            types = ", ".join(f"{column.name} ({column.type})" for column in batch.schema)
            why = str(error).splitlines()[0]  # pyarrow's further lines repeat the columns
            raise CorpusError(
                f"filters cannot be applied to {where}: {why}. Its columns are {types}."
            ) from error
        return rows.to_batches()[0] if rows.num_rows else batch.slice(0, 0)


def _is_triple(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 3 and isinstance(value[0], str)


def _as_list(group: Any) -> Sequence[Any]:
    return group if isinstance(group, list | tuple) and group else [group]
