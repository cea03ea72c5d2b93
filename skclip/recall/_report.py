"""What became of each class's matches on the way to the pool."""

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
    """Counts of a recall, one row a class.

    Parameters
    ----------
    names : sequence
        Class names in the order of the recall.

    counts : dict of str to array-like
        Numbers by class: ``matches`` first, ``kept`` last, between them what was left out and
        why.

    Examples
    --------
    >>> from skclip.recall import CaptionRetriever
    >>> retriever = CaptionRetriever().fit(["a cat", "a dog", "two dogs and a cat"])
    >>> print(retriever.recall(["cat", "dog"]).report())
    class  matches  kept
    cat          2     2
    dog          1     1
    """

    names: Sequence[Any]
    counts: dict[str, NDArray[np.int64]]

    @property
    def empty(self) -> list[Any]:
        """Classes for which nothing was kept."""
        kept = self.counts["kept"]
        return [name for name, n in zip(self.names, kept, strict=True) if not n]

    @property
    def unmatched(self) -> list[Any]:
        """Classes that no caption names."""
        matches = self.counts["matches"]
        return [name for name, n in zip(self.names, matches, strict=True) if not n]

    def to_frame(self) -> "pd.DataFrame":
        """Return the counts as a pandas DataFrame indexed by class.

        Returns
        -------
        frame : DataFrame
            One row a class.
        """
        pandas: Any = import_optional("pandas", extra="test", purpose="RecallReport.to_frame")
        frame: pd.DataFrame = pandas.DataFrame(
            self.counts, index=pandas.Index(list(self.names), name="class")
        )
        return frame

    def __str__(self) -> str:
        table = [["class", *map(str, self.names)]]
        table += [[key, *map(str, values.tolist())] for key, values in self.counts.items()]
        widths = [max(map(len, column)) for column in table]
        lines = []
        for cells in zip(*table, strict=True):
            first = cells[0].ljust(widths[0])
            rest = [cell.rjust(w) for cell, w in zip(cells[1:], widths[1:], strict=True)]
            lines.append("  ".join([first, *rest]))
        return "\n".join(lines)

    __repr__ = __str__


def count_labels(names: Sequence[Any], labels: ArrayLike) -> NDArray[np.int64]:
    """Return how many of ``labels`` each name has."""
    unique, counts = np.unique(np.asarray(labels), return_counts=True)
    by_name = dict(zip(unique.tolist(), counts.tolist(), strict=True))
    return np.asarray([by_name.get(name, 0) for name in names], dtype=np.int64)
