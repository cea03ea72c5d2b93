"""The index of a corpus that has none, or one of an earlier version."""

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from skclip.corpus import Corpus
from skclip.exceptions import CorpusFormatError
from skclip.recall import CaptionRetriever

CAPTIONS = ["一只狗在草地上", "a &quot;cat&quot;", "a dog", "two cats"]


def make_old(path):
    """Turn a corpus into one of format 1, whose indexes have the words of that time."""
    content = json.loads((path / "manifest.json").read_text())
    content["version"] = 1
    for shard in content["shards"]:
        del shard["index"]
        name = f"{shard['name']}.index.sqlite"
        del shard["sha256"][name]
        with closing(sqlite3.connect(path / name)) as connection:
            connection.execute("PRAGMA user_version = 0")
    (path / "manifest.json").write_text(json.dumps(content))


@pytest.fixture
def old(tmp_path):
    embeddings = np.eye(4, dtype=np.float32)
    corpus = Corpus.build(
        CAPTIONS, tmp_path / "corpus", embeddings=embeddings, model_id="m/p@1", shard_size=3
    )
    make_old(corpus.path)
    return corpus.path


def files(path):
    return sorted(p.name for p in path.iterdir() if "index" in p.name)


def test_an_index_of_an_earlier_version_is_refused_by_name(old):
    message = r"000-00000\.index\.sqlite was made by an earlier version.*index_captions\(\)"
    for ask in (Corpus(old).search, lambda name: CaptionRetriever(old).recall([name])):
        with pytest.raises(CorpusFormatError, match=message):
            ask("狗")


def test_everything_else_of_a_corpus_of_an_earlier_version_can_be_used(old):
    corpus = Corpus(old)
    assert corpus.captions().tolist() == CAPTIONS
    assert corpus.embeddings().argmax(axis=1).tolist() == [0, 1, 2, 3]
    pytest.importorskip("ahocorasick")
    assert CaptionRetriever(old, method="scan").recall(["狗"]).captions.tolist() == CAPTIONS[:1]


def test_captions_are_indexed_again(old):
    first = Corpus(old).corpus_id
    corpus = Corpus(old).index_captions()
    assert corpus.search("狗").tolist() == [0]
    assert corpus.search("cat").tolist() == [1]
    assert corpus.embeddings().argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert (corpus.corpus_id, corpus.model_id) == (first, "m/p@1")
    assert files(old) == ["001-000-00000.index.sqlite", "001-000-00001.index.sqlite"]
    corpus.verify()


def test_a_current_index_is_kept(old):
    corpus = Corpus(old).index_captions()
    manifest = (old / "manifest.json").read_bytes()
    assert corpus.index_captions().search("dog").tolist() == [2]
    assert (old / "manifest.json").read_bytes() == manifest


def test_an_index_is_replaced_again_and_again(old):
    corpus = Corpus(old).index_captions()
    for name in files(old):
        (old / name).write_bytes(b"damaged")
    corpus = Corpus(old).index_captions()
    assert files(old) == ["002-000-00000.index.sqlite", "002-000-00001.index.sqlite"]
    assert corpus.search("cats").tolist() == [3]


def test_a_corpus_without_an_index_gets_one(tmp_path):
    corpus = Corpus.build(CAPTIONS, tmp_path / "corpus", index=False)
    assert not corpus.has_index
    assert corpus.index_captions().search("cat").tolist() == [1]


def test_rows_are_added_to_a_corpus_of_an_earlier_version(old):
    Corpus(old).index_captions()
    longer = Corpus(old).append((["a 狗"], [b"image"]), embedder=Constant())
    assert longer.search("狗").tolist() == [0, 4]


class Constant:
    model_id, batch_size = "m/p@1", 2

    def transform(self, images):
        return np.ones((len(images), 4), np.float32)


def test_a_file_of_an_interrupted_call_of_an_earlier_version_is_not_used(tmp_path, monkeypatch):
    from skclip.corpus import _build

    def stop(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_build, "hashed", stop)
        with pytest.raises(KeyboardInterrupt):
            Corpus.build(CAPTIONS, tmp_path / "corpus")
    with closing(sqlite3.connect(tmp_path / "corpus" / "000-00000.index.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 0")
    assert Corpus.build(CAPTIONS, tmp_path / "corpus").search("狗").tolist() == [0]
