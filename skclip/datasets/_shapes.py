"""The shape classes: their names, synonyms and polygons.

A shape is a list of parts in drawing order. A part is a role and a polygon in the square
[-1, 1]², y downwards. Roles: ``"body"`` takes the main colour, ``"detail"`` the second colour,
``"cut"`` shows the background. All shapes are polygons, so that rotation, wobble and every style
apply to all of them.
"""

from collections.abc import Callable

import numpy as np

Polygon = np.ndarray
Part = tuple[str, Polygon]
Rng = np.random.Generator

# Names overlap on purpose: inside a word ("star" in "starfish", "cross" in "crossbow", "key" in
# "keyhole", "house" in "lighthouse", "sun" and "flower" in "sunflower", "ring" in many words), and
# as a word of a longer name ("tree" in "palm tree").
SYNONYMS: dict[str, tuple[str, ...]] = {
    "anchor": ("ship anchor", "mooring hook"),
    "arrow": ("pointer", "direction sign"),
    "bell": ("chime", "hand bell"),
    "bolt": ("lightning", "thunderbolt"),
    "boat": ("sailing ship", "yacht"),
    "circle": ("disc", "round dot"),
    "cross": ("plus sign", "plus"),
    "crossbow": ("arbalest", "medieval weapon"),
    "cup": ("mug", "tea cup"),
    "diamond": ("rhombus", "lozenge"),
    "fish": ("goldfish", "trout"),
    "flower": ("blossom", "daisy"),
    "gear": ("cogwheel", "cog"),
    "heart": ("love symbol", "valentine"),
    "hexagon": ("six sided polygon", "honeycomb cell"),
    "house": ("home", "cottage"),
    "key": ("door opener", "latchkey"),
    "keyhole": ("lock opening", "slot of a lock"),
    "lighthouse": ("beacon", "light tower"),
    "moon": ("crescent", "lunar sickle"),
    "mushroom": ("toadstool", "fungus"),
    "palm tree": ("coconut palm", "palm"),
    "ring": ("hoop", "donut"),
    "spiral": ("swirl", "coil"),
    "square": ("box", "quadrate"),
    "star": ("pentagram", "five pointed asterisk"),
    "starfish": ("sea star", "asteroid sea animal"),
    "sun": ("sunshine", "solar disc"),
    "sunflower": ("helianthus", "yellow headed plant"),
    "tree": ("pine", "fir"),
    "triangle": ("three sided polygon", "wedge"),
    "umbrella": ("parasol", "brolly"),
}
CLASS_NAMES: tuple[str, ...] = tuple(sorted(SYNONYMS))


def draw_shape(name: str, rng: Rng) -> list[Part]:
    """Return the parts of one shape; proportions vary with `rng`."""
    return _SHAPES[name](rng)


def _ellipse(cx: float, cy: float, rx: float, ry: float | None = None, n: int = 28) -> Polygon:
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.column_stack([cx + rx * np.cos(t), cy + (rx if ry is None else ry) * np.sin(t)])


def _rect(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=float)


def _points(*xy: float) -> Polygon:
    return np.array(xy, dtype=float).reshape(-1, 2)


def _polar(radii: np.ndarray, start: float = -np.pi / 2) -> Polygon:
    t = start + np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    return np.column_stack([radii * np.cos(t), radii * np.sin(t)])


def _band(cx: float, cy: float, r: float, width: float, a0: float, a1: float) -> Polygon:
    """Return a circular arc of a given width; degrees, clockwise from the right."""
    t = np.radians(np.linspace(a0, a1, 18))
    ring = np.column_stack([np.cos(t), np.sin(t)])
    return np.array([cx, cy]) + np.vstack([ring * (r + width / 2), ring[::-1] * (r - width / 2)])


def _bar(x0: float, y0: float, x1: float, y1: float, width: float) -> Polygon:
    d = np.array([x1 - x0, y1 - y0])
    normal = np.array([-d[1], d[0]]) * (width / 2 / np.hypot(*d))
    a, b = np.array([x0, y0]), np.array([x1, y1])
    return np.array([a + normal, b + normal, b - normal, a - normal])


def _anchor(rng: Rng) -> list[Part]:
    w = rng.uniform(0.16, 0.24)
    return [
        ("body", _ellipse(0, -0.75, 0.24)),
        ("cut", _ellipse(0, -0.75, 0.11)),
        ("body", _bar(0, -0.55, 0, 0.9, w)),
        ("body", _bar(-0.42, -0.3, 0.42, -0.3, w)),
        ("body", _band(0, 0.1, 0.74, w, 10, 170)),
        ("body", _points(0.5, 0.25, 0.95, 0.3, 0.75, -0.1)),
        ("body", _points(-0.5, 0.25, -0.95, 0.3, -0.75, -0.1)),
    ]


def _arrow(rng: Rng) -> list[Part]:
    w, neck = rng.uniform(0.16, 0.32), rng.uniform(-0.05, 0.3)
    return [
        ("body", _points(-0.95, -w, neck, -w, neck, -0.65, 0.95, 0, neck, 0.65, neck, w, -0.95, w))
    ]


def _bell(rng: Rng) -> list[Part]:
    top = rng.uniform(0.36, 0.46)
    return [
        ("detail", _ellipse(0, 0.75, 0.2)),
        ("body", _ellipse(0, -0.8, 0.14)),
        (
            "body",
            np.vstack(
                [
                    _band(0, -0.3, top, 0, 180, 360)[:18],
                    _points(0.5, 0.35, 0.82, 0.65, -0.82, 0.65, -0.5, 0.35),
                ]
            ),
        ),
    ]


def _bolt(rng: Rng) -> list[Part]:
    s = rng.uniform(-0.08, 0.08)
    return [
        (
            "body",
            _points(
                0.2,
                -1,
                -0.55,
                0.15 + s,
                -0.08,
                0.15 + s,
                -0.25,
                1,
                0.55,
                -0.25 + s,
                0.08,
                -0.25 + s,
                0.55,
                -1,
            ),
        )
    ]


def _boat(rng: Rng) -> list[Part]:
    tip = rng.uniform(0.55, 0.75)
    return [
        ("body", _points(-0.9, 0.4, 0.9, 0.4, 0.55, 0.85, -0.6, 0.85)),
        ("body", _bar(0, -0.95, 0, 0.45, 0.09)),
        ("detail", _points(0.08, -0.9, tip, 0.25, 0.08, 0.25)),
        ("detail", _points(-0.08, -0.65, -0.55, 0.25, -0.08, 0.25)),
    ]


def _circle(rng: Rng) -> list[Part]:
    return [("body", _ellipse(0, 0, 0.85, 0.85 * rng.uniform(0.92, 1.0)))]


def _cross(rng: Rng) -> list[Part]:
    w, r = rng.uniform(0.2, 0.34), 0.9
    return [
        (
            "body",
            _points(
                -w, -r, w, -r, w, -w, r, -w, r, w, w, w, w, r, -w, r, -w, w, -r, w, -r, -w, -w, -w
            ),
        )
    ]


def _crossbow(rng: Rng) -> list[Part]:
    w = rng.uniform(0.13, 0.19)
    return [
        ("body", _band(0, 0.35, 0.95, w, 205, 335)),
        ("detail", _bar(-0.84, -0.05, 0, 0.3, 0.05)),
        ("detail", _bar(0.84, -0.05, 0, 0.3, 0.05)),
        ("body", _bar(0, -0.7, 0, 0.95, 1.3 * w)),
        ("detail", _points(-0.14, -0.7, 0, -1, 0.14, -0.7)),
    ]


def _cup(rng: Rng) -> list[Part]:
    taper = rng.uniform(0.4, 0.56)
    return [
        ("body", _ellipse(0.55, 0.02, 0.38)),
        ("cut", _ellipse(0.55, 0.02, 0.2)),
        ("body", _points(-0.75, -0.6, 0.55, -0.6, taper - 0.1, 0.75, -taper - 0.1, 0.75)),
        ("detail", _ellipse(-0.1, -0.6, 0.65, 0.13)),
    ]


def _diamond(rng: Rng) -> list[Part]:
    w = rng.uniform(0.5, 0.72)
    return [("body", _points(0, -0.95, w, 0, 0, 0.95, -w, 0))]


def _fish(rng: Rng) -> list[Part]:
    h = rng.uniform(0.38, 0.52)
    return [
        ("body", _points(0.4, 0, 0.95, -0.5, 0.82, 0, 0.95, 0.5)),
        ("body", _ellipse(-0.15, 0, 0.75, h)),
        ("detail", _points(-0.15, -h + 0.03, 0.3, -h - 0.2, 0.3, -h + 0.14)),
        ("cut", _ellipse(-0.55, -0.1, 0.09)),
    ]


def _petals(n: int, r: float, width: float, distance: float, phase: float) -> list[Part]:
    turns = phase + 2 * np.pi * np.arange(n) / n
    along = _ellipse(distance, 0, r, width, 14)
    return [
        ("body", along @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])) for a in turns
    ]


def _flower(rng: Rng) -> list[Part]:
    petals = _petals(int(rng.integers(5, 7)), 0.36, 0.33, 0.55, rng.uniform(0, 1))
    return [*petals, ("detail", _ellipse(0, 0, 0.27))]


def _gear(rng: Rng) -> list[Part]:
    teeth = np.tile([0.92, 0.92, 0.66, 0.66], int(rng.integers(8, 11)))
    return [("body", _polar(teeth)), ("cut", _ellipse(0, 0, rng.uniform(0.24, 0.36)))]


def _heart(rng: Rng) -> list[Part]:
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [
        ("body", np.column_stack([np.sin(t) ** 3 * 0.92, -y / 18 * rng.uniform(0.92, 1.08) - 0.08]))
    ]


def _hexagon(rng: Rng) -> list[Part]:
    return [("body", _polar(np.full(6, 0.92)) * [rng.uniform(0.92, 1.0), 1])]


def _house(rng: Rng) -> list[Part]:
    w, door = rng.uniform(0.55, 0.72), rng.uniform(-0.3, 0.3)
    return [
        ("body", _rect(-w, -0.15, w, 0.85)),
        ("detail", _points(-w - 0.22, -0.12, 0, -0.92, w + 0.22, -0.12)),
        ("cut", _rect(door - 0.14, 0.3, door + 0.14, 0.85)),
    ]


def _key(rng: Rng) -> list[Part]:
    tooth = rng.uniform(0.3, 0.45)
    return [
        ("body", _ellipse(-0.55, 0, 0.42)),
        ("cut", _ellipse(-0.6, 0, 0.2)),
        ("body", _bar(-0.2, 0, 0.95, 0, 0.19)),
        ("body", _rect(0.75, 0, 0.92, tooth)),
        ("body", _rect(0.42, 0, 0.59, tooth - 0.06)),
    ]


def _keyhole(rng: Rng) -> list[Part]:
    w = rng.uniform(0.36, 0.5)
    return [
        ("body", _ellipse(0, -0.42, 0.45)),
        ("body", _points(-0.18, -0.3, 0.18, -0.3, w, 0.92, -w, 0.92)),
    ]


def _lighthouse(rng: Rng) -> list[Part]:
    w = rng.uniform(0.24, 0.32)
    return [
        ("body", _points(-w, -0.5, w, -0.5, w + 0.16, 0.95, -w - 0.16, 0.95)),
        ("detail", _points(-w - 0.05, -0.15, w + 0.05, -0.15, w + 0.09, 0.15, -w - 0.09, 0.15)),
        ("detail", _points(-w - 0.1, 0.45, w + 0.1, 0.45, w + 0.14, 0.75, -w - 0.14, 0.75)),
        ("detail", _rect(-0.18, -0.75, 0.18, -0.5)),
        ("body", _points(-0.3, -0.73, 0, -1, 0.3, -0.73)),
    ]


def _moon(rng: Rng) -> list[Part]:
    bite = rng.uniform(0.3, 0.45)
    outer, inner = np.radians(np.linspace(60, 300, 24)), np.radians(np.linspace(300, 60, 24))
    r = 0.9
    return [
        (
            "body",
            np.vstack(
                [
                    np.column_stack([r * np.cos(outer), r * np.sin(outer)]),
                    np.column_stack(
                        [bite * r * np.cos(inner) + 0.5 * (1 - bite) * r, r * np.sin(inner)]
                    ),
                ]
            )
            + [0.2, 0],
        )
    ]


def _mushroom(rng: Rng) -> list[Part]:
    w = rng.uniform(0.2, 0.3)
    return [
        ("detail", _points(-w, 0, w, 0, w + 0.1, 0.85, -w - 0.1, 0.85)),
        ("body", np.vstack([_band(0, 0.05, 0.88, 0, 180, 360)[:18]])),
        ("detail", _ellipse(-0.35, -0.3, 0.15)),
        ("detail", _ellipse(0.25, -0.45, 0.17)),
    ]


def _palm_tree(rng: Rng) -> list[Part]:
    lean = rng.uniform(-0.25, 0.25)
    leaves: list[Part] = []
    for side in (-1, 1):
        for dx, dy in ((0.85, -0.85), (0.95, -0.45), (0.7, 0.0)):
            leaves.append(
                (
                    "body",
                    _points(
                        lean,
                        -0.5,
                        side * dx * 0.55 + lean,
                        dy - 0.18,
                        side * dx * 0.8 + lean * 0.8,
                        dy + 0.1,
                        side * dx * 0.35 + lean,
                        dy + 0.05,
                    ),
                )
            )
    return [
        ("detail", _points(-0.14, 0.95, 0.14, 0.95, lean + 0.07, -0.5, lean - 0.07, -0.5)),
        *leaves,
    ]


def _ring(rng: Rng) -> list[Part]:
    return [("body", _ellipse(0, 0, 0.9)), ("cut", _ellipse(0, 0, rng.uniform(0.45, 0.62)))]


def _spiral(rng: Rng) -> list[Part]:
    t = np.linspace(0.6, rng.uniform(2.2, 2.7) * 2 * np.pi, 60)
    centre = np.column_stack([np.cos(t), np.sin(t)])
    r = (t / t[-1])[:, None] * 0.85
    return [("body", np.vstack([centre * (r + 0.085), (centre * (r - 0.085))[::-1]]))]


def _square(rng: Rng) -> list[Part]:
    r = 0.75
    return [("body", _rect(-r, -r * rng.uniform(0.88, 1.0), r, r))]


def _star(rng: Rng) -> list[Part]:
    return [("body", _polar(np.tile([0.98, rng.uniform(0.34, 0.46)], 5)))]


def _starfish(rng: Rng) -> list[Part]:
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radii = 0.56 + rng.uniform(0.32, 0.4) * np.cos(5 * t)
    arms = 2 * np.pi * np.arange(5) / 5 - np.pi / 2
    spots = [("detail", _ellipse(0.45 * np.cos(a), 0.45 * np.sin(a), 0.08, n=8)) for a in arms]
    return [("body", _polar(radii)), *spots]


def _sun(rng: Rng) -> list[Part]:
    rays = int(rng.integers(8, 12))
    t = 2 * np.pi * np.arange(rays) / rays
    bars: list[Part] = [
        ("body", _bar(0.66 * np.cos(a), 0.66 * np.sin(a), 0.97 * np.cos(a), 0.97 * np.sin(a), 0.13))
        for a in t
    ]
    return [*bars, ("body", _ellipse(0, 0, 0.5))]


def _sunflower(rng: Rng) -> list[Part]:
    petals = [
        ("body", p * 0.72 - [0, 0.25])
        for _, p in _petals(int(rng.integers(11, 14)), 0.3, 0.14, 0.66, 0.0)
    ]
    return [
        ("detail", _bar(0, 0.1, 0, 1, 0.1)),
        ("detail", _points(0, 0.85, 0.5, 0.5, 0.35, 0.8)),
        *petals,
        ("detail", _ellipse(0, -0.25, 0.36)),
    ]


def _tree(rng: Rng) -> list[Part]:
    w = rng.uniform(0.55, 0.75)
    return [
        ("detail", _rect(-0.13, 0.55, 0.13, 0.95)),
        ("body", _points(0, -0.35, w, 0.6, -w, 0.6)),
        ("body", _points(0, -0.65, 0.82 * w, 0.15, -0.82 * w, 0.15)),
        ("body", _points(0, -0.98, 0.6 * w, -0.3, -0.6 * w, -0.3)),
    ]


def _triangle(rng: Rng) -> list[Part]:
    return [("body", _points(rng.uniform(-0.25, 0.25), -0.85, 0.88, 0.72, -0.88, 0.72))]


def _umbrella(rng: Rng) -> list[Part]:
    scallops = [_ellipse(x, 0.02, 0.3, rng.uniform(0.1, 0.18), 14) for x in (-0.6, 0.0, 0.6)]
    return [
        ("body", _band(0, 0.02, 0.9, 0, 180, 360)[:18]),
        *(("cut", s) for s in scallops),
        ("detail", _bar(0, -0.95, 0, 0.75, 0.09)),
        ("detail", _band(0.17, 0.72, 0.17, 0.09, 0, 180)),
    ]


_SHAPES: dict[str, Callable[[Rng], list[Part]]] = {
    "anchor": _anchor,
    "arrow": _arrow,
    "bell": _bell,
    "boat": _boat,
    "bolt": _bolt,
    "circle": _circle,
    "cross": _cross,
    "crossbow": _crossbow,
    "cup": _cup,
    "diamond": _diamond,
    "fish": _fish,
    "flower": _flower,
    "gear": _gear,
    "heart": _heart,
    "hexagon": _hexagon,
    "house": _house,
    "key": _key,
    "keyhole": _keyhole,
    "lighthouse": _lighthouse,
    "moon": _moon,
    "mushroom": _mushroom,
    "palm tree": _palm_tree,
    "ring": _ring,
    "spiral": _spiral,
    "square": _square,
    "star": _star,
    "starfish": _starfish,
    "sun": _sun,
    "sunflower": _sunflower,
    "tree": _tree,
    "triangle": _triangle,
    "umbrella": _umbrella,
}
