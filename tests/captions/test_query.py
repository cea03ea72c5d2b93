"""What a class is called."""

import pytest

from skclip.captions._query import Query, make_queries, plural_forms


@pytest.mark.parametrize(
    ("word", "forms"),
    [
        ("cat", ["cats"]),
        ("bus", ["buses"]),
        ("box", ["boxes"]),
        ("church", ["churches"]),
        ("dish", ["dishes"]),
        ("berry", ["berries"]),
        ("boy", ["boys"]),
        ("photo", ["photoes", "photos"]),
        ("video", ["videos"]),
        ("7", []),
        ("a", []),
        ("café", []),
        ("猫", []),
    ],
)
def test_regular_plurals(word, forms):
    assert list(plural_forms(word)) == forms


def test_queries_are_distinct_phrases():
    synonyms = {"Cat": ["CAT!", "kitty cat"], 7: "seven"}
    assert make_queries(["Cat", 7, "🦀"], synonyms=synonyms) == [
        Query((("cat",), ("kitty", "cat"))),
        Query((("7",), ("seven",))),
        Query(()),
    ]


def test_only_the_last_word_becomes_plural():
    (query,) = make_queries(["fire truck"], exclude={"fire truck": ["toy"]}, plural=True)
    assert query.phrases == (("fire", "truck"), ("fire", "trucks"))
    assert query.excluded == (("toy",), ("toys",))


def test_spellings_of_other_classes_are_ignored():
    assert make_queries(["cat"], synonyms={"dog": ["puppy"]}) == [Query((("cat",),))]


@pytest.mark.parametrize(
    ("name", "key"), [("car_side", "car side"), ("cafe\u0301", "caf\xe9"), ("a b", "a_b")]
)
def test_keys_may_be_written_otherwise_than_names(name, key):
    (query,) = make_queries([name], synonyms={key: ["other"]})
    assert query.phrases[1:] == (("other",),)


@pytest.mark.parametrize("parameter", ["synonyms", "exclude"])
def test_spellings_must_be_strings(parameter):
    with pytest.raises(TypeError, match=rf"{parameter} of 'cat' must be strings, got 3"):
        make_queries(["cat"], **{parameter: {"cat": ["kitty", 3]}})
    with pytest.raises(TypeError, match=rf"{parameter} of 'cat' must be strings, got None"):
        make_queries(["cat"], **{parameter: {"cat": None}})


def test_texts_that_can_be_read_only_once_are_refused():
    with pytest.raises(TypeError, match="synonyms of 'cat' can be read only once: give a list"):
        make_queries(["cat"], synonyms={"cat": iter(["kitty"])})
