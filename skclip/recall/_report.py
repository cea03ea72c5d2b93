"""Counts of a recall: how many matches of each class were kept or left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._optional import import_optional

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RecallReport"]


@dataclass(frozen=True, eq=False, repr=False)
class RecallReport:
    """Counts of a recall for each class.

    Parameters
    ----------
    names : sequence
        Class names in the order of the recall.

    counts : dict of str to ndarray
        Numbers for each class. ``matches`` counts captions that name the class, ``ambiguous`` those
        of them that also name another class, ``dissimilar`` those that ``select="caption"`` never
        takes. ``repeated`` (captions of an image already taken),
        ``unreadable``, ``excluded`` and ``duplicates`` count matches that were left out, and
        ``rejected`` counts images that a person rejected. ``kept`` counts the rows of the pool.
        Matches beyond ``k`` are not examined.

    problems : sequence of str
        Reasons for unreadable images.

    Examples
    --------
    >>> from skclip.recall import CaptionRetriever
    >>> retriever = CaptionRetriever().fit(["a cat", "a dog", "a dog and a cat"])
    >>> report = retriever.recall(["cat", "dog"]).report()
    >>> print(report)
    class  matches  ambiguous  kept
    cat          2          1     2
    dog          2          1     2
    >>> report.ambiguous_share
    0.5
    """

    names: Sequence[Any]
    counts: dict[str, NDArray[np.int64]]
    problems: Sequence[str] = ()

    def __post_init__(self) -> None:
        for values in self.counts.values():  # reports are cached with their pools
            values.flags.writeable = False

    @property
    def empty(self) -> list[Any]:
        """Classes without kept rows."""
        kept = self.counts["kept"]
        return [name for name, n in zip(self.names, kept, strict=True) if not n]

    @property
    def unmatched(self) -> list[Any]:
        """Classes that are named by no caption."""
        matches = self.counts["matches"]
        return [name for name, n in zip(self.names, matches, strict=True) if not n]

    @property
    def ambiguous_share(self) -> float:
        """Fraction of the matches whose caption also names another class."""
        n_matches = int(self.counts["matches"].sum())
        return int(self.counts["ambiguous"].sum()) / n_matches if n_matches else 0.0

    def to_frame(self) -> pd.DataFrame:
        """Return the counts as a pandas DataFrame indexed by class.

        Returns
        -------
        frame : DataFrame
            One row per class.
        """
        pandas: Any = import_optional("pandas", extra="pandas", purpose="RecallReport.to_frame")
        frame: pd.DataFrame = pandas.DataFrame(
            self.counts, index=pandas.Index(list(self.names), name="class")
        )
        return frame

    def __str__(self) -> str:
        table = [["class", *map(str, self.names)]]
        table += [
            [key, *map(str, values.tolist())]
            for key, values in self.counts.items()
            if key in ("matches", "kept") or values.any()
        ]
        widths = [max(map(len, column)) for column in table]
        lines = []
        for cells in zip(*table, strict=True):
            first = cells[0].ljust(widths[0])
            rest = [cell.rjust(w) for cell, w in zip(cells[1:], widths[1:], strict=True)]
            lines.append("  ".join([first, *rest]))
        return "\n".join(lines)

    __repr__ = __str__


def count_labels(names: Sequence[Any], labels: ArrayLike) -> NDArray[np.int64]:
    """Return the number of ``labels`` equal to each name."""
    unique, counts = np.unique(np.asarray(labels), return_counts=True)
    by_name = dict(zip(unique.tolist(), counts.tolist(), strict=True))
    return np.asarray([by_name.get(name, 0) for name in names], dtype=np.int64)
