"""Images in one folder per class."""

from os import PathLike

import numpy as np
from sklearn.utils import Bunch

from skclip._compat import validate_params
from skclip._files import find_file
from skclip._validation import sample_of
from skclip.corpus import list_files
from skclip.embedding import IMAGE_SUFFIXES

__all__ = ["load_image_folder"]

# Names of parts of a data set, which are no classes.
SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}


@validate_params({"path": [str, PathLike]}, prefer_skip_nested_validation=True)
def load_image_folder(path: str | PathLike[str]) -> Bunch:
    """List images that lie in one folder per class.

    The name of the folder is the label. Nothing is opened or decoded: paths are what
    :class:`~skclip.CLIPEmbedder` takes.

    Parameters
    ----------
    path : str or path-like
        Folder of the folders. Images are found by the endings of their names, in folders of
        folders too; hidden files are left out.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        ``images``, list of pathlib.Path, class by class and sorted within;
        ``target``, ndarray of shape (n_images,), the label of each;
        ``target_names``, ndarray of shape (n_classes,), sorted.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.

    ValueError
        If no folder in it holds images, or its folders are parts of a data set, such as ``train``
        and ``test``.

    See Also
    --------
    load_labelled_images : The same, and archives and tables.
    make_captioned_images : Draw images and caption them.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skclip.datasets import load_image_folder, make_captioned_images
    >>> drawn = make_captioned_images(4, classes=["ring", "star"], random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i, (image, label) in enumerate(zip(drawn.images, drawn.target)):
    ...         (Path(folder) / label).mkdir(exist_ok=True)
    ...         image.save(Path(folder) / label / f"{i}.png")
    ...     data = load_image_folder(folder)
    >>> data.target_names
    array(['ring', 'star'], dtype='<U4')
    >>> len(data.images)
    4
    """
    root = find_file(path)
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise FileNotFoundError(f"path={str(root)!r} {what}: name a folder with one per class.")
    found = [name for name in list_files(root) if _is_image(name)]
    files = [name for name in found if "/" in name]
    labels = [name.partition("/")[0] for name in files]
    if not files:
        where = f"{len(found)} images lie in it directly" if found else "there are no images"
        raise ValueError(
            f"path={str(root)!r} has no folder with images ({where}): put the images of each class "
            "into a folder of its name."
        )
    names = np.unique(labels)
    if {name.lower() for name in names.tolist()} <= SPLITS:
        raise ValueError(
            f"path={str(root)!r} holds the parts {sample_of(names)} of a data set, not classes: "
            f"name one of them, such as {str(root / names[0])!r}."
        )
    order = np.argsort(labels, kind="stable")
    return Bunch(
        images=[root / files[i] for i in order],
        target=np.asarray(labels)[order],
        target_names=names,
    )


def _is_image(name: str) -> bool:
    ending = name.rpartition("/")[2].rpartition(".")
    return bool(ending[1]) and f".{ending[2].lower()}" in IMAGE_SUFFIXES
