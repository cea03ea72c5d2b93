"""Names inside names."""

import pytest
from hypothesis import given, strategies as st

from skclip.captions._containment import containing_classes
from skclip.captions._matching import Matching
from skclip.captions._query import make_queries


@pytest.mark.parametrize(
    ("match", "inner", "outer", "inside"),
    [
        ("phrase", "fire", "fire truck", True),
        ("phrase", "truck fire", "fire truck", False),
        ("phrase", "fire truck", "Fire Truck!", False),
        ("all", "truck fire", "red fire truck", True),
        ("all", "truck fire", "fire truck", False),
        ("substring", "star", "starfish", True),
        ("substring", "a fi", "sea fish", True),
        ("phrase", "star", "starfish", False),
    ],
)
def test_a_name_may_lie_in_another(match, inner, outer, inside):
    containing = containing_classes(make_queries([inner, outer]), Matching(match))
    assert containing == ({0: {1}} if inside else {})


names = st.lists(
    st.lists(st.sampled_from(["a", "ab", "b", "ba", "é"]), min_size=1, max_size=4).map(" ".join),
    max_size=6,
)


@pytest.mark.parametrize("match", ["phrase", "all", "substring"])
@given(names=names)
def test_containment_is_that_of_every_pair(match, names):
    matching, queries = Matching(match), make_queries(names)
    expected = {}
    for i, inner in enumerate(queries):
        for j, outer in enumerate(queries):
            (small,), (large,) = inner.phrases, outer.phrases
            size = len(" ".join(large)) if match == "substring" else len(set(large))
            size = len(large) if match == "phrase" else size
            places = matching.places(large, small)
            if i != j and any(len(place) < size for place in places):
                expected.setdefault(i, set()).add(j)
    assert containing_classes(queries, matching) == expected


def test_synonyms_may_contain_names_and_be_contained():
    queries = make_queries(["car", "truck"], synonyms={"truck": ["car carrier"], "car": ["fire"]})
    assert containing_classes(queries, Matching()) == {0: {1}}


def test_stems_are_what_is_contained():
    queries = make_queries(["climb", "climbing wall"])
    assert containing_classes(queries, Matching(stem=True)) == {0: {1}}
    assert containing_classes(queries, Matching()) == {}
