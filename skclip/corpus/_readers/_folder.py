"""A folder of images with captions in tables, or in one small file per image."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from skclip._validation import sample_of
from skclip._warn import warn_caller
from skclip.corpus._images import only_urls
from skclip.corpus._readers._columns import find_columns, rows_table
from skclip.corpus._readers._csv import has_header
from skclip.corpus._readers._decoding import MAX_TEXT, decoded, json_caption
from skclip.corpus._readers._finder import ImageFinder
from skclip.corpus._readers._request import Request
from skclip.corpus._readers._tables import TABLE_SUFFIXES, column_names, read_table_file
from skclip.corpus._stored_paths import stored_path
from skclip.embedding import IMAGE_SUFFIXES
from skclip.exceptions import CorpusError, UnusablePairWarning

__all__ = ["located", "read_captions_file", "read_folder"]

_BATCH = 4096
# With this many missing images, and hardly one found, a table belongs to another folder.
_MISSES = 300


def read_folder(root: Path, request: Request) -> Iterator[pa.Table]:
    """Yield the captioned images of a folder.

    Parameters
    ----------
    root : Path
        Folder with images, also in subfolders. Captions are in a table with image paths (CSV,
        TSV, text with a header, or Parquet, also in several shards), or in a ``.txt`` or
        ``.json`` file beside each image.

    request : Request
        Options for the source.

    Yields
    ------
    table : pyarrow.Table
        Rows as returned by :func:`rows_table`.

    Warns
    -----
    UnusablePairWarning
        If some tables are not read.
    """
    finder = ImageFinder(root)
    tables = _Tables.of(root, finder, request)
    pairs = [] if tables.with_images else _pairs(finder)
    chosen = tables.with_images
    if not (chosen or pairs):
        chosen = tables.captions_only
    if not (chosen or pairs):
        n_images = sum(Path(path).suffix.lower() in IMAGE_SUFFIXES for path in finder.files)
        unused = f" Not used: {tables.unused()}." if tables.unused() else ""
        raise CorpusError(
            f"The folder {str(root)!r} has {n_images} images but no captions: put a CSV, TSV "
            "or Parquet file with the columns `image` and `caption` into it, or a .txt file of "
            f"the same name beside each image.{unused}"
        )
    if len(chosen) > 1 and not tables.are_shards(chosen):
        raise CorpusError(
            f"The folder {str(root)!r} has several tables of captions "
            f"({sample_of(path.name for path in chosen)}): give the one to use as the source."
        )
    if unused := tables.unused(chosen):
        warn_caller(
            f"Tables of the folder {str(root)!r} are not read: {unused}. The captions come from "
            + (f"{chosen[0].name!r}." if chosen else "the files beside the images."),
            UnusablePairWarning,
        )
    if pairs:
        request.refuse_images_root("folders with a file beside each image")
        request.refuse_filters("A folder with a file beside each image")
    found = ImageFinder(request.images_root) if request.images_root else finder
    for path in chosen:
        yield from read_captions_file(path, request, found)
    yield from _read_sidecars(root, pairs, request)


@dataclass
class _Tables:
    """The tables of a folder."""

    with_images: list[Path] = field(default_factory=list)
    captions_only: list[Path] = field(default_factory=list)
    names: dict[Path, list[str]] = field(default_factory=dict)
    reasons: dict[Path, str] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path, finder: ImageFinder, request: Request) -> "_Tables":
        """Find the tables among the files of a folder."""
        tables, files = cls(), frozenset(finder.files)
        for name in (file for file in finder.files if "/" not in file):
            path, kind = root / name, Path(name).suffix.lower()
            if kind not in TABLE_SUFFIXES and not (
                kind == ".txt"
                and not _is_sidecar(name, files)
                and has_header(path, request.columns)
            ):
                continue
            try:
                tables.names[path] = column_names(path)
                columns = find_columns(tables.names[path], request.columns, where="it")
            except CorpusError as error:
                tables.reasons[path] = str(error).removesuffix(".").replace(f"{str(path)!r}", "it")
                continue
            (tables.captions_only if columns.image is None else tables.with_images).append(path)
            if columns.image is None:
                tables.reasons[path] = f"it has no image column among {tables.names[path]}"
        return tables

    def are_shards(self, paths: list[Path]) -> bool:
        """Return whether tables are shards of one table: Parquet files with the same columns."""
        kinds = {path.suffix.lower() for path in paths}
        return kinds == {".parquet"} and len({tuple(self.names[path]) for path in paths}) == 1

    def unused(self, chosen: list[Path] | None = None) -> str:
        """Return the tables that are not read, with reasons, as text."""
        left = [(path, why) for path, why in self.reasons.items() if path not in (chosen or [])]
        reasons = "; ".join(f"{path.name!r}: {why}" for path, why in left[:5])
        return f"{reasons} and {len(left) - 5} more" if len(left) > 5 else reasons


def read_captions_file(
    path: Path, request: Request, finder: ImageFinder | None = None
) -> Iterator[pa.Table]:
    """Yield the rows of a table of captions, with the paths of its images.

    Parameters
    ----------
    path : Path
        CSV, TSV, Parquet, JSON or text file, or saved data set.

    request : Request
        Options for the source.

    finder : ImageFinder, default=None
        Finds images; None searches ``images_root``, or the folder of ``path``.

    Yields
    ------
    table : pyarrow.Table
        Rows as returned by :func:`rows_table`; ``problem`` is set if the image is missing.
    """
    root = request.images_root or (path if path.is_dir() else path.parent)
    finder = ImageFinder(root) if finder is None else finder
    n_images = n_missing = 0
    for table in read_table_file(path, request):
        if not request.images_found or only_urls(table.column("image")):
            yield table
            continue
        images = table.column("image").to_pylist()
        found = {image: finder.find(image) for image in dict.fromkeys(images) if image is not None}
        missing = [why for place, why in found.values() if place is None]
        n_images += len(found)
        n_missing += len(missing)
        if request.stop_early and n_missing >= _MISSES and n_missing >= 0.99 * n_images:
            raise CorpusError(
                f"Of the first {n_images} images in {str(path)!r}, {n_missing} are not "
                f"below {str(root)!r} ({sample_of(missing, 2)}): give their folder as "
                "images_root=, or, to search captions only, give captions without images."
            )
        yield _located(table, [(None, None) if i is None else found[i] for i in images])


def located(table: pa.Table, finder: ImageFinder) -> pa.Table:
    """Return rows with the paths of their images, as those of :func:`read_captions_file`.

    Parameters
    ----------
    table : pyarrow.Table
        Rows of a table that was read with ``images_found=False``.

    finder : ImageFinder
        Finds the images.

    Returns
    -------
    table : pyarrow.Table
        The rows; URLs are unchanged.
    """
    if only_urls(table.column("image")):
        return table
    images = table.column("image").to_pylist()
    return _located(table, [(None, None) if i is None else finder.find(i) for i in images])


def _located(table: pa.Table, places: list[tuple[str | None, str | None]]) -> pa.Table:
    """Return rows with the paths of their images, or reasons for missing images."""
    problems = table.column("problem").to_pylist()
    columns = {
        "image": [place and stored_path(place) for place, _ in places],
        "problem": [new or old for (_, new), old in zip(places, problems, strict=True)],
    }
    for name, values in columns.items():
        at = table.column_names.index(name)
        table = table.set_column(at, name, [pa.array(values, pa.string())])
    return table


def _pairs(finder: ImageFinder) -> list[tuple[str, str]]:
    """Return images with the caption files beside them."""
    # names that differ only in Unicode form or the case of their suffix belong together
    files = {_sidecar_key(path): path for path in sorted(finder.files, reverse=True)}
    images = (path for path in finder.files if Path(path).suffix.lower() in IMAGE_SUFFIXES)
    return [(image, sidecar) for image in images if (sidecar := _sidecar(image, files))]


def _sidecar(image: str, files: dict[str, str]) -> str | None:
    stem = _sidecar_key(image).rpartition(".")[0]
    return next((files[stem + s] for s in (".txt", ".json") if stem + s in files), None)


def _sidecar_key(path: str) -> str:
    stem, dot, ending = unicodedata.normalize("NFC", path).rpartition(".")
    return stem + dot + ending.lower()


def _is_sidecar(name: str, files: frozenset[str]) -> bool:
    stem = name.rpartition(".")[0]
    return any(stem + s in files for suffix in IMAGE_SUFFIXES for s in (suffix, suffix.upper()))


def _read_sidecars(
    root: Path, pairs: list[tuple[str, str]], request: Request
) -> Iterator[pa.Table]:
    for start in range(0, len(pairs), _BATCH):
        part = pairs[start : start + _BATCH]
        captions = [_read_sidecar(root / sidecar, request) for _, sidecar in part]
        yield rows_table(captions, [image for image, _ in part], None, request.doubts)


def _read_sidecar(path: Path, request: Request) -> str | list[str]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEXT + 1)
    except OSError as error:
        raise CorpusError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_TEXT:
        raise CorpusError(f"{str(path)!r} has more than {MAX_TEXT} bytes, the limit for a caption.")
    text = decoded(data, repr(str(path)), request.doubts)
    if path.suffix.lower() == ".txt":
        return " ".join(text.split())
    try:
        return json_caption(text)
    except ValueError as error:
        raise CorpusError(f"{str(path)!r} {error}.") from error
