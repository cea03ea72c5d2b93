"""Shapes as polygons, and the names they go by."""

import numpy as np
import pytest

from skclip.datasets._shapes import CLASS_NAMES, SYNONYMS, draw_shape


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_shape_fits_its_square_and_fills_it(name):
    for seed in range(20):
        points = np.vstack([p for _, p in draw_shape(name, np.random.default_rng(seed))])
        assert np.abs(points).max() <= 1.08
        assert np.ptp(points, axis=0).max() > 1.4


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_parts_are_polygons_with_known_roles(name):
    parts = draw_shape(name, np.random.default_rng(0))
    assert "body" in {role for role, _ in parts}
    assert {role for role, _ in parts} <= {"body", "detail", "cut"}
    assert all(p.ndim == 2 and p.shape[1] == 2 and len(p) >= 3 for _, p in parts)


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_proportions_vary(name):
    a, b = (draw_shape(name, np.random.default_rng(seed)) for seed in (0, 1))
    same = len(a) == len(b) and all(
        p.shape == q.shape and np.allclose(p, q) for (_, p), (_, q) in zip(a, b, strict=True)
    )
    assert not same


def test_no_word_means_two_classes():
    phrases = [p for name, synonyms in SYNONYMS.items() for p in (name, *synonyms)]
    assert len(phrases) == len(set(phrases))


def test_some_names_lie_inside_others():
    overlaps = {(a, b) for a in CLASS_NAMES for b in CLASS_NAMES if a != b and a in b}
    assert {("star", "starfish"), ("tree", "palm tree"), ("cross", "crossbow")} <= overlaps
