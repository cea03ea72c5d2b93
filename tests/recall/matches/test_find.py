"""Index and scan find what a naive reference finds, for any strings and all meanings of a match."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st

from skclip.captions._ambiguity import Disambiguator
from skclip.captions._matching import Matching, stem_words
from skclip.captions._query import make_queries
from skclip.captions._words import tokenize
from skclip.corpus import Corpus
from skclip.corpus._shards._memory import MemoryShard, MemoryStore
from skclip.recall._matches._find import find_matches

METHODS = ["index", "scan"]

# few words that contain, inflect and repeat each other, and everything else that Unicode has
vocabulary = ["star", "starfish", "fish", "fishes", "fishing", "a", "OR", "NOT", "NEAR", "Étoile"]
texts = st.one_of(
    st.lists(st.sampled_from(vocabulary), max_size=6).map(" ".join),
    st.lists(st.sampled_from(vocabulary), min_size=1, max_size=3).map(" ".join),
    st.text(alphabet='star fish"*:-()É̀猫🦀', max_size=10),
    # dotless and dotted i, letters that fold into two, joiners, a line feed, NUL, right to left
    st.text(alphabet="iIİ\u0131ßﬁ\u0307\u200b\u200d\u00ad\n\x00של\u05d5ם्क", max_size=8),
    # scripts without spaces, entities, compatibility forms
    st.text(alphabet="狗草がカーม้า a\uff42\ufb01&;™\u3099", max_size=8),
    st.lists(st.sampled_from(["star", "&amp;", "&lt;", "狗", "fish", "カ", " "])).map("".join),
    st.text(max_size=10),
)
options = st.fixed_dictionaries(
    {
        "match": st.sampled_from(["phrase", "substring", "all"]),
        "stem": st.booleans(),
        "plural": st.booleans(),
        "longest": st.booleans(),
        "ambiguous": st.sampled_from(["keep", "drop", "first"]),
    }
).filter(lambda o: not (o["stem"] and o["match"] == "substring"))


def store_of(*shards):
    def objects(values):
        return np.fromiter(values, object, len(values))

    return MemoryStore([MemoryShard(objects(s), objects(s), None, None) for s in shards])


def find(
    store, names, method="index", synonyms=None, exclude=None, require=None, n_jobs=None, **options
):
    settings = {"match": "phrase", "stem": False, "plural": False, **options}
    if method == "scan":
        pytest.importorskip("ahocorasick")
    disambiguator = Disambiguator(
        names,
        make_queries(
            names,
            synonyms=synonyms,
            exclude=exclude,
            require=require,
            plural=settings["plural"],
        ),
        Matching(settings["match"], settings["stem"]),
        longest=settings.get("longest", False),
        ambiguous=settings.get("ambiguous", "keep"),
    )
    return find_matches(store, disambiguator, method=method, n_jobs=n_jobs)


def found(captions, names, method="index", **options):
    return [rows.tolist() for rows in find(store_of(captions), names, method, **options).rows]


# -- the naive reference: one caption at a time, straight from the definitions


def plurals(word):
    if not (word.isascii() and word.isalpha() and len(word) > 1):
        return set()
    if any(word.endswith(end) for end in ("s", "x", "z", "ch", "sh")):
        return {f"{word}es"}
    consonant = word[-2] not in "aeiou"
    if word[-1] == "y" and consonant:
        return {f"{word[:-1]}ies"}
    return {f"{word}s", f"{word}es"} if word[-1] == "o" and consonant else {f"{word}s"}


def spellings(text, plural):
    tokens = tokenize(text)
    also = [[*tokens[:-1], form] for form in plurals(tokens[-1])] if plural and tokens else []
    return [tokens, *also] if tokens else []


def covered(caption, name, match, stem, plural):
    """All sets of positions at which a caption names a name."""
    words, places = tokenize(caption), set()
    if stem:
        words = stem_words(words)
    for tokens in spellings(name, plural):
        wanted = stem_words(tokens) if stem else tokens
        if match == "substring":
            text, part = " ".join(words), " ".join(wanted)
            for i in range(len(text)):
                if text[i:].startswith(part):
                    places.add(frozenset(range(i, i + len(part))))
        elif match == "all":
            if all(word in words for word in wanted):
                places.add(frozenset(words.index(word) for word in wanted))
        else:
            for i in range(len(words)):
                if words[i : i + len(wanted)] == wanted:
                    places.add(frozenset(range(i, i + len(wanted))))
    return places


def reference(captions, names, synonyms, exclude, require, *, longest, ambiguous, **how):
    rows = {name: [] for name in names}
    n_ambiguous = dict.fromkeys(names, 0)
    for row, caption in enumerate(captions):
        places = {
            name: set().union(
                *(covered(caption, n, **how) for n in [name, *synonyms.get(name, [])])
            )
            for name in names
        }
        named = {name for name in names if places[name]}
        if longest:
            named = {
                name
                for name in named
                if not all(
                    any(place < other for n in names if n != name for other in places[n])
                    for place in places[name]
                )
            }
        named = {
            name
            for name in named
            if not any(covered(caption, e, **how) for e in exclude.get(name, []))
            and (not require.get(name) or any(covered(caption, r, **how) for r in require[name]))
        }
        if len(named) > 1:
            for name in named:
                n_ambiguous[name] += 1
            if ambiguous == "drop":
                named = set()
            if ambiguous == "first":
                named = {min(named, key=lambda n: (*min((min(p), -len(p)) for p in places[n]), n))}
        for name in named:
            rows[name].append(row)
    return [rows[name] for name in names], [n_ambiguous[name] for name in names]


@pytest.mark.parametrize("method", METHODS)
@given(
    shards=st.lists(st.lists(texts, max_size=5), min_size=1, max_size=3),
    names=st.lists(texts, min_size=1, max_size=4, unique=True),
    spare=st.lists(texts, max_size=6),
    options=options,
)
def test_search_equals_the_naive_reference(method, shards, names, spare, options):
    synonyms, exclude = {names[0]: spare[:2]}, {names[-1]: spare[2:4]}
    require = {names[len(names) // 2]: spare[4:]}
    matches = find(store_of(*shards), names, method, synonyms, exclude, require, **options)
    captions = [caption for shard in shards for caption in shard]
    rows, n_ambiguous = reference(captions, names, synonyms, exclude, require, **options)
    assert [r.tolist() for r in matches.rows] == rows
    assert matches.n_ambiguous.tolist() == n_ambiguous


@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_workers_does_not_matter(tmp_path, method):
    captions = [f"{'cat' if i % 3 else 'dog'} {i}" for i in range(100)]
    corpus = Corpus.build(captions, tmp_path / "corpus", shard_size=7)
    one, two = (find(corpus, ["cat", "dog"], method, n_jobs=n).rows for n in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one[0].tolist() == [i for i in range(100) if i % 3]


# -- the meanings, one by one


CAPTIONS = [
    "a red fire truck",
    "a truck on fire",
    "fire trucks",
    "a fire, and a fire truck",
    "bonfire trucking",
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({}, [0, 3]),
        ({"plural": True}, [0, 2, 3]),
        ({"stem": True}, [0, 2, 3]),
        ({"match": "all"}, [0, 1, 3]),
        ({"match": "all", "stem": True}, [0, 1, 2, 3]),
        ({"match": "substring"}, [0, 2, 3, 4]),
    ],
)
def test_what_naming_means(method, options, rows):
    assert found(CAPTIONS, ["fire truck"], method, **options) == [rows]


@pytest.mark.parametrize("method", METHODS)
def test_the_longest_name_takes_what_it_covers(method):
    names = ["fire", "fire truck"]
    assert found(CAPTIONS, names, method, longest=True) == [[1, 2, 3], [0, 3]]
    assert found(["a star", "a starfish"], ["star", "starfish"], method, match="substring") == [
        [0, 1],
        [1],
    ]
    longest = {"match": "substring", "longest": True}
    assert found(["a star", "a starfish"], ["star", "starfish"], method, **longest) == [[0], [1]]


@pytest.mark.parametrize("method", METHODS)
def test_other_senses_can_be_excluded(method):
    captions = ["a crane flies", "a construction crane", "cranes"]
    exclude = {"crane": ["construction"], "unknown": ["flies"]}
    assert found(captions, ["crane"], method, exclude=exclude) == [[0]]


@pytest.mark.parametrize("method", METHODS)
def test_further_words_can_be_required(method):
    captions = ["a forest", "an aerial photo of a forest", "forest by satellite", "a river"]
    require = {"forest": ["satellite", "aerial"]}
    assert found(captions, ["forest", "river"], method, require=require) == [[1, 2], [3]]
    assert found(captions, ["forest"], method, require={"forest": ["?"]}) == [[]]


@pytest.mark.parametrize("method", METHODS)
def test_the_longest_name_in_a_script_without_spaces(method):
    captions = ["一只狗", "一个热狗"]
    assert found(captions, ["狗", "热狗"], method) == [[0, 1], [1]]
    assert found(captions, ["狗", "热狗"], method, longest=True) == [[0], [1]]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("ambiguous", "rows"),
    [("keep", [[0, 2], [1, 2]]), ("drop", [[0], [1]]), ("first", [[0], [1, 2]])],
)
def test_captions_that_name_several_classes(method, ambiguous, rows):
    captions = ["a cat", "a dog", "a dog and a cat"]
    assert found(captions, ["cat", "dog"], method, ambiguous=ambiguous) == rows
    assert found(captions, ["dog", "cat"], method, ambiguous=ambiguous) == rows[::-1]


def test_matches_are_counted_before_ambiguous_ones_are_dropped():
    matches = find(store_of(["a cat", "a cat and a dog"]), ["cat", "dog"], ambiguous="drop")
    assert matches.n_matches.tolist() == [2, 1]
    assert matches.n_ambiguous.tolist() == [1, 1]


def test_many_spellings_of_many_words_are_checked_on_the_text():
    forms = ["connect", "connects", "connected", "connecting", "connection"]
    captions = [f"{a} {b} {c}" for a in forms for b in forms for c in forms] + ["connect x connect"]
    rows = found(captions, ["connect connect connect"], stem=True)
    assert rows == [list(range(125))]


def test_captions_in_doubt_are_read_once_for_all_names(monkeypatch):
    reads = []
    column = MemoryShard.column
    monkeypatch.setattr(
        MemoryShard, "column", lambda *args: (reads.append(args[1]), column(*args))[1]
    )
    captions = ["bonfire trucks", "fire trucking", "fires truck", "truck fire"]
    names = ["fire truck", "fires tr", "truck f"]
    assert found(captions, names, match="substring") == [[0, 1], [2], [3]]
    assert reads == ["caption"]


def test_substrings_of_a_large_vocabulary():
    captions = [f"w{i}a b{i}" for i in range(5_000)]
    assert found(captions, ["a", "a b4999", "w1"], match="substring") == [
        list(range(5_000)),
        [4_999],
        [i for i in range(5_000) if str(i).startswith("1")],
    ]


def test_many_names_that_contain_each_other():
    names = [f"n{i}" for i in range(300)] + [f"n{i} n{i + 1}" for i in range(299)]
    rows = found(["n5 n6 n7", "n9"], names, longest=True)
    assert [name for name, r in zip(names, rows, strict=True) if r] == ["n9", "n5 n6", "n6 n7"]


@pytest.mark.parametrize("method", METHODS)
def test_real_captions(shared_data, method):
    lines = (shared_data / "flickr8k_captions.tsv").read_text(encoding="utf-8").splitlines()[1:]
    captions = [line.split("\t")[2] for line in lines]
    names = ["dog", "brown dog", "soccer ball", "fire truck", "climbing wall", "boy", "cow boy"]
    words = [f" {' '.join(tokenize(caption))} " for caption in captions]
    expected = [[i for i, w in enumerate(words) if f" {name} " in w] for name in names]
    assert found(captions, names, method) == expected
    assert len(expected[0]) > 5_000


def test_a_scan_without_its_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ahocorasick", None)
    disambiguator = Disambiguator(
        ["cat"], make_queries(["cat"]), Matching(), longest=False, ambiguous="keep"
    )
    with pytest.raises(ImportError, match=r"method='scan' needs ahocorasick: .*skclip\[scan\]"):
        find_matches(store_of(["a cat"]), disambiguator, method="scan", n_jobs=None)


# no part of it recurs soon: of a repeated letter the scan tries every length at every place
WORD = "".join(map("".join, product("klmnopqrtu", repeat=4)))[:33_000]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("name", "options", "rows"),
    [
        (f"{WORD}a", {}, [0]),
        (WORD, {}, [1]),
        (WORD[:32_768], {}, []),
        (WORD[:32_768], {"match": "substring"}, [0, 1]),
        (f"{WORD[-32_900:]}b", {"match": "substring"}, [1]),
        (f"{WORD[5:]}b c", {"match": "substring"}, [1]),
        (f"c {WORD}", {"match": "substring"}, [1]),
        ("ca", {"match": "substring"}, [2]),
        (f"c {WORD}b", {"match": "all"}, [1]),
        (f"{WORD}a", {"stem": True}, [0]),
        (f"c {WORD}a", {"stem": True, "match": "all"}, []),
        ("가가", {"match": "substring"}, [3]),
        ("가" * 20_000, {"longest": True}, [3]),
    ],
    ids=range(13),
)
def test_words_that_are_too_long_for_the_index(method, name, options, rows):
    captions = [f"{WORD}a", f"{WORD}b c {WORD}", "a cat", "가" * 20_000]
    matches = find(store_of(captions), [name], method, **options)
    assert matches.rows[0].tolist() == rows
