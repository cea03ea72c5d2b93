"""Find images whose pixels end early; Pillow fills the rest without an error.

Pillow fills a PNG whose compressed stream ends early with black, and a JPEG whose end marker comes
early with grey. Only images that end in that colour are checked.
"""

import zlib
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ends_early"]

# First column and row of the seven passes of an interlaced PNG, and the steps between them.
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of the colour types of PNG
_PIECE = 1 << 16
_FILLER = bytes(range(1, 255))  # codes of made-up pixels; no byte of it belongs to a marker


def ends_early(image: "Image", content: bytes) -> bool:
    """Return whether the file of a decoded image lacks some of its pixels.

    Parameters
    ----------
    image : PIL.Image.Image
        The image as Pillow loaded it.

    content : bytes
        The file.
    """
    last_row = np.asarray(image.crop((0, image.height - 1, image.width, image.height)))
    if image.format == "PNG":
        is_interlaced = content[28:29] == b"\x01"
        return (is_interlaced or not last_row.any()) and _png_is_short(content)
    if image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB", "CMYK"):
        # blocks without data get the middle of the range
        is_filled = np.isin(last_row[:, -1], (127, 128)).all()
        return bool(is_filled) and _jpeg_is_short(content, image)
    return False


def _png_is_short(content: bytes) -> bool:
    """Return whether the compressed stream of a PNG has fewer bytes than its size needs."""
    width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
    depth, colour, interlaced = content[24], content[25], content[28] == 1
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    expected = 0
    for x, y, dx, dy in passes:
        columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
        if columns > 0 and rows > 0:
            expected += rows * (1 + -(-columns * depth * _CHANNELS[colour] // 8))
    stream, found, at = zlib.decompressobj(), 0, 8
    while at + 8 <= len(content) and found < expected:
        size, kind = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        if kind == b"IDAT":
            data = content[at + 8 : at + 8 + size]
            while data and found < expected and not stream.eof:
                found += len(stream.decompress(data, _PIECE))
                data = stream.unconsumed_tail
        at += 12 + size
    return found < expected


def _jpeg_is_short(content: bytes, image: "Image") -> bool:
    """Return whether codes added before the end marker of a JPEG change its pixels."""
    from PIL import Image

    start = _start_of_scan(content)
    end = content.find(b"\xff\xd9", start)
    if start < 0 or end < 0:
        return False
    filled = BytesIO(content[:end] + _FILLER + b"\xff\xd9")
    with Image.open(filled, formats=["JPEG"]) as other:
        return other.tobytes() != image.tobytes()


def _start_of_scan(content: bytes) -> int:
    """Return where the first scan of a JPEG begins, past thumbnails in its header; else -1."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xDA:
            return at
        at += 1 if marker == 0xFF else 2 + int.from_bytes(content[at + 2 : at + 4])
    return -1
