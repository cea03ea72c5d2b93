"""Corpus: what a built collection gives back, and what it says when it cannot."""

import json
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone

from skclip.corpus import Corpus, open_corpus
from skclip.exceptions import CorpusError, CorpusFormatError, CorpusNotFoundError

CAPTIONS = ["a red square", "a green square", "a blue circle", "Red, green", "nothing"]
IMAGES = ["0.png", "1.png", "2.png", "3.png", "4.png"]


@pytest.fixture
def corpus(tmp_path):
    """Five captions in three shards."""
    return Corpus.build((CAPTIONS, IMAGES), tmp_path / "corpus", shard_size=2)


def test_rows_come_back_in_the_order_asked_for(corpus):
    assert len(corpus) == 5
    assert len(corpus.shards) == 3
    assert corpus.captions().tolist() == CAPTIONS
    assert corpus.captions([4, 0, 3, 0]).tolist() == [CAPTIONS[i] for i in (4, 0, 3, 0)]
    assert corpus.captions([]).tolist() == []


def test_relative_images_start_from_where_the_build_ran(corpus, monkeypatch, tmp_path):
    expected = corpus.images([1])[0]
    monkeypatch.chdir(tmp_path)
    assert Corpus(corpus.path).images([1])[0] == expected
    assert expected.endswith("1.png")


@pytest.mark.parametrize(
    ("phrase", "rows"),
    [
        ("red", [0, 3]),
        ("square", [0, 1]),
        ("RED GREEN", [3]),
        ("green red", []),
        ("circle", [2]),
        ("", []),
        ("🦀", []),
        ('"', []),
        ("red OR blue", []),
        ("squ*", []),
    ],
)
def test_search_finds_phrases_across_shards(corpus, phrase, rows):
    assert corpus.search(phrase).tolist() == rows


@pytest.mark.parametrize("rows", [[5], [-1], [0, 99]])
def test_rows_outside_the_collection_are_refused(corpus, rows):
    with pytest.raises(IndexError, match=r"rows must lie in \[0, 5\), got (5|-1|99)"):
        corpus.captions(rows)


@pytest.mark.parametrize("rows", [[0.5], [True], ["a"], [[0]]])
def test_rows_must_be_row_numbers(corpus, rows):
    with pytest.raises(TypeError, match="rows must be row numbers"):
        corpus.captions(rows)


def test_a_corpus_without_embeddings_says_so(corpus):
    assert not corpus.has_embeddings
    assert corpus.model_id is None
    with pytest.raises(CorpusError, match="no stored embeddings: build it with embedder="):
        corpus.embeddings([0])


def test_a_corpus_without_index_cannot_be_searched(tmp_path):
    corpus = Corpus.build(CAPTIONS, tmp_path / "corpus", index=False)
    assert not corpus.has_index
    with pytest.raises(CorpusError, match=r"no caption index: build it with index=True"):
        corpus.search("red")


def test_clones_share_the_corpus_and_pickles_name_it(corpus):
    assert clone(corpus) is corpus
    pickled = pickle.dumps(corpus)
    assert len(pickled) < 1000
    assert pickle.loads(pickled).search("red").tolist() == [0, 3]


def test_a_path_is_opened_once_until_the_corpus_changes(corpus):
    opened = open_corpus(str(corpus.path))
    assert open_corpus(corpus.path) is opened
    assert open_corpus(opened) is opened
    corpus.append(["one more red"])
    assert open_corpus(corpus.path) is not opened
    assert len(open_corpus(corpus.path)) == 6


@pytest.mark.usefixtures("own_workers")
def test_threads_and_processes_may_share_a_corpus(corpus):
    phrases = ["red", "square", "green"] * 5
    expected = [corpus.search(phrase).tolist() for phrase in phrases]
    with ThreadPoolExecutor(8) as threads:
        assert [rows.tolist() for rows in threads.map(corpus.search, phrases)] == expected
    found = Parallel(n_jobs=2)(delayed(corpus.search)(phrase) for phrase in phrases)
    assert [rows.tolist() for rows in found] == expected


def test_a_read_only_corpus_can_be_read(corpus):
    files = list(corpus.path.iterdir())
    for path in files:
        path.chmod(0o444)
    before = sorted(path.name for path in files)
    assert Corpus(corpus.path).search("red").tolist() == [0, 3]
    assert sorted(path.name for path in corpus.path.iterdir()) == before


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(CorpusNotFoundError, match=r"nowhere' does not exist: give a directory"):
        Corpus(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        open_corpus(tmp_path / "nowhere")


def test_a_file_is_no_corpus(tmp_path):
    (tmp_path / "captions.csv").write_text("caption\na\n")
    with pytest.raises(CorpusNotFoundError, match=r"captions\.csv' is a file: give a directory"):
        Corpus(tmp_path / "captions.csv")


def test_a_folder_of_images_is_no_corpus_yet(photos):
    with pytest.raises(CorpusNotFoundError, match=r"holds no corpus .*Corpus\.build"):
        Corpus(photos)


def test_a_half_written_corpus_can_be_finished(corpus):
    (corpus.path / "manifest.json").rename(corpus.path / "unfinished.json")
    with pytest.raises(CorpusFormatError, match=r"unfinished.*run the same Corpus\.build again"):
        Corpus(corpus.path)


def test_a_corpus_that_lacks_files_is_refused(corpus):
    next(corpus.path.glob("*-00001.captions.parquet")).unlink()
    with pytest.raises(
        CorpusFormatError, match=r"is missing 1 of its files \('000-00001\.captions"
    ):
        Corpus(corpus.path)


def test_a_newer_format_is_refused(corpus):
    manifest = corpus.path / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "version": 99, "new_key": 1}))
    with pytest.raises(
        CorpusFormatError, match=r"version 99, but this skclip reads versions 1 and 2: upgrade"
    ):
        Corpus(corpus.path)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": "x"}', '{"format": "skclip-corpus"}']
)
def test_a_damaged_manifest_is_refused(corpus, content):
    (corpus.path / "manifest.json").write_text(content)
    with pytest.raises(CorpusFormatError, match=r"manifest .* cannot be read"):
        Corpus(corpus.path)


@pytest.mark.parametrize("content", ["", '{"format": "skclip-corpus", "version": 99}'])
def test_a_corpus_that_cannot_be_read_can_be_overwritten(corpus, content):
    (corpus.path / "manifest.json").write_text(content)
    assert len(Corpus.build(["a"], corpus.path, overwrite=True)) == 1


def test_damaged_captions_are_named(corpus):
    next(corpus.path.glob("*-00000.captions.parquet")).write_bytes(b"PAR1 no parquet")
    with pytest.raises(CorpusFormatError, match=r"000-00000\.captions\.parquet' of the corpus"):
        corpus.captions([0])


def test_damaged_embeddings_are_named(tmp_path, photos, mean_color):
    corpus = Corpus.build(photos, tmp_path / "corpus", embedder=mean_color)
    file = next(corpus.path.glob("*.npy"))
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(CorpusFormatError, match=r"embeddings\.npy' of the corpus cannot be read"):
        corpus.embeddings([0])


def test_stored_embeddings_are_float32(tmp_path, photos, mean_color):
    corpus = Corpus.build(photos, tmp_path / "corpus", embedder=mean_color, shard_size=3)
    assert corpus.embeddings().dtype == np.float32
    assert corpus.embeddings().shape == (4, 4)
    assert corpus.embeddings([]).shape == (0, 4)
    assert corpus.n_features == 4


def test_the_repr_says_where_and_how_much(corpus):
    assert repr(corpus) == f"Corpus({str(corpus.path)!r}, n_captions=5)"


def test_a_corpus_that_was_replaced_asks_to_be_opened_again(tmp_path):
    old = Corpus.build(["a cat"], tmp_path / "corpus")
    new = Corpus.build(["a dog", "a cat"], tmp_path / "corpus", overwrite=True)
    with pytest.raises(CorpusFormatError, match=r"replaced after .* again with Corpus\(path\)"):
        old.search("cat")
    assert new.search("cat").tolist() == [1]


def test_embeddings_are_held_once(tmp_path):
    folder = tmp_path / "inference"
    (folder / "img_emb").mkdir(parents=True)
    (folder / "metadata").mkdir()
    vectors = np.random.default_rng(0).normal(size=(80_000, 128)).astype(np.float16)
    np.save(folder / "img_emb" / "img_emb_0.npy", vectors)
    table = pa.table({"caption": [""] * len(vectors)})
    pq.write_table(table, folder / "metadata" / "metadata_0.parquet")
    corpus = Corpus.build(folder, tmp_path / "corpus", index=False)
    rows = np.arange(len(corpus))[::-1]
    tracemalloc.start()
    try:
        embeddings = corpus.embeddings(rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(embeddings, vectors[::-1])
    assert peak < 1.25 * embeddings.nbytes


@pytest.mark.parametrize("embedder", ["skclip-tiny", None])
@pytest.mark.parametrize("method", ["embed", "embed_captions"])
def test_an_embedder_is_a_transformer(tmp_path, method, embedder):
    corpus = Corpus.build(["a cat"], tmp_path / "corpus")
    with pytest.raises(TypeError, match=f"embedder must be a transformer .* got {embedder!r}"):
        getattr(corpus, method)(embedder)
