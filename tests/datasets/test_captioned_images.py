"""What make_captioned_images draws and says: determinism, shares, truth, and bad input."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.utils._param_validation import InvalidParameterError

from skclip.datasets import CLASS_NAMES, STYLE_NAMES, make_captioned_images

SEEDS = st.integers(0, 2**32 - 1)


def pixels(data) -> np.ndarray:
    return np.stack([np.asarray(image) for image in data.images])


def names_said(caption: str, data) -> set[str]:
    """Classes a caption names, longest phrase first so that "palm tree" is not "tree"."""
    words = {phrase: name for name in data.target_names for phrase in (name, *data.synonyms[name])}
    said = set()
    rest = f" {caption.translate(str.maketrans(',.:!()', '      '))} "
    for phrase in sorted(words, key=len, reverse=True):
        if f" {phrase} " in rest:
            said.add(words[phrase])
            rest = rest.replace(f" {phrase} ", "  ")
    return said


def test_returns_aligned_fields():
    data = make_captioned_images(7, random_state=0)
    assert (
        len(data.images) == len(data.captions) == len(data.target) == len(data.wrong_caption) == 7
    )
    assert set(data.attributes) == {"color", "size", "background", "style"}
    assert all(values.shape == (7,) for values in data.attributes.values())
    assert data.target_names == list(CLASS_NAMES)


@pytest.mark.parametrize("image_size", [16, 64, 75])
def test_images_are_rgb_of_the_size_asked_for(image_size):
    for style in STYLE_NAMES:
        data = make_captioned_images(2, style=style, image_size=image_size, random_state=0)
        assert {image.size for image in data.images} == {(image_size, image_size)}
        assert {image.mode for image in data.images} == {"RGB"}


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_same_seed_gives_same_data(seed):
    first, second = (
        make_captioned_images(5, style=STYLE_NAMES, random_state=seed) for _ in range(2)
    )
    np.testing.assert_array_equal(pixels(first), pixels(second))
    assert first.captions == second.captions
    np.testing.assert_array_equal(first.target, second.target)


def test_other_seed_gives_other_data():
    first, second = (make_captioned_images(20, random_state=seed) for seed in (0, 1))
    assert not np.array_equal(pixels(first), pixels(second))
    assert first.captions != second.captions


def test_random_state_instance_moves_on():
    rng = np.random.RandomState(0)
    first, second = (make_captioned_images(5, random_state=rng) for _ in range(2))
    assert first.captions != second.captions


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_captioned_images(3, style=STYLE_NAMES, random_state=0)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_more_samples_extend_the_pictures():
    short, long = (make_captioned_images(n, style=STYLE_NAMES, random_state=3) for n in (8, 20))
    np.testing.assert_array_equal(pixels(short), pixels(long)[:8])
    np.testing.assert_array_equal(short.target, long.target[:8])


def test_captions_do_not_change_the_pictures():
    clean = make_captioned_images(10, caption_noise=0, synonym_rate=0, random_state=5)
    noisy = make_captioned_images(
        10, caption_noise=0.5, synonym_rate=1.0, distractor_rate=1.0, random_state=5
    )
    np.testing.assert_array_equal(pixels(clean), pixels(noisy))
    assert clean.captions != noisy.captions


@given(noise=st.floats(0, 1), n=st.integers(1, 30), seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_share_of_wrong_captions_is_exact(noise, n, seed):
    data = make_captioned_images(n, caption_noise=noise, image_size=16, random_state=seed)
    assert data.wrong_caption.sum() == round(noise * n)


def test_clean_captions_call_the_class_by_name():
    data = make_captioned_images(
        300, caption_noise=0, synonym_rate=0, distractor_rate=0, image_size=16, random_state=0
    )
    for caption, name in zip(data.captions, data.target, strict=True):
        assert names_said(caption, data) == {name}, caption


def test_wrong_captions_name_another_class_only():
    data = make_captioned_images(200, caption_noise=1.0, image_size=16, random_state=0)
    for caption, name in zip(data.captions, data.target, strict=True):
        said = names_said(caption, data)
        assert len(said) == 1, caption
        assert name not in said, caption


def test_distractors_name_a_second_class():
    data = make_captioned_images(
        200, caption_noise=0, distractor_rate=1.0, image_size=16, random_state=0
    )
    for caption, name in zip(data.captions, data.target, strict=True):
        said = names_said(caption, data)
        assert name in said, caption
        assert len(said) == 2, caption


def test_synonyms_only_never_say_the_name():
    data = make_captioned_images(
        300, classes=["bolt", "fish", "gear"], synonym_rate=1.0, image_size=16, random_state=0
    )
    assert not [c for c in data.captions if set(c.split()) & {"bolt", "fish", "gear"}]


def test_synonym_rate_by_class():
    data = make_captioned_images(
        200,
        classes=["gear", "cup"],
        synonym_rate={"gear": 1.0, "cup": 0.0},
        caption_noise=0,
        distractor_rate=0,
        image_size=16,
        random_state=0,
    )
    for caption, name in zip(data.captions, data.target, strict=True):
        assert (name in caption) == (name == "cup"), caption


def test_captions_vary():
    data = make_captioned_images(
        200, classes=["star", "heart"], synonym_rate=0, image_size=16, random_state=0
    )
    assert len(set(data.captions)) > 150


def test_names_overlap_inside_others():
    data = make_captioned_images(
        60, classes=["star", "starfish"], synonym_rate=0, image_size=16, random_state=0
    )
    inside = ["star" in caption for caption in data.captions]
    assert all(inside)
    assert set(data.target) == {"star", "starfish"}


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_every_class_can_be_drawn_and_is_visible(name):
    other = "square" if name != "square" else "circle"
    data = make_captioned_images(
        4, classes=[name, other], weights={other: 0.0}, style="flat", random_state=0
    )
    assert set(data.target) == {name}
    for image in pixels(data).astype(int):
        corner = image[0, 0]
        changed = np.abs(image - corner).sum(axis=2) > 80
        assert 0.01 < changed.mean() < 0.8


def test_styles_differ():
    signatures = []
    for style in STYLE_NAMES:
        p = pixels(make_captioned_images(40, style=style, random_state=0)).astype(float)
        signatures.append([p.mean(), p.std(), np.abs(np.diff(p, axis=2)).mean()])
    relative = np.log(signatures)
    for i, a in enumerate(STYLE_NAMES):
        for j, b in enumerate(STYLE_NAMES[:i]):
            assert np.abs(relative[i] - relative[j]).max() > 0.2, (a, b)


def test_several_styles_are_mixed_in_proportion():
    data = make_captioned_images(
        400, style=["flat", "flat", "flat", "night"], image_size=16, random_state=0
    )
    share = np.mean(data.attributes.style == "flat")
    assert 0.67 < share < 0.83


def test_long_tail_thins_out_along_the_classes():
    classes = ["star", "heart", "key", "cup", "fish"]
    data = make_captioned_images(
        2000, classes=classes, weights="long_tail", image_size=16, random_state=0
    )
    counts = [Counter(data.target)[name] for name in classes]
    assert counts == sorted(counts, reverse=True)
    assert 10 < counts[0] / counts[-1] < 40


def test_weights_by_class():
    data = make_captioned_images(
        300, classes=["star", "heart", "key"], weights={"key": 0.0}, image_size=16, random_state=0
    )
    assert set(data.target) == {"star", "heart"}


def test_colour_in_caption_is_the_colour_drawn():
    data = make_captioned_images(
        200, classes=["star", "heart"], caption_noise=0, distractor_rate=0, random_state=0
    )
    plain = {"red", "green", "blue", "purple", "brown", "teal"}
    for caption, color in zip(data.captions, data.attributes.color, strict=True):
        foreground = caption.split(" on a ")[0].split(" against ")[0].split(" page with ")[-1]
        assert set(foreground.split()) & plain <= {color}, caption


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("n_samples", 0),
        ("n_samples", 2.5),
        ("style", "cubist"),
        ("caption_noise", 1.5),
        ("caption_noise", -0.1),
        ("distractor_rate", "often"),
        ("synonym_rate", 2),
        ("weights", "short_tail"),
        ("image_size", 8),
        ("random_state", "seed"),
        ("classes", 3),
    ],
)
def test_parameter_out_of_range_is_named(parameter, value):
    with pytest.raises(InvalidParameterError, match=f"'{parameter}' parameter of"):
        make_captioned_images(**{parameter: value})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"classes": ["star", "unicorn"]},
            "classes has unknown names: 'unicorn'.*Choose from anchor",
        ),
        ({"classes": ["star"]}, "classes has 1 name, 'star': give at least 2"),
        ({"classes": []}, "classes is empty"),
        ({"classes": ["star", "star"]}, "classes holds duplicates: 'star'"),
        ({"style": ["flat", "cubist"]}, "style has unknown names: 'cubist'.*Choose from flat"),
        ({"style": []}, "style is empty"),
        ({"weights": {"unicorn": 1.0}}, "weights has unknown names: 'unicorn'"),
        ({"weights": {"star": -1.0}}, r"weights must be finite.*-1\.0"),
        ({"weights": dict.fromkeys(CLASS_NAMES, 0.0)}, "not all zero"),
        ({"synonym_rate": {"unicorn": 0.1}}, "synonym_rate has unknown names: 'unicorn'"),
        ({"synonym_rate": {"star": 1.5}}, r"synonym_rate must lie in \[0, 1\].*1\.5 for 'star'"),
    ],
)
def test_bad_value_is_named_with_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_captioned_images(**arguments)
