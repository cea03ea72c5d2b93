"""Rendering: coverage masks by hand-made polygons, and what each style does with them."""

import numpy as np
import pytest

from skclip.datasets._styles import STYLES, Palette, _masks, render

SQUARE = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]])
MIDDLE = SQUARE * 0.5 + 0.25


@pytest.fixture
def palette() -> Palette:
    return Palette(
        body=np.array([200, 30, 30], dtype=np.float32),
        detail=np.array([30, 30, 200], dtype=np.float32),
        background=np.array([250, 250, 248], dtype=np.float32),
    )


def test_coverage_is_the_area():
    body, detail = _masks([("body", SQUARE)], 64)
    assert body.shape == detail.shape == (64, 64, 1)
    assert body.mean() == pytest.approx(0.25, abs=0.01)
    assert detail.max() == 0


def test_cut_shows_the_background():
    body, _ = _masks([("body", SQUARE), ("cut", MIDDLE)], 64)
    assert body[32, 32] == 0
    assert body.mean() == pytest.approx(0.25 - 0.0625, abs=0.01)


def test_later_part_covers_earlier_one():
    body, detail = _masks([("body", SQUARE), ("detail", MIDDLE)], 64)
    assert (body[32, 32], detail[32, 32]) == (0, 1)
    body, detail = _masks([("detail", SQUARE), ("body", MIDDLE)], 64)
    assert (body[32, 32], detail[32, 32]) == (1, 0)


def test_contours_leave_the_inside_empty():
    body, _ = _masks([("body", SQUARE)], 64, line=0.03)
    assert body[32, 32] == 0
    assert body[16, 32] > 0.5


def test_edges_are_smooth():
    tilted = np.array([[0.2, 0.23], [0.8, 0.3], [0.7, 0.81]])
    body, _ = _masks([("body", tilted)], 64)
    assert len(np.unique(body)) > 5


def test_flat_has_the_colours_asked_for(palette):
    image = np.asarray(
        render(
            [("body", SQUARE), ("detail", MIDDLE)], palette, "flat", 64, np.random.default_rng(0)
        )
    )
    np.testing.assert_allclose(image[20, 20], palette.body, atol=1)
    np.testing.assert_allclose(image[32, 32], palette.detail, atol=1)


@pytest.mark.parametrize("style", STYLES)
def test_shape_stands_out_in_every_style(style, palette):
    with_shape, without = (
        np.asarray(render(parts, palette, style, 64, np.random.default_rng(1)), dtype=float)
        for parts in ([("body", SQUARE)], [("body", SQUARE * 0)])
    )
    near = np.zeros((64, 64), dtype=bool)
    near[12:52, 12:52] = True
    difference = np.abs(with_shape - without).mean(axis=2)
    assert difference[near].mean() > 5
    assert difference[near].mean() > 3 * difference[~near].mean()
