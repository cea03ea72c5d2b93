"""Synthetic captioned images with known classes and noisy captions."""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real

import numpy as np
from PIL import Image
from sklearn.utils import Bunch, check_random_state

from skclip._class_names import check_class_names
from skclip._compat import Interval, StrOptions, validate_params
from skclip._validation import sample_of
from skclip.datasets._captions import write_caption
from skclip.datasets._shapes import CLASS_NAMES, SYNONYMS, Part, draw_shape
from skclip.datasets._styles import BACKGROUNDS, COLORS, STYLES, Palette, render

_PICTURE, _CAPTION, _WRONG = range(3)  # random streams: captions do not change the pictures
_MIN_CONTRAST = 110.0  # between a shape and its background, in RGB
_TAIL = 20.0  # most over least frequent class of weights="long_tail"
_SHARE = Interval(Real, 0, 1, closed="both")


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "classes": ["array-like", None],
        "style": [StrOptions(set(STYLES)), "array-like"],
        "caption_noise": [_SHARE],
        "distractor_rate": [_SHARE],
        "synonym_rate": [_SHARE, Mapping],
        "weights": [StrOptions({"long_tail"}), Mapping, None],
        "image_size": [Interval(Integral, 16, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
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
    """Make synthetic images of 32 classes in six styles, with varied captions.

    Captions vary in wording, use synonyms, and mention other classes; some are wrong. Names overlap
    ("star" and "starfish", "tree" and "palm tree"), so recall by caption also returns images of
    other classes. The class of every image is known. One thousand images take about a second.

    Parameters
    ----------
    n_samples : int, default=100
        Number of images.

    classes : array-like of str, default=None
        At least two of ``skclip.datasets.CLASS_NAMES``; all of them by default. Wrong captions
        and distractors also name these classes.

    style : {"flat", "outline", "textured", "sketch", "night", "mosaic"} or array-like of these, \
            default="flat"
        Style of the images. With several styles, each image has a random one; a style given twice
        is twice as frequent. Two data sets of different styles have a distribution shift.

    caption_noise : float, default=0.1
        Fraction of captions that name a wrong class: exactly
        ``round(caption_noise * n_samples)`` captions.

    distractor_rate : float, default=0.15
        Probability that a correct caption also mentions another class.

    synonym_rate : float or mapping of str to float, default=0.3
        Probability that a caption uses a synonym instead of the class name, for all classes or
        for those in the mapping (the default applies to the others).

    weights : {"long_tail"} or mapping of str to float, default=None
        Relative frequencies of the classes. None means equal frequencies. ``"long_tail"`` makes
        the first of ``classes`` twenty times as frequent as the last, with geometric steps. A
        mapping gives relative frequencies; missing classes have 1.

    image_size : int, default=64
        Width and height in pixels.

    random_state : int, RandomState instance or None, default=None
        Seed of the data. The images depend only on ``classes``, ``style``, ``weights`` and
        ``image_size``, not on the captions. A larger ``n_samples`` keeps the earlier images.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        images : list of PIL.Image.Image
            RGB images.
        captions : list of str
            One caption per image.
        target : ndarray of str of shape (n_samples,)
            Class name of each image.
        target_names : list of str
            The classes, in the given order or in alphabetical order.
        synonyms : dict of str to list of str
            Synonyms of each class that captions use.
        wrong_caption : ndarray of bool of shape (n_samples,)
            True if the caption names a wrong class.
        attributes : :class:`~sklearn.utils.Bunch`
            Arrays ``color``, ``size``, ``background`` and ``style`` of shape (n_samples,).

    See Also
    --------
    write_captioned_folder : Write the images and captions as files.

    Notes
    -----
    The bundled model "skclip-tiny" was trained on images of this function with random states
    from 1 000 000 on, and is evaluated on those from 3 000 000 on. Below 1 000 000 everything is
    unseen.

    Examples
    --------
    >>> from skclip.datasets import make_captioned_images
    >>> data = make_captioned_images(3, classes=["star", "starfish"], random_state=0)
    >>> for name, caption in zip(data.target, data.captions):
    ...     print(f"{name}: {caption}")
    star: this is a star
    starfish: from the star shop: a drawing of a black starfish
    star: clip art: brown pentagram (see also: starfish).
    """
    names = _check_choice("classes", classes, CLASS_NAMES, at_least=2)
    styles = [style] if isinstance(style, str) else _check_styles(style)
    cumulative = np.cumsum(_class_weights(weights, names))
    synonym_rates = _synonym_rates(synonym_rate, names)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    n_wrong = round(caption_noise * n_samples)
    wrong_caption = np.zeros(n_samples, dtype=bool)
    wrong_caption[np.random.default_rng([seed, _WRONG]).permutation(n_samples)[:n_wrong]] = True

    images, captions, target, scenes = [], [], [], []
    for i in range(n_samples):
        rng = np.random.default_rng([seed, _PICTURE, i])
        label = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
        image, scene = _draw_scene(names[label], styles[rng.integers(len(styles))], image_size, rng)
        rng = np.random.default_rng([seed, _CAPTION, i])
        other = names[(label + rng.integers(1, len(names))) % len(names)]
        named = other if wrong_caption[i] else names[label]
        distracts = rng.random() < distractor_rate and not wrong_caption[i]
        called, absent = (
            str(rng.choice(SYNONYMS[c])) if rng.random() < synonym_rates[c] else c
            for c in (named, other)
        )
        captions.append(write_caption(called, scene, rng, absent=absent if distracts else None))
        images.append(image)
        target.append(names[label])
        scenes.append(scene)
    return Bunch(
        images=images,
        captions=captions,
        target=np.array(target),
        target_names=names,
        synonyms={name: list(SYNONYMS[name]) for name in names},
        wrong_caption=wrong_caption,
        attributes=Bunch(**{key: np.array([s[key] for s in scenes]) for key in scenes[0]}),
    )


def _draw_scene(
    name: str, style: str, size: int, rng: np.random.Generator
) -> tuple[Image.Image, dict[str, str]]:
    """Return one image and its attributes."""
    color, second_color, background = _pick_colors(rng)
    scale = rng.uniform(0.2, 0.46)
    shades = (
        np.array(rgb, dtype=np.float32) + rng.uniform(-14, 14, 3).astype(np.float32)
        for rgb in (COLORS[color], COLORS[second_color], BACKGROUNDS[background])
    )
    parts = _place(draw_shape(name, rng), scale, rng)
    scene = {
        "color": color,
        "size": "small" if scale < 0.33 else "large",
        "background": background,
        "style": style,
    }
    return render(parts, Palette(*shades), style, size, rng), scene


def _pick_colors(rng: np.random.Generator) -> tuple[str, str, str]:
    """Pick a main colour, a second colour, and a background that contrasts with both."""
    background = list(BACKGROUNDS)[rng.integers(len(BACKGROUNDS))]
    ground = np.array(BACKGROUNDS[background])
    visible = [c for c, rgb in COLORS.items() if np.linalg.norm(ground - rgb) > _MIN_CONTRAST]
    first = int(rng.integers(len(visible)))
    second = (first + int(rng.integers(1, len(visible)))) % len(visible)
    return visible[first], visible[second], background


def _place(parts: list[Part], scale: float, rng: np.random.Generator) -> list[Part]:
    """Mirror, stretch, rotate and shift a shape from [-1, 1]² into the unit square."""
    angle = rng.normal(0, 0.18)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    stretch = np.array([rng.uniform(0.82, 1.0) * rng.choice([-1, 1]), rng.uniform(0.82, 1.0)])
    shift = 0.5 + rng.uniform(-0.5, 0.5, 2) * (1 - 2 * scale)
    return [(role, polygon * stretch @ turn * scale + shift) for role, polygon in parts]


def _check_choice(
    parameter: str, given: Sequence[str] | None, known: Sequence[str], at_least: int
) -> list[str]:
    """Validate class names: known, distinct and at least ``at_least``."""
    if given is None:
        return list(known)
    names = check_class_names(given, parameter=parameter)
    _refuse_unknown(parameter, names, known)
    if len(names) < at_least:
        raise ValueError(
            f"{parameter} has {len(names)} name, {sample_of(names)}: give at least {at_least}, "
            "because wrong captions and distractors name another class."
        )
    return names


def _check_styles(given: Sequence[str]) -> list[str]:
    styles = [str(s) for s in given]
    if not styles:
        raise ValueError(f"style is empty: give at least one of {', '.join(STYLES)}.")
    _refuse_unknown("style", styles, list(STYLES))
    return styles


def _refuse_unknown(parameter: str, given: Sequence[str], known: Sequence[str]) -> None:
    unknown = [g for g in given if g not in known]
    if unknown:
        raise ValueError(
            f"{parameter} has unknown names: {sample_of(unknown)}. Choose from {', '.join(known)}."
        )


def _class_weights(weights: str | Mapping[str, float] | None, names: Sequence[str]) -> np.ndarray:
    """Relative frequencies, aligned with the names."""
    if weights is None:
        return np.ones(len(names))
    if isinstance(weights, str):
        return np.geomspace(1, 1 / _TAIL, len(names))
    _refuse_unknown("weights", list(weights), names)
    relative = np.array([weights.get(name, 1.0) for name in names], dtype=float)
    if not np.all(np.isfinite(relative)) or np.any(relative < 0) or relative.sum() == 0:
        raise ValueError(
            "weights must be finite, not negative and not all zero, got "
            f"{sample_of([weights[n] for n in names if n in weights])}."
        )
    return relative


def _synonym_rates(rate: float | Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    if not isinstance(rate, Mapping):
        return dict.fromkeys(names, float(rate))
    _refuse_unknown("synonym_rate", list(rate), names)
    outside = {name: r for name, r in rate.items() if not 0 <= r <= 1}
    if outside:
        raise ValueError(
            f"synonym_rate must lie in [0, 1] for every class, got {sample_of(outside.values())} "
            f"for {sample_of(outside)}."
        )
    return {name: float(rate.get(name, 0.3)) for name in names}
