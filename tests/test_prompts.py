"""Prompts: templates, synonyms, braces, and embeddings that are computed once."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.base import BaseEstimator, TransformerMixin, clone

from skclip import CLIPEmbedder
from skclip.embedding._registry import LoadedModel
from skclip.exceptions import BareNumberWarning, NoMatchWarning
from skclip.prompts import (
    TEMPLATES,
    build_prompts,
    encode_prompts,
    encode_texts,
    load_class_names,
)


def is_number(name: str) -> bool:
    spaced = " ".join(name.replace("_", " ").split())
    return spaced.strip(" +-").replace(".", "").isdecimal()


def test_published_sets_have_a_place_for_the_name_each():
    assert len(TEMPLATES["imagenet"]) == 7
    assert len(TEMPLATES["cars"]) == 8
    assert all("{}" in text for texts in TEMPLATES.values() for text in texts)


@pytest.mark.parametrize(
    ("templates", "expected"),
    [
        ("photo", ["a photo of a cat."]),
        ("sun", ["a photo of a cat.", "a photo of the cat."]),
        ("one {}, two {}s", ["one cat, two cats"]),
        (["{}", "the {}"], ["cat", "the cat"]),
        (("{}", "{}"), ["cat"]),
        ({"cat": "my {}"}, ["my cat"]),
        ({"cat": ["Cats purr.", "a {}"], "dog": "x"}, ["Cats purr.", "a cat"]),
    ],
)
def test_templates(templates, expected):
    assert build_prompts(["cat"], templates) == {"cat": expected}


def test_synonyms_are_put_into_every_template_after_the_name():
    prompts = build_prompts(["car", "cat"], ["a {}", "my {}"], {"car": ["auto", "car"]})
    assert prompts == {"car": ["a car", "my car", "a auto", "my auto"], "cat": ["a cat", "my cat"]}


@pytest.mark.parametrize("names", [np.array([3, 1]), [3.5], ["0", "dog"], ["-1"]])
def test_a_name_that_is_a_bare_number_warns(names):
    with pytest.warns(BareNumberWarning, match=r"such as .*class_names=\{label: name\}"):
        prompts = build_prompts(names, "a {}")
    assert prompts == {name: [f"a {name}"] for name in np.asarray(names).tolist()}


def test_numbers_within_names_and_beside_descriptions_do_not_warn():
    build_prompts(["747-400", "Audi 100", "4x4"])
    assert build_prompts([7], {7: ["A seven has two strokes."]}) == {
        7: ["A seven has two strokes."]
    }


@pytest.mark.parametrize(
    ("name", "spoken"),
    [("car_side", "car side"), ("__a__b_", "a b"), ("_", "_"), ("two  words", "two  words")],
)
def test_underscores_are_spaces_as_in_recall(name, spoken):
    assert build_prompts([name], "a {}.") == {name: [f"a {spoken}."]}
    assert build_prompts(["x"], "a {}.", {"x": name})["x"][-1] == f"a {spoken}."


@pytest.mark.parametrize(
    "text",
    ["{A cup has one handle.", "The{} cup is round.", "a {c}", "}{", "{{}}", "{0} {!r}"],
)
def test_braces_of_a_description_stay_as_they_are(text):
    assert build_prompts(["cup"], {"cup": [text, "a {}", "({})s"]}) == {
        "cup": [text, "a cup", "(cup)s"]
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"synonyms": {"cat": None}}, r"synonyms of 'cat' must be strings, got None"),
        ({"synonyms": {"cat": ["a", np.nan]}}, r"synonyms of 'cat' must be strings, got nan"),
        ({"synonyms": ["cat"]}, r"synonyms must be a mapping \{name: names\}, got list"),
        ({"templates": {"cat": None}}, r"templates of 'cat' must be strings, got None"),
        ({"templates": {"cat": ["a {}", 3]}}, r"templates of 'cat' must be strings, got 3"),
        ({"templates": None}, r"templates must be strings, got None"),
        ({"templates": ["a {}", None]}, r"templates must be strings, got None"),
    ],
)
def test_what_is_no_text_is_named_with_its_class(arguments, message):
    with pytest.raises(TypeError, match=message):
        build_prompts(["cat"], **arguments)


def test_blank_synonyms_are_no_names():
    assert build_prompts(["cat"], synonyms={"cat": ["", " "]}) == {"cat": ["a photo of a cat."]}


def test_what_is_encoded_must_be_texts():
    with pytest.raises(TypeError, match=r"prompts of 'cat' must be a list.* got None"):
        encode_prompts(LengthEmbedder(), {"cat": ["a cat", None]})
    with pytest.raises(TypeError, match=r"texts must be a list.* got None"):
        encode_texts(LengthEmbedder(), ["a cat", None])


def test_parameters_of_the_embedder_are_checked_before_it_loads():
    with pytest.raises(ValueError, match="The 'pretrained' parameter of CLIPEmbedder"):
        encode_texts(CLIPEmbedder("skclip-tiny", None), ["a cat"])


def test_names_with_braces_are_names():
    assert build_prompts(["{}", "{x}"], "a {}.") == {"{}": ["a {}."], "{x}": ["a {x}."]}


@given(
    st.lists(
        st.text(min_size=1).filter(lambda n: n.strip() and not is_number(n)),
        min_size=1,
        max_size=5,
        unique=True,
    )
)
def test_any_names_give_prompts_in_their_order(names):
    prompts = build_prompts(names, ["a {}.", "the {}"])
    assert list(prompts) == names
    spoken = [" ".join(n.replace("_", " ").split()) or n if "_" in n else n for n in names]
    assert [texts[0] for texts in prompts.values()] == [f"a {name}." for name in spoken]


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ("imagnet", r"neither a published set \(photo, imagenet.* did you mean 'imagenet'\?"),
        ("a picture", r"nor a template with \{\} in place of the class name\.$"),
        (["a {}", "a photo"], r"got 'a photo'\. Give descriptions of a class in a dict"),
        ([], r"got none\."),
        ("a {name}", r"holds 'a \{name\}': write \{\} in place of the class name"),
        ("a {0}", r"holds 'a \{0\}'"),
        ("a {} {", r"holds 'a \{\} \{'"),
        ({"dog": "a {}"}, r"no entry for 'cat'"),
        ({"cat": []}, r"no entry for 'cat'"),
        (["a {}", "a {c}"], r"holds 'a \{c\}'.* Give descriptions with braces in a dict"),
    ],
)
def test_wrong_templates(templates, message):
    with pytest.raises(ValueError, match=message):
        build_prompts(["cat"], templates)


@pytest.mark.parametrize("names", [[], [" "], ["a", "a"], "cat"])
def test_wrong_names(names):
    with pytest.raises(ValueError, match="class_names"):
        build_prompts(names)


class LengthEmbedder(TransformerMixin, BaseEstimator):
    """A foreign embedder: a text becomes (length, number of spaces)."""

    def transform(self, X):
        assert isinstance(X, list)
        return [[len(text), text.count(" ")] for text in X]


def test_class_row_is_the_unit_mean_of_unit_rows():
    weights = encode_prompts(LengthEmbedder(), {"a": ["abc", "a b c d"], "b": ["abcdef"]})
    first, second = np.array([1.0, 0.0]), np.array([7.0, 3.0]) / np.hypot(7, 3)
    mean = (first + second) / 2
    np.testing.assert_allclose(weights, [mean / np.linalg.norm(mean), [1, 0]], rtol=1e-6)


@pytest.mark.parametrize("prompts", [{}, {"a": []}, {"a": "a cat"}])
def test_wrong_prompts(prompts):
    with pytest.raises(ValueError, match="prompts must map every class name to a list"):
        encode_prompts(LengthEmbedder(), prompts)


@pytest.fixture
def texts_encoded(monkeypatch):
    """Count the texts that reach the text tower."""
    counts = []

    def counting(self, tokens):
        counts.append(len(tokens))
        return original(self, tokens)

    original = LoadedModel.encode_tokens
    monkeypatch.setattr(LoadedModel, "encode_tokens", counting)
    return counts


def test_clones_encode_nothing_twice(texts_encoded):
    embedder = CLIPEmbedder("skclip-tiny", device="cpu")
    prompts = build_prompts(["never asked before", "nor this"], "imagenet")
    weights = encode_prompts(embedder, prompts)
    assert sum(texts_encoded) == 14
    again = encode_prompts(clone(embedder), dict(reversed(prompts.items())))
    assert sum(texts_encoded) == 14
    np.testing.assert_array_equal(again[::-1], weights)
    more = encode_prompts(embedder, prompts | build_prompts(["a third"], "imagenet"))
    assert sum(texts_encoded) == 21
    np.testing.assert_array_equal(more[:2], weights)


def test_image_embedder_stands_for_its_model():
    prompts = build_prompts(["star", "ring"])
    embedder = CLIPEmbedder("skclip-tiny", device="cpu")
    expected = clone(embedder).set_params(modality="text").transform(["a photo of a star."])
    np.testing.assert_allclose(encode_prompts(embedder, prompts)[:1], expected, atol=1e-6)


def test_memory_is_bounded(monkeypatch, texts_encoded):
    monkeypatch.setattr("skclip.prompts.MAX_CACHED", 2)
    embedder = CLIPEmbedder("skclip-tiny", device="cpu")
    for _ in range(2):
        encode_prompts(embedder, build_prompts(["p", "q", "r"], "bounded {}"))
    assert len(embedder.load_model().cache["prompts"]) == 3


def test_texts_are_encoded_one_by_one_and_once(texts_encoded):
    embedder = CLIPEmbedder("skclip-tiny", device="cpu")
    texts = ["a text of its own", "another text", "a text of its own"]
    rows = encode_texts(embedder, texts)
    np.testing.assert_array_equal(rows[0], rows[2])
    np.testing.assert_allclose(
        rows[:1], encode_prompts(embedder, {"one": texts[:1]}), rtol=1e-6, atol=1e-7
    )
    before = sum(texts_encoded)
    np.testing.assert_array_equal(encode_texts(clone(embedder), texts[1:]), rows[1:])
    assert sum(texts_encoded) == before


def test_texts_of_a_foreign_embedder():
    rows = encode_texts(LengthEmbedder(), ["a b c d", "abc", "abc"])
    np.testing.assert_allclose(rows, [np.array([7, 3]) / np.hypot(7, 3), [1, 0], [1, 0]], rtol=1e-6)


@pytest.mark.parametrize("texts", [[], "a text"])
def test_wrong_texts(texts):
    with pytest.raises(ValueError, match="texts must be a list of at least one text"):
        encode_texts(LengthEmbedder(), texts)


def test_synonyms_of_a_name_in_capitals_are_named():
    with pytest.warns(
        NoMatchWarning, match=r"differ from a class name in capital letters \('Cat'\)"
    ):
        prompts = build_prompts(["cat"], "a {}", {"Cat": "kitty", "dog": "puppy"})
    assert prompts == {"cat": ["a cat"]}


def test_synonyms_serve_names_that_are_written_otherwise():
    assert build_prompts(["car_side"], "a {}", {"car side": "auto"}) == {
        "car_side": ["a car side", "a auto"]
    }


N_CLASSES = {
    "aircraft": 100,
    "caltech101": 100,
    "cars": 196,
    "dtd": 47,
    "eurosat": 10,
    "flowers": 102,
    "food": 101,
    "imagenet": 1000,
    "pets": 37,
    "sun": 397,
    "ucf101": 101,
}


def test_every_published_set_has_names_and_templates():
    assert set(N_CLASSES) == set(TEMPLATES) - {"photo"}


@pytest.mark.parametrize("name", N_CLASSES)
def test_published_names_are_distinct_and_make_prompts(name):
    class_names = load_class_names(name)
    assert len(class_names) == len(set(class_names)) == N_CLASSES[name]
    assert not any("_" in class_name for class_name in class_names)
    assert list(build_prompts(class_names, name)) == class_names


def test_a_list_of_names_is_the_callers_own():
    load_class_names("dtd").clear()
    assert len(load_class_names("dtd")) == 47


def test_a_set_that_is_not_published_is_named():
    with pytest.raises(ValueError, match=r"name='flower' is none of .*; did you mean 'flowers'"):
        load_class_names("flower")
    with pytest.raises(ValueError, match=r"name=\['dtd'\] is none of the published sets"):
        load_class_names(["dtd"])
