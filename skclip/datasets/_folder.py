"""A captioned data set as files, the way users keep theirs."""

import csv
import tempfile
from os import PathLike
from pathlib import Path

from sklearn.utils import Bunch

from skclip._compat import StrOptions, validate_params
from skclip._paths import find_file


@validate_params(
    {"data": [Bunch], "path": [str, PathLike], "captions": [StrOptions({"txt", "csv"})]},
    prefer_skip_nested_validation=True,
)
def write_captioned_folder(
    data: Bunch, path: str | PathLike[str], *, captions: str = "txt"
) -> Path:
    """Write images as PNG files with their captions beside them.

    Parameters
    ----------
    data : :class:`~sklearn.utils.Bunch`
        With ``images`` and ``captions``, as :func:`make_captioned_images` returns it.

    path : str or path-like
        Folder to create. It appears when it is complete; an existing one must be empty.

    captions : {"txt", "csv"}, default="txt"
        One text file an image, of the same name, or one ``captions.csv`` with the columns
        ``image`` and ``caption`` for all.

    Returns
    -------
    path : pathlib.Path
        The folder.

    See Also
    --------
    make_captioned_images : Draw images and caption them.

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
            f"path={str(path)!r} exists and is not an empty folder: choose another, or remove it."
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
