"""Sentences about scenes."""

from itertools import pairwise

import numpy as np
import pytest

from skclip.datasets._captions import with_article, write_caption

SCENE = {"color": "red", "size": "small", "background": "grey", "style": "flat"}


def captions(n=300, **kwargs):
    return [write_caption("anchor", SCENE, np.random.default_rng(i), **kwargs) for i in range(n)]


@pytest.mark.parametrize(
    ("noun", "phrase"),
    [("star", "a star"), ("anchor", "an anchor"), ("orange cup", "an orange cup")],
)
def test_article(noun, phrase):
    assert with_article(noun) == phrase


def test_article_is_right_in_sentences():
    words = [c.split() for c in captions()]
    pairs = {(a, b) for w in words for a, b in pairwise(w) if a in ("a", "an")}
    assert all((a == "an") == (b[0] in "aeiou") for a, b in pairs), pairs


def test_no_placeholder_is_left():
    assert not [c for c in captions(absent="owl") if "{" in c or "}" in c]


def test_every_caption_names_the_thing_and_what_is_absent():
    assert all("anchor" in c for c in captions())
    assert all("anchor" in c and "owl" in c for c in captions(absent="owl"))


def test_attributes_come_up_now_and_then():
    said = captions()
    for word in ("red", "crimson", "small", "grey", "sticker"):
        assert 0 < sum(word in c for c in said) < len(said)


def test_same_generator_same_caption():
    assert captions(20) == captions(20)
