"""Embeddings of captions: stored once, resumed, verified, and never mixed between models."""

import json
from pathlib import Path

import numpy as np
import pytest

from skclip.corpus import Corpus
from skclip.exceptions import CorpusError, CorpusFormatError, ModelMismatchError

CAPTIONS = ["a cat", "two dogs", "a cat", "", "the fox", "a cat", "an owl"]


class LetterEmbedder:
    """Embeds a text as its counts of a, o and t; `seen` is what it was given."""

    batch_size = 1  # chunks of eight rows

    def __init__(self, model_id="letters@1", fails_at=None, width=3):
        self.model_id, self.fails_at, self.width = model_id, fails_at, width
        self.seen = []

    def transform(self, texts):
        if self.fails_at is not None and len(self.seen) >= self.fails_at:
            raise KeyboardInterrupt
        self.seen += list(texts)
        return np.array([[t.count(c) for c in "aotxyz"[: self.width]] for t in texts], float)


def content(corpus):
    return {p.name: p.read_bytes() for p in corpus.path.iterdir() if p.is_file()}


def test_every_caption_has_a_row(tmp_path):
    corpus = Corpus.build(CAPTIONS, tmp_path / "c", shard_size=3)
    assert not corpus.has_caption_embeddings
    embedder = LetterEmbedder()
    corpus = corpus.embed_captions(embedder)
    corpus = Corpus(corpus.path)
    assert corpus.has_caption_embeddings
    assert corpus.caption_model_id == "letters@1"
    assert not corpus.has_embeddings
    rows = [[text.count(c) for c in "aot"] for text in CAPTIONS]
    np.testing.assert_array_equal(corpus.caption_embeddings(), rows)
    np.testing.assert_array_equal(corpus.caption_embeddings([6, 0]), [rows[6], rows[0]])
    corpus.verify()


def test_equal_captions_of_a_chunk_are_embedded_once_and_blank_ones_never(tmp_path):
    embedder = LetterEmbedder()
    Corpus.build(CAPTIONS, tmp_path / "c").embed_captions(embedder)
    assert embedder.seen == ["a cat", "two dogs", "the fox", "an owl"]


def test_the_text_encoder_of_a_clip_embedder_is_used(tmp_path, tiny_embedder):
    corpus = Corpus.build(["a star", "two rings"], tmp_path / "c").embed_captions(tiny_embedder)
    expected = tiny_embedder.__class__("skclip-tiny", device="cpu", modality="text").transform(
        ["a star", "two rings"]
    )
    np.testing.assert_allclose(corpus.caption_embeddings(), expected, atol=1e-3)
    assert corpus.caption_model_id == tiny_embedder.model_id


def test_interrupted_work_resumes_and_ends_with_the_same_bytes(tmp_path):
    captions = [f"caption {'ato'[i % 3] * i}" for i in range(50)]
    whole = Corpus.build(captions, tmp_path / "whole", shard_size=30)
    whole = whole.embed_captions(LetterEmbedder())
    corpus = Corpus.build(captions, tmp_path / "c", shard_size=30)
    first = LetterEmbedder(fails_at=40)
    with pytest.raises(KeyboardInterrupt):
        corpus.embed_captions(first)
    assert not Corpus(corpus.path).has_caption_embeddings
    rest = LetterEmbedder()
    corpus = corpus.embed_captions(rest)
    assert first.seen + rest.seen == captions
    assert content(corpus) == content(whole)


def test_work_stopped_at_any_replacement_loses_nothing(tmp_path, monkeypatch):
    replace, expected = Path.replace, None
    for stop_at in range(1, 7):
        corpus = Corpus.build(CAPTIONS, tmp_path / str(stop_at), shard_size=4)
        steps = []

        def counted(self, target, steps=steps, stop_at=stop_at):
            steps.append(target)
            if len(steps) == stop_at:
                raise KeyboardInterrupt
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", counted)
        try:
            corpus.embed_captions(LetterEmbedder())
        except KeyboardInterrupt:
            assert len(Corpus(corpus.path)) == len(CAPTIONS)
        monkeypatch.undo()
        done = content(Corpus(corpus.path).embed_captions(LetterEmbedder()))
        assert expected is None or done == expected
        expected = done
    assert len(steps) < stop_at  # the last one was not interrupted


def test_files_of_an_unfinished_other_model_are_not_used(tmp_path):
    captions = ["a cat"] + [f"dog {i}" for i in range(20)]
    corpus = Corpus.build(captions, tmp_path / "c")
    with pytest.raises(KeyboardInterrupt):
        corpus.embed_captions(LetterEmbedder("other@1", fails_at=8, width=5))
    corpus = corpus.embed_captions(LetterEmbedder())
    assert corpus.caption_embeddings([0]).tolist() == [[2, 0, 1]]


def test_captions_and_images_have_embeddings_of_their_own(photos, tmp_path, mean_color):
    corpus = Corpus.build(photos, tmp_path / "c", shard_size=3, embedder=mean_color)
    images = corpus.embeddings()
    corpus = corpus.embed_captions(LetterEmbedder())
    assert (corpus.model_id, corpus.caption_model_id) == ("mean-color/none@1", "letters@1")
    np.testing.assert_array_equal(corpus.embeddings(), images)
    other = Corpus.build(photos, tmp_path / "d", shard_size=3).embed_captions(LetterEmbedder())
    other = other.embed(mean_color)
    np.testing.assert_array_equal(other.caption_embeddings(), corpus.caption_embeddings())
    np.testing.assert_array_equal(other.embeddings(), images)


def test_appended_captions_are_embedded_by_a_further_call(tmp_path):
    corpus = Corpus.build(CAPTIONS, tmp_path / "c").embed_captions(LetterEmbedder())
    corpus = corpus.append(["a zebra"])
    with pytest.raises(CorpusError, match=r"or not of all: make them once .*embed_captions"):
        corpus.caption_embeddings()
    embedder = LetterEmbedder()
    corpus = corpus.embed_captions(embedder)
    assert embedder.seen == ["a zebra"]
    assert corpus.caption_embeddings([7]).tolist() == [[2, 0, 0]]


def test_embedding_twice_changes_nothing(tmp_path):
    corpus = Corpus.build(CAPTIONS, tmp_path / "c").embed_captions(LetterEmbedder())
    before, embedder = content(corpus), LetterEmbedder()
    assert corpus.embed_captions(embedder) is corpus
    assert (content(corpus), embedder.seen) == (before, [])


def test_a_second_model_is_refused(tmp_path):
    corpus = Corpus.build(CAPTIONS, tmp_path / "c").embed_captions(LetterEmbedder())
    with pytest.raises(ModelMismatchError, match="embedded by letters@1, but the embedder is o@2"):
        corpus.embed_captions(LetterEmbedder("o@2"))


def test_an_embedder_must_not_change_its_width(tmp_path):
    corpus = Corpus.build([f"a {i}" for i in range(20)], tmp_path / "c")
    embedder = LetterEmbedder()
    transform = embedder.transform

    def changing(texts):
        embedder.width = 3 if not embedder.seen else 2
        return transform(texts)

    embedder.transform = changing
    with pytest.raises(CorpusError, match=r"2 features for captions 8 onwards .* but 3 before"):
        corpus.embed_captions(embedder)


def test_rows_that_are_not_finite_are_zero(tmp_path):
    class Broken(LetterEmbedder):
        def transform(self, texts):
            return np.array([[np.nan, 1] if "dog" in t else [1e9, 1] for t in texts])

    corpus = Corpus.build(["a dog", "a cat"], tmp_path / "c").embed_captions(Broken())
    assert not corpus.caption_embeddings().any()


def test_damage_is_found(tmp_path):
    corpus = Corpus.build(CAPTIONS, tmp_path / "c").embed_captions(LetterEmbedder())
    (path,) = corpus.path.glob("*.caption_embeddings.npy")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    with pytest.raises(CorpusFormatError, match=r"caption_embeddings.npy': its contents have ch"):
        corpus.verify()
    path.write_bytes(whole[:-2])
    with pytest.raises(CorpusFormatError, match=r"caption_embeddings\.npy' of the corpus cannot"):
        Corpus(corpus.path)
    path.unlink()
    with pytest.raises(CorpusFormatError, match=r"missing 1 of its files .*caption_embeddings"):
        Corpus(corpus.path)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"caption_embeddings": "/etc/passwd"}, "expected a name like"),
        ({"caption_embeddings": "../x.caption_embeddings.npy"}, "expected a name like"),
        ({"caption_model_id": None}, "do not go together"),
        ({"caption_model_id": 3}, "expected a str or null"),
        ({"caption_model_id": "other@1"}, "embedded by several models"),
    ],
)
def test_manifests_that_skclip_does_not_write_are_refused(entry, says, tmp_path):
    corpus = Corpus.build(CAPTIONS, tmp_path / "c", shard_size=4).embed_captions(LetterEmbedder())
    path = corpus.path / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["shards"][0].update(entry)
    path.write_text(json.dumps(manifest))
    with pytest.raises(CorpusFormatError, match=says):
        Corpus(corpus.path)


def test_shards_of_different_widths_are_refused(tmp_path):
    corpus = Corpus.build(CAPTIONS, tmp_path / "c", shard_size=4).embed_captions(LetterEmbedder())
    path = sorted(corpus.path.glob("*.caption_embeddings.npy"))[1]
    np.save(path, np.zeros((3, 5), "<f2"))
    with pytest.raises(CorpusFormatError, match="has 5 columns, but those of other shards have 3"):
        Corpus(corpus.path)
