"""Images as a collection refers to them: paths, URLs, and runs of bytes within a file."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["ImageSlice", "load_images", "only_urls"]


@dataclass(frozen=True)
class ImageSlice:
    """An image inside another file, read when it is needed.

    It is enough of a file object for :class:`skclip.CLIPEmbedder`, which reads it whole.

    Parameters
    ----------
    path : str
        File, e.g. a tar archive.

    offset : int
        Where the image begins.

    size : int
        Number of bytes.
    """

    path: str
    offset: int
    size: int

    def read(self) -> bytes:
        """Return the bytes of the image."""
        with open(self.path, "rb") as file:
            end = os.fstat(file.fileno()).st_size
            if not 0 <= self.offset <= self.offset + self.size <= end:
                raise OSError(
                    f"{self.path!r} has {end} bytes, and the image is to be {self.size} of them "
                    f"from {self.offset} on: the file was changed or cut off"
                )
            file.seek(self.offset)
            return file.read(self.size)


def load_images(references: NDArray[Any]) -> NDArray[Any]:
    """Return references with the bytes in place of those that are slices."""
    images = (r.read() if isinstance(r, ImageSlice) else r for r in references)
    return np.fromiter(images, dtype=object, count=len(references))


def only_urls(images: pa.ChunkedArray) -> bool:
    """Whether a column of references names no file, and so has no path to look up."""
    remote = pc.and_not(pc.match_substring(images, "://"), pc.starts_with(images, "file:"))
    return bool(pc.all(remote, min_count=0).as_py())
