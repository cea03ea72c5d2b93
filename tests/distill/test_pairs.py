"""What fit is given, before any image is read."""

from pathlib import Path

import numpy as np
import pytest

from skclip.distill._pairs import gather_pairs


def test_equal_paths_are_one_image():
    pairs = gather_pairs(["a", Path("b"), Path("a")], ["x", "y", "z"])
    assert pairs.image_of.tolist() == [0, 1, 0]
    assert len(pairs.images) == 2


def test_the_same_object_is_one_image():
    image = np.zeros((4, 4, 3), np.uint8)
    assert gather_pairs([image, image.copy(), image], list("abc")).image_of.tolist() == [0, 1, 0]


def test_ids_decide_where_given():
    pairs = gather_pairs(["a", "b", "c"], ["x", "y", "z"], image_ids=["p", "q", "p"])
    assert pairs.image_of.tolist() == [0, 1, 0]
    assert pairs.images == ["a", "b"]
    assert pairs.image_positions.tolist() == [0, 1]


def test_array_of_pixels():
    pixels = np.zeros((3, 5, 5, 3), np.uint8)
    assert len(gather_pairs(pixels, ["x", "y", "z"]).images) == 3


def test_pairs_are_left_out_by_image_and_by_caption():
    pairs = gather_pairs(["a", "b", "a", "c"], ["1", "2", "3", "4"])
    kept = pairs.without(images=[1], pairs=[2])
    assert kept.images == ["a", "c"]
    assert kept.captions == ["1", "4"]
    assert kept.image_of.tolist() == [0, 1]
    assert kept.positions.tolist() == [0, 3]
    assert kept.image_positions.tolist() == [0, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"], ["x", "y"]), "There are 1 images but 2 captions"),
        (("a.jpg", ["x"]), r"images must be a list.*got the single 'a.jpg': write \[images\]"),
        ((["a"], "x"), r"captions must be a list.*got the single 'x': write \[captions\]"),
        ((["a", "b"], ["x", 3]), r"captions must be.*got 3 \(int\) at position 1"),
        (([], []), "images must be a list"),
        ((["a", "b"], ["x", "y"], [1]), r"image_ids has shape \(1,\) but there are 2 pairs"),
        ((["a", "b"], ["x", "y"], [1, np.nan]), "image_ids has NaN or infinity at positions 1"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        gather_pairs(*arguments)
