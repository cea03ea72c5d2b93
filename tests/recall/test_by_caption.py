"""select="caption": the matches whose caption is most similar to the class's text."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from skclip import ZeroShotClassifier
from skclip.corpus import Corpus
from skclip.exceptions import CorpusError, ModelMismatchError, UnreadableImageWarning
from skclip.recall import CaptionRetriever
from skclip.recall._pool_of_matches import most_similar_first

CAPTIONS = ["a cat", "the cat", "cat food", "a dog", "cat and dog", "my cat"]
ROWS = [[1, 0], [3, 4], [-1, 0.5], [0, 1], [0, 0], [2, 0]]
TEXT = {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}


def retriever(**parameters):
    given = {"select": "caption", "zero_shot": TEXT, **parameters}
    return CaptionRetriever(**given).fit(CAPTIONS, caption_embeddings=ROWS)


def test_the_most_similar_captions_come_first():
    pool = retriever().recall(["cat", "dog"])
    assert pool.ids.tolist() == [0, 5, 1, 3]
    assert pool.labels.tolist() == ["cat", "cat", "cat", "dog"]
    assert retriever(k=2).recall(["cat"]).ids.tolist() == [0, 5]


def test_captions_without_similarity_are_counted_and_never_taken():
    counts = retriever(k=None).recall(["cat", "dog"]).report().counts
    # "cat food" points away from the class, and "cat and dog" has no direction
    assert counts["dissimilar"].tolist() == [2, 1]
    assert counts["kept"].tolist() == [3, 1]


def test_matches_decide_not_similarity():
    # "a dog" is the most similar caption of the class, but does not name it
    assert retriever(zero_shot={"cat": [0.0, 1.0]}).recall(["cat"]).ids.tolist() == [1, 2]


def test_further_captions_join():
    some = retriever().partial_fit(["cat!"], caption_embeddings=[[9.0, 1.0]])
    assert some.recall(["cat"]).ids.tolist() == [0, 5, 6, 1]
    with pytest.raises(CorpusError, match="no embeddings of its captions"):
        some.partial_fit(["a cat"]).recall(["cat"])


rows_of_matches = st.lists(st.integers(0, 29), unique=True, max_size=20).map(sorted)


@settings(max_examples=40)
@given(st.lists(rows_of_matches, min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_the_order_is_that_of_brute_force(matches, seed):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (30, 2)).astype(np.float32)  # many ties and some zero rows
    text = rng.normal(size=(len(matches), 2))
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    candidates = [np.asarray(rows, dtype=np.int64) for rows in matches]
    ordered, similarities = most_similar_first(candidates, text, lambda rows: X[rows])
    for rows, found, values, t in zip(matches, ordered, similarities, text, strict=True):
        cosine = {r: float(X[r] @ t) / (np.linalg.norm(X[r]) or 1) for r in rows}
        np.testing.assert_allclose(values, [cosine[r] for r in found.tolist()], atol=1e-6)
        # parallel rows differ by rounding only
        near = {r: round(c, 5) for r, c in cosine.items()}
        assert [near[r] for r in found.tolist()] == sorted(near.values(), reverse=True)


def test_equal_captions_keep_their_order_in_every_block(monkeypatch):
    X = np.tile(np.random.default_rng(0).normal(size=(1, 97)).astype(np.float32), (100, 1))
    monkeypatch.setattr("skclip.recall._pool_of_matches._BLOCK", 7)
    rows = np.arange(100)
    (ordered,), (values,) = most_similar_first([rows], X[:1], lambda rows: X[rows])
    assert ordered.tolist() == rows.tolist()
    assert len(set(values.tolist())) == 1


def test_a_corpus_ranks_by_its_own_captions(tmp_path, tiny_embedder):
    captions = ["a star", "a red star on the wall", "star", "a ring", "no name"]
    corpus = Corpus.build(captions, tmp_path / "c", shard_size=2)
    text = ZeroShotClassifier(embedder=tiny_embedder, classes=["star", "ring"]).fit()
    parameters = {"select": "caption", "zero_shot": text, "k": 2}
    with pytest.raises(CorpusError, match=r"make them once .*embed_captions.*--captions"):
        CaptionRetriever(corpus, **parameters).recall(["star"])
    corpus = corpus.embed_captions(tiny_embedder)
    pool = CaptionRetriever(corpus.path, **parameters).recall(["star", "ring"])
    cosines = corpus.caption_embeddings([0, 1, 2]) @ text.coef_[1]
    expected = [captions[i] for i in np.argsort(-cosines)[:2]]
    assert pool.captions.tolist() == [*expected, "a ring"]


def test_text_of_another_model_is_refused(tmp_path, tiny_embedder):
    class Other:
        model_id = "other@1"

        def transform(self, texts):
            return np.ones((len(texts), 2))

    corpus = Corpus.build(["a star"], tmp_path / "c").embed_captions(Other())
    text = ZeroShotClassifier(embedder=tiny_embedder, classes=["star", "ring"])
    with pytest.raises(ModelMismatchError, match=r"by other@1, but zero_shot is of skclip-tiny"):
        CaptionRetriever(corpus, select="caption", zero_shot=text).recall(["star"])
    with pytest.raises(ValueError, match=r"zero_shot has 3 features, but the captions have 2"):
        CaptionRetriever(corpus, select="caption", zero_shot={"star": [1, 0, 0]}).recall(["star"])


def test_text_is_needed():
    with pytest.raises(ValueError, match="select='caption' compares captions with text"):
        retriever(zero_shot=None).recall(["cat"])


def test_caption_embeddings_have_the_length_of_the_captions():
    with pytest.raises(ValueError, match="caption_embeddings has 1 rows but captions has 2"):
        CaptionRetriever().fit(["a", "b"], caption_embeddings=[[1.0]])


def test_messages_name_the_embeddings_of_captions():
    with pytest.warns(UnreadableImageWarning, match="caption_embeddings holds NaN"):
        CaptionRetriever().fit(["a", "b"], caption_embeddings=[[1.0], [np.nan]])
    with pytest.raises(ValueError, match="caption_embeddings must have one row per sample"):
        CaptionRetriever().fit(["a", "b"], caption_embeddings=[1.0, 2.0])
