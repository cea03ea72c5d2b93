"""Find the images of a table of captions."""

import os
import unicodedata
from functools import cached_property
from pathlib import Path

from skclip._files import find_file, is_remote
from skclip._validation import sample_of
from skclip.exceptions import CorpusError

__all__ = ["ImageFinder", "list_files"]


def list_files(root: Path) -> list[str]:
    """Return all files below a folder, as sorted relative paths, without hidden ones.

    Links to folders are followed. Every folder is read once, even if several links lead to it.

    Parameters
    ----------
    root : Path
        The folder.

    Returns
    -------
    files : list of str
        Paths with ``/`` as separator.

    Raises
    ------
    CorpusError
        If a folder cannot be listed, because its files would be missing.
    """
    found: list[str] = []
    folders, links, seen = [""], list[str](), set[tuple[int, int]]()
    while folders or links:
        if not folders:  # read a folder by its own path rather than by a link
            links.sort()
        below = folders.pop() if folders else links.pop(0)
        try:
            status = os.stat(root / below)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(root / below) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    name = f"{below}/{entry.name}" if below else entry.name
                    if not entry.is_dir():
                        found.append(name)
                    elif entry.is_symlink():
                        links.append(name)
                    else:
                        folders.append(name)
        except OSError as error:
            raise CorpusError(
                f"The folder {str(root / below)!r} cannot be listed ({error.strerror}), so its "
                "files would be missing. Make it readable, or move it away."
            ) from error
    return sorted(found)


class ImageFinder:
    """Find images by the paths of a table, relative to a folder.

    The table is trusted: its paths may lead anywhere.

    Parameters
    ----------
    root : Path
        Base folder of relative paths.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def files(self) -> list[str]:
        """Result of :func:`list_files`."""
        return list_files(self._root)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Files by relative path and by bare name, in one Unicode form."""
        by_name: dict[str, list[str]] = {}
        for path in self.files:
            for name in {path, path.rpartition("/")[2]}:
                by_name.setdefault(unicodedata.normalize("NFC", name), []).append(path)
        return by_name

    def find(self, image: str) -> tuple[str | None, str | None]:
        """Find an image.

        Parameters
        ----------
        image : str
            A path, absolute or relative to the root, a bare name below the root, or a URL.

        Returns
        -------
        path : str or None
            Path, absolute or relative to the root; URLs are unchanged.

        problem : str or None
            Reason if there is no path.
        """
        if is_remote(image):
            return image, None
        slashed = image.replace("\\", "/").removeprefix("./")
        for path in dict.fromkeys((slashed, image)):
            if os.path.isfile(os.path.join(self._root, path)):
                return path, None
        if slashed.startswith(("~", "file://")):
            local = find_file(slashed)
        else:  # in another Unicode form
            local = find_file(os.path.join(self._root, slashed))
        if os.path.isfile(local):
            return str(local), None
        # a table beside `images/` often gives bare names
        named = self._by_name.get(unicodedata.normalize("NFC", slashed), [])
        if len(named) > 1:
            return None, f"several files have the name {image}: {sample_of(named)}"
        return (named[0], None) if named else (None, f"no such file: {image}")
