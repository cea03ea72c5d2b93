import pytest
from hypothesis import given, strategies as st

from skclip.report._captions import cut_at_names, name_pattern


@pytest.mark.parametrize(
    ("caption", "names", "marked"),
    [
        ("A Cat and a cat", ["cat"], ["Cat", "cat"]),
        ("concatenate cats", ["cat"], []),
        ("a palm-tree, a palm  tree", ["palm_tree"], ["palm-tree", "palm  tree"]),
        ("a palm tree", ["tree", "palm tree"], ["palm tree"]),
        ("a car", ["automobile", "car"], ["car"]),
        ("c++ (c)", ["c++"], ["c", "c"]),
        ("anything", ["!?"], []),
        ("STRASSE", ["strasse"], ["STRASSE"]),
    ],
)
def test_names_are_marked(caption, names, marked):
    assert cut_at_names(caption, name_pattern(names))[1::2] == marked


@given(st.text(), st.lists(st.text(), max_size=3))
def test_pieces_are_the_caption(caption, names):
    assert "".join(cut_at_names(caption, name_pattern(names))) == caption
