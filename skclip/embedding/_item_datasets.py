"""Images within the data sets of other libraries: torch, torchvision, Hugging Face.

None of these libraries is imported here: what is one of their data sets has imported it.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from skclip._validation import sample_of

__all__ = ["dataset_column"]


@dataclass(frozen=True)
class _FirstOfEach:
    """The images of a torch data set, whose items are pairs of an image and more."""

    dataset: Any

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[Any]:
        # map-style data sets have positions, and need have no end of iteration
        items: Iterable[Any] = map(self.dataset.__getitem__, range(len(self.dataset)))
        return map(_image_of, items)


def dataset_column(X: Any, expected: str) -> Any:
    """Return the images of a data set; anything else as it is.

    Parameters
    ----------
    X : object
        What a user gave: a torch data set gives the first of each of its items; one of Hugging
        Face its only column.

    expected : str
        Begins messages: what should have been given.

    Returns
    -------
    column : iterable
        Images in order.

    Raises
    ------
    ValueError
        If a data set of Hugging Face has several columns.
    """
    # first: its streams are data sets of torch too
    hugging_face = sys.modules.get("datasets")
    if hugging_face is not None and isinstance(
        X, (hugging_face.Dataset, hugging_face.IterableDataset)
    ):
        names = list(X.column_names or [])
        if len(names) != 1:
            raise ValueError(
                f"{expected}, got a data set of {len(names)} columns: {sample_of(names)}. Give the "
                "one to embed, dataset['image']."
            )
        return X[names[0]] if hasattr(X, "__len__") else (row[names[0]] for row in X)
    torch = sys.modules.get("torch.utils.data")
    if torch is not None and isinstance(X, torch.Dataset):
        if isinstance(X, torch.IterableDataset):
            return map(_image_of, iter(X))
        return _FirstOfEach(X)
    return X


def _image_of(item: Any) -> Any:
    image = item[0] if isinstance(item, (tuple, list)) else item
    if "float" in str(getattr(image, "dtype", "")):
        raise TypeError(
            f"The data set gives images as {image.dtype}, which were transformed already: make it "
            "without a transform, since the model has one of its own."
        )
    return image
