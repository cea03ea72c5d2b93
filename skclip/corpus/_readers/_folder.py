"""A folder of images with captions beside them: one table for all, or one small file each."""

import json
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from skclip._validation import sample_of
from skclip.corpus._readers._columns import Columns, find_columns, rows_table
from skclip.corpus._images import only_urls
from skclip.corpus._readers._tables import TABLE_SUFFIXES, column_names, read_table_file
from skclip.exceptions import CorpusError

__all__ = ["IMAGE_SUFFIXES", "ImageFinder", "read_captions_file", "read_folder"]

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".jp2", ".avif", ".ppm")
)
_BATCH = 4096
_SIDECAR_KEYS = ("caption", "text")


class ImageFinder:
    """Find the images that a table of captions speaks of.

    Parameters
    ----------
    root : Path
        Folder that relative paths start from.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def files(self) -> list[str]:
        """All files below the root, relative, in sorted order; hidden ones are left out."""
        found = []
        for directory, folders, files in os.walk(self._root):
            folders[:] = sorted(f for f in folders if not f.startswith("."))
            below = Path(directory).relative_to(self._root)
            found += [(below / f).as_posix() for f in files if not f.startswith(".")]
        return sorted(found)

    @cached_property
    def _paths(self) -> frozenset[str]:
        return frozenset(self.files)

    @cached_property
    def _by_name(self) -> dict[str, str | None]:
        """Path of every image by its bare name; None where the name is not unique."""
        paths: dict[str, str | None] = {}
        for path in self.files:
            name = path.rpartition("/")[2]
            paths[name] = None if name in paths else path
        return paths

    def find(self, image: str) -> str | None:
        """Return the path of an image relative to the root, or absolute; None if it is missing."""
        if "://" in image:
            return image
        if os.path.isabs(image):
            return image if os.path.isfile(image) else None
        path = image.replace("\\", "/").removeprefix("./")
        if path in self._paths:
            return path
        # a table beside `images/` often gives bare names
        return self._by_name.get(path)


def read_folder(root: Path, wanted: Columns) -> Iterator[pa.Table]:
    """Yield the captioned images of a folder.

    Parameters
    ----------
    root : Path
        Folder with images, below it too, and either one CSV, TSV or Parquet file that gives
        captions by image path, or a ``.txt`` or ``.json`` file beside each image.

    wanted : Columns
        Columns of the table that the user named.

    Yields
    ------
    table : pyarrow.Table
        Rows as :func:`rows_table` gives them.
    """
    finder = ImageFinder(root)
    tables = [path for path in sorted(root.iterdir()) if _is_caption_table(path, wanted)]
    if len(tables) > 1:
        raise CorpusError(
            f"The folder {str(root)!r} has several tables of captions "
            f"({sample_of(path.name for path in tables)}): give the one to use as the source."
        )
    if tables:
        yield from read_captions_file(tables[0], wanted, finder)
    else:
        yield from _read_sidecars(root, finder)


def read_captions_file(
    path: Path, wanted: Columns, finder: ImageFinder | None = None
) -> Iterator[pa.Table]:
    """Yield the rows of a table of captions, its images looked up beside it.

    Parameters
    ----------
    path : Path
        CSV, TSV, Parquet or text file.

    wanted : Columns
        Columns the user named.

    finder : ImageFinder, default=None
        Knows the files of the folder; None means the folder of ``path``.

    Yields
    ------
    table : pyarrow.Table
        Rows as :func:`rows_table` gives them; ``problem`` is set where the image is missing.
    """
    finder = ImageFinder(path.parent) if finder is None else finder
    for table in read_table_file(path, wanted):
        if only_urls(table.column("image")):
            yield table
            continue
        images = table.column("image").to_pylist()
        found = [None if image is None else finder.find(image) for image in images]
        problems = [
            f"no such file: {image}" if image is not None and path is None else problem
            for image, path, problem in zip(
                images, found, table.column("problem").to_pylist(), strict=True
            )
        ]
        table = _replace(table, "image", found)
        yield _replace(table, "problem", problems)


def _is_caption_table(path: Path, wanted: Columns) -> bool:
    """Whether a file is a table with a caption column and an image column."""
    if path.suffix not in TABLE_SUFFIXES or not path.is_file():
        return False
    try:
        return find_columns(column_names(path), wanted, where=path.name).image is not None
    except (CorpusError, pa.ArrowException):
        return False


def _read_sidecars(root: Path, finder: ImageFinder) -> Iterator[pa.Table]:
    files = frozenset(finder.files)
    images = [path for path in finder.files if Path(path).suffix.lower() in IMAGE_SUFFIXES]
    pairs = [(image, sidecar) for image in images if (sidecar := _sidecar(image, files))]
    if not pairs:
        raise CorpusError(
            f"The folder {str(root)!r} has {len(images)} images but no captions: put a CSV, TSV "
            "or Parquet file with the columns `image` and `caption` into it, or a .txt file of "
            "the same name beside each image."
        )
    for start in range(0, len(pairs), _BATCH):
        part = pairs[start : start + _BATCH]
        captions = [_read_sidecar(root / sidecar) for _, sidecar in part]
        yield rows_table(captions, [image for image, _ in part], None, first_row=start)


def _sidecar(image: str, files: frozenset[str]) -> str | None:
    stem = image.rpartition(".")[0]
    return next((stem + s for s in (".txt", ".json") if stem + s in files), None)


def _read_sidecar(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".txt":
        return " ".join(text.split())
    try:
        content: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise CorpusError(f"{str(path)!r} is not JSON: {error}") from error
    caption = next((content[k] for k in _SIDECAR_KEYS if isinstance(content.get(k), str)), None)
    if caption is None:
        raise CorpusError(f"{str(path)!r} has no caption: expected a string under {_SIDECAR_KEYS}.")
    return str(caption)


def _replace(table: pa.Table, name: str, values: list[str | None]) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, [pa.array(values, pa.string())])
