"""Options for reading a source of captions."""

from dataclasses import dataclass, field
from pathlib import Path

from skclip.corpus._readers._columns import Columns
from skclip.corpus._readers._decoding import Doubts
from skclip.corpus._readers._filters import Filters
from skclip.exceptions import CorpusError

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """Options for reading any source.

    Parameters
    ----------
    columns : Columns, default=Columns()
        Columns named by the user.

    filters : Filters or None, default=None
        Which rows of a table to read.

    images_root : Path or None, default=None
        Base folder of the relative image paths of a table; None means the table's folder.

    images_found : bool, default=True
        Whether images are located; not needed to read captions only.

    stop_early : bool, default=True
        Whether to raise if none of the first few hundred images of a table is found.

    doubts : Doubts
        Collects notes on texts that may be wrong.
    """

    columns: Columns = field(default_factory=Columns)
    filters: Filters | None = None
    images_root: Path | None = None
    images_found: bool = True
    stop_early: bool = True
    doubts: Doubts = field(default_factory=Doubts)

    def refuse_images_root(self, what: str) -> None:
        """Raise if ``images_root`` is given for a source that is not a table."""
        if self.images_root is not None:
            raise CorpusError(
                f"images_root={str(self.images_root)!r} is only for tables of captions: {what} "
                "contain their images."
            )

    def refuse_filters(self, what: str) -> None:
        """Raise if ``filters`` is given for a source whose rows have no columns to filter by."""
        if self.filters is not None:
            raise CorpusError(
                f"filters= is for files of tables. {what} must be filtered before it is given."
            )
