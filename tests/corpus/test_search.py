"""Search by free text: the images, or captions, most similar to it."""

import numpy as np
import pytest

from skclip import CLIPEmbedder
from skclip.corpus import Corpus, MemoryShard, MemoryStore
from skclip.exceptions import CorpusError, ModelMismatchError


class Axes:
    """Embeds the texts "x" and "y" as axes."""

    def __init__(self, model_id="axes@1"):
        self.model_id = model_id

    def transform(self, texts):
        return np.array([[t.count("x"), t.count("y")] for t in texts], float)


def store(X, ids=None, images=None, texts=None):
    n = len(X)
    objects = [np.array([str(i) for i in range(n)], object)] * 2
    images = None if images is None else np.array(images, object)
    ids = objects[1] if ids is None else np.array(ids, object)
    return MemoryStore(
        [MemoryShard(objects[0], ids, images, np.asarray(X, np.float32), texts)], "axes@1"
    )


def search(collection, text="x", k=3, **options):
    return collection.search(text, k, embedder=Axes(), **options).tolist()


def test_the_most_similar_rows_come_first():
    assert search(store([[0, 1], [1, 1], [5, 1], [1, 0]])) == [3, 2, 1]
    assert search(store([[0, 1], [1, 1], [5, 1], [1, 0]]), "y", 1) == [0]


def test_equal_similarities_are_in_order_of_row_and_zero_rows_are_never_found():
    assert search(store([[0, 0], [1, 0], [1, 1], [1, 0], [0, 0], [1, 0]]), k=9) == [1, 3, 5, 2]
    assert search(store([[1, 0]] * 50), k=3) == [0, 1, 2]


@pytest.mark.parametrize("k", [1, 7, 40, 200])
def test_the_search_is_exact(k, monkeypatch):
    monkeypatch.setattr("skclip.corpus._store._BLOCK", 17)
    X = np.random.default_rng(k).normal(size=(90, 2))
    cosines = X @ [1, 0] / np.linalg.norm(X, axis=1)
    assert search(store(X), k=k) == np.argsort(-cosines, kind="stable")[:k].tolist()


def test_an_image_with_several_captions_is_found_once():
    X = [[9, 1]] * 40 + [[8, 1]] * 3 + [[1, 1]]
    images = ["a.png"] * 40 + ["b.png"] * 3 + ["c.png"]
    assert search(store(X, images=images), k=2) == [0, 40]
    assert search(store(X, images=images), k=5) == [0, 40, 43]
    # without images, rows of the same id belong together
    assert search(store(X, ids=images), k=2) == [0, 40]


def test_captions_can_be_compared():
    texts = np.array([[0, 1], [1, 0]], np.float32)
    collection = store([[1, 0], [0, 1]], texts=texts)
    assert collection.search("x", 1, by="image", embedder=Axes()).tolist() == [0]
    assert collection.search("x", 1, by="caption", embedder=Axes()).tolist() == [1]


def test_without_k_a_phrase_is_searched():
    assert store([[1, 0]] * 12).search("11").tolist() == [11]


def test_the_model_of_the_corpus_embeds_the_text(corpus_path, tiny_embedder):
    corpus = Corpus(corpus_path)
    text = CLIPEmbedder("skclip-tiny", device="cpu", modality="text").transform(["a red star"])
    X = corpus.embeddings()
    expected = np.argsort(-(X / np.linalg.norm(X, axis=1, keepdims=True)) @ text[0])[:5]
    assert corpus.search("a red star", k=5).tolist() == expected.tolist()
    assert corpus.search("a red star", k=5, embedder=tiny_embedder).tolist() == expected.tolist()


def test_what_is_lacking_is_said(tmp_path):
    corpus = Corpus.build(["a cat"], tmp_path / "c")
    with pytest.raises(CorpusError, match=r"not embedded by image.*Corpus\(path\)\.embed\(embed"):
        corpus.search("a cat", k=1)
    with pytest.raises(CorpusError, match=r"by caption.*embed_captions.*skclip embed DIR --capt"):
        corpus.search("a cat", k=1, by="caption")
    corpus = corpus.embed_captions(Axes())
    with pytest.raises(CorpusError, match=r"model of .* is axes@1, whose location is not known"):
        corpus.search("a cat", k=1, by="caption")
    with pytest.raises(ModelMismatchError, match=r"by axes@1, but embedder is other@2"):
        corpus.search("a cat", k=1, by="caption", embedder=Axes("other@2"))


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (("x", 0), {}, "k == 0, must be >= 1"),
        (("x", 2), {"by": "text"}, "by must be 'image' or 'caption', got 'text'"),
        (("x",), {"by": "text"}, "by must be 'image' or 'caption', got 'text'"),
        ((" ", 2), {}, "text must be a string with words, got ' '"),
        ((["x"], 2), {}, r"text must be a string with words, got \['x'\]"),
    ],
)
def test_bad_input_is_refused(arguments, options, says):
    with pytest.raises(ValueError, match=says):
        store([[1, 0]]).search(*arguments, embedder=Axes(), **options)


@pytest.mark.parametrize("text", [["x"], None, 3])
def test_a_phrase_is_a_string(tmp_path, text):
    with pytest.raises(TypeError, match="text must be a string, got"):
        Corpus.build(["x"], tmp_path / "c").search(text)


def test_a_text_has_the_features_of_the_corpus(tmp_path):
    corpus = Corpus.build(["x", "y"], tmp_path / "c", embeddings=np.eye(2, 5))
    with pytest.raises(CorpusError, match=r"The model of .* is not known: give embedder="):
        corpus.search("x", k=1)
    with pytest.raises(ModelMismatchError, match=r"gives texts 2 features, but .* has 5: it must"):
        corpus.search("x", k=1, embedder=Axes())
