"""Images to small WebP files, by threads."""

from collections.abc import Iterable
from typing import Any

from joblib import Parallel, delayed

from skclip.embedding import make_thumbnail

__all__ = ["make_thumbnails"]


def make_thumbnails(
    images: Iterable[Any] | None, n_images: int, size: int, *, n_jobs: int | None = None
) -> list[bytes | None]:
    """Return one thumbnail per image, made by threads.

    Parameters
    ----------
    images : iterable of n_images images, or None
        What a pool holds; None is no images.

    n_images : int
        Length of the result.

    size : int
        Maximum width and height, in pixels.

    n_jobs : int or None
        Threads, as joblib counts them.

    Returns
    -------
    contents : list of bytes or None
        WebP files; None for images that cannot be read, and for URLs, which are not fetched.
    """
    if images is None:
        return [None] * n_images
    jobs = Parallel(n_jobs=n_jobs, prefer="threads")
    contents: list[bytes | None] = jobs(delayed(make_thumbnail)(image, size) for image in images)
    return contents
