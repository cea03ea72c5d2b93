"""Images with labels, from whatever holds them: folders, tar files, Parquet tables."""

import json
import tarfile
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet
from sklearn.utils import Bunch

from skclip._files import find_file
from skclip._validation import sample_of
from skclip.corpus import IMAGE_COLUMNS, ImageSlice
from skclip.datasets._image_folder import load_image_folder
from skclip.embedding import IMAGE_SUFFIXES

__all__ = ["LABEL_COLUMNS", "load_labelled_images"]

KINDS = (
    "a folder with one folder of images per class, tar files with .cls, .json or .txt members "
    "beside the images (webdataset), or Parquet files with a column of images"
)
# What tables, and the JSON beside images in archives, call labels.
LABEL_COLUMNS = (
    "label",
    "class",
    "class_name",
    "target",
    "category",
    "cls",
    "labels",
    "fine_label",
)
PICTURE_COLUMNS = ("image", "img", "images", "bytes")
# A label is short: whatever is longer is none.
MAX_LABEL = 10_000


def load_labelled_images(
    path: str | PathLike[str], *, class_names: Sequence[str] | None = None
) -> Bunch:
    """Read labels, and where the images are.

    Parameters
    ----------
    path : str or path-like
        One of these:

        - a folder with one folder of images per class, as :func:`load_image_folder` takes it;
        - a tar file, or a folder of tar files, with the members ``x.jpg`` and ``x.cls`` for each
          image; ``x.json`` with a ``label``, or ``x.txt``, will do for a label;
        - a Parquet file, or a folder of Parquet files, with a column of images (structs with
          ``bytes`` or ``path``, or binary) and one of labels. Names of numbered labels are
          taken from the file, where it has them.

    class_names : sequence of str, default=None
        The names of labels that are numbers, in their order. None takes those of the file, or of
        a ``classnames.txt`` beside the images or in the folder above.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``images`` for :class:`~skclip.CLIPEmbedder`, not read yet where they are files;
        ``target``, one label per image: names, or numbers where nothing names them.

    Raises
    ------
    ValueError
        If there are no images, an image has no label, or a number no name; or if the folders are
        parts of a data set, such as ``train`` and ``test``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skclip.datasets import load_labelled_images, make_captioned_images
    >>> drawn = make_captioned_images(4, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i, (image, label) in enumerate(zip(drawn.images, drawn.target)):
    ...         Path(folder, label).mkdir(exist_ok=True)
    ...         image.save(Path(folder, label, f"{i}.png"))
    ...     data = load_labelled_images(folder)
    >>> len(data.images), sorted(data.target) == sorted(drawn.target)
    (4, True)
    """
    source = find_file(path)
    if not source.exists():
        raise ValueError(f"path={str(path)!r} does not exist: give {KINDS}.")
    files = [source] if source.is_file() else sorted(source.iterdir())
    if not files:
        raise ValueError(f"path={str(path)!r} holds no images: give {KINDS}.")
    tars = [file for file in files if file.suffix == ".tar"]
    tables = [file for file in files if file.suffix == ".parquet"]
    images: Sequence[Any]
    if tars:
        images, labels = _of_tars(tars)
        names = class_names or _listed_names(source)
    elif tables:
        images, labels, found = _of_tables(tables)
        names = class_names or found or _listed_names(source)
    elif source.is_dir():
        folders = load_image_folder(source)
        return Bunch(images=folders.images, target=folders.target)
    else:
        raise ValueError(f"path={str(path)!r} is neither a tar nor a Parquet file: give {KINDS}.")
    if not len(images):
        raise ValueError(f"path={str(path)!r} holds no images: give {KINDS}.")
    return Bunch(images=images, target=_named(labels, names, str(path)))


def _of_tars(archives: Sequence[Path]) -> tuple[list[ImageSlice], list[Any]]:
    kinds = {suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES}
    images, labels = [], []
    for archive in archives:
        places: dict[str, ImageSlice] = {}
        found: dict[str, dict[str, Any]] = {}
        try:
            with tarfile.open(archive, "r:") as tar:
                for member in tar:
                    folder, _, last = member.name.rpartition("/")
                    stem, _, kind = last.partition(".")
                    key, kind = f"{folder}/{stem}", kind.lower()
                    if not member.isfile() or member.issparse() or not stem:
                        continue
                    if kind in kinds:
                        places[key] = ImageSlice(str(archive), member.offset_data, member.size)
                    elif kind in ("cls", "json", "txt") and member.size <= MAX_LABEL:
                        content = tar.extractfile(member)
                        assert content is not None
                        found.setdefault(key, {})[kind] = content.read().decode("utf-8", "replace")
        except (tarfile.TarError, OSError, EOFError) as error:
            raise ValueError(
                f"{str(archive)!r} is no tar file without compression ({error})."
            ) from error
        own = {key: _label_of(found.get(key, {})) for key in places}
        if missing := [key for key, label in own.items() if label is None]:
            raise ValueError(
                f"{str(archive)!r} has images without a label: {sample_of(missing)}. Every image "
                "needs a member .cls, .txt, or .json with a `label` beside it."
            )
        images += list(places.values())
        labels += list(own.values())
    return images, labels


def _label_of(members: Mapping[str, str]) -> Any:
    """Return the label that the members of one sample give; None without any."""
    if "cls" in members:
        return _as_number(members["cls"].strip())
    if "json" in members:
        try:
            fields = json.loads(members["json"])
        except ValueError:
            return None
        known = fields if isinstance(fields, dict) else {}
        label = next((known[key] for key in LABEL_COLUMNS if key in known), None)
        return label if isinstance(label, str | int) else None
    text = members.get("txt", "").strip()
    return _as_number(text) if text else None


def _as_number(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


def _of_tables(files: Sequence[Path]) -> tuple[list[Any], list[Any], list[str] | None]:
    images: list[Any] = []
    labels: list[Any] = []
    names = None
    for file in files:
        schema = parquet.read_schema(file)
        at = {name.lower(): name for name in schema.names}
        image = next((at[n] for n in (*PICTURE_COLUMNS, *IMAGE_COLUMNS) if n in at), None)
        label = next((at[name] for name in LABEL_COLUMNS if name in at), None)
        if image is None or label is None:
            raise ValueError(
                f"{str(file)!r} has the columns {sample_of(schema.names, 9)}: none is called "
                f"{' or '.join(PICTURE_COLUMNS if image is None else LABEL_COLUMNS)}."
            )
        names = names or _names_in_schema(schema, label)
        table = parquet.read_table(file, columns=[image, label])
        images += _images_of(table[image], file)
        labels += table[label].to_pylist()
    return images, labels, names


def _images_of(column: pa.ChunkedArray, file: Path) -> list[Any]:
    """Return the images of a column: bytes, or paths that start from the file's folder."""
    kind = column.type
    if pa.types.is_struct(kind) and "bytes" in {field.name for field in kind}:
        rows: list[Any] = pc.struct_field(column, "bytes").to_pylist()
        if all(row is not None for row in rows):
            return rows
        paths = pc.struct_field(column, "path").to_pylist()
        return [
            file.parent / path if row is None and path else row
            for row, path in zip(rows, paths, strict=True)
        ]
    rows = list(column.to_pylist())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return rows
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return [file.parent / row for row in rows]
    raise ValueError(
        f"{str(file)!r} has images of the type {kind}: expected structs with `bytes`, binary, or "
        "paths."
    )


def _names_in_schema(schema: pa.Schema, label: str) -> list[str] | None:
    """Return the class names that the datasets library writes into a table."""
    try:
        notes = json.loads((schema.metadata or {})[b"huggingface"])
        names = notes["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return list(map(str, names)) if isinstance(names, list) else None


def _listed_names(source: Path) -> list[str] | None:
    """Return the lines of ``classnames.txt``, as folders of CLIP_benchmark have it."""
    folder = source if source.is_dir() else source.parent
    for place in (folder, folder.parent):
        file = place / "classnames.txt"
        if file.is_file():
            lines = file.read_text(encoding="utf-8-sig").splitlines()
            return [line.strip() for line in lines if line.strip()]
    return None


def _named(labels: list[Any], names: Sequence[str] | None, path: str) -> Any:
    """Return labels as an array, by name where numbers have names."""
    if missing := [i for i, label in enumerate(labels) if label is None]:
        raise ValueError(f"path={path!r} has no label for the images {sample_of(missing)}.")
    if names is None or not all(isinstance(label, int) for label in labels):
        return np.asarray(labels)
    if outside := sorted({label for label in labels if not 0 <= label < len(names)}):
        raise ValueError(
            f"path={path!r} has the labels {sample_of(outside)}, but {len(names)} class names: "
            "give one name for each number from 0 on."
        )
    if len(set(names)) < len(names):  # two classes of one name stay two
        return np.asarray(labels)
    return np.asarray(names)[labels]
