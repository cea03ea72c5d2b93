"""What a word is."""

import unicodedata

import pytest
from hypothesis import given, strategies as st

from skclip.captions._words import normalize, normalize_lines, tokenize


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A Cat", ["a", "cat"]),
        ("colt's-foot", ["colt", "s", "foot"]),
        ("737-200 (fast)", ["737", "200", "fast"]),
        ("snake_case", ["snake", "case"]),
        ("café CAFÉ cafe\u0301", ["cafe"] * 3),
        ("STRASSE straße", ["strasse"] * 2),
        ("ΣΊΣΥΦΟΣ σίσυφος", ["σισυφοσ"] * 2),
        ("жук,ЖУК", ["жук", "жук"]),
        ("猫が好き", ["猫か\u3099好き"]),
        ("हिन्दी कुत्ता", ["हिन्दी", "कुत्ता"]),
        ("🦀!?", []),
        ("", []),
        ("a\x00b\ud800c", ["a", "b", "c"]),
    ],
)
def test_tokens_are_runs_of_letters_and_digits_with_case_and_accents_folded(text, tokens):
    assert tokenize(text) == tokens


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalize(normalize(text)) == normalize(text)


@given(st.text())
def test_equivalent_unicode_forms_have_equal_tokens(text):
    assert tokenize(unicodedata.normalize("NFC", text)) == tokenize(text)
    assert tokenize(unicodedata.normalize("NFD", text)) == tokenize(text)


@given(st.text(st.characters(max_codepoint=127)))
def test_case_does_not_matter(text):
    assert tokenize(text.upper()) == tokenize(text.lower())


@given(st.lists(st.text(), min_size=1))
def test_many_texts_normalise_as_each_does(texts):
    lines = normalize_lines(texts).split("\n")
    assert [line.split(" ") for line in lines] == [["", *tokenize(t), ""] for t in texts]
    assert [line.strip(" ") for line in lines] == [normalize(text) for text in texts]
