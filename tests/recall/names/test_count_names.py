"""How often a collection uses each name, and prompts with the name that it uses most."""

import pytest

from skclip import ZeroShotClassifier
from skclip.recall import CaptionMatch, CaptionRetriever, frequent_prompts

CAPTIONS = ["a car", "two cars", "an automobile", "a toy car", "a dog", "a puppy and a dog", "Dog!"]
SYNONYMS = {"automobile": ["car", "motor car"], "dog": "puppy", "other": ["x"]}


def counts(names=("automobile", "dog"), **parameters):
    parameters = {"synonyms": SYNONYMS, **parameters}
    return CaptionRetriever(**parameters).fit(CAPTIONS).count_names(list(names))


def test_captions_are_counted_by_class_and_name():
    assert counts() == {
        "automobile": {"automobile": 1, "car": 2, "motor car": 0},
        "dog": {"dog": 3, "puppy": 1},
    }


def test_a_scan_counts_the_same():
    pytest.importorskip("ahocorasick")
    assert counts(method="scan") == counts()


def test_the_rules_of_the_retriever_hold():
    assert counts(plural=True)["automobile"]["car"] == 3
    without_toys = CaptionMatch(exclude={"automobile": ["toy"]})
    assert counts(match=without_toys)["automobile"]["car"] == 1
    # names of other classes in the caption do not matter
    assert counts(match=CaptionMatch(ambiguous="drop", longest=True)) == counts()


def test_a_name_of_two_classes_is_counted_for_both():
    both = counts(["cat", "dog"], synonyms={"cat": ["puppy"], "dog": ["puppy"]})
    assert both == {"cat": {"cat": 0, "puppy": 1}, "dog": {"dog": 3, "puppy": 1}}


def test_numbers_are_counted_as_they_are_written():
    retriever = CaptionRetriever().fit(["room 7", "7", "8"])
    assert retriever.count_names([7, 8]) == {7: {"7": 2}, 8: {"8": 1}}


def test_names_are_checked():
    with pytest.raises(ValueError, match="names holds duplicates"):
        counts(["dog", "dog"])


# -- prompts


def test_the_most_frequent_name_is_used():
    prompts = frequent_prompts(counts(), ["a {}.", "the {}!"])
    assert prompts == {"automobile": ["a car.", "the car!"], "dog": ["a dog.", "the dog!"]}


@pytest.mark.parametrize(
    ("of_class", "used"),
    [
        ({"tiger shark": 1, "shark": 9}, "tiger shark"),  # part of the name
        ({"tiger shark": 1, "Tiger": 9, "galeocerdo": 2}, "galeocerdo"),
        ({"tiger shark": 1, "ger sha": 2}, "ger sha"),  # words decide, not letters
        ({"tiger shark": 2, "galeocerdo": 2}, "tiger shark"),  # no more than the name
        ({"galeocerdo": 0}, "tiger shark"),
        ({}, "tiger shark"),
    ],
)
def test_a_name_is_replaced_by_others_that_mean_the_same(of_class, used):
    assert frequent_prompts({"tiger shark": of_class}, "{}") == {"tiger shark": [used]}


def test_a_name_of_another_class_replaces_nothing():
    given = {"crane": {"crane": 9}, "heron": {"heron": 1, "Crane": 9}}
    assert frequent_prompts(given, "{}") == {"crane": ["crane"], "heron": ["heron"]}
    both = {"a": {"a": 1, "x": 5}, "b": {"b": 1, "x": 5, "y": 2}}
    assert frequent_prompts(both, "{}") == {"a": ["a"], "b": ["y"]}


def test_a_text_head_is_built_from_them(tiny_embedder):
    prompts = frequent_prompts({"sun": {"sun": 1, "star": 7}, "ring": {"ring": 3}})
    head = ZeroShotClassifier(embedder=tiny_embedder, templates=prompts)
    expected = ZeroShotClassifier(embedder=tiny_embedder).fit(y=["star", "ring"])
    assert (head.fit(y=["sun", "ring"]).coef_ == expected.coef_).all()


@pytest.mark.parametrize("wrong", [["cat"], {"cat": 5}, {"cat": ["kitty"]}])
def test_prompts_need_counts_by_name(wrong):
    with pytest.raises(TypeError, match=r"as CaptionRetriever\.count_names returns them; got"):
        frequent_prompts(wrong)


def test_names_are_counted_without_text():
    captions = ["a cat", "a dog", "a cat"]
    retriever = CaptionRetriever(select="caption").fit(captions)
    assert retriever.count_names(["cat"]) == {"cat": {"cat": 2}}
