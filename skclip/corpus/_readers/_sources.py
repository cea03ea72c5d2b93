"""What a corpus can be built from, as runs of rows."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from skclip._validation import sample_of
from skclip.corpus._readers._columns import Columns
from skclip.corpus._readers._folder import read_captions_file, read_folder
from skclip.corpus._readers._tables import TABLE_SUFFIXES, is_frame, is_pair, read_frame, read_pairs
from skclip.corpus._readers._tool_outputs import (
    is_clip_retrieval,
    is_img2dataset,
    read_clip_retrieval,
    read_img2dataset,
)
from skclip.corpus._readers._webdataset import expand_braces, read_webdataset
from skclip.exceptions import CorpusError

__all__ = ["Part", "open_source"]


@dataclass(frozen=True)
class Part:
    """Rows that share a folder of images and, if there are any, an embeddings file.

    Parameters
    ----------
    tables : iterable of pyarrow.Table
        Rows in order; read once.

    image_root : str or None
        Folder that relative image paths start from.

    embeddings : str or None
        Absolute path of a ``.npy`` file with one row a caption, used where it lies.
    """

    tables: Iterable[pa.Table]
    image_root: str | None = None
    embeddings: str | None = None


def open_source(source: Any, wanted: Columns) -> Iterator[Part]:
    """Yield the parts of whatever holds captions.

    Parameters
    ----------
    source : path-like, data frame, (captions, images) or list of str
        What :meth:`skclip.corpus.Corpus.build` takes.

    wanted : Columns
        Columns the user named.

    Yields
    ------
    part : Part
        In a fixed order: the same source gives the same rows every time.
    """
    if isinstance(source, str | os.PathLike):
        yield from _open_path(os.fspath(source), wanted)
    elif is_frame(source):
        yield Part(read_frame(source, wanted), image_root=os.getcwd())
    elif is_pair(source):
        yield Part(read_pairs(*source), image_root=os.getcwd())
    elif _is_texts(source):
        yield Part(read_pairs(source, None))
    else:
        raise CorpusError(
            f"A corpus cannot be built from {type(source).__name__}: give a folder, a CSV, TSV, "
            "Parquet, text or tar file, a data frame, (captions, images), or a list of captions."
        )


def _open_path(given: str, wanted: Columns) -> Iterator[Part]:
    paths = [path.absolute() for path in expand_braces(given)]
    missing = [str(path) for path in paths if not path.exists()]
    path = paths[0]
    if missing:
        raise CorpusError(f"The source {sample_of(missing)} does not exist.")
    if all(path.suffix == ".tar" for path in paths):
        yield Part(read_webdataset(paths))
    elif path.is_dir():
        yield from _open_folder(path, wanted)
    elif path.suffix in (*TABLE_SUFFIXES, ".txt"):
        yield Part(read_captions_file(path, wanted), image_root=str(path.parent))
    else:
        raise CorpusError(
            f"The source {str(path)!r} is neither a folder nor a table of captions: expected a "
            f"file ending in {', '.join(TABLE_SUFFIXES)}, .txt or .tar."
        )


def _open_folder(path: Path, wanted: Columns) -> Iterator[Part]:
    if is_clip_retrieval(path):
        for embeddings, tables in read_clip_retrieval(path, wanted):
            yield Part(tables, embeddings=str(embeddings))
    elif is_img2dataset(path):
        yield Part(read_img2dataset(path, wanted))
    elif archives := sorted(path.glob("*.tar")):
        yield Part(read_webdataset(archives))
    else:
        yield Part(read_folder(path, wanted), image_root=str(path))


def _is_texts(source: Any) -> bool:
    return (
        hasattr(source, "__len__")
        and hasattr(source, "__getitem__")
        and not isinstance(source, bytes | dict)
        and all(isinstance(text, str) for text in source)
    )
