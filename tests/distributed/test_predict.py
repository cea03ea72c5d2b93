"""Predictions for all rows of a corpus."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.svm import LinearSVC

from skclip import ZeroShotClassifier
from skclip.corpus import Corpus
from skclip.distributed import predict
from tests.distributed.animals import TEXT


@pytest.fixture
def head():
    return ZeroShotClassifier(TEXT).fit()


def read(paths):
    return pa.concat_tables([pq.read_table(path) for path in paths])


def test_every_row_has_its_class_and_those_without_image_have_none(head, animals, tmp_path):
    corpus = Corpus(animals[0])
    table = read(predict(head, corpus, tmp_path / "out"))
    X = corpus.embeddings()
    known = X.any(axis=1)
    assert table["row"].to_pylist() == list(range(120))
    assert table["id"].to_pylist() == corpus.ids().tolist()
    labels, proba = np.array(table["label"]), np.array(table["probability"])
    assert labels[known].tolist() == head.predict(X[known]).tolist()
    np.testing.assert_allclose(proba[known], head.predict_proba(X[known]).max(axis=1), rtol=1e-5)
    assert table["label"].null_count == table["probability"].null_count == 2


def test_a_repeated_call_writes_only_what_is_missing(head, animals, tmp_path):
    paths = predict(head, animals[0], tmp_path / "out")
    whole = [path.read_bytes() for path in paths]
    paths[1].unlink()
    kept = paths[0].stat().st_mtime_ns
    predict(head, animals[0], tmp_path / "out")
    assert [path.read_bytes() for path in paths] == whole
    assert paths[0].stat().st_mtime_ns == kept
    assert len(list((tmp_path / "out").iterdir())) == len(paths) + 1


def test_ray_writes_the_same_bytes(cluster, head, animals, tmp_path):
    here = predict(head, animals[0], tmp_path / "here")
    there = predict(head, animals[0], tmp_path / "there", engine="ray")
    assert [p.read_bytes() for p in here] == [p.read_bytes() for p in there]


def test_another_head_does_not_write_among_the_predictions_of_this_one(head, animals, tmp_path):
    predict(head, animals[0], tmp_path / "out")
    other = ZeroShotClassifier({**TEXT, "owl": [1.0] * 24}).fit()
    with pytest.raises(ValueError, match="predictions of another head or corpus"):
        predict(other, animals[0], tmp_path / "out")


def test_a_call_that_cannot_begin_leaves_the_folder_to_others(head, animals, tmp_path):
    wrong = ZeroShotClassifier({"cat": [1.0, 0.0], "dog": [0.0, 1.0]})
    with pytest.raises(NotFittedError):
        predict(wrong, animals[0], tmp_path / "out")
    with pytest.raises(ValueError, match="X has 24 features"):
        predict(wrong.fit(), animals[0], tmp_path / "out")
    with pytest.raises(ValueError, match="with predict_proba, got LinearSVC"):
        predict(LinearSVC(), animals[0], tmp_path / "out")
    with pytest.raises(ValueError, match="engine must be 'local' or 'ray', got 'spark'"):
        predict(head, animals[0], tmp_path / "out", engine="spark")
    assert not (tmp_path / "out").exists()
    assert predict(head, animals[0], tmp_path / "out")


def test_a_file_in_place_of_the_folder_is_refused(head, animals, tmp_path):
    (tmp_path / "out").write_text("kept")
    with pytest.raises(ValueError, match=r"out' is a file: give a folder"):
        predict(head, animals[0], tmp_path / "out")
    assert (tmp_path / "out").read_text() == "kept"
