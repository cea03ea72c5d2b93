"""A page in one file, or with a folder of thumbnails beside it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from skclip._files import file_to_write, replacing

__all__ = ["FOLDER", "Page", "page_path"]


@dataclass(frozen=True)
class Page:
    """A report that is ready to be saved.

    Parameters
    ----------
    html : str
        The document. It loads nothing from the network, and runs no scripts but those of skclip.

    files : mapping of str to bytes, default={}
        Contents of further files, by path in a folder named after the page; empty for most pages.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skclip.recall import PrimingPool
    >>> from skclip.report import pool_page
    >>> page = pool_page(PrimingPool(["cat", "dog"], captions=["a cat", "a dog"]))
    >>> path = page.save(Path(tempfile.mkdtemp()) / "pool.html")
    >>> path.name
    'pool.html'
    """

    html: str = field(repr=False)
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page.

        Parameters
        ----------
        path : path-like
            File to write; its name ends in ``.html``. Thumbnails that do not fit into it go into
            a folder beside it, ``NAME_files``; a file that was there before is replaced.

        Returns
        -------
        path : Path
            The file that was written.

        Raises
        ------
        ValueError
            If the path is a folder, its folder does not exist, or it does not end in ``.html``.
        """
        target = page_path(path)
        html = self.html.replace(FOLDER, quote(f"{target.stem}_files"))
        with replacing(target) as temporary:
            for name, content in self.files.items():
                file = target.parent / f"{target.stem}_files" / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            temporary.write_text(html, encoding="utf-8", errors="backslashreplace", newline="\n")
        return target


def page_path(path: str | os.PathLike[str], name: str = "path") -> Path:
    """Return the page to write, or raise where none can be or its name is not of a page."""
    target = file_to_write(path, name)
    if target.suffix.lower() not in (".html", ".htm"):
        raise ValueError(
            f"{name} {str(target)!r} does not end in .html: a page is HTML, whatever it is called."
        )
    return target


FOLDER = "skclip-files-of-this-page"
