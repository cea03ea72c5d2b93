"""A captioned data set on disk: complete, readable as users' folders are, never half there."""

import csv

import numpy as np
import pytest
from PIL import Image
from sklearn.utils import Bunch

from skclip.datasets import make_captioned_images, write_captioned_folder


@pytest.fixture(scope="module")
def data() -> Bunch:
    return make_captioned_images(5, image_size=32, random_state=0)


def assert_same_images(folder, data):
    files = sorted(folder.glob("*.png"))
    assert len(files) == len(data.images)
    for file, image in zip(files, data.images, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(file)), np.asarray(image))


def test_text_files_beside_images(data, tmp_path):
    folder = write_captioned_folder(data, tmp_path / "collection")
    assert_same_images(folder, data)
    captions = [file.read_text("utf-8").strip() for file in sorted(folder.glob("*.txt"))]
    assert captions == data.captions


def test_one_csv(data, tmp_path):
    folder = write_captioned_folder(data, tmp_path / "collection", captions="csv")
    assert_same_images(folder, data)
    with open(folder / "captions.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["caption"] for row in rows] == data.captions
    assert all((folder / row["image"]).is_file() for row in rows)
    assert not list(folder.glob("*.txt"))


def test_returns_the_path_and_takes_a_string(data, tmp_path):
    assert write_captioned_folder(data, str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"


def test_empty_folder_may_exist(data, tmp_path):
    (tmp_path / "empty").mkdir()
    assert_same_images(write_captioned_folder(data, tmp_path / "empty"), data)


def test_folder_with_files_is_refused_and_left_alone(data, tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="not an empty folder: give another"):
        write_captioned_folder(data, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["holiday.jpg"]


def test_file_in_the_way_is_refused(data, tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(FileExistsError, match="not an empty folder"):
        write_captioned_folder(data, tmp_path / "file")


def test_failure_leaves_nothing_behind(data, tmp_path):
    broken = Bunch(images=[*data.images, "no image"], captions=[*data.captions, "x"])
    with pytest.raises(AttributeError):
        write_captioned_folder(broken, tmp_path / "collection")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        ({"data": {"images": []}, "path": "x"}, "data"),
        ({"data": Bunch(), "path": 3}, "path"),
        ({"data": Bunch(), "path": "x", "captions": "json"}, "captions"),
    ],
)
def test_bad_parameter_is_named(arguments, parameter):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of"):
        write_captioned_folder(**arguments)
