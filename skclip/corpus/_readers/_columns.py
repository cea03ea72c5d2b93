"""From any table to the columns of a corpus: caption, id, image."""

import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from skclip._validation import sample_of
from skclip.exceptions import CorpusError

__all__ = [
    "Columns",
    "archive_rows",
    "encode_image",
    "find_columns",
    "image_columns",
    "rows_table",
]

# Names that img2dataset, clip-retrieval, Hugging Face datasets, LAION and Flickr use.
_CAPTION_NAMES = ("caption", "captions", "text", "alt_text", "title", "description")
_IMAGE_NAMES = ("image", "image_path", "file_name", "filename", "filepath", "path", "file", "url")
_ID_NAMES = ("id", "key", "uid", "sample_id", "image_id")


@dataclass(frozen=True)
class Columns:
    """Names of the columns that matter; None where a table has no such column.

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
        return [name for name in (self.id, self.caption, self.image) if name is not None]


def find_columns(names: Sequence[str], wanted: Columns, *, where: str) -> Columns:
    """Find the caption, image and id columns among ``names``.

    Parameters
    ----------
    names : sequence of str
        Columns of the table.

    wanted : Columns
        Columns the user named; the others are found by their usual names.

    where : str
        What the table is, for messages.

    Returns
    -------
    columns : Columns
        The caption column is always there.
    """
    for name in wanted.present:
        if name not in names:
            raise CorpusError(f"{where} has no column {name!r}; it has {sample_of(names, 20)}.")

    lower = {name.lower(): name for name in reversed(names)}

    def usual(candidates: tuple[str, ...]) -> str | None:
        return next((lower[c] for c in candidates if c in lower), None)

    columns = Columns(
        caption=wanted.caption or usual(_CAPTION_NAMES),
        image=wanted.image or usual(_IMAGE_NAMES),
        id=wanted.id or usual(_ID_NAMES),
    )
    if columns.caption is None:
        raise CorpusError(
            f"{where} has no caption column (looked for {', '.join(_CAPTION_NAMES)}); it has "
            f"{sample_of(names, 20)}: name the right one by caption_column=."
        )
    return columns


def rows_table(
    captions: Iterable[str | None],
    images: Sequence[Any] | None,
    ids: Sequence[Any] | None,
    *,
    first_row: int,
) -> pa.Table:
    """Return rows of a corpus, image bytes in a column ``data`` of their own.

    Parameters
    ----------
    captions : iterable of str or None
        A missing caption becomes an empty one: its row is never recalled by name.

    images : sequence or None
        Paths, URLs, bytes, ``{"bytes", "path"}`` dictionaries, PIL images or arrays.

    ids : sequence or None
        Identifiers; None means the image path, or the row number without one.

    first_row : int
        Row number of the first row.

    Returns
    -------
    table : pyarrow.Table
        Columns ``id``, ``caption``, ``image``, ``data`` and ``problem``.
    """
    texts = ["" if _is_missing(c) else _clean(str(c)) for c in captions]
    paths, data, problems = image_columns([None] * len(texts) if images is None else images)
    if ids is None:
        ids = [p if p is not None else first_row + i for i, p in enumerate(paths)]
    return pa.table(
        {
            "id": pa.array([_clean(str(i)) for i in ids], pa.string()),
            "caption": pa.array(texts, pa.string()),
            "image": pa.array(paths, pa.string()),
            "data": pa.array(data, pa.large_binary()),
            "problem": pa.array(problems, pa.string()),
        }
    )


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
        if _is_missing(image):
            problem = None if given is None else "no image"
        elif isinstance(image, str | os.PathLike):
            path = os.fspath(image)
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
    """Return the bytes of an image; those that are only in memory become PNG, without loss."""
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if not isinstance(image, Image.Image):
        image = Image.fromarray(np.asarray(image))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def archive_rows(
    captions: Sequence[str],
    ids: Sequence[str],
    places: Sequence[tuple[str, int, int] | None],
    problems: Sequence[str | None],
) -> pa.Table:
    """Return rows of a corpus whose images are runs of bytes of other files.

    Parameters
    ----------
    captions : sequence of str
        One a row.

    ids : sequence of str
        One a row.

    places : sequence of (path, offset, size) or None
        Where the image is.

    problems : sequence of str or None
        Why there is none.

    Returns
    -------
    table : pyarrow.Table
        All columns of a corpus.
    """
    paths, offsets, sizes = zip(*(place or (None, None, None) for place in places), strict=True)
    return pa.table(
        {
            "id": pa.array([_clean(i) for i in ids], pa.string()),
            "caption": pa.array([_clean(c) for c in captions], pa.string()),
            "image": pa.array(paths, pa.string()),
            "offset": pa.array(offsets, pa.int64()),
            "size": pa.array(sizes, pa.int64()),
            "problem": pa.array(problems, pa.string()),
        }
    )


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _clean(text: str) -> str:
    """Replace lone surrogates, which no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
