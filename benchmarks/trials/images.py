"""Images that are odd, cut off or broken: each is decoded right, or its error names the reason.

Promised: an odd but whole image without loss gives its own pixels; one that is cut off gives an
error, or the pixels of the whole one; bytes that are no image give an error; and whatever bytes
flip, nothing else than pixels or `UnreadableImageError` comes of it.
"""

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from skclip.embedding._decode import decode_image, fetch_image
from skclip.exceptions import UnreadableImageError

LOSSLESS = {
    "PNG": ("1", "L", "P", "RGB", "RGBA", "LA"),
    "BMP": ("1", "L", "P", "RGB"),
    "TIFF": ("1", "L", "P", "RGB", "RGBA"),
    "GIF": ("L", "P"),
    "WEBP": ("RGB", "RGBA"),
    "PPM": ("1", "L", "RGB"),
    "TGA": ("L", "RGB"),
}
LOSSY = {"JPEG": ("L", "RGB", "CMYK"), "JPEG2000": ("L", "RGB")}


def prepare(folder: Path) -> Callable[[list[int]], tuple[str, str | None]]:
    def trial(number: list[int]) -> tuple[str, str | None]:
        rng = np.random.default_rng(number)
        content, expected, lossless = draw(rng)
        kind = ("whole", "cut off", "flipped", "no image")[rng.integers(4)]
        if kind == "cut off":
            content = content[: int(rng.integers(len(content)))]
        elif kind == "flipped":
            flipped = bytearray(content)
            for at in rng.integers(len(flipped), size=rng.integers(1, 9)):
                flipped[at] ^= 1 << int(rng.integers(8))
            content = bytes(flipped)
        elif kind == "no image":
            content = bytes(rng.integers(256, size=rng.integers(500), dtype=np.uint8))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = np.asarray(decode_image(fetch_image(content)))
        except UnreadableImageError:
            fault = f"a whole image is refused ({number})" if kind == "whole" else None
            return f"{kind}: named", fault
        except Exception as error:
            return f"{kind}: other error", f"{kind}: {type(error).__name__}: {error}"
        same = found.shape == expected.shape and bool((found == expected).all())
        near = found.shape == expected.shape
        right = {"whole": same if lossless else near, "cut off": same, "no image": False}
        if right.get(kind, True):
            return f"{kind}: right" if kind != "flipped" else "flipped: pixels", None
        return f"{kind}: wrong", f"{kind}: other pixels"

    return trial


def draw(rng: np.random.Generator) -> tuple[bytes, np.ndarray, bool]:
    """Return a file, the pixels it should give, and whether it is without loss."""
    lossless = bool(rng.random() < 0.8)
    formats = LOSSLESS if lossless else LOSSY
    kind = list(formats)[rng.integers(len(formats))]
    mode = str(rng.choice(formats[kind]))
    size = tuple(int(n) for n in rng.integers(1, 40, size=2))
    pixels = rng.integers(256, size=(size[1], size[0], 4), dtype=np.uint8)
    image = Image.fromarray(pixels, "RGBA").convert("RGBA" if mode in ("RGBA", "LA") else "RGB")
    image = image.convert(mode)
    file = io.BytesIO()
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    image.save(file, kind, **options)
    if mode in ("RGBA", "LA"):
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    expected = np.asarray(image.convert("RGB"))
    if not lossless:
        expected = np.asarray(decode_image(file.getvalue()))
    return file.getvalue(), expected, lossless
