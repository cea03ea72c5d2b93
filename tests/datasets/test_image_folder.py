from pathlib import Path

import pytest

from skclip.datasets import load_image_folder


def folder_of(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_folder_is_the_label(tmp_path):
    data = load_image_folder(folder_of(tmp_path, "dog/2.png", "cat/1.jpg", "dog/1.JPEG"))
    assert data.target_names.tolist() == ["cat", "dog"]
    assert data.target.tolist() == ["cat", "dog", "dog"]
    assert data.images == [tmp_path / name for name in ("cat/1.jpg", "dog/1.JPEG", "dog/2.png")]


def test_folders_of_folders_are_of_the_class_above(tmp_path):
    data = load_image_folder(folder_of(tmp_path, "cat/a/b/1.png", "dog/1.png"))
    assert data.target.tolist() == ["cat", "dog"]


def test_other_files_and_hidden_ones_are_left_out(tmp_path):
    names = ["cat/1.png", "cat/notes.txt", "cat/.2.png", ".git/3.png", "cat/png", "readme.md"]
    assert load_image_folder(folder_of(tmp_path, *names)).images == [tmp_path / "cat/1.png"]


def test_images_of_no_class_are_left_out(tmp_path):
    data = load_image_folder(folder_of(tmp_path, "1.png", "cat/1.png"))
    assert data.images == [tmp_path / "cat/1.png"]


def test_images_beside_each_other_have_no_class(tmp_path):
    with pytest.raises(ValueError, match="2 images lie in it directly"):
        load_image_folder(folder_of(tmp_path, "1.png", "2.png"))


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there are no images"):
        load_image_folder(tmp_path)


def test_parts_of_a_data_set_are_no_classes(tmp_path):
    with pytest.raises(ValueError, match=r"holds the parts 'test', 'train' of a data set"):
        load_image_folder(folder_of(tmp_path, "train/cat/1.png", "test/cat/2.png"))


@pytest.mark.parametrize(("name", "says"), [("none", "does not exist"), ("a.png", "is a file")])
def test_what_is_no_folder_is_refused(name, says, tmp_path):
    folder_of(tmp_path, "a.png")
    with pytest.raises(FileNotFoundError, match=says):
        load_image_folder(tmp_path / name)
