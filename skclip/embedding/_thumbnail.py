"""Small pictures of images, for pages and figures."""

import io
from typing import TYPE_CHECKING, Any

from skclip._files import is_remote
from skclip.embedding._decode import decode_image, fetch_image
from skclip.exceptions import UnreadableImageError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["make_thumbnail", "shrink_image"]

_QUALITY = 60


def shrink_image(image: Any, size: int) -> "Image | None":
    """Return an image with its proportions, at most ``size`` pixels wide and high.

    None where there is no image, where it cannot be read, and for a URL, which is never fetched.
    """
    if image is None or (isinstance(image, str) and is_remote(image)):
        return None
    try:
        picture = decode_image(fetch_image(image)).copy()
    except UnreadableImageError:
        return None
    picture.thumbnail((size, size))
    return picture


def make_thumbnail(image: Any, size: int) -> bytes | None:
    """Return a small image as a WebP file; None where :func:`shrink_image` gives none."""
    picture = shrink_image(image, size)
    if picture is None:
        return None
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", quality=_QUALITY)
    return buffer.getvalue()
