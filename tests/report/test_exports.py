import csv
import json

import numpy as np
import pytest
from pyarrow import parquet

from skclip.recall import PrimingPool
from skclip.report import to_embedding_atlas, to_fiftyone, to_lightly
from skclip.report._exports import principal_plane

TEXT = {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}


@pytest.fixture
def pool(tmp_path) -> PrimingPool:
    return PrimingPool(
        ["cat", "dog", "cat"],
        [[1.0, 0.0], [0.6, 0.8], [0.0, 0.0]],
        ids=["a", "b", "=c"],
        captions=["a cat", "a dog, b", "half \ud800"],
        images=[tmp_path / "a.jpg", str(tmp_path / "b.jpg"), "https://example.org/c.jpg"],
    )


def test_fiftyone_finds_files_and_labels(pool, tmp_path):
    folder = to_fiftyone(pool, tmp_path / "fo", zero_shot=TEXT)
    files = json.loads((folder / "data.json").read_text())
    labels = json.loads((folder / "labels.json").read_text())["labels"]
    assert list(files) == list(labels)
    assert list(files.values())[:2] == [str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")]
    second = list(labels.values())[1]
    assert second["label"] == "dog"
    assert second["confidence"] == pytest.approx(1.0, abs=1e-4)
    assert second["attributes"] == {
        "image_id": "b",
        "caption": "a dog, b",
        "zero_shot_label": "dog",
    }
    assert "confidence" not in list(labels.values())[2]


def test_fiftyone_gets_nothing_that_its_format_lacks(pool, tmp_path):
    """FiftyOneImageClassificationDataset: names without ending; label, confidence, attributes."""
    folder = to_fiftyone(pool, tmp_path / "fo", zero_shot=TEXT)
    assert sorted(path.name for path in folder.iterdir()) == ["data.json", "labels.json"]
    content = json.loads((folder / "labels.json").read_text())
    assert list(content) == ["labels"]
    for name, about in content["labels"].items():
        assert "." not in name
        assert set(about) <= {"label", "confidence", "attributes"}
        assert isinstance(about["label"], str)
        assert all(isinstance(value, str) for value in about["attributes"].values())
        assert not {"id", "tags", "label", "confidence", "logits"} & set(about["attributes"])


def test_lightly_gets_a_table(pool, tmp_path):
    with to_lightly(pool, tmp_path / "pool.csv", zero_shot=TEXT).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "file_path_abs",
        "class_name",
        "id",
        "caption",
        "zero_shot_label",
        "confidence",
    ]
    assert rows[1]["caption"] == "a dog, b"
    assert rows[2]["id"] == "'=c"
    assert rows[2]["confidence"] == ""


def test_embedding_atlas_gets_vectors_and_a_plane(pool, tmp_path):
    table = parquet.read_table(to_embedding_atlas(pool, tmp_path / "p.parquet", zero_shot=TEXT))
    np.testing.assert_allclose(table["vector"].to_pylist(), pool.embeddings)
    assert table["zero_shot_label"].to_pylist() == ["cat", "dog", None]
    assert table["file_path"].to_pylist()[2] == "https://example.org/c.jpg"
    plane = principal_plane(pool.embeddings)
    np.testing.assert_allclose(table["x"].to_pylist(), plane[:, 0])
    np.testing.assert_allclose(table["y"].to_pylist(), plane[:, 1])


def test_embedding_atlas_reads_vectors_as_arrays_and_a_plane_of_numbers(pool, tmp_path):
    """Its command reads Parquet by pandas: a vector is a list or an array, x and y are numbers."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(to_embedding_atlas(pool, tmp_path / "p.parquet"))
    assert {len(vector) for vector in frame["vector"]} == {2}
    assert all(isinstance(vector, np.ndarray) for vector in frame["vector"])
    assert [str(frame[name].dtype) for name in ("x", "y")] == ["float64", "float64"]
    assert frame["caption"].tolist()[:2] == ["a cat", "a dog, b"]


def test_plane_is_that_of_the_singular_vectors():
    X = np.random.default_rng(0).normal(size=(30, 5))
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    centred = unit - unit.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(principal_plane(X)), np.abs(u[:, :2] * s[:2]), atol=1e-9)


@pytest.mark.parametrize("n", [0, 1])
def test_few_rows_have_a_plane(n):
    assert principal_plane(np.ones((n, 3))).shape == (n, 2)


@pytest.mark.parametrize("export", [to_fiftyone, to_lightly])
def test_images_without_a_file_are_refused(export, tmp_path):
    pool = PrimingPool(["cat"], images=[np.zeros((2, 2, 3), np.uint8)])
    with pytest.raises(ValueError, match=r"1 of 1 images have none \(rows 0\)"):
        export(pool, tmp_path / "out")


def test_atlas_needs_embeddings(tmp_path):
    with pytest.raises(ValueError, match="needs the embeddings of the pool"):
        to_embedding_atlas(PrimingPool(["cat"]), tmp_path / "p.parquet")
