"""Embeddings that are not finite, or that half precision cannot hold, are unreadable and named."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skclip.corpus import Corpus
from skclip.corpus._embed._grow import as_stored
from skclip.corpus._embed._images import embed_images
from skclip.exceptions import UnreadableImageWarning


class Model:
    """Gives the rows it is told to."""

    model_id, batch_size = "m/p@1", 8

    def __init__(self, rows):
        self.rows = np.asarray(rows, np.float64)

    def transform(self, images):
        contents = [i.read() if hasattr(i, "read") else i for i in images]
        return self.rows[[content[0] for content in contents]]


IMAGES = [bytes([i]) for i in range(4)]
CAPTIONS = [f"a {i}" for i in range(4)]


def test_rows_that_cannot_be_stored_are_zero_and_named(tmp_path):
    model = Model([[np.nan, 1], [1e6, 1], [1e-9, 0], [1, 2]])
    with pytest.warns(UnreadableImageWarning, match="3 of 4 images"):
        corpus = Corpus.build((CAPTIONS, IMAGES), tmp_path / "c", embedder=model)
    assert corpus.embeddings().tolist() == [[0, 0], [0, 0], [0, 0], [1, 2]]
    assert corpus.failures().to_pydict()["reason"] == [
        "its embedding has NaN or infinity",
        "its embedding is too large for half precision: normalise it",
        "its embedding is too small for half precision: normalise it",
    ]


def test_they_are_tried_again(tmp_path):
    model = Model([[np.inf, 1], [1e6, 1], [1, 1], [1, 2]])
    with pytest.warns(UnreadableImageWarning, match="2 of 4 images"):
        corpus = Corpus.build((CAPTIONS, IMAGES), tmp_path / "c", embedder=model)
    model.rows[0] = [3, 4]
    with pytest.warns(UnreadableImageWarning, match="1 of 4 images"):
        corpus = corpus.retry_failed(model)
    assert corpus.embeddings().tolist() == [[3, 4], [0, 0], [1, 1], [1, 2]]


def test_the_model_is_not_asked_why_it_gave_nan():
    vectors, reasons = embed_images(Model([[1, np.inf], [1e300, 0], [1, 1]]), IMAGES[:3])
    assert vectors.tolist() == [[0, 0], [0, 0], [1, 1]]
    assert reasons == ["its embedding has NaN or infinity"] * 2 + [None]


def test_reasons_that_are_known_stay():
    half, reasons = as_stored(np.array([[0, 0], [1, 1]], np.float32), ["no image", None])
    assert half.dtype == np.float16
    assert reasons == ["no image", None]


def test_rows_of_another_program_that_are_not_finite_are_named(tmp_path):
    folder = tmp_path / "inference"
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    rows = np.ones((3, 2), np.float32)
    rows[1, 0] = np.nan
    np.save(folder / "img_emb" / "img_emb_0.npy", rows)
    table = pa.table({"caption": ["a", "b", "c"], "image_path": ["1", "2", "3"]})
    pq.write_table(table, folder / "metadata" / "metadata_0.parquet")
    with pytest.warns(UnreadableImageWarning, match="is not finite"):
        corpus = Corpus.build(folder, tmp_path / "c", model_id="m/p@1", shard_size=2)
    assert corpus.failures().column("row").to_pylist() == [1]
    corpus.verify()


def test_what_is_not_finite_is_stored_as_zero():
    half, reasons = as_stored(np.array([[np.nan, 1], [7e4, 1]], np.float32), [None, None])
    assert half.tolist() == [[0, 0], [0, 0]]
    assert reasons == [
        "its embedding is not finite",
        "its embedding is too large for half precision: normalise it",
    ]
