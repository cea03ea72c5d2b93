"""Images whose files end early but cleanly, which Pillow fills up and hands out."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from skclip.embedding._decode import decode_image
from skclip.exceptions import UnreadableImageError


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(lines: bytes, *, size=(16, 16), colour: int = 2, depth: int = 8, interlaced: int = 0):
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    data = chunk(b"IDAT", zlib.compress(lines))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + data + chunk(b"IEND", b"")


def is_refused(content: bytes) -> bool:
    try:
        decode_image(content)
    except UnreadableImageError:
        return True
    return False


@pytest.mark.parametrize("n_lines", [0, 1, 15])
def test_png_without_its_last_lines_is_refused(n_lines):
    assert is_refused(png((b"\0" + b"\xc8\x1e\x1e" * 16) * n_lines))


@pytest.mark.parametrize(
    ("colour", "depth", "n_bytes"), [(0, 1, 2), (0, 16, 32), (2, 8, 48), (3, 4, 8), (6, 8, 64)]
)
def test_black_png_is_an_image(colour, depth, n_bytes):
    line = bytes(1 + n_bytes)
    assert not is_refused(png(line * 16, colour=colour, depth=depth))
    assert is_refused(png(line * 15, colour=colour, depth=depth))


def test_stream_in_several_chunks_counts_as_a_whole():
    data = zlib.compress(bytes(49 * 16))
    content = png(b"").split(chunk(b"IDAT", zlib.compress(b"")))
    pieces = b"".join(chunk(b"IDAT", data[i : i + 5]) for i in range(0, len(data), 5))
    assert not is_refused(pieces.join(content))


def test_interlaced_png_lacks_its_last_pass():
    # passes of a grey image of three lines, a byte a pixel: one of 1, none, none, 1, 2, 1 + 1, 3
    whole = b"\0\7" + b"\0\7" + b"\0\7\7" + b"\0\7\0\7" + b"\0\7\7\7"
    options = {"size": (3, 3), "colour": 0, "interlaced": 1}
    assert not is_refused(png(whole, **options))
    for end in (-1, -4, -8):
        assert is_refused(png(whole[:end], **options))


def jpeg(picture: Image.Image, **options) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_jpeg_with_its_end_in_the_middle_is_refused(share, mode):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))
    content = jpeg(noise.convert(mode))
    assert not is_refused(content)
    cut = int(len(content) * share)
    while 0xFF in content[cut - 2 : cut]:
        cut -= 1
    assert is_refused(content[:cut] + b"\xff\xd9")


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_grey_jpeg_is_an_image(mode, options):
    assert not is_refused(jpeg(Image.new("RGB", (40, 40), (128,) * 3).convert(mode), **options))


def test_what_follows_the_end_of_a_jpeg_has_no_meaning():
    content = jpeg(Image.new("RGB", (40, 40), (128,) * 3))
    assert not is_refused(content + b"a thumbnail \xff\xd9")
