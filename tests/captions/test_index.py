"""The caption index equals a naive scan of tokens, whatever the strings hold."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from skclip.captions._index import (
    build_index,
    build_index_image,
    index_words,
    indexed_word,
    is_stand_in,
    matching_rows,
    open_index,
    phrase_query,
)
from skclip.captions._words import tokenize
from skclip.exceptions import CorpusFormatError

# a small alphabet, so that captions and phrases meet, and all of Unicode, so that nothing is safe
texts = st.one_of(
    st.text(alphabet=" ab\"*:-()^+{}'É̀é猫🦀\x00", max_size=12),
    # scripts without spaces, entities, compatibility forms, invisible characters
    st.text(alphabet="狗草がカーม้า a\uff42\ufb01&;™\u00ad\u200b\ufe0f\u3099", max_size=12),
    st.lists(st.sampled_from(["&", "amp;", "#", "x41;", "狗", "b", " ", "eacute;"])).map("".join),
    st.text(max_size=12),
    st.lists(st.sampled_from(["a", "AND", "OR", "NOT", "NEAR", "b", "é", "caption"])).map(" ".join),
)


def contains(caption, phrase):
    """Whether the phrase's tokens follow each other in the caption: the definition."""
    words, wanted = tokenize(caption), tokenize(phrase)
    return bool(wanted) and any(
        words[i : i + len(wanted)] == wanted for i in range(len(words) - len(wanted) + 1)
    )


def search(index, phrase):
    tokens = tokenize(phrase)
    if not tokens:
        return []
    with open_index(index) as connection:
        return matching_rows(connection, phrase_query(tokens)).tolist()


@given(captions=st.lists(texts, max_size=8), phrase=texts)
@example(captions=["a NEAR b", "near"], phrase="a NEAR b")
@example(captions=['say "a" twice'], phrase='" OR captions:"a')
@example(captions=["a"], phrase="'; DROP TABLE captions; --")
def test_a_search_equals_a_scan_of_tokens(captions, phrase):
    found = search(build_index_image([captions]), phrase)
    assert found == [i for i, caption in enumerate(captions) if contains(caption, phrase)]


def test_the_file_and_the_image_hold_the_same(tmp_path):
    captions = ["one fish", "two fish", "Señor Fish"]
    build_index([captions], tmp_path / "index.sqlite")
    for phrase in ("fish", "senor fish", "fish two"):
        assert search(tmp_path / "index.sqlite", phrase) == search(
            build_index_image([captions]), phrase
        )


def test_the_index_keeps_no_text(tmp_path):
    build_index([["a quick zebra"]], tmp_path / "index.sqlite")
    content = (tmp_path / "index.sqlite").read_bytes()
    assert b"zebra" in content
    assert b"quick zebra" not in content


def test_an_opened_index_cannot_be_written(tmp_path):
    build_index([["a"]], tmp_path / "index.sqlite")
    with (
        pytest.raises(CorpusFormatError, match="readonly"),
        open_index(tmp_path / "index.sqlite") as connection,
    ):
        connection.execute("INSERT INTO captions(rowid, caption) VALUES (1, 'b')")


def test_a_path_with_special_characters_can_be_opened(tmp_path):
    path = tmp_path / "what? 100% #1.sqlite"
    build_index([["a cat"]], path)
    assert search(path, "cat") == [0]


def test_a_damaged_index_says_so(tmp_path):
    path = tmp_path / "index.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(CorpusFormatError, match=r"index\.sqlite cannot be read .*overwrite=True"):
        search(path, "cat")


def test_sqlite_without_fts5_is_explained(monkeypatch):
    def no_such_module(*args):
        raise sqlite3.OperationalError("no such module: fts5")

    class WithoutFTS5(sqlite3.Connection):
        execute = no_such_module

    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **kwargs: connect(*args, factory=WithoutFTS5, **kwargs)
    )
    with pytest.raises(RuntimeError, match=r"needs SQLite with FTS5.*method='scan'"):
        build_index_image([["a"]])


def test_many_matches_come_as_ascending_row_numbers():
    rows = search(build_index_image([["x"] * 15_000, ["x"] * 5_000]), "x")
    np.testing.assert_array_equal(rows, np.arange(20_000))


@given(captions=st.lists(texts, max_size=8))
def test_the_words_of_an_index_are_sorted_tokens(captions):
    with open_index(build_index_image([captions])) as connection:
        assert index_words(connection) == sorted({t for c in captions for t in tokenize(c)})


LONG = "x" * 40_000


@pytest.mark.parametrize("letter", ["x", "ж", "가"])
def test_words_that_are_too_long_for_the_index_are_whole_words(letter):
    word = letter * 33_000
    captions = [f"{word}a", f"a {word}b c", letter * 32_768, "a cat"]
    with open_index(build_index_image([captions])) as connection:
        for phrase, rows in [
            (f"{word}a", [0]),
            (f"A {word}B c", [1]),
            (word, []),
            (letter * 32_768, [2]),
            (letter * 8_192, []),
        ]:
            found = matching_rows(connection, phrase_query(tokenize(phrase)))
            assert found.tolist() == rows


def test_what_stands_for_a_long_word_is_no_word_of_a_caption():
    stand_in = indexed_word(LONG)
    assert is_stand_in(stand_in)
    assert not is_stand_in("cat")
    with open_index(build_index_image([[stand_in, LONG]])) as connection:
        assert matching_rows(connection, phrase_query(tokenize(stand_in))).tolist() == [0]
        assert matching_rows(connection, phrase_query([LONG])).tolist() == [1]


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (0, r"in memory was made by an earlier version of skclip.*index_captions\(\)"),
        (99, r"made by a later version of skclip.*upgrade skclip, or index"),
    ],
)
def test_an_index_of_other_words_is_refused(version, message):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(build_index_image([["a cat"]]))
        connection.execute(f"PRAGMA user_version = {version}")
        index = connection.serialize()
    with pytest.raises(CorpusFormatError, match=message):
        search(index, "cat")


@pytest.mark.parametrize(
    ("caption", "phrase"),
    [
        ("一只狗在草地上", "狗"),
        ("一只狗在草地上", "草地"),
        ("หมาบนหญ้า", "หมา"),
        ("黒い犬とネコ", "ネコ"),
        ("a \uff43\uff41\uff54", "cat"),
        ("fish &amp; chips", "fish chips"),
        ("an ele\u00adphant", "elephant"),
    ],
)
def test_captions_as_the_web_writes_them(caption, phrase):
    assert search(build_index_image([["a dog", caption]]), phrase) == [1]


def test_only_whole_clusters_of_letters_match():
    index = build_index_image([["หญ้า", "がく"]])
    assert search(index, "หญา") == search(index, "か") == []
