"""What a word is."""

import re
import unicodedata
from html import escape

import pytest
from hypothesis import given, strategies as st

from skclip.captions import _index
from skclip.captions._words import normalize, normalize_lines, searchable, tokenize


def ascii_entities(text):
    """A text with all letters beyond ASCII as numbers of HTML."""
    return "".join(c if c.isascii() else f"&#{ord(c)};" for c in text)


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
        # each letter of a script without spaces, with its marks; a run of Katakana
        ("猫が好き", ["猫", "が", "好", "き"]),
        ("一只狗在草地上", list("一只狗在草地上")),
        ("หมาบนหญ้า", ["ห", "ม", "า", "บ", "น", "ห", "ญ้", "า"]),
        ("ខ្មែរ", ["ខ្", "មែ", "រ"]),
        ("デジタルカメラで猫", ["デジタルカメラ", "で", "猫"]),
        ("狗dog2只", ["狗", "dog2", "只"]),
        ("개가 짖다", ["개가", "짖다"]),
        # entities, also escaped several times
        ("fish &amp; chips", ["fish", "chips"]),
        ("&quot;cat&quot; caf&eacute; &#x1F980;&#100;og", ["cat", "cafe", "dog"]),
        ("cat&amp;amp;nbsp;dog", ["cat", "dog"]),
        ("R&B AT&T &unknown; a&b;", ["r", "b", "at", "t", "unknown", "a", "b"]),
        ("&#1114112; &#xD800; &#0;", []),
        # compatibility forms
        ("\uff43\uff41\uff54 \uff11\uff12 ｶﾞｽ", ["cat", "12", "ガス"]),
        ("\ufb01sh x² \U0001d402\U0001d41a\U0001d42d Ⅷ", ["fish", "x2", "cat", "viii"]),
        ("LEGO™ bricks®", ["lego", "bricks"]),
        # invisible characters; a zero-width space separates
        ("ele\u00adphant e\u200dle\ufeffphant", ["elephant"] * 2),
        ("a\u200bb", ["a", "b"]),
        ("black ☕\ufe0f cat", ["black", "cat"]),
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


# a trademark sign is dropped, where NFKC makes letters of it
@given(st.text(st.characters(exclude_characters="™℠")))
def test_compatible_unicode_forms_have_equal_tokens(text):
    assert tokenize(unicodedata.normalize("NFKC", text)) == tokenize(text)
    assert tokenize(unicodedata.normalize("NFKD", text)) == tokenize(text)


# HTML reads the numbers of control characters as other characters
@given(
    st.text(st.characters(exclude_categories=["Cc", "Cn", "Cs"])),
    st.sampled_from([escape, ascii_entities]),
    st.integers(1, 3),
)
def test_escaped_text_has_the_tokens_of_the_text(text, escaped, times):
    text = text.replace("&", " ")
    written = escaped(text)
    for _ in range(times - 1):
        written = escape(written)
    assert tokenize(written) == tokenize(text)


@given(st.text())
def test_ascii_rules_make_the_tokens_of_searchable_text(text):
    words = re.sub(r"[^a-z0-9\x80-\U0010ffff]+", " ", searchable(text).lower()).split()
    assert words == tokenize(text)


@pytest.mark.parametrize("character", "㌖ﷺΐㄱ가ﬃ")
def test_no_character_folds_into_more_bytes_than_the_index_allows_for(character):
    words = tokenize(character * (_index._SHORT_CAPTION - 1))
    assert max(len(word.encode()) for word in words) < _index._MAX_WORD_BYTES


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("&" + "amp;" * 100_000 + "x", ["x"]),
        ("&#" + "9" * 5_000 + ";", ["9" * 5_000]),
        ("&" * 100_000, []),
    ],
    ids=["nested", "digits", "ampersands"],  # the texts are 400 000 characters long
)
def test_long_texts_of_entities(text, tokens):
    assert tokenize(text) == tokens


@given(st.text(st.characters(max_codepoint=127)))
def test_case_does_not_matter(text):
    assert tokenize(text.upper()) == tokenize(text.lower())


@given(st.lists(st.text(), min_size=1))
def test_many_texts_normalise_as_each_does(texts):
    lines = normalize_lines(texts).split("\n")
    assert [line.split(" ") for line in lines] == [["", *tokenize(t), ""] for t in texts]
    assert [line.strip(" ") for line in lines] == [normalize(text) for text in texts]
