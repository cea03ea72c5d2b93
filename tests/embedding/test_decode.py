"""Decoding: every kind of source and of file gives the same upright RGB picture."""

import struct
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps

from skclip.embedding._decode import content_key, decode_image, describe_image, fetch_image
from skclip.exceptions import UnreadableImageError


@pytest.fixture
def picture() -> Image.Image:
    rng = np.random.default_rng(1)
    return Image.fromarray(rng.integers(0, 256, (7, 11, 3), dtype=np.uint8))


def to_bytes(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(item) -> np.ndarray:
    image = decode_image(fetch_image(item))
    assert image.mode == "RGB"
    return np.asarray(image)


def test_every_source_gives_the_same_pixels(picture, tmp_path):
    path = tmp_path / "ünïcode name.png"
    picture.save(path)
    content = path.read_bytes()
    array = np.asarray(picture)
    sources = [
        str(path),
        path,
        content,
        bytearray(content),
        memoryview(content),
        picture,
        array,
        array.transpose(2, 0, 1),
        {"bytes": content, "path": None},
        {"bytes": None, "path": str(path)},
        np.str_(path),
    ]
    for source in sources:
        np.testing.assert_array_equal(pixels(source), array)


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
    st.sampled_from(["PNG", "BMP", "TIFF", "WEBP"]),
)
@settings(deadline=None, max_examples=50)
def test_lossless_files_give_the_pixels_of_the_array(array, kind):
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    content = to_bytes(Image.fromarray(array), kind, **options)
    np.testing.assert_array_equal(pixels(content), array)
    np.testing.assert_array_equal(pixels(array), array)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_else(content):
    with suppress(UnreadableImageError):
        assert decode_image(fetch_image(content)).mode == "RGB"


def test_read_only_array(picture):
    array = np.asarray(picture).copy()
    array.flags.writeable = False
    np.testing.assert_array_equal(pixels(array), array)


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (1, 5, 6)])
def test_grey_arrays(shape):
    grey = np.arange(30, dtype=np.uint8).reshape(shape)
    assert pixels(grey).shape == (5, 6, 3)
    np.testing.assert_array_equal(pixels(grey)[..., 1].ravel(), grey.ravel())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(picture, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = to_bytes(picture, "PNG", exif=exif)
    expected = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }[orientation](np.asarray(picture))
    np.testing.assert_array_equal(pixels(turned), expected)


def test_transparency_is_laid_over_white():
    rgba = np.zeros((1, 3, 4), dtype=np.uint8)
    rgba[0, :, 3] = [0, 255, 128]
    np.testing.assert_array_equal(pixels(rgba)[0, :, 0], [255, 0, 127])


def test_palette_with_a_transparent_colour():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 0, 0, 0])
    image.putpixel((1, 0), 1)
    content = to_bytes(image, "PNG", transparency=1)
    np.testing.assert_array_equal(pixels(content)[0], [[10, 20, 30], [255, 255, 255]])


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    ramp = np.array([[0, 257 * 100, 65535]], dtype=np.uint16)
    path = tmp_path / "deep.png"
    Image.fromarray(ramp).save(path)
    np.testing.assert_array_equal(pixels(path)[0, :, 0], [0, 100, 255])


def test_float_image_is_scaled_by_its_extremes(tmp_path):
    path = tmp_path / "float.tiff"
    Image.fromarray(np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)).save(path)
    np.testing.assert_array_equal(pixels(path)[0, :, 0], [0, 128, 255])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "HSV", "RGBA", "I", "F"])
def test_every_mode_becomes_rgb(picture, mode):
    assert pixels(picture.convert("RGB").convert(mode)).shape == (7, 11, 3)


def test_cmyk_jpeg_keeps_its_colours():
    red = Image.new("RGB", (16, 16), (200, 30, 30))
    content = to_bytes(red.convert("CMYK"), "JPEG", quality=95)
    assert np.abs(pixels(content).astype(int) - [200, 30, 30]).max() < 12


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("blue", "red", "lime")]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = to_bytes(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(pixels(content)[4, 4], [0, 0, 255])


def test_the_callers_image_is_left_as_it_was(picture):
    rgba = picture.convert("RGBA")
    fetch_image(rgba)
    assert rgba.mode == "RGBA"


def reason_for(item) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        decode_image(fetch_image(item))
    return str(caught.value)


def test_missing_file_and_folder(tmp_path):
    assert reason_for(tmp_path / "none.png") == "no such file"
    assert "irectory" in reason_for(tmp_path)


def test_truncated_and_foreign_files(picture, tmp_path):
    photo = to_bytes(Image.effect_noise((64, 64), 60), "JPEG")
    assert "truncated" in reason_for(photo[: len(photo) // 2])
    assert reason_for(b"not an image") == "not an image in a format Pillow reads"
    assert reason_for(b"") == "not an image in a format Pillow reads"
    png = to_bytes(picture)
    reason_for(png[: len(png) // 2])


def test_broken_png_checksum(picture):
    content = bytearray(to_bytes(picture))
    content[-30] ^= 0xFF
    reason_for(bytes(content))


def test_decompression_bomb_is_refused():
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))
    assert "decompression bomb" in reason_for(bomb)


def test_wrong_arrays_are_explained():
    assert "uint8, got float32" in reason_for(np.zeros((4, 4, 3), dtype=np.float32))
    assert "got (5, 5, 7)" in reason_for(np.zeros((5, 5, 7), dtype=np.uint8))
    assert "got (0, 4, 3)" in reason_for(np.zeros((0, 4, 3), dtype=np.uint8))
    assert "got int" in reason_for(3)
    assert "got NoneType" in reason_for(None)
    assert "got NoneType" in reason_for({"bytes": None, "path": None})


def test_items_are_named_by_path_where_they_have_one(tmp_path):
    assert describe_image("a/b.png", 3) == "'a/b.png'"
    assert describe_image(Path("c.png"), 3) == "'c.png'"
    assert describe_image({"path": "d.png", "bytes": b""}, 3) == "'d.png'"
    assert describe_image(b"abc", 3) == "item 3 (bytes)"
    Image.new("RGB", (2, 2)).save(tmp_path / "e.png")
    with Image.open(tmp_path / "e.png") as image:
        assert describe_image(image, 3) == repr(str(tmp_path / "e.png"))


def test_key_is_of_the_content_not_of_the_place(picture, tmp_path):
    png = to_bytes(picture)
    (tmp_path / "a.png").write_bytes(png)
    assert content_key(fetch_image(tmp_path / "a.png")) == content_key(fetch_image(png))
    assert content_key(fetch_image(picture)) == content_key(fetch_image(np.asarray(picture)))
    assert content_key(png) != content_key(png + b"\0")


def test_key_of_pixels_knows_the_shape():
    flat = np.zeros((2, 6, 3), dtype=np.uint8)
    keys = {content_key(fetch_image(flat.reshape(h, 12 // h, 3))) for h in (1, 2, 3, 4, 6, 12)}
    assert len(keys) == 6


def test_files_tensors_and_urls(picture, tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("fsspec")
    path = tmp_path / "a.png"
    picture.save(path)
    array = np.asarray(picture).copy()
    buffer = BytesIO(path.read_bytes())
    buffer.read()
    with path.open("rb") as file:
        for source in (
            buffer,
            file,
            path.as_uri(),
            torch.from_numpy(array),
            torch.from_numpy(array.transpose(2, 0, 1)),
        ):
            np.testing.assert_array_equal(pixels(source), array)
    assert "o such file" in reason_for(f"file://{tmp_path}/none.png")
    assert "uint8, got float32" in reason_for(torch.zeros(3, 4, 4))
    assert reason_for("nonsense://a.png").startswith("Protocol not known")


def test_without_fsspec_the_reason_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert reason_for("https://host/a.png") == "URLs are read by fsspec: pip install fsspec"


def test_lists_are_no_images():
    assert "got list" in reason_for(["a.png"])


def test_an_image_with_several_places_may_be_opened_by_several_threads(tmp_path):
    path = tmp_path / "noise.png"
    Image.effect_noise((600, 600), 60).save(path)
    expected = pixels(path)
    with Image.open(path) as lazy, ThreadPoolExecutor(4) as threads:
        for found in threads.map(pixels, [lazy] * 8):
            np.testing.assert_array_equal(found, expected)


def test_an_animation_that_is_open_stays_at_its_frame(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("blue", "red", "lime")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with Image.open(tmp_path / "a.gif") as image:
        image.seek(1)
        np.testing.assert_array_equal(pixels(image)[4, 4], [255, 0, 0])
        assert image.tell() == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_make_no_image(tmp_path, value):
    path = tmp_path / "float.tiff"
    Image.fromarray(np.array([[value, 0.0, 1.0]], dtype=np.float32)).save(path)
    assert reason_for(path) == "it has NaN or infinite pixels"


def test_reasons_repeat_no_path(tmp_path):
    assert reason_for(tmp_path) == "Is a directory"
    assert reason_for("") == "the path is empty"
    assert reason_for("a" * 5_000) == "File name too long"
    assert len(describe_image("a" * 5_000, 0)) < 400


def test_whatever_can_be_read_is_a_file(picture):
    class Response:
        def read(self):
            return to_bytes(picture)

    np.testing.assert_array_equal(pixels(Response()), np.asarray(picture))


def exif(orientation: int) -> bytes:
    """An EXIF block with a turn, and a resolution of -5/0 as broken writers leave it."""
    entries = struct.pack("<HHII", 0x112, 3, 1, orientation)
    entries += struct.pack("<HHII", 0x11A, 10, 1, 8 + 2 + 24 + 4)
    head = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2)
    return head + entries + b"\0" * 4 + struct.pack("<iI", -5, 0)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_metadata_that_cannot_be_read_turns_nothing(picture, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    content = to_bytes(picture, kind, exif=b"Exif\0\0junkjunk", **options)
    np.testing.assert_array_equal(pixels(content), pixels(to_bytes(picture, kind, **options)))


def test_a_turn_is_read_though_the_rest_is_broken(picture):
    content = to_bytes(picture, exif=exif(6))
    np.testing.assert_array_equal(pixels(content), np.rot90(np.asarray(picture), -1))


def test_a_turn_that_does_not_exist_turns_nothing(picture):
    np.testing.assert_array_equal(pixels(to_bytes(picture, exif=exif(77))), np.asarray(picture))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_are_those_of_pillow(picture, orientation):
    block = Image.Exif()
    block[0x112] = orientation
    content = to_bytes(picture, exif=block)
    with Image.open(BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(pixels(content), expected)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\n", "PostScript"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xd7\xcd\xc6\x9a" + bytes(40), "Windows metafile"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "pip install 'skclip[heif]'"),
        (b"\xff\x0a\0\0", "pip install 'skclip[jxl]'"),
    ],
)
def test_other_formats_are_named(content, reason):
    assert reason in reason_for(content)


def test_postscript_is_never_run(monkeypatch, tmp_path):
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", pytest.fail)
    path = tmp_path / "photo.jpg"
    to_write = Image.new("RGB", (8, 8))
    to_write.save(path, "EPS")
    assert "PostScript" in reason_for(path)
    with Image.open(path) as opened:
        assert "never opened" in reason_for(opened)
