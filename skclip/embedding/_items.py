"""From any column of images or texts to an iterator over its items.

Containers are iterated over and never copied.
"""

from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from itertools import chain, islice
from os import PathLike, fspath
from os.path import isdir
from typing import Any

from skclip._files import find_file
from skclip._validation import sample_of
from skclip.embedding._item_datasets import dataset_column

__all__ = ["Items", "as_items", "check_texts"]

EXPECTED = {
    "image": "a list, array or column of paths, bytes, PIL images or uint8 arrays",
    "text": "a list, array or column of strings",
}


@dataclass(frozen=True)
class Items:
    """Items to iterate over, and their number if known."""

    values: Iterable[Any]
    n: int | None

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)


def as_items(X: Any, modality: str, name: str = "X") -> Items:
    """Return the items of ``X`` without copying them.

    Parameters
    ----------
    X : iterable
        List, tuple, generator, ndarray or tensor (of objects or strings with one dimension or
        one column, or of pixels with four dimensions), a pandas or polars Series, an Arrow
        array, a frame or table with one column, or a data set of torch or Hugging Face.

    modality : {"image", "text"}
        For the messages.

    name : str, default="X"
        Name of the caller's parameter.

    Returns
    -------
    items : Items
        Can be iterated over once (generators) or repeatedly (everything else).

    Raises
    ------
    TypeError
        If ``X`` is no container of images or texts.

    ValueError
        If ``X`` is empty or has more than one column.
    """
    expected = f"{name} must be {EXPECTED[modality]}"
    if isinstance(X, (str, bytes, PathLike)):
        if modality == "image" and not isinstance(X, bytes) and isdir(find_file(X)):
            raise TypeError(
                f"{expected}, got the folder {fspath(X)!r}: list its files, "
                "sorted(Path(folder).rglob('*.jpg')), or of one folder per class "
                "skclip.datasets.load_image_folder(folder).images."
            )
        shown = repr(X) if len(str(X)) < 200 else f"{type(X).__name__} of length {len(str(X))}"
        raise TypeError(f"{expected}, got the single {shown}: write [{name}].")
    column = _single_column(dataset_column(X, expected), expected)
    if isinstance(column, Mapping) or not isinstance(column, Iterable):
        raise TypeError(f"{expected}, got {type(X).__name__}.")
    n = len(column) if isinstance(column, Sized) else None
    empty = n == 0
    if n is None:
        values = iter(column)
        first = list(islice(values, 1))
        column, empty = chain(first, values), not first
    if empty:
        raise ValueError(
            f"Found array with 0 sample(s) while a minimum of 1 is required: {expected}."
        )
    if hasattr(column, "to_pylist"):  # Arrow arrays yield scalars, not values
        column = _ArrowValues(column)
    return Items(column, n)


@dataclass(frozen=True)
class _ArrowValues:
    column: Any

    def __iter__(self) -> Iterator[Any]:
        return (scalar.as_py() for scalar in self.column)


def _single_column(X: Any, expected: str) -> Any:
    """Reduce frames, tables and arrays of one column to that column."""
    names = getattr(X, "columns", None)
    if names is not None and hasattr(X, "shape"):
        if X.shape[1] != 1:
            raise ValueError(
                f"{expected}, got {X.shape[1]} columns: {sample_of(_column_names(X))}. "
                "Select the one to embed."
            )
        if hasattr(X, "iloc"):
            return X.iloc[:, 0]
        return X.column(0) if hasattr(X, "to_pylist") else X.to_series(0)
    if hasattr(X, "__array__") and hasattr(X, "shape") and hasattr(X, "ndim"):
        return _array_items(X, expected)
    return X


def _column_names(X: Any) -> list[str]:
    return list(getattr(X, "column_names", X.columns))


def _array_items(X: Any, expected: str) -> Any:
    if not hasattr(X, "dtype") or X.ndim == 1:
        if getattr(getattr(X, "dtype", None), "kind", "O") in "biufc":
            raise TypeError(f"{expected}, got numbers ({X.dtype}) of shape {tuple(X.shape)}.")
        return X
    if str(X.dtype).removeprefix("torch.") == "uint8":
        if X.ndim == 4:
            return X
        raise ValueError(
            f"{expected}, got one uint8 array of shape {tuple(X.shape)}. Pixels of n images have "
            "four dimensions; one image is X[None]."
        )
    if getattr(X.dtype, "kind", "f") in "biufc":
        raise TypeError(
            f"{expected}, got numbers ({X.dtype}) of shape {tuple(X.shape)}. Embeddings need no "
            "embedder: give them to the classifier; pixels must be uint8."
        )
    if X.ndim == 2 and X.shape[1] == 1:
        return X[:, 0]
    raise ValueError(f"{expected}, got an array of shape {tuple(X.shape)}: select one column.")


def check_texts(texts: Iterable[Any], start: int, name: str = "X") -> list[str]:
    """Return the texts as ``str``; raise for anything else.

    Parameters
    ----------
    texts : iterable
        Strings.

    start : int
        Position of the first text in the user's input.

    name : str, default="X"
        Name of the caller's parameter.

    Returns
    -------
    texts : list of str
        Plain strings.
    """
    checked = []
    for position, text in enumerate(texts, start):
        if not isinstance(text, str):
            raise TypeError(
                f"{name} must be {EXPECTED['text']}, got {text!r} ({type(text).__name__}) at "
                f"position {position}."
            )
        checked.append(str(text))
    return checked
