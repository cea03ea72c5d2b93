"""Captioned images made on the spot."""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skclip.datasets._captions import write_caption
from skclip.datasets._shapes import CLASS_NAMES, SYNONYMS, Part, draw_shape
from skclip.datasets._styles import BACKGROUNDS, COLORS, STYLES, Palette, render

_PICTURE, _CAPTION, _WRONG = range(3)  # independent random streams of one data set
_MIN_CONTRAST = 110.0


def make_captioned_images(
    n_samples: int = 100,
    *,
    classes: Sequence[str] | None = None,
    style: str | Sequence[str] = "flat",
    caption_noise: float = 0.1,
    distractor_rate: float = 0.15,
    synonym_rate: float | Mapping[str, float] = 0.3,
    weights: str | Mapping[str, float] | None = None,
    image_size: int = 64,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    classes = _check_classes(classes)
    styles = _check_styles(style)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    cumulative = np.cumsum(_class_weights(weights, classes))
    synonyms = _synonym_rates(synonym_rate, classes)
    wrong = np.zeros(n_samples, dtype=bool)
    n_wrong = round(caption_noise * n_samples)
    wrong[np.random.default_rng([seed, _WRONG]).permutation(n_samples)[:n_wrong]] = True

    images, captions, target, scenes = [], [], [], []
    for i in range(n_samples):
        rng = np.random.default_rng([seed, _PICTURE, i])
        name = classes[
            int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
        ]
        image, scene = _draw_scene(name, styles[rng.integers(len(styles))], image_size, rng)
        rng = np.random.default_rng([seed, _CAPTION, i])
        other = classes[(classes.index(name) + rng.integers(1, len(classes))) % len(classes)]
        said = other if wrong[i] else name
        has_distractor = rng.random() < distractor_rate and not wrong[i]
        called, absent = (
            str(rng.choice(SYNONYMS[c])) if rng.random() < synonyms[c] else c for c in (said, other)
        )
        captions.append(
            write_caption(called, scene, rng, absent=absent if has_distractor else None)
        )
        images.append(image)
        target.append(name)
        scenes.append(scene)
    attributes = Bunch(
        **{
            key: np.array([s[key] for s in scenes], dtype=object)
            for key in ("color", "size", "background", "style")
        }
    )
    return Bunch(
        images=images,
        captions=captions,
        target=np.array(target, dtype=object),
        target_names=list(classes),
        synonyms={name: SYNONYMS[name] for name in classes},
        wrong_caption=wrong,
        attributes=attributes,
    )


def _draw_scene(name: str, style: str, size: int, rng: np.random.Generator):
    color, detail, background = _pick_colors(rng)
    scale = rng.uniform(0.2, 0.46)
    palette = Palette(
        *(
            np.array(rgb, dtype=np.float32) + rng.uniform(-14, 14, 3).astype(np.float32)
            for rgb in (COLORS[color], COLORS[detail], BACKGROUNDS[background])
        )
    )
    parts = _place(draw_shape(name, rng), scale, rng)
    scene = {
        "color": color,
        "size": "small" if scale < 0.33 else "large",
        "background": background,
        "style": style,
    }
    return render(parts, palette, style, size, rng), scene


def _pick_colors(rng: np.random.Generator) -> tuple[str, str, str]:
    """A main colour, a second one and a background that both stand out from it."""
    background = list(BACKGROUNDS)[rng.integers(len(BACKGROUNDS))]
    ground = np.array(BACKGROUNDS[background])
    visible = [c for c, rgb in COLORS.items() if np.linalg.norm(ground - rgb) > _MIN_CONTRAST]
    first = int(rng.integers(len(visible)))
    second = (first + int(rng.integers(1, len(visible)))) % len(visible)
    return visible[first], visible[second], background


def _place(parts: list[Part], scale: float, rng: np.random.Generator) -> list[Part]:
    """Turn, stretch and shift a shape from [-1, 1]² into the unit square, all of it visible."""
    angle = rng.normal(0, 0.18)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    stretch = np.array([rng.uniform(0.82, 1.0) * rng.choice([-1, 1]), rng.uniform(0.82, 1.0)])
    margin = 1 - 2 * scale
    shift = 0.5 + rng.uniform(-0.5, 0.5, 2) * margin
    return [(role, polygon * stretch @ turn * scale + shift) for role, polygon in parts]


def _check_classes(classes):
    return list(CLASS_NAMES if classes is None else classes)


def _check_styles(style):
    return [style] if isinstance(style, str) else list(style)


def _class_weights(weights, classes):
    if weights is None:
        return np.ones(len(classes))
    if weights == "long_tail":
        return np.geomspace(1, 0.05, len(classes))
    return np.array([weights.get(c, 1.0) for c in classes])


def _synonym_rates(rate, classes):
    return {c: rate.get(c, 0.3) if isinstance(rate, Mapping) else rate for c in classes}
