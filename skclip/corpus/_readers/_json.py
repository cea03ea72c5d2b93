"""Read the JSON files of captions that COCO, Flickr and their splits are published in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from skclip.exceptions import CorpusError

__all__ = ["json_batches"]

_BATCH = 4096


def json_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a JSON file of captions.

    Parameters
    ----------
    path : Path
        COCO's captions (``images`` and ``annotations``), Karpathy's splits (``images`` with
        ``sentences``), or a list of objects, which are rows.

    Yields
    ------
    batch : pyarrow.RecordBatch
        Columns ``image``, ``caption`` and ``id``, and the other plain values of each image, such
        as ``split`` and ``coco_url``; a list of objects gives its own columns.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{str(path)!r} is not JSON: {error}.") from error
    rows = _rows(content)
    if rows is None:
        raise CorpusError(
            f"{str(path)!r} is not a JSON file of captions: expected COCO's `images` and "
            "`annotations`, `images` with `sentences`, or a list of objects with an image and a "
            "caption."
        )
    if not rows:
        raise CorpusError(f"{str(path)!r} has no captions of its images.")
    # one schema for all batches
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: _column([row.get(name) for row in rows]) for name in names})
    yield from table.to_batches(max_chunksize=_BATCH)


def _rows(content: Any) -> list[dict[str, Any]] | None:
    """Return the rows of a file; None if it has another form."""
    if _are_objects(content):
        return [_plain(row) for row in content]
    if not isinstance(content, dict) or not _are_objects(content.get("images")):
        return None
    images = content["images"]
    if _are_objects(content.get("annotations")):
        return _coco(images, content["annotations"])
    if all(_are_objects(image.get("sentences")) for image in images):
        return [_karpathy(image) for image in images]
    return None


def _coco(
    images: list[dict[str, Any]], annotations: list[dict[str, Any]]
) -> list[dict[str, Any]] | None:
    captions: dict[Any, list[str]] = {}
    for annotation in annotations:
        if not isinstance(annotation.get("caption"), str):  # boxes or keypoints
            return None
        captions.setdefault(annotation.get("image_id"), []).append(annotation["caption"])
    return [
        {"image": image.get("file_name"), "caption": captions[image.get("id")], **_plain(image)}
        for image in images
        if image.get("id") in captions
    ]


def _karpathy(image: dict[str, Any]) -> dict[str, Any]:
    captions = [sentence.get("raw") for sentence in image["sentences"]]
    row = {"image": image.get("filename"), "caption": captions, "id": image.get("imgid")}
    return {**row, **_plain(image)}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return the values of an object that can be cells, and lists of captions."""
    return {
        name: value
        for name, value in row.items()
        if isinstance(value, str | int | float | None)
        or (isinstance(value, list) and value and all(isinstance(text, str) for text in value))
    }


def _column(values: list[Any]) -> pa.Array:
    if any(isinstance(value, list) for value in values):
        values = [[value] if isinstance(value, str) else value for value in values]
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):  # values of several types
        return pa.array([None if value is None else _as_text(value) for value in values])


def _as_text(value: Any) -> Any:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)
