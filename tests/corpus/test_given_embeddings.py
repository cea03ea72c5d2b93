import numpy as np
import pytest

from skclip import PrimedNCMClassifier
from skclip.corpus import Corpus
from skclip.exceptions import CorpusError, ModelMismatchError, UnreadableImageWarning
from skclip.recall import CaptionRetriever

CAPTIONS = ["a cat", "two dogs", "the cat", "a dog", "a fox"]
ROWS = np.eye(5, 8, dtype=np.float32)


@pytest.mark.parametrize("shard_size", [2, 100])
@pytest.mark.parametrize("kind", ["array", "list", "file"])
def test_vectors_stay_with_their_captions(kind, shard_size, tmp_path):
    given = {"array": ROWS, "list": ROWS.tolist(), "file": tmp_path / "X.npy"}[kind]
    np.save(tmp_path / "X.npy", ROWS)
    corpus = Corpus.build(
        CAPTIONS, tmp_path / "c", embeddings=given, model_id="m@1", shard_size=shard_size
    )
    (tmp_path / "X.npy").unlink()
    corpus = Corpus(corpus.path)
    assert (corpus.model_id, corpus.n_features, corpus.has_embeddings) == ("m@1", 8, True)
    np.testing.assert_array_equal(corpus.embeddings(np.arange(5)), ROWS)
    corpus.verify()


def test_heads_are_primed_with_them(tmp_path):
    corpus = Corpus.build(CAPTIONS, tmp_path / "c", embeddings=ROWS)
    pool = CaptionRetriever(corpus).recall(["cat", "fox"])
    np.testing.assert_array_equal(pool.embeddings, ROWS[[0, 2, 4]])
    text = {"cat": ROWS[0] + ROWS[2], "fox": ROWS[4]}
    head = PrimedNCMClassifier(text, corpus=corpus.path).fit()
    assert head.pool_count_.tolist() == [2, 1]


def test_rows_without_evidence_are_listed(tmp_path):
    rows = ROWS.copy()
    rows[1], rows[2, 0], rows[3, 0] = 0, np.nan, 1e9
    with pytest.warns(UnreadableImageWarning, match="3 of 5 images"):
        corpus = Corpus.build(CAPTIONS, tmp_path / "c", embeddings=rows)
    assert corpus.failures().column("row").to_pylist() == [1, 2, 3]
    assert not corpus.embeddings(np.array([1, 2, 3])).any()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (ROWS[:4], "embeddings has 4 rows, and the source has 5 captions"),
        (ROWS[0], "got float32 of shape"),
        ([["a"] * 2] * 5, "must be numbers"),
    ],
    ids=["rows", "vector", "text"],
)
def test_what_does_not_fit_is_refused(given, says, tmp_path):
    with pytest.raises(CorpusError, match=says):
        Corpus.build(CAPTIONS, tmp_path / "c", embeddings=given)


def test_file_must_be_npy(tmp_path):
    (tmp_path / "X.npy").write_bytes(b"no array")
    with pytest.raises(CorpusError, match=r"is no \.npy file"):
        Corpus.build(CAPTIONS, tmp_path / "c", embeddings=tmp_path / "X.npy")


def test_embeddings_or_an_embedder(tmp_path, mean_color):
    with pytest.raises(CorpusError, match="not both"):
        Corpus.build(CAPTIONS, tmp_path / "c", embeddings=ROWS, embedder=mean_color)


def test_another_model_is_refused(tmp_path, mean_color):
    corpus = Corpus.build(CAPTIONS, tmp_path / "c", embeddings=ROWS, model_id="m@1")
    with pytest.raises(ModelMismatchError, match="m@1"):
        corpus.append(CAPTIONS, embedder=mean_color)


def test_build_that_failed_goes_on_with_other_embeddings(tmp_path):
    with pytest.raises(CorpusError):
        Corpus.build(CAPTIONS, tmp_path / "c", embeddings=ROWS[:4])
    corpus = Corpus.build(CAPTIONS, tmp_path / "c", embeddings=2 * ROWS)
    np.testing.assert_array_equal(corpus.embeddings(np.arange(5)), 2 * ROWS)
