"""CaptionMatch: when a caption names a class, as one parameter of the retriever."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skclip.recall import CaptionMatch, CaptionRetriever

CAPTIONS = [
    "a fire truck",
    "a fire",
    "a truck and a fire",
    "two cranes",
    "a crane for construction",
]


def ids(names, **parameters):
    return CaptionRetriever(**parameters).fit(CAPTIONS).recall(names).ids.tolist()


def test_a_string_is_short_for_its_kind():
    for kind, expected in (("phrase", [0]), ("all", [0, 2]), ("substring", [0])):
        assert ids(["fire truck"], match=kind) == expected
        assert ids(["fire truck"], match=CaptionMatch(kind)) == expected


def test_every_rule_reaches_the_recall():
    assert ids(["fire", "fire truck"], match=CaptionMatch(longest=True)) == [1, 2, 0]
    assert ids(["fire", "truck"], match=CaptionMatch(ambiguous="drop")) == [1]
    assert ids(["crane"], match=CaptionMatch(stem=True)) == [3, 4]
    words = {"crane": ["construction"]}
    assert ids(["crane"], plural=True, match=CaptionMatch(exclude=words)) == [3]


def test_it_survives_cloning_and_pickling():
    retriever = CaptionRetriever(match=CaptionMatch("all", exclude={"a": ["b"]}))
    assert clone(retriever).match == retriever.match
    assert pickle.loads(pickle.dumps(retriever)).match == retriever.match


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kind": "words"}, r"kind=\) must be one of 'phrase', 'substring', 'all', got 'words'"),
        ({"kind": ["all"]}, r"kind=\) must be one of"),
        ({"ambiguous": True}, r"ambiguous=\) must be one of 'keep', 'drop', 'first', got True"),
        ({"stem": "yes"}, r"stem=\) must be True or False, got 'yes'"),
        ({"exclude": ["crane"]}, r"exclude=\) must be a mapping .* got \['crane'\]"),
        ({"kind": "substring", "stem": True}, "use one of them"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_other_values_are_refused(given, says):
    with pytest.raises(ValueError, match=says):
        CaptionMatch(**given)


def test_another_object_is_refused_by_the_retriever():
    with pytest.raises(ValueError, match="The 'match' parameter of CaptionRetriever"):
        ids(["fire"], match={"kind": "all"})


def test_booleans_of_numpy_are_booleans():
    for value in np.array([True, False]):
        match = CaptionMatch(stem=value, longest=value)
        assert CaptionRetriever(match=match).fit(["a cat"]).recall(["cat"]).ids.tolist() == [0]


def test_a_grid_search_reaches_its_parameters():
    retriever = CaptionRetriever(match=CaptionMatch(exclude={"crane": ["construction"]}))
    searched = clone(retriever).set_params(match__stem=True)
    assert searched.fit(CAPTIONS).recall(["crane"]).ids.tolist() == [3]
    assert searched.get_params()["match__exclude"] == {"crane": ["construction"]}
    assert not retriever.match.stem


def test_a_parameter_is_checked_when_it_is_set():
    match = CaptionMatch()
    with pytest.raises(ValueError, match=r"ambiguous=\) must be one of"):
        match.set_params(ambiguous="never")
    with pytest.raises(ValueError, match="no parameter 'stems'; it has kind, stem, exclude"):
        match.set_params(stems=True)
    assert match == CaptionMatch()


@pytest.mark.parametrize("words", ["", [" "], ["aerial", "-"]])
def test_blank_words_cannot_be_required(words):
    with pytest.raises(
        ValueError, match=r"require=\) of 'fire' has '.?', without letters and digits"
    ):
        CaptionMatch(require={"fire": words})
