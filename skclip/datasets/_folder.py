"""Write captioned images as files."""

import csv
import tempfile
from os import PathLike
from pathlib import Path

from sklearn.utils import Bunch

from skclip._compat import StrOptions, validate_params
from skclip._files import find_file


@validate_params(
    {"data": [Bunch], "path": [str, PathLike], "captions": [StrOptions({"txt", "csv"})]},
    prefer_skip_nested_validation=True,
)
def write_captioned_folder(
    data: Bunch, path: str | PathLike[str], *, captions: str = "txt"
) -> Path:
    """Write images as PNG files, with captions in text files or a CSV file.

    Parameters
    ----------
    data : :class:`~sklearn.utils.Bunch`
        ``images`` and ``captions``, as returned by :func:`make_captioned_images`.

    path : str or path-like
        Folder to create; an existing folder must be empty. It appears when it is complete.

    captions : {"txt", "csv"}, default="txt"
        Whether to write one text file per image, with the same stem, or a single
        ``captions.csv`` with the columns ``image`` and ``caption``.

    Returns
    -------
    path : pathlib.Path
        The folder.

    See Also
    --------
    make_captioned_images : Make synthetic captioned images.

    Examples
    --------
    >>> import tempfile
    >>> from skclip.datasets import make_captioned_images, write_captioned_folder
    >>> data = make_captioned_images(2, random_state=0)
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     folder = write_captioned_folder(data, f"{parent}/collection")
    ...     sorted(file.name for file in folder.iterdir())
    ['000000.png', '000000.txt', '000001.png', '000001.txt']
    """
    path = find_file(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(
            f"path={str(path)!r} exists and is not an empty folder: give another, or remove it."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    digits = max(6, len(str(len(data.images))))
    names = [f"{i:0{digits}d}.png" for i in range(len(data.images))]
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as partial:
        folder = Path(partial) / path.name
        folder.mkdir()
        for name, image in zip(names, data.images, strict=True):
            image.save(folder / name)
        if captions == "txt":
            for name, caption in zip(names, data.captions, strict=True):
                (folder / name).with_suffix(".txt").write_text(f"{caption}\n", encoding="utf-8")
        else:
            with open(folder / "captions.csv", "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["image", "caption"])
                writer.writerows(zip(names, data.captions, strict=True))
        folder.replace(path)
    return path
