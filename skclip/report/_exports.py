"""A pool as files that other programs read: FiftyOne, LightlyStudio, Embedding Atlas."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from skclip._files import file_to_write, find_file, guard_cell, replacing
from skclip._linalg import unit_rows
from skclip._text_head import resolve_text_head
from skclip._validation import sample_of
from skclip.recall import PrimingPool
from skclip.report._evidence import class_positions, text_evidence

__all__ = ["to_embedding_atlas", "to_fiftyone", "to_lightly"]


def to_fiftyone(pool: PrimingPool, path: str | os.PathLike[str], *, zero_shot: Any = None) -> Path:
    """Write a pool as a FiftyOne image classification dataset.

    The images stay where they are: ``data.json`` names their files. ``labels.json`` holds the
    class of each, with the zero-shot label, caption and id (``image_id``) as attributes.

    Parameters
    ----------
    pool : PrimingPool
        Its images must be files.

    path : path-like
        Folder to write.

    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        Adds zero-shot labels, and probabilities as confidence.

    Returns
    -------
    path : Path
        The folder. ``fiftyone.Dataset.from_dir(dataset_dir=path, data_path="data.json",
        dataset_type=fiftyone.types.FiftyOneImageClassificationDataset)`` reads it.

    Examples
    --------
    >>> import tempfile
    >>> from skclip.recall import PrimingPool
    >>> from skclip.report import to_fiftyone
    >>> pool = PrimingPool(["cat"], images=["cats/1.jpg"])
    >>> sorted(file.name for file in to_fiftyone(pool, tempfile.mkdtemp()).iterdir())
    ['data.json', 'labels.json']
    """
    folder = find_file(path)
    files = _image_files(pool, "to_fiftyone")
    columns = _columns(pool, zero_shot)
    named, confidence = columns.pop("label"), columns.pop("probability", None)
    if "id" in columns:  # a label of FiftyOne has an id of its own
        columns = {"image_id": columns.pop("id"), **columns}
    labels: dict[str, dict[str, Any]] = {}
    for row, label in enumerate(named):
        about = {name: values[row] for name, values in columns.items() if values[row] is not None}
        labels[_key(row)] = {"label": label, "attributes": about}
        if confidence is not None and confidence[row] is not None:
            labels[_key(row)]["confidence"] = confidence[row]
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {
        "data.json": {_key(row): file for row, file in enumerate(files)},
        "labels.json": {"labels": labels},
    }.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")
    return folder


def to_lightly(pool: PrimingPool, path: str | os.PathLike[str], *, zero_shot: Any = None) -> Path:
    """Write a pool as a CSV file for LightlyStudio.

    Names of columns are those of the classifications that LightlyStudio itself exports.

    Parameters
    ----------
    pool : PrimingPool
        Its images must be files.

    path : path-like
        File to write; columns ``file_path_abs``, ``class_name``, ``id``, ``caption``, and with
        ``zero_shot`` also ``zero_shot_label`` and ``confidence``.

    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        Adds zero-shot labels and the probability of the image's own class.

    Returns
    -------
    path : Path
        The file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skclip.recall import PrimingPool
    >>> from skclip.report import to_lightly
    >>> pool = PrimingPool(["cat"], images=["/cats/1.jpg"], captions=["a cat"])
    >>> print(to_lightly(pool, Path(tempfile.mkdtemp()) / "pool.csv").read_text().strip())
    file_path_abs,class_name,caption
    /cats/1.jpg,cat,a cat
    """
    target = file_to_write(path)
    columns = {"file_path_abs": _image_files(pool, "to_lightly"), **_columns(pool, zero_shot)}
    names = {"label": "class_name", "probability": "confidence"}
    with (
        replacing(target) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([names.get(name, name) for name in columns])
        for cells in zip(*columns.values(), strict=True):
            writer.writerow([guard_cell(c) if isinstance(c, str) else c for c in cells])
    return target


def to_embedding_atlas(
    pool: PrimingPool, path: str | os.PathLike[str], *, zero_shot: Any = None
) -> Path:
    """Write a pool as a Parquet file for Embedding Atlas.

    Parameters
    ----------
    pool : PrimingPool
        Must have embeddings.

    path : path-like
        File to write; columns ``label``, ``vector`` (the embedding), ``x`` and ``y`` (its first
        two principal components), and those of id, caption and image file that there are.

    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        Adds ``zero_shot_label`` and ``probability``.

    Returns
    -------
    path : Path
        The file. ``embedding-atlas pool.parquet --x x --y y --text caption`` shows it;
        ``--vector vector`` in the place of x and y computes another projection.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from pyarrow import parquet
    >>> from skclip.recall import PrimingPool
    >>> from skclip.report import to_embedding_atlas
    >>> pool = PrimingPool(["cat", "dog"], [[1.0, 0.0], [0.0, 1.0]])
    >>> path = to_embedding_atlas(pool, Path(tempfile.mkdtemp()) / "pool.parquet")
    >>> parquet.read_table(path).column_names
    ['label', 'vector', 'x', 'y']
    """
    if pool.embeddings is None:
        raise ValueError(
            "to_embedding_atlas needs the embeddings of the pool: recall from a corpus that has "
            "some, or with an embedder."
        )
    target = file_to_write(path)
    columns = {name: pa.array(_clean(values)) for name, values in _columns(pool, zero_shot).items()}
    if pool.images is not None:
        columns["file_path"] = pa.array(_clean([_file_of(image) for image in pool.images]))
    vectors = np.ascontiguousarray(pool.embeddings, dtype=np.float32)
    columns["vector"] = pa.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1])
    xy = principal_plane(vectors)
    columns["x"], columns["y"] = pa.array(xy[:, 0]), pa.array(xy[:, 1])
    with replacing(target) as temporary:
        parquet.write_table(pa.table(columns), temporary)
    return target


def principal_plane(X: NDArray[Any]) -> NDArray[np.float64]:
    """Return unit rows in the plane of their two largest principal components.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Embeddings.

    Returns
    -------
    plane : ndarray of shape (n_samples, 2)
        Signs are such that the largest loading is positive.
    """
    unit = unit_rows(X).astype(np.float64)
    centred = unit - unit.mean(axis=0) if len(unit) else unit
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    plane = np.zeros((len(unit), 2))
    plane[:, : axes.shape[1]] = centred @ axes
    return plane


def _key(row: int) -> str:
    return f"{row:08d}"


def _columns(pool: PrimingPool, zero_shot: Any) -> dict[str, list[Any]]:
    """Return what is known of each row beside its image, by column."""
    labels = pool.labels.tolist()
    columns: dict[str, list[Any]] = {"label": [str(label) for label in labels]}
    if pool.ids is not None:
        columns["id"] = [str(one) for one in pool.ids.tolist()]
    if pool.captions is not None:
        columns["caption"] = [str(one) for one in pool.captions.tolist()]
    if zero_shot is not None and pool.embeddings is not None and len(pool):
        text_head = resolve_text_head(zero_shot, np.unique(pool.labels))
        assert text_head is not None
        evidence = text_evidence(pool.embeddings, class_positions(labels, text_head), text_head)
        columns["zero_shot_label"] = [
            None if i < 0 else text_head.names[i] for i in evidence.label.tolist()
        ]
        columns["probability"] = [
            None if p != p else round(p, 6) for p in evidence.own_probability.tolist()
        ]
    return columns


def _image_files(pool: PrimingPool, function: str) -> list[str]:
    files = [None] * len(pool) if pool.images is None else [_file_of(one) for one in pool.images]
    missing = [row for row, file in enumerate(files) if file is None]
    if missing:
        raise ValueError(
            f"{function} names images by their files, and {len(missing)} of {len(pool)} images "
            f"have none (rows {sample_of(missing)}): write them to files first."
        )
    return [file for file in files if file is not None]


def _file_of(image: Any) -> str | None:
    """Return the absolute path or the URL of an image that has one."""
    if not isinstance(image, str | os.PathLike):
        return None
    text = os.fspath(image)
    return text if "://" in text else os.path.abspath(text)


def _clean(values: list[Any]) -> list[Any]:
    """Return texts that can be written as UTF-8."""
    return [
        one.encode("utf-8", "backslashreplace").decode() if isinstance(one, str) else one
        for one in values
    ]
