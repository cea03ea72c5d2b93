"""Render shapes: one function per style, from coverage masks to pixels.

A style receives a placed shape (polygons in the unit square), the colours picked for the image and
a random generator, and returns float RGB in [0, 255]. Coverage masks are drawn at four times the
final size and averaged down for antialiasing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from skclip.datasets._shapes import Part

Rng = np.random.Generator
Floats = NDArray[np.floating[Any]]
Rgb = tuple[int, int, int]
_SUPERSAMPLING = 4

COLORS: dict[str, Rgb] = {
    "red": (214, 40, 40),
    "orange": (243, 132, 26),
    "yellow": (242, 205, 40),
    "green": (46, 150, 62),
    "teal": (24, 150, 148),
    "blue": (42, 92, 205),
    "purple": (124, 58, 168),
    "pink": (240, 128, 172),
    "brown": (128, 80, 40),
    "black": (28, 28, 30),
    "grey": (128, 130, 134),
    "white": (245, 245, 240),
}
BACKGROUNDS: dict[str, Rgb] = {
    "white": (250, 250, 248),
    "grey": (176, 178, 182),
    "beige": (232, 220, 194),
    "light blue": (190, 216, 240),
    "light green": (200, 228, 190),
    "dark": (52, 54, 62),
}


@dataclass(frozen=True)
class Palette:
    """Colours of one image: shape, details and background."""

    body: Floats
    detail: Floats
    background: Floats


def render(parts: list[Part], palette: Palette, style: str, size: int, rng: Rng) -> Image.Image:
    """Render parts (polygons in the unit square) in a style, `size` pixels wide and high."""
    pixels = STYLES[style](parts, palette, size, rng)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _masks(parts: list[Part], size: int, line: float | None = None) -> tuple[Floats, Floats]:
    """Return the coverage of main and second colour, each (size, size, 1), in [0, 1].

    With `line`, draw only contours of that width.
    """
    big = size * _SUPERSAMPLING
    planes = {"body": Image.new("L", (big, big)), "detail": Image.new("L", (big, big))}
    pens = {role: ImageDraw.Draw(plane) for role, plane in planes.items()}
    width = 0 if line is None else max(1, round(line * big))
    for role, polygon in parts:
        points = (polygon * big).ravel().tolist()
        for plane, pen in pens.items():
            if line is None:
                pen.polygon(points, fill=255 if plane == role else 0)
            elif plane == role or (role == "cut" and plane == "body"):
                pen.line([*points, *points[:4]], fill=255, width=width, joint="curve")
    body, detail = (
        np.asarray(plane.reduce(_SUPERSAMPLING), dtype=np.float32)[..., None] / 255
        for plane in planes.values()
    )
    return body, detail


def _over(canvas: Floats, mask: Floats, color: Floats) -> Floats:
    blended: Floats = canvas + mask * (color - canvas)
    return blended


def _backdrop(palette: Palette, size: int, rng: Rng) -> Floats:
    """Return a background: plain, shaded from one side to the other, or striped."""
    kind = rng.integers(3)
    grid = np.linspace(0, 1, size, dtype=np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    slope = grid[:, None] * np.sin(angle) + grid[None, :] * np.cos(angle)
    if kind == 0:
        shade = np.zeros_like(slope)
    elif kind == 1:
        shade = (slope - 0.5) * rng.uniform(20, 50)
    else:
        shade = (np.sin(slope * rng.uniform(25, 50)) > 0) * -rng.uniform(8, 22)
    ground: Floats = palette.background + shade[..., None]
    return ground


def _noise(size: int, cell: int, rng: Rng, channels: int = 1) -> Floats:
    """Return noise in [-1, 1] that is constant over about `cell` pixels."""
    n = -(-size // cell)
    coarse = rng.random((n, n, channels), dtype=np.float32) * 2 - 1
    return coarse.repeat(cell, axis=0).repeat(cell, axis=1)[:size, :size]


def _flat(parts: list[Part], palette: Palette, size: int, rng: Rng) -> Floats:
    body, detail = _masks(parts, size)
    canvas = _over(_backdrop(palette, size, rng), body, palette.body)
    return _over(canvas, detail, palette.detail)


def _outline(parts: list[Part], palette: Palette, size: int, rng: Rng) -> Floats:
    body, detail = _masks(parts, size, line=rng.uniform(0.018, 0.04))
    canvas = _over(_backdrop(palette, size, rng), detail, palette.detail)
    return _over(canvas, body, palette.body)


def _textured(parts: list[Part], palette: Palette, size: int, rng: Rng) -> Floats:
    """Speckled, checked or striped surfaces on a speckled ground."""
    body, detail = _masks(parts, size)
    grain = rng.uniform(15, 40) * _noise(size, 1, rng, 3)
    grain = grain + rng.uniform(10, 30) * _noise(size, 7, rng)
    rows, columns = np.indices((size, size), dtype=np.float32)
    pitch = size / rng.uniform(7, 14)
    kind = rng.integers(3)
    if kind == 0:
        pattern: Floats = _noise(size, max(1, size // 20), rng)[..., 0]
    elif kind == 1:
        pattern = np.sign(np.sin(rows * np.pi / pitch) * np.sin(columns * np.pi / pitch))
    else:
        pattern = np.sign(np.sin((rows * rng.uniform(-1, 1) + columns) * np.pi / pitch))
    ground = _backdrop(palette, size, rng) + grain
    surface = palette.body + pattern[..., None] * rng.uniform(20, 45)
    canvas = _over(ground, body, surface)
    return _over(canvas, detail, palette.detail) + 8 * _noise(size, 1, rng, 3)


def _sketch(parts: list[Part], palette: Palette, size: int, rng: Rng) -> Floats:
    """Shaky pencil: contours drawn two or three times over, hatching, hardly any colour."""
    paper: Floats = np.array([240, 236, 226], dtype=np.float32) + 6 * _noise(size, 1, rng)
    lead = 14 + 0.175 * palette.body.mean() + 0.22 * palette.body
    for _ in range(rng.integers(2, 4)):
        shaky = [
            (role, p + rng.normal(0, 0.008, p.shape) + rng.normal(0, 0.006, 2)) for role, p in parts
        ]
        body, detail = _masks(shaky, size, line=rng.uniform(0.008, 0.018))
        paper = _over(paper, np.maximum(body, detail) * rng.uniform(0.45, 0.8), lead)
    body, _ = _masks(parts, size)
    rows, columns = np.indices((size, size), dtype=np.float32)
    hatch = np.sin((rows * rng.uniform(0.5, 1.5) + columns) * rng.uniform(0.9, 1.6)) > 0.3
    return _over(paper, body * hatch[..., None] * rng.uniform(0.15, 0.5), lead)


def _night(parts: list[Part], palette: Palette, size: int, rng: Rng) -> Floats:
    """Dim shapes in the dark: low contrast, a tint, a lit corner and sensor noise."""
    body, detail = _masks(parts, size)
    sky = np.array([20, 24, 44], dtype=np.float32) + rng.uniform(-8, 8, 3).astype(np.float32)
    light = rng.uniform(0.16, 0.45)
    rows, columns = np.indices((size, size), dtype=np.float32) / size
    lamp = np.exp(-4 * ((rows - rng.random()) ** 2 + (columns - rng.random()) ** 2))[..., None]
    canvas = _over(
        sky + 60 * lamp * rng.random(3, dtype=np.float32), body, sky + light * palette.body
    )
    return _over(canvas, detail, sky + light * palette.detail) + rng.uniform(5, 16) * _noise(
        size, 1, rng, 3
    )


def _mosaic(parts: list[Part], palette: Palette, size: int, rng: Rng) -> Floats:
    """Tiles with grout between them, each in one slightly varied colour."""
    tiles = int(rng.integers(14, 20))
    small = _flat(parts, palette, size, rng)
    reduced = Image.fromarray(np.clip(small, 0, 255).astype(np.uint8)).resize(
        (tiles, tiles), Image.Resampling.BOX
    )
    shades = np.asarray(reduced, dtype=np.float32) + rng.normal(0, 14, (tiles, tiles, 1)).astype(
        np.float32
    )
    at = np.arange(size) * tiles / size
    cell = at.astype(int)
    grout = (at - cell < tiles / size).astype(np.float32)
    lines = np.maximum(grout[:, None], grout[None, :])[..., None]
    return _over(shades[cell][:, cell], 0.5 * lines, np.full(3, 90, dtype=np.float32))


STYLES: dict[str, Callable[[list[Part], Palette, int, Rng], Floats]] = {
    "flat": _flat,
    "outline": _outline,
    "textured": _textured,
    "sketch": _sketch,
    "night": _night,
    "mosaic": _mosaic,
}
STYLE_NAMES: tuple[str, ...] = tuple(STYLES)
