"""What is asked of a source of captions."""

from dataclasses import dataclass, field
from pathlib import Path

from skclip.corpus._readers._columns import Columns
from skclip.corpus._readers._decoding import Doubts
from skclip.exceptions import CorpusError

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """What is asked of a source, whatever it is.

    Parameters
    ----------
    columns : Columns, default=Columns()
        Columns of a table that the user named.

    images_root : Path or None, default=None
        Folder that the relative image paths of a table start from; None means its own.

    images_found : bool, default=True
        Whether images are looked up: who reads captions alone need not.

    stop_early : bool, default=True
        Whether a table of which no image is found is refused after the first few hundred.

    doubts : Doubts
        Gets notes of texts that may be wrong.
    """

    columns: Columns = field(default_factory=Columns)
    images_root: Path | None = None
    images_found: bool = True
    stop_early: bool = True
    doubts: Doubts = field(default_factory=Doubts)

    def refuse_images_root(self, what: str) -> None:
        """Raise if ``images_root`` is given for a source that is no table."""
        if self.images_root is not None:
            raise CorpusError(
                f"images_root={str(self.images_root)!r} goes with a table of captions: {what} "
                "have images of their own."
            )
