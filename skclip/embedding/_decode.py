"""From any form of one image to an upright RGB image with eight bits per channel."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skclip._files import find_file, is_remote
from skclip.embedding._complete import ends_early
from skclip.embedding._formats import PROGRAM_FORMATS, readable_formats, unreadable_because
from skclip.exceptions import UnreadableImageError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["DECODING", "content_key", "decode_image", "describe_image", "fetch_image"]

# Part of the keys of stored embeddings: change it when the same file decodes to other pixels.
DECODING = "2"

MAX_PATH = 300

IMAGE_KINDS = "paths, URLs, bytes, files, PIL images or uint8 arrays"


# How to turn the pixels of each EXIF orientation upright, in Pillow's names.
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}

_loading = threading.Lock()


def fetch_image(item: Any) -> "bytes | Image":
    """Read one image without decoding it.

    Parameters
    ----------
    item : str, path, bytes, file, PIL.Image.Image, or ndarray or tensor of uint8
        An image file by path, URL (read by fsspec) or content, or pixels as ``(H, W)``,
        ``(H, W, C)`` or ``(C, H, W)`` with 1, 3 or 4 channels. Also a mapping with ``"bytes"`` or
        ``"path"``, as in Hugging Face datasets.

    Returns
    -------
    content : bytes or PIL.Image.Image
        The file's content; for pixels, an RGB image.

    Raises
    ------
    UnreadableImageError
        If there is no image; the message is the reason only.
    """
    from PIL import Image

    with _reasons():
        if isinstance(item, Mapping):
            item = item.get("bytes") or item.get("path")
        if isinstance(item, Image.Image):
            if item.format in PROGRAM_FORMATS:
                raise UnreadableImageError(f"it is {item.format}, which is never opened")
            with _loading:  # the same lazily opened image may be given several times
                item.load()
            return _to_rgb(item)
        if isinstance(item, (str, os.PathLike)):
            return _read_file(os.fspath(item))
        if isinstance(item, (bytes, bytearray, memoryview)):
            return bytes(item)
        if hasattr(item, "read"):
            if hasattr(item, "seekable") and item.seekable():
                item.seek(0)
            return bytes(item.read())
        if hasattr(item, "__array__"):
            item = item.cpu() if hasattr(item, "cpu") else item
            return _to_rgb(Image.fromarray(_to_height_width_channel(np.asarray(item))))
        raise UnreadableImageError(f"expected one of {IMAGE_KINDS}, got {type(item).__name__}")


def decode_image(content: "bytes | Image") -> "Image":
    """Decode one image.

    Parameters
    ----------
    content : bytes or PIL.Image.Image
        From :func:`fetch_image`.

    Returns
    -------
    image : PIL.Image.Image
        RGB, rotated by its EXIF orientation if that can be read. Transparent pixels are blended
        with white, 16-bit channels are scaled to 8 bits, and the first of several frames is used
        (the current frame of a PIL image).

    Raises
    ------
    UnreadableImageError
        If the content is no image; the message is the reason only.
    """
    from PIL import Image, UnidentifiedImageError

    if not isinstance(content, bytes):
        return content
    with _reasons():
        try:
            image = Image.open(BytesIO(content), formats=readable_formats())
        except UnidentifiedImageError:
            raise UnreadableImageError(unreadable_because(content)) from None
        with image:
            image.load()
            if ends_early(image, content):
                raise UnreadableImageError("its pixels end before the last line")
            return _to_rgb(image)


def content_key(content: "bytes | Image") -> bytes:
    """Return a hash that is equal for equal content.

    Files are hashed without decoding them, which is much faster. Images given as pixels are hashed
    by their RGB pixels.
    """
    if isinstance(content, bytes):
        return blake2b(content, digest_size=16).digest()
    size = repr(content.size).encode()
    return blake2b(content.tobytes(), digest_size=16, key=size).digest()


@contextmanager
def _reasons() -> Iterator[None]:
    """Convert any error of a decoder or file system into an error with a reason."""
    try:
        yield
    except UnreadableImageError:
        raise
    except FileNotFoundError:
        raise UnreadableImageError("no such file") from None
    except OSError as error:  # without number and path; the message has the path
        reason = error.strerror or str(error) or type(error).__name__
        raise UnreadableImageError(reason) from error
    except Exception as error:  # decoders raise any kind of exception for hostile bytes
        reason = str(error).strip() or type(error).__name__
        raise UnreadableImageError(reason) from error


def _read_file(path: str) -> bytes:
    if not path:
        raise UnreadableImageError("the path is empty")
    if not is_remote(path):
        return find_file(path).read_bytes()
    try:
        import fsspec
    except ImportError:
        raise UnreadableImageError("URLs are read by fsspec: pip install fsspec") from None
    with fsspec.open(path, "rb") as file:
        content: bytes = file.read()
    return content


def describe_image(item: Any, position: int) -> str:
    """Return the name of an item for messages: its path, or its position and type."""
    if isinstance(item, Mapping):
        item = item.get("path") or item.get("bytes")
    if isinstance(item, (str, os.PathLike)):
        path = repr(os.fspath(item))
        return path if len(path) <= MAX_PATH else f"{path[:MAX_PATH]}…"
    name = getattr(item, "filename", None) or getattr(item, "name", None)
    if isinstance(name, str) and name:
        return repr(name)
    return f"item {position} ({type(item).__name__})"


def _to_rgb(image: "Image") -> "Image":
    from PIL import Image

    image.load()
    if (turn := _TURNS.get(_orientation(image))) is not None:
        image = image.transpose(Image.Transpose[turn])
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_to_eight_bits(np.asarray(image)))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _orientation(image: "Image") -> Any:
    """Return the EXIF orientation; None if the metadata cannot be read."""
    from PIL import ExifTags

    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged metadata does not affect the pixels
        return None
    return orientation if isinstance(orientation, int) else None


def _to_eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale 16-bit integers by their range, and wider types by their minimum and maximum."""
    values = pixels.astype(np.float64)
    if not np.isfinite(values).all():
        raise UnreadableImageError("it has NaN or infinite pixels")
    low, high = float(values.min()), float(values.max())
    if pixels.dtype.kind in "iu" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0 if high > 255 or pixels.dtype.itemsize == 2 else 255.0
    span = high - low if high > low else 1.0
    return np.rint((values - low) / span * 255).astype(np.uint8)


def _to_height_width_channel(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype != np.uint8:
        raise UnreadableImageError(
            f"expected pixels of dtype uint8, got {pixels.dtype}; scale to 0..255 and convert"
        )
    if pixels.ndim == 3 and pixels.shape[-1] not in (1, 3, 4) and pixels.shape[0] in (1, 3, 4):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if 0 in pixels.shape or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,), (4,)):
        raise UnreadableImageError(
            "expected pixels of shape (height, width), (height, width, channels) or (channels, "
            f"height, width) with 1, 3 or 4 channels, got {pixels.shape}"
        )
    return np.ascontiguousarray(pixels)
