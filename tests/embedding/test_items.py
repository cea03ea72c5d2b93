"""Columns of items: every container gives its items, everything else a sentence."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from skclip.embedding._items import as_items, check_texts

PATHS = ["a.png", "b.png", "c.png"]


def frames() -> dict:
    pd = pytest.importorskip("pandas")
    containers = {
        "series": pd.Series(PATHS, index=[7, 3, 9]),
        "string series": pd.Series(PATHS, dtype="string"),
        "frame": pd.DataFrame({"image": PATHS}),
        "object column": np.array(PATHS, dtype=object)[:, None],
        "str column": np.array(PATHS)[:, None],
        "list": PATHS,
        "tuple": tuple(PATHS),
        "str array": np.array(PATHS),
        "object array": np.array(PATHS, dtype=object),
        "arrow array": pa.array(PATHS),
        "arrow chunks": pa.chunked_array([PATHS[:1], PATHS[1:]]),
        "arrow table": pa.table({"image": PATHS}),
        "dict view": dict.fromkeys(PATHS).keys(),
    }
    return containers


@pytest.mark.parametrize("name", list(frames()))
def test_items_of_every_container(name):
    items = as_items(frames()[name], "image")
    assert list(items) == PATHS
    assert items.n == 3


def test_polars():
    pl = pytest.importorskip("polars")
    for column in (pl.Series(PATHS), pl.DataFrame({"image": PATHS})):
        items = as_items(column, "image")
        assert list(items) == PATHS
        assert items.n == 3


def test_generator_has_no_length():
    items = as_items((path for path in PATHS), "image")
    assert items.n is None
    assert list(items) == PATHS


def test_hugging_face_image_structs_come_as_mappings():
    structs = pa.array([{"bytes": b"x", "path": None}, {"bytes": None, "path": "b.png"}])
    assert list(as_items(structs, "image"))[1] == {"bytes": None, "path": "b.png"}


def test_four_dimensional_pixels_are_n_images():
    batch = np.zeros((5, 8, 9, 3), dtype=np.uint8)
    items = as_items(batch, "image")
    assert items.n == 5
    assert next(iter(items)).shape == (8, 9, 3)


def test_torch_tensor():
    torch = pytest.importorskip("torch")
    assert as_items(torch.zeros(5, 3, 8, 9, dtype=torch.uint8), "image").n == 5
    with pytest.raises(TypeError, match="must be uint8"):
        as_items(torch.zeros(5, 3, 8, 9), "image")


@pytest.mark.parametrize("kind", [str, Path])
def test_of_a_folder_the_files_are_to_be_listed(kind, tmp_path):
    with pytest.raises(TypeError, match=r"got the folder .*: list its files, sorted\("):
        as_items(kind(tmp_path), "image")


@pytest.mark.parametrize("single", ["a.png", Path("a.png"), b"\x89PNG"])
def test_a_single_item_is_no_column(single):
    with pytest.raises(TypeError, match=r"got the single .*: write \[X\]"):
        as_items(single, "image")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (3, "got int"),
        (None, "got NoneType"),
        ({"a.png": 1}, "got dict"),
        (np.zeros((4, 2)), r"got numbers \(float64\) of shape \(4, 2\). Embeddings need no"),
        (np.arange(4), r"got numbers \(int64\) of shape \(4,\)"),
    ],
)
def test_no_column_of_images(X, message):
    with pytest.raises(TypeError, match=message):
        as_items(X, "image")


def test_wrong_shapes():
    with pytest.raises(ValueError, match=r"one image is X\[None\]"):
        as_items(np.zeros((8, 9, 3), dtype=np.uint8), "image")
    with pytest.raises(ValueError, match=r"shape \(1, 2\): select one column"):
        as_items(np.array([["a", "b"]]), "text")
    with pytest.raises(ValueError, match=r"got 2 columns: 'a', 'b'. Select"):
        as_items(pa.table({"a": ["x"], "b": ["y"]}), "text")
    pd = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=r"got 2 columns: 'a', 'b'. Select"):
        as_items(pd.DataFrame({"a": ["x"], "b": ["y"]}), "text")


@pytest.mark.parametrize(
    "empty", [[], np.array([], dtype=str), pa.array([], pa.string()), iter([])]
)
def test_empty(empty):
    with pytest.raises(ValueError, match="0 sample"):
        as_items(empty, "text")


def test_texts_are_checked_by_position():
    assert check_texts([np.str_("a"), ""], 0) == ["a", ""]
    with pytest.raises(TypeError, match=r"got nan \(float\) at position 11"):
        check_texts(["a", float("nan")], 10)
    with pytest.raises(TypeError, match=r"got b'a' \(bytes\) at position 0"):
        check_texts([b"a"], 0)
