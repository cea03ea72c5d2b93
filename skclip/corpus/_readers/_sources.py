"""Open any source of a corpus as parts with rows."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from skclip._files import is_remote
from skclip._validation import sample_of
from skclip.corpus._readers._braces import expand_braces
from skclip.corpus._readers._columns import is_missing
from skclip.corpus._readers._finder import ImageFinder
from skclip.corpus._readers._folder import read_captions_file, read_folder
from skclip.corpus._readers._request import Request
from skclip.corpus._readers._saved_datasets import is_saved_dataset
from skclip.corpus._readers._tables import (
    TABLE_SUFFIXES,
    as_values,
    is_frame,
    is_pair,
    read_frame,
    read_pairs,
)
from skclip.corpus._readers._tool_outputs import (
    is_clip_retrieval,
    is_img2dataset,
    read_clip_retrieval,
    read_img2dataset,
)
from skclip.corpus._readers._webdataset import read_webdataset
from skclip.corpus._stored_paths import source_path
from skclip.embedding import IMAGE_SUFFIXES
from skclip.exceptions import CorpusError

__all__ = ["SOURCE_SUFFIXES", "Part", "open_source"]

SOURCE_SUFFIXES = (*TABLE_SUFFIXES, ".json", ".txt", ".tar")


@dataclass(frozen=True)
class Part:
    """Rows that share a folder of images and, if given, an embeddings file.

    Parameters
    ----------
    tables : iterable of pyarrow.Table
        Rows in order; read once.

    image_root : str or None
        Base folder of relative image paths.

    embeddings : str or None
        Absolute path of a ``.npy`` file with one row per caption; it is not copied.

    finder : ImageFinder or None
        Finds images that were not found while reading (``images_found=False``).
    """

    tables: Iterable[pa.Table]
    image_root: str | None = None
    embeddings: str | None = None
    finder: ImageFinder | None = None


def open_source(source: Any, request: Request) -> Iterator[Part]:
    """Yield the parts of a source of captions.

    Parameters
    ----------
    source : path-like, list of path-like, data frame, (captions, images) or list of str
        Any source for :meth:`skclip.corpus.Corpus.build`.

    request : Request
        Options for the source.

    Yields
    ------
    part : Part
        Parts in a fixed order: the same source always gives the same rows.

    Warns
    -----
    DoubtfulTextWarning
        At the end, if captions may have been read wrongly.
    """
    root = request.images_root
    if root is not None and not root.is_dir():
        raise CorpusError(f"images_root={str(root)!r} is not a folder.")
    first_row = 0

    def numbered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        nonlocal first_row
        for table in tables:
            yield _numbered(table, first_row)
            first_row += table.num_rows

    for part in _parts(source, request):
        yield replace(part, tables=numbered(part.tables))
    request.doubts.warn()


def _parts(source: Any, request: Request) -> Iterator[Part]:
    images = str(request.images_root or os.getcwd())
    if paths := _as_paths(source):
        yield from _open_paths(paths, request)
    elif is_frame(source):
        yield Part(read_frame(source, request), image_root=images)
    elif is_pair(source):
        request.refuse_filters("A list of captions")
        yield Part(read_pairs(*source, doubts=request.doubts), image_root=images)
    elif _is_texts(source):
        request.refuse_filters("A list of captions")
        yield Part(read_pairs(source, doubts=request.doubts))
    else:
        raise CorpusError(
            f"A corpus cannot be built from {type(source).__name__}: give a folder, a CSV, TSV, "
            "Parquet, JSON, text or tar file, or several, a data frame, (captions, images), or a "
            "list of captions."
        )


def _numbered(table: pa.Table, first_row: int) -> pa.Table:
    """Return rows with their numbers as missing ids.

    If other rows have ids, the number is marked, since it could be one of them.
    """
    ids = table.column("id")
    lacking = pc.equal(ids, "")
    if not ids.null_count and not pc.any(lacking).as_py():
        return table
    numbers = pa.array(range(first_row, first_row + table.num_rows)).cast(pa.string())
    apart = pc.binary_join_element_wise("row", numbers, "without id", " ")
    at = table.column_names.index("id")
    ids = pc.coalesce(pc.if_else(lacking, apart, ids), numbers)
    return table.set_column(at, "id", ids)


def _as_paths(source: Any) -> list[str]:
    """Return the paths of a source given as paths; empty for other sources.

    A list of strings is a list of captions, unless all of them are readable files.
    """
    if isinstance(source, str | os.PathLike):
        return expand_braces(os.fspath(source))
    if not isinstance(source, list | tuple) or not source:
        return []
    if all(isinstance(item, os.PathLike) for item in source):
        return [path for item in source for path in expand_braces(os.fspath(item))]
    if not all(isinstance(item, str) for item in source):
        return []
    if all(item.lower().endswith(SOURCE_SUFFIXES) and _is_one_word(item) for item in source):
        return [path for item in source for path in expand_braces(item)]
    if all(Path(item).suffix.lower() in IMAGE_SUFFIXES and os.path.isfile(item) for item in source):
        raise CorpusError(
            f"The list has image files ({sample_of(source)}), not captions: give (captions, "
            "images), or the folder."
        )
    return []


def _is_one_word(text: str) -> bool:
    return " " not in text or os.path.exists(text)


def _open_paths(given: Sequence[str], request: Request) -> Iterator[Part]:
    paths = [source_path(path) for path in given]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise CorpusError(f"The source {sample_of(missing)} does not exist.")
    # consecutive archives share a part: their images have absolute paths
    for archives, run in groupby(paths, key=_is_archive):
        if archives:
            yield from _open_archives(list(run), request)
        else:
            for path in run:
                yield from _open_path(path, request)


def _open_archives(paths: list[Path], request: Request) -> Iterator[Part]:
    request.refuse_images_root("archives")
    request.refuse_filters("An archive")
    yield Part(read_webdataset(paths, request.doubts))


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".tar" and not path.is_dir()


def _open_path(path: Path, request: Request) -> Iterator[Part]:
    if is_remote(str(path)) and not (path.is_dir() or path.suffix.lower() == ".parquet"):
        raise _must_be_local(path)
    if path.is_dir():
        yield from _open_folder(path, request)
    elif path.suffix.lower() in SOURCE_SUFFIXES:
        # images of remote tables are URLs or bytes; relative paths are local
        here = Path.cwd() if is_remote(str(path)) else path.parent
        yield _table_part(path, request.images_root or here, request)
    else:
        raise CorpusError(
            f"The source {str(path)!r} is neither a folder nor a table of captions: expected a "
            f"file ending in {', '.join(TABLE_SUFFIXES)}, .json, .txt or .tar."
        )


def _open_folder(path: Path, request: Request) -> Iterator[Part]:
    try:
        archives = sorted(filter(_is_archive, path.iterdir()))
    except OSError as error:
        raise CorpusError(
            f"The folder {str(path)!r} cannot be listed: {error.strerror}."
        ) from error
    if is_remote(str(path)) and not (archives or is_img2dataset(path)):
        raise _must_be_local(path)
    if is_clip_retrieval(path):
        request.refuse_images_root("clip-retrieval's folders")
        request.refuse_filters("A folder of clip-retrieval, with one embedding per row,")
        for embeddings, tables in read_clip_retrieval(path, request):
            yield Part(tables, embeddings=str(embeddings))
    elif is_img2dataset(path):
        request.refuse_images_root("img2dataset's folders")
        yield Part(read_img2dataset(path, request))
    elif archives:
        yield from _open_archives(archives, request)
    elif is_saved_dataset(path):
        yield _table_part(path, request.images_root or path, request)
    else:
        root = request.images_root or path
        yield Part(read_folder(path, request), image_root=str(root), finder=ImageFinder(root))


def _must_be_local(path: Path) -> CorpusError:
    return CorpusError(
        f"The source {str(path)!r} must be copied to a folder first: remote sources are .tar and "
        ".parquet files, and folders of archives or of img2dataset."
    )


def _table_part(path: Path, root: Path, request: Request) -> Part:
    finder = ImageFinder(root)
    tables = read_captions_file(path, request, finder)
    return Part(tables, image_root=str(root), finder=finder)


def _is_texts(source: Any) -> bool:
    return (
        hasattr(source, "__len__")
        and (hasattr(source, "__getitem__") or hasattr(source, "to_pylist"))
        and not isinstance(source, bytes | str | dict)
        and len(source) != 0
        and all(isinstance(text, str) or is_missing(text) for text in as_values(source))
    ) or (isinstance(source, list | tuple) and not source)
