"""When a caption names a phrase: the definition."""

import pytest
from hypothesis import given, strategies as st

from skclip.captions._matching import Matching, stem_words


@pytest.mark.parametrize(
    ("match", "places"),
    [
        ("phrase", [{1, 2}]),
        ("all", [{1, 2}]),
        ("substring", [set(range(2, 10))]),
    ],
)
def test_places_are_the_positions_covered(match, places):
    matching = Matching(match)
    (words,) = matching.words(["A red star"])
    assert matching.places(words, ("red", "star")) == [frozenset(place) for place in places]


def test_all_occurrences_count():
    assert len(Matching().places(["a", "b", "a"], ("a",))) == 2
    assert len(Matching("substring").places(["aaa"], ("aa",))) == 2


def test_stems_are_compared_with_stems():
    matching = Matching(stem=True)
    (words,) = matching.words(["Two dogs climbing"])
    assert matching.places(words, matching.phrase(("dog", "climbed"))) == [frozenset({1, 2})]


@given(st.lists(st.text(alphabet="abcdefgingsedé猫", min_size=1, max_size=12)))
def test_one_stem_a_word_whatever_the_others(words):
    assert stem_words(words) == [stem_words([word])[0] for word in words]


def test_porter_stems():
    assert stem_words(["caresses", "ponies", "running", "relational"]) == [
        "caress",
        "poni",
        "run",
        "relat",
    ]


# pieces of what Porter's rules look for, so that words run through all of them
pieces = st.from_regex(
    r"[a-z]{0,6}((ational|enci|izer|abli|eli|ization|alism|fulness|aliti|biliti|icate|ative|ical"
    r"|ness|ment|ion|ous|ive|ize|e|ll|ly|ility|s|es|ies|ed|ing|eed|y){1,3})",
    fullmatch=True,
)


@given(st.lists(pieces, min_size=1, max_size=20))
def test_stemming_changes_nothing_before_the_last_letter_of_a_stem(words):
    # the index looks for the words of a stem among those that begin like it
    for word, stem in zip(words, stem_words(words), strict=True):
        assert word.startswith(stem[:-1])
