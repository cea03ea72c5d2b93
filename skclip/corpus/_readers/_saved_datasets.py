"""Read data sets that Hugging Face's `datasets` has saved to disk, without that library."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from skclip._validation import sample_of
from skclip.corpus._stored_paths import arrow_source
from skclip.exceptions import CorpusError

__all__ = ["is_saved_dataset", "saved_batches", "saved_names"]

_STATE, _SPLITS = "state.json", "dataset_dict.json"


def is_saved_dataset(root: Path) -> bool:
    """Return whether a folder was written by ``Dataset.save_to_disk``, of one split or several."""
    return (root / _STATE).is_file() or (root / _SPLITS).is_file()


def saved_names(root: Path) -> list[str]:
    """Return the column names of a saved data set."""
    first = _files(root)[0]
    with arrow_source(first) as source, pa.input_stream(source) as stream:
        names: list[str] = pa.ipc.open_stream(stream).schema.names
    return names


def saved_batches(root: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns of a saved data set."""
    for path in _files(root):
        with arrow_source(path) as source, pa.input_stream(source) as stream:
            for batch in pa.ipc.open_stream(stream):
                yield batch.select(columns)


def _files(root: Path) -> list[Path]:
    """Return the data files in their order."""
    if not (root / _STATE).is_file():
        splits = _read(root / _SPLITS).get("splits")
        raise CorpusError(
            f"The folder {str(root)!r} has a data set of several splits ({splits}): give the "
            "folder of one of them."
        )
    state = _read(root / _STATE)
    if state.get("_indices_data_files"):
        raise CorpusError(
            f"The data set in {str(root)!r} is a selection of the rows of its files: save "
            "dataset.flatten_indices()."
        )
    try:
        names = [str(file["filename"]) for file in state["_data_files"]]
    except (KeyError, TypeError) as error:
        raise CorpusError(f"{str(root / _STATE)!r} names no data files.") from error
    outside = [name for name in names if Path(name).name != name]
    if outside or not names:
        raise CorpusError(
            f"{str(root / _STATE)!r} must name files in its folder, got {sample_of(outside)}."
        )
    return [root / name for name in names]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError, OSError) as error:
        raise CorpusError(f"{str(path)!r} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise CorpusError(f"{str(path)!r} is not a JSON object.")
    return content
