"""Captions of synthetic images, in varied words, some with absent classes."""

from collections.abc import Mapping

import numpy as np

Rng = np.random.Generator

_COLOR_WORDS = {
    "red": ("red", "crimson", "scarlet"),
    "orange": ("orange", "amber"),
    "yellow": ("yellow", "golden"),
    "green": ("green", "emerald"),
    "teal": ("teal", "turquoise"),
    "blue": ("blue", "navy blue"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "rose"),
    "brown": ("brown", "chestnut"),
    "black": ("black", "jet black"),
    "grey": ("grey", "gray"),
    "white": ("white", "ivory"),
}
_MEDIA = {
    "flat": ("an icon", "clip art", "a sticker", "a flat graphic"),
    "outline": ("a line drawing", "an outline", "a contour drawing"),
    "textured": ("a fabric print", "a patterned print", "a textured picture"),
    "sketch": ("a pencil sketch", "a sketch", "a rough drawing"),
    "night": ("a night shot", "a picture taken in the dark", "a dim photo"),
    "mosaic": ("a mosaic", "a tiled picture", "pixel art"),
}
_PLAIN = (
    "{a thing}",
    "{thing}",
    "the {thing}",
    "a photo of {a thing}",
    "a picture of {a thing}",
    "a drawing of {a thing}",
    "an image showing {a thing}",
    "this is {a thing}",
    "one {thing}",
    "my favourite {thing}",
    "{thing} for the kids room",
    "{thing}, free download",
    "IMG {number} {thing}",
    "look at this {thing}!",
    "{a thing} drawn in my lunch break",
    "{thing} design by anna",
)
_WITH_MEDIUM = ("{medium} of {a thing}", "{thing}, {medium}", "{medium}: {thing}")
_WITH_BACKGROUND = (
    "{a thing} on a {background} background",
    "{thing} against a {background} wall",
    "{background} page with {a thing}",
)
_DISTRACTORS = (
    "{caption}, not {an other}",
    "{caption}, goes well with the {other} from last week",
    "{caption} (see also: {other})",
    "from the {other} shop: {caption}",
    "{caption} next to where the {other} used to be",
)


def write_caption(
    name: str, scene: Mapping[str, str], rng: Rng, *, absent: str | None = None
) -> str:
    """Return a caption of an image of `name`; `absent` is a class that is not in the image."""
    words = [name]
    if rng.random() < 0.65:
        words.insert(0, _pick_color_word(scene["color"], rng))
    if rng.random() < 0.2:
        words.insert(0, scene["size"])
    thing = " ".join(words)
    kind = rng.random()
    if kind < 0.2:
        template = _pick(_WITH_MEDIUM, rng)
    elif kind < 0.35:
        template = _pick(_WITH_BACKGROUND, rng)
    else:
        template = _pick(_PLAIN, rng)
    caption = (
        template.replace("{a thing}", with_article(thing))
        .replace("{thing}", thing)
        .replace("{medium}", _pick(_MEDIA[scene["style"]], rng))
        .replace("{background}", scene["background"])
        .replace("{number}", str(rng.integers(1000, 10000)))
    )
    if absent is not None:
        caption = (
            _pick(_DISTRACTORS, rng)
            .replace("{caption}", caption)
            .replace("{an other}", with_article(absent))
            .replace("{other}", absent)
        )
    return f"{caption}." if rng.random() < 0.2 else caption


def with_article(noun: str) -> str:
    """Put "a" or "an" before a noun."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _pick(options: tuple[str, ...], rng: Rng) -> str:
    return options[rng.integers(len(options))]


def _pick_color_word(color: str, rng: Rng) -> str:
    """Return a word for a colour; mostly the first, plain one."""
    return color if rng.random() < 0.7 else _pick(_COLOR_WORDS[color], rng)
