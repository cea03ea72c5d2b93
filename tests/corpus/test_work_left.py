"""How far unfinished work is, for `skclip info`."""

import numpy as np
import pytest

from skclip.corpus import Corpus, work_left

SOURCE = ([f"caption {i}" for i in range(30)], [f"{i}.png" for i in range(30)])


class Interrupted:
    """Embeds some images, and is then stopped from the keyboard."""

    model_id, batch_size = "ones/none@1", 1

    def __init__(self, n_calls):
        self.n_calls = n_calls

    def transform(self, images):
        self.n_calls -= 1
        if self.n_calls < 0:
            raise KeyboardInterrupt
        return np.ones((len(images), 2), np.float32)


def test_finished_work_leaves_nothing(tmp_path):
    corpus = Corpus.build(SOURCE, tmp_path / "corpus", embedder=Interrupted(10))
    assert work_left(corpus.path) is None
    assert work_left(tmp_path) is None


def test_of_a_build(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Corpus.build(SOURCE, tmp_path / "corpus", embedder=Interrupted(3), shard_size=12)
    left = work_left(tmp_path / "corpus")
    # eight rows are one call: shards of 8 + 4, 8 + 4 and 6 rows
    assert left == ("ones/none@1", 3, 30, 3, 1, 20)


def test_of_a_corpus_that_gets_embeddings(tmp_path):
    corpus = Corpus.build(SOURCE, tmp_path / "corpus", shard_size=12)
    with pytest.raises(KeyboardInterrupt):
        corpus.embed(Interrupted(1))
    assert work_left(corpus.path) == ("ones/none@1", 3, 30, 3, 0, 8)
    corpus.embed(Interrupted(10))
    assert work_left(corpus.path) is None


def test_of_rows_that_are_added(tmp_path):
    corpus = Corpus.build(SOURCE, tmp_path / "corpus", embedder=Interrupted(10), shard_size=12)
    with pytest.raises(KeyboardInterrupt):
        corpus.append(SOURCE, embedder=Interrupted(2), shard_size=30)
    assert work_left(corpus.path) == ("ones/none@1", 1, 30, 1, 0, 16)
