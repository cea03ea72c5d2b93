"""From a table to the columns of a corpus: caption, id, image."""

import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from numbers import Number
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from skclip._files import find_file
from skclip._validation import sample_of
from skclip.corpus._readers._decoding import Doubts
from skclip.corpus._stored_paths import stored_path, writable_text
from skclip.exceptions import CorpusError

__all__ = [
    "IMAGE_COLUMNS",
    "Columns",
    "archive_rows",
    "caption_list",
    "caption_text",
    "encode_image",
    "find_columns",
    "image_columns",
    "is_missing",
    "rows_table",
]

# Names used by img2dataset, clip-retrieval, Hugging Face datasets, LAION and Flickr.
_CAPTION_NAMES = ("caption", "captions", "text", "alt_text", "title", "description", "comment")
IMAGE_COLUMNS = (
    "image",
    "image_path",
    "image_name",
    "file_name",
    "filename",
    "filepath",
    "path",
    "file",
    "url",
    "image_url",
)
_ID_NAMES = ("id", "key", "uid", "sample_id", "image_id")


@dataclass(frozen=True)
class Columns:
    """Names of the columns to read; None if a table has no such column.

    Parameters
    ----------
    caption : str or None
        Column of captions.

    image : str or None
        Column of image paths, URLs, or bytes.

    id : str or None
        Column of identifiers.
    """

    caption: str | None = None
    image: str | None = None
    id: str | None = None

    @property
    def present(self) -> list[str]:
        """Names of the columns that exist."""
        names = dict.fromkeys((self.id, self.caption, self.image))
        return [name for name in names if name is not None]


def find_columns(names: Sequence[str], wanted: Columns, *, where: str) -> Columns:
    """Find the caption, image and id columns among ``names``.

    Parameters
    ----------
    names : sequence of str
        Columns of the table.

    wanted : Columns
        Columns named by the user; the others are found by their usual names.

    where : str
        Name of the table, for messages.

    Returns
    -------
    columns : Columns
        The columns; ``caption`` is never None.
    """
    for name in wanted.present:
        if name not in names:
            raise CorpusError(
                f"{where} has no column {name!r}; its columns are {sample_of(names, 20)}."
            )

    lower = {name.strip().lower(): name for name in reversed(names)}

    def usual(candidates: tuple[str, ...]) -> str | None:
        return next((lower[c] for c in candidates if c in lower), None)

    columns = Columns(
        caption=wanted.caption or usual(_CAPTION_NAMES),
        image=wanted.image or usual(IMAGE_COLUMNS),
        id=wanted.id or usual(_ID_NAMES),
    )
    if columns.caption is None:
        raise CorpusError(
            f"{where} has no caption column (expected {', '.join(_CAPTION_NAMES)}); its columns "
            f"are {sample_of(names, 20)}: name one as caption_column=."
        )
    for name in columns.present:
        if names.count(name) > 1:
            raise CorpusError(
                f"{where} has {names.count(name)} columns {name!r}: keep one, or rename them."
            )
    return columns


def rows_table(
    captions: Iterable[Any],
    images: Sequence[Any] | None,
    ids: Sequence[Any] | None,
    doubts: Doubts,
    *,
    problems: Sequence[str | None] | None = None,
) -> pa.Table:
    """Return rows of a corpus, with image bytes in a column ``data``.

    Parameters
    ----------
    captions : iterable of str, list of str or None
        A list gives one row for each of its captions. A missing caption becomes empty; its row is
        never recalled by name.

    images : sequence or None
        Paths, URLs, bytes, ``{"bytes", "path"}`` dictionaries, PIL images or arrays.

    ids : sequence or None
        Identifiers; a missing one is replaced by the image path.

    doubts : Doubts
        Collects notes on captions with characters that files cannot store.

    problems : sequence of str or None, default=None
        Reasons for missing images, if known.

    Returns
    -------
    table : pyarrow.Table
        Columns ``id`` (null if no row has an identifier or path, empty if a row has none),
        ``caption``, ``image``, ``data`` and ``problem``.
    """
    texts, row = _one_caption_per_row(captions, doubts)
    n_given = row[-1] + 1 if row else 0
    paths, data, reasons = image_columns([None] * n_given if images is None else images)
    names: Iterable[Any] = paths
    if ids is not None:
        named = zip(ids, paths, strict=True)
        names = (i if not is_missing(i) and i != "" else p or "" for i, p in named)
    if problems is not None:
        reasons = [new or old for new, old in zip(problems, reasons, strict=True)]
    table = pa.table(
        {
            "id": pa.array([None if n is None else _as_id(n) for n in names], pa.string()),
            "image": pa.array([p if p is None else stored_path(p) for p in paths], pa.string()),
            "data": pa.array(data, pa.large_binary()),
            "problem": pa.array([r and writable_text(r) for r in reasons], pa.string()),
        }
    )
    if len(texts) != n_given:
        table = table.take(pa.array(row, pa.int64()))
    return table.add_column(1, "caption", pa.array(texts, pa.string()))


def _one_caption_per_row(captions: Iterable[Any], doubts: Doubts) -> tuple[list[str], list[int]]:
    """Return captions as text, and the row number of each."""
    texts: list[str] = []
    row: list[int] = []
    for i, given in enumerate(captions):
        for caption in caption_list(given):
            text = caption if isinstance(caption, str) else caption_text(caption)
            texts.append(text if text.isascii() else _replaced(text, doubts))
            row.append(i)
    return texts, row


def caption_list(given: Any) -> Sequence[Any]:
    """Return the captions of one row as a list."""
    if isinstance(given, list | tuple | np.ndarray) or hasattr(given, "to_pylist"):
        values = given.to_pylist() if hasattr(given, "to_pylist") else list(given)
        return values or [None]
    return [given]


def caption_text(caption: Any) -> str:
    """Return a caption as text; empty if it is missing.

    Examples
    --------
    >>> from skclip.corpus._readers._columns import caption_text
    >>> caption_text(b"a cat"), caption_text(12), caption_text(None)
    ('a cat', '12', '')
    """
    if isinstance(caption, str):
        return str(caption)
    if is_missing(caption):
        return ""
    if isinstance(caption, bytes | bytearray | memoryview):
        try:
            return bytes(caption).decode("utf-8")
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"The caption {sample_of([bytes(caption[:40])])} is bytes that are not UTF-8 "
                f"({error.reason}): decode it first."
            ) from error
    if isinstance(caption, Number | np.generic | date):
        return str(caption)
    raise CorpusError(
        f"A caption must be a string, or a list of strings, got {sample_of([caption])[:200]} "
        f"({type(caption).__name__})."
    )


def _replaced(text: str, doubts: Doubts) -> str:
    """Return a caption without lone surrogates, which files cannot store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        doubts.add(ascii(text)[:80], "lone surrogates became U+FFFD")
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return text


def _as_id(identifier: Any) -> str:
    if isinstance(identifier, bytes):
        return identifier.decode("utf-8", "backslashreplace")
    return writable_text(str(identifier))


def image_columns(
    images: Iterable[Any],
) -> tuple[list[str | None], list[bytes | None], list[str | None]]:
    """Split images into paths, bytes, and the reason why there is neither."""
    paths: list[str | None] = []
    data: list[bytes | None] = []
    problems: list[str | None] = []
    for given in images:
        path: str | None = None
        content: bytes | None = None
        problem: str | None = None
        image = given
        if isinstance(image, dict):  # Hugging Face's image feature
            image = image.get("bytes") if image.get("bytes") is not None else image.get("path")
        if is_missing(image):
            problem = None if given is None else "no image"
        elif isinstance(image, str | os.PathLike):
            path = os.fspath(image)
            if path.startswith(("~", "file://")):
                path = str(find_file(path))
        else:
            try:
                content = encode_image(image)
            except (TypeError, ValueError, OSError) as error:
                problem = f"{type(error).__name__}: {error}"
        paths.append(path)
        data.append(content)
        problems.append(problem)
    return paths, data, problems


def encode_image(image: Any) -> bytes:
    """Return the bytes of an image; images in memory are encoded as PNG, without loss."""
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if not isinstance(image, Image.Image):
        image = Image.fromarray(np.asarray(image))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def archive_rows(
    captions: Sequence[Any],
    ids: Sequence[str],
    places: Sequence[tuple[str, int, int] | None],
    problems: Sequence[str | None],
    doubts: Doubts,
) -> pa.Table:
    """Return rows of a corpus whose images are byte ranges of other files.

    Parameters
    ----------
    captions : sequence of str, list of str or None
        One caption, or a list of captions, per row.

    ids : sequence of str
        One identifier per row.

    places : sequence of (path, offset, size) or None
        Locations of the images.

    problems : sequence of str or None
        Reasons for missing images.

    doubts : Doubts
        Collects notes on captions with characters that files cannot store.

    Returns
    -------
    table : pyarrow.Table
        All columns of a corpus.
    """
    table = rows_table(captions, None, ids, doubts, problems=problems).drop_columns("data")
    row = [i for i, given in enumerate(captions) for _ in caption_list(given)]
    paths, offsets, sizes = zip(*(places[i] or (None, None, None) for i in row), strict=True)
    at = table.column_names.index("image")
    stored = [p and stored_path(p) for p in paths]
    table = table.set_column(at, "image", pa.array(stored, pa.string()))
    table = table.append_column("offset", pa.array(offsets, pa.int64()))
    return table.append_column("size", pa.array(sizes, pa.int64()))


def is_missing(value: Any) -> bool:
    """Return whether a value means missing: None, NaN, pandas' NA and NaT."""
    return (
        value is None
        or (isinstance(value, float | np.floating) and bool(np.isnan(value)))
        or type(value).__name__ in ("NAType", "NaTType")
    )
