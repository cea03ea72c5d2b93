"""Recall by caption equals a naive scan of tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skclip.corpus import Corpus
from skclip.corpus._memory import MemoryShard, MemoryStore
from skclip.corpus._text import tokenize
from skclip.recall._search import find_rows, make_queries

words = st.one_of(
    st.text(alphabet=' ab"*:-()É̀猫🦀', max_size=8),
    st.text(max_size=8),
    st.lists(st.sampled_from(["a", "OR", "NEAR", "b", "NOT"])).map(" ".join),
)


def store_of(*shards):
    return MemoryStore(
        [
            MemoryShard(
                np.fromiter(captions, object, len(captions)), np.arange(len(captions)), None, None
            )
            for captions in shards
        ]
    )


def named(caption, names):
    """Whether the tokens of one of the names follow each other in the caption."""
    words = tokenize(caption)
    for name in names:
        wanted = tokenize(name)
        for i in range(len(words) - len(wanted) + 1):
            if wanted and words[i : i + len(wanted)] == wanted:
                return True
    return False


@given(
    shards=st.lists(st.lists(words, max_size=5), min_size=1, max_size=3),
    names=st.lists(words, max_size=4),
    synonyms=st.lists(words, max_size=3),
)
def test_search_equals_a_naive_scan(shards, names, synonyms):
    queries = make_queries(names, {name: synonyms for name in names[:1]})
    found = find_rows(store_of(*shards), queries, n_jobs=None)
    captions = [caption for shard in shards for caption in shard]
    for i, (name, rows) in enumerate(zip(names, found, strict=True)):
        also = synonyms if name == names[0] or i == 0 else []
        expected = [r for r, c in enumerate(captions) if named(c, [name, *also])]
        assert rows.tolist() == expected


def test_the_number_of_workers_does_not_matter(tmp_path):
    captions = [f"{'cat' if i % 3 else 'dog'} {i}" for i in range(100)]
    corpus = Corpus.build(captions, tmp_path / "corpus", shard_size=7)
    queries = make_queries(["cat", "dog"], None)
    one, two = (find_rows(corpus, queries, n_jobs=n) for n in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_queries_are_distinct_phrases():
    assert make_queries(["Cat", 7, "🦀"], {"Cat": ["CAT!", "kitty cat"], 7: "seven"}) == [
        (("cat",), ("kitty", "cat")),
        (("7",), ("seven",)),
        (),
    ]


def test_synonyms_of_other_classes_are_ignored():
    assert make_queries(["cat"], {"dog": ["puppy"]}) == [(("cat",),)]


def test_synonyms_must_be_strings():
    with pytest.raises(TypeError, match=r"synonyms of 'cat' must be strings, got 3"):
        make_queries(["cat"], {"cat": ["kitty", 3]})
