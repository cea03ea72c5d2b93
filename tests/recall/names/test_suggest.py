"""Suggested names: phrases of captions near a class that are rare elsewhere."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from skclip.corpus import Corpus
from skclip.exceptions import CorpusError, ModelMismatchError
from skclip.recall import CaptionRetriever
from skclip.recall._names._suggest import log_odds_scores, suggest_phrases

TEXT = {"automobile": [1.0, 0.0, 0.0], "dog": [0.0, 1.0, 0.0]}
PLACES = ["on the street", "in the park", "near a house", "by the river", "on the grass"]


def collection():
    """Cars called automobile, car or motor car; dogs called dog or golden retriever; the rest."""
    of_class = {
        0: ["an automobile", "a car", "a red car", "my motor car"],
        1: ["a dog", "the golden retriever", "a golden retriever", "a brown dog"],
        2: ["a house", "two people", "a boat", "a street"],
    }
    rows = [
        (f"{what} {where}", axis)
        for axis, names in of_class.items()
        for what, where, _ in itertools.product(names, PLACES, range(3))
    ]
    rng = np.random.default_rng(0)
    X = np.eye(3)[[axis for _, axis in rows]] + 0.05 * rng.normal(size=(len(rows), 3))
    return [caption for caption, _ in rows], X


@pytest.fixture(scope="module")
def fitted():
    captions, X = collection()
    return CaptionRetriever(zero_shot=TEXT).fit(captions, embeddings=X)


def phrases(retriever, names=("automobile", "dog"), **options):
    found = retriever.suggest_synonyms(list(names), **{"n_nearest": 60, **options})
    return {
        name: [suggestion.phrase for suggestion in of_class] for name, of_class in found.items()
    }


def test_names_are_found_and_places_are_not(fitted):
    assert phrases(fitted) == {"automobile": ["car"], "dog": ["golden retriever"]}


def test_counts_and_scores_are_given(fitted):
    (car,) = fitted.suggest_synonyms(["automobile"], n_nearest=60)["automobile"]
    # 15 of the 60 captions near the class name it, and tell nothing of other names
    assert (car.n_near, car.n_elsewhere) == (45, 0)
    assert car.score == pytest.approx(log_odds_scores([45], 45, [0], 135)[0])


def test_known_names_are_not_suggested(fitted):
    captions, X = collection()
    retriever = CaptionRetriever(zero_shot=TEXT, synonyms={"automobile": ["cars", "car"]})
    assert phrases(retriever.fit(captions, embeddings=X), ["automobile"]) == {"automobile": []}


def test_a_corpus_suggests_the_same(tmp_path, fitted):
    captions, X = collection()
    corpus = Corpus.build(captions, tmp_path / "c", embeddings=X, shard_size=50)
    assert phrases(CaptionRetriever(corpus, zero_shot=TEXT)) == phrases(fitted)


def test_no_more_than_asked_for(fitted):
    near = [f"{word} car" for word in ("red", "blue", "old") for _ in range(20)]
    (found,) = suggest_phrases([near], [[("car",)]], lambda p: [20] * len(p), 500, 2)
    assert [s.phrase for s in found] == ["red", "blue"]
    assert phrases(fitted, n_phrases=1)["dog"] == ["golden retriever"]


def test_what_chance_explains_is_not_suggested():
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(40)])
    captions = [" ".join(rng.choice(words, 6, replace=False)) for _ in range(2000)]

    def count(wanted):
        return [sum(f" {' '.join(p)} " in f" {caption} " for caption in captions) for p in wanted]

    near = [captions[:200], captions[200:400]]
    found = suggest_phrases(near, [[], []], count, len(captions), 10)
    assert found == [[], []]


def test_the_score_is_a_standard_normal_under_chance():
    rng = np.random.default_rng(1)
    a, b = rng.binomial(300, 0.2, 4000), rng.binomial(9000, 0.2, 4000)
    scores = log_odds_scores(a, 300, b, 9000)
    for level in (0.9, 0.99):
        assert np.mean(scores < norm.ppf(level)) == pytest.approx(level, abs=0.02)


def test_nothing_near_suggests_nothing():
    assert suggest_phrases([[]], [[]], lambda p: [], 10, 5) == [[]]
    assert suggest_phrases([["a", "the of"]], [[]], lambda p: [], 10, 5) == [[]]


def test_what_is_lacking_is_said(tmp_path, fitted):
    captions, X = collection()
    with pytest.raises(ValueError, match="suggest_synonyms compares images with the text"):
        CaptionRetriever().fit(captions, embeddings=X).suggest_synonyms(["dog"])
    with pytest.raises(CorpusError, match=r"no embeddings of its images.*Corpus\(path\)\.embed"):
        CaptionRetriever(zero_shot=TEXT).fit(captions).suggest_synonyms(["dog"])
    with pytest.raises(ValueError, match="zero_shot has 2 features, but the images have 3"):
        phrases(CaptionRetriever(zero_shot={"dog": [0, 1]}).fit(captions, embeddings=X), ["dog"])
    with pytest.raises(ValueError, match="n_nearest == 0, must be >= 1"):
        phrases(fitted, n_nearest=0)


def test_text_of_another_model_is_refused(corpus_path):
    class Other:
        model_id = "other@1"

        def transform(self, texts):
            return np.ones((len(texts), 512))

    from skclip import ZeroShotClassifier

    text = ZeroShotClassifier(embedder=Other(), classes=["star", "ring"])
    with pytest.raises(ModelMismatchError, match=r"by skclip-tiny.* but zero_shot is of other@1"):
        CaptionRetriever(corpus_path, zero_shot=text).suggest_synonyms(["star", "ring"])


@pytest.mark.parametrize("n_nearest", [180, 1000])
def test_some_captions_must_be_elsewhere(fitted, n_nearest):
    with pytest.raises(ValueError, match=f"n_nearest={n_nearest} must be less than the 180 rows"):
        phrases(fitted, n_nearest=n_nearest)
