"""Shards that are searched apart give the pool of a search in one process."""

import numpy as np
import pytest

from skclip import CaptionRetriever, CLIPEmbedder
from skclip.corpus import Corpus
from skclip.distributed import recall
from skclip.recall import CaptionMatch
from tests.distributed.animals import TEXT

NAMES = ["fox", "cat", "dog"]
WAYS = {
    "first": {"k": 7},
    "best": {"k": 7, "select": "best", "zero_shot": TEXT},
    "random": {"k": 7, "select": "random", "random_state": 3},
    "all": {"k": None, "select": "best", "zero_shot": TEXT},
    "few": {"k": 30, "deduplicate": 0.6, "select": "best", "zero_shot": TEXT},
    "words": {"k": 3, "match": CaptionMatch("all", stem=True)},
}


def assert_same_pool(one, other):
    assert one.labels.tolist() == other.labels.tolist()
    assert one.ids.tolist() == other.ids.tolist()
    np.testing.assert_array_equal(one.embeddings, other.embeddings)
    for name, counts in one.report().counts.items():
        if name in ("matches", "ambiguous", "kept"):
            np.testing.assert_array_equal(counts, other.report().counts[name])


@pytest.fixture(scope="session")
def alone(animals):
    """Pools of each way, recalled in one process by another object than later ones."""
    return {way: CaptionRetriever(Corpus(animals[0]), **o).recall(NAMES) for way, o in WAYS.items()}


@pytest.mark.parametrize("way", WAYS)
def test_the_pool_is_that_of_one_process(way, animals, alone, backwards):
    pool = CaptionRetriever(Corpus(animals[0]), **WAYS[way]).recall(NAMES)
    assert_same_pool(alone[way], pool)


def test_shards_are_searched_by_ray(cluster, animals, alone):
    retriever = CaptionRetriever(Corpus(animals[0]), **WAYS["best"])
    assert_same_pool(alone["best"], recall(retriever, NAMES, engine="ray"))


def test_more_matches_are_fetched_where_the_first_are_copies(tmp_path, backwards):
    X = np.tile([1.0, 0.0], (40, 1))
    X[-3:] = [[0.0, 1.0], [0.6, 0.8], [-1.0, 0.0]]
    corpus = Corpus.build(["a cat"] * 40, tmp_path / "corpus", embeddings=X, shard_size=20)
    pool = CaptionRetriever(corpus, k=4, deduplicate=0.95).recall(["cat"])
    assert pool.ids.tolist() == ["0", "37", "38", "39"]


def test_a_retriever_without_a_corpus_is_refused():
    with pytest.raises(ValueError, match=r"give CaptionRetriever\(corpus=path\)"):
        recall(CaptionRetriever().fit(["a cat"]), ["cat"])


def test_few_files_are_open_whatever_the_number_of_shards(tmp_path):
    n = 70
    corpus = Corpus.build(
        ["a cat"] * n, tmp_path / "corpus", embeddings=np.eye(n, 4) + 1, shard_size=1
    )
    np.testing.assert_allclose(corpus.embeddings(), np.eye(n, 4) + 1)
    assert len(corpus.shards[0]._open) == 64
    assert corpus.embeddings([0, 69, 0]).tolist() == [[2, 1, 1, 1], [1] * 4, [2, 1, 1, 1]]


def test_few_files_of_caption_embeddings_are_open(tmp_path):
    corpus = Corpus.build([f"cat {i}" for i in range(70)], tmp_path / "corpus", shard_size=1)
    corpus = corpus.embed_captions(CLIPEmbedder("skclip-tiny", device="cpu"))
    assert len(corpus.shards[0]._open) == 0
    rows = corpus.caption_embeddings()
    assert len(corpus.shards[0]._open) == 64
    np.testing.assert_array_equal(corpus.caption_embeddings([69, 0]), rows[[69, 0]])
