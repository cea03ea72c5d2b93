"""Image references of a collection: paths, URLs, and byte ranges within a file."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from skclip._files import is_remote
from skclip._optional import import_optional

__all__ = ["ImageSlice", "image_keys", "load_images", "only_urls"]


@dataclass(frozen=True)
class ImageSlice:
    """An image inside another file, read on demand.

    It has the ``read`` method of a file, which :class:`skclip.CLIPEmbedder` needs.

    Parameters
    ----------
    path : str
        File, e.g. a tar archive; or the URL of one, on any file system of fsspec.

    offset : int
        First byte of the image.

    size : int
        Number of bytes.
    """

    path: str
    offset: int
    size: int

    def read(self) -> bytes:
        """Return the bytes of the image."""
        if is_remote(self.path):
            return self._read_remote()
        with open(self.path, "rb") as file:
            end = os.fstat(file.fileno()).st_size
            if not 0 <= self.offset <= self.offset + self.size <= end:
                raise OSError(
                    f"{self.path!r} has {end} bytes, but its image needs {self.size} bytes from "
                    f"{self.offset} on: the file was changed or cut off"
                )
            file.seek(self.offset)
            return file.read(self.size)

    def _read_remote(self) -> bytes:
        """Return the bytes by one request, for them only."""
        core = import_optional("fsspec.core", extra="ray", purpose=f"The archive {self.path!r}")
        if "::" in self.path:  # a corpus of others must not choose caches on this machine
            raise OSError(f"{self.path!r} is a chain of file systems, which is not opened")
        files, name = core.url_to_fs(self.path)
        content: bytes = files.cat_file(name, start=self.offset, end=self.offset + self.size)
        if len(content) != self.size:
            raise OSError(
                f"{self.path!r} has {len(content)} bytes from {self.offset} on, but its image "
                f"needs {self.size}: the file was changed or cut off"
            )
        return content


def load_images(references: NDArray[Any]) -> NDArray[Any]:
    """Return references with slices replaced by their bytes."""
    images = (r.read() if isinstance(r, ImageSlice) else r for r in references)
    return np.fromiter(images, dtype=object, count=len(references))


def only_urls(images: pa.ChunkedArray) -> bool:
    """Return whether a column of references has URLs only, and no paths to look up."""
    remote = pc.and_not(pc.match_substring(images, "://"), pc.starts_with(images, "file:"))
    return bool(pc.all(remote, min_count=0).as_py())


def image_keys(references: Iterable[Any], ids: Iterable[Any]) -> list[Any]:
    """Return what identifies images: their reference, or the id of a row without an image."""
    return [
        ("id", identifier)
        if reference is None
        else reference
        if isinstance(reference, str | bytes | ImageSlice)
        else ("object", id(reference))
        for reference, identifier in zip(references, ids, strict=True)
    ]
