import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from skclip.datasets import load_image_folder, load_labelled_images

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
NAMES = list(COLORS)
LABELS = ["red", "green", "blue", "green"]


def png(name):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), COLORS[name]).save(file, "PNG")
    return file.getvalue()


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def samples(labels=LABELS, *, start=0, member=lambda label: ("cls", str(NAMES.index(label)))):
    for i, label in enumerate(labels, start):
        kind, text = member(label)
        yield f"{i:04d}.png", png(label)
        yield f"{i:04d}.{kind}", text.encode()


def write_table(path, images, labels, *, names=None):
    table = pa.table({"image": images, "label": labels})
    if names is not None:
        notes = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(notes)})
    parquet.write_table(table, path)


def colors_of(images):
    """Return the name of the colour of each image, however it is kept."""
    found = []
    for image in images:
        content = image.read() if hasattr(image, "read") else image
        opened = Image.open(io.BytesIO(content) if isinstance(content, bytes) else content)
        found.append({rgb: name for name, rgb in COLORS.items()}[opened.getpixel((0, 0))])
    return found


def check(data):
    assert colors_of(data.images) == data.target.tolist()
    assert sorted(data.target.tolist()) == sorted(LABELS)


def test_one_folder_per_class(tmp_path):
    for i, label in enumerate(LABELS):
        (tmp_path / label / "more").mkdir(parents=True, exist_ok=True)
        (tmp_path / label / ("more" if i % 2 else ".") / f"{i}.png").write_bytes(png(label))
    (tmp_path / ".cache").mkdir()
    (tmp_path / "red" / "notes.txt").write_text("no image")
    check(load_labelled_images(tmp_path))


def test_folders_are_refused_as_load_image_folder_refuses_them(tmp_path):
    for name in ("train/red/0.png", "test/red/1.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(png("red"))
    with pytest.raises(ValueError, match=r"holds the parts 'test', 'train' of a data set") as ours:
        load_labelled_images(tmp_path)
    with pytest.raises(ValueError, match="holds the parts") as theirs:
        load_image_folder(tmp_path)
    assert str(ours.value) == str(theirs.value)


def test_archives_with_numbers_named_by_a_list(tmp_path):
    write_tar(tmp_path / "0.tar", samples(LABELS[:2]))
    write_tar(tmp_path / "1.tar", samples(LABELS[2:], start=2))
    (tmp_path / "nshards.txt").write_text("2")
    numbers = load_labelled_images(tmp_path)
    assert numbers.target.tolist() == [0, 1, 2, 1]
    check(load_labelled_images(tmp_path, class_names=NAMES))


def test_a_folder_of_clip_benchmark_names_its_classes_above(tmp_path):
    (tmp_path / "test").mkdir()
    write_tar(tmp_path / "test" / "0.tar", samples())
    (tmp_path / "classnames.txt").write_text("\n".join(NAMES) + "\n")
    check(load_labelled_images(tmp_path / "test"))


@pytest.mark.parametrize(
    "member",
    [
        lambda label: ("txt", label),
        lambda label: ("json", json.dumps({"label": label, "other": 1})),
        lambda label: ("cls", f" {label}\n"),
    ],
)
def test_labels_of_archives_in_several_members(tmp_path, member):
    write_tar(tmp_path / "x.tar", samples(member=member))
    check(load_labelled_images(tmp_path / "x.tar"))


def test_a_table_with_structs_names_its_numbers(tmp_path):
    images = [{"bytes": png(label), "path": None} for label in LABELS]
    labels = [NAMES.index(label) for label in LABELS]
    write_table(tmp_path / "train-0.parquet", images, labels, names=NAMES)
    check(load_labelled_images(tmp_path))


def test_a_table_with_paths_starts_from_its_folder(tmp_path):
    for i, label in enumerate(LABELS):
        (tmp_path / f"{i}.png").write_bytes(png(label))
    images = [{"bytes": None, "path": f"{i}.png"} for i in range(len(LABELS))]
    write_table(tmp_path / "t.parquet", images, LABELS)
    check(load_labelled_images(tmp_path / "t.parquet"))
    write_table(tmp_path / "t.parquet", [f"{i}.png" for i in range(len(LABELS))], LABELS)
    check(load_labelled_images(tmp_path / "t.parquet"))


def test_a_table_with_bytes(tmp_path):
    write_table(tmp_path / "t.parquet", [png(label) for label in LABELS], LABELS)
    check(load_labelled_images(tmp_path / "t.parquet"))


@pytest.mark.parametrize("label", ["class_name", "fine_label"])
@pytest.mark.parametrize("image", ["img", "file_name"])
def test_columns_are_found_by_all_usual_names(tmp_path, image, label):
    for name in COLORS:
        (tmp_path / f"{name}.png").write_bytes(png(name))
    table = pa.table({image: [f"{name}.png" for name in LABELS], label: LABELS})
    parquet.write_table(table, tmp_path / "t.parquet")
    check(load_labelled_images(tmp_path / "t.parquet"))


def test_two_classes_of_one_name_stay_two(tmp_path):
    write_tar(tmp_path / "x.tar", samples())
    data = load_labelled_images(tmp_path / "x.tar", class_names=["crane", "crane", "owl"])
    assert data.target.tolist() == [0, 1, 2, 1]


def test_an_image_without_a_label_is_refused(tmp_path):
    write_tar(tmp_path / "x.tar", [("a.png", png("red"))])
    with pytest.raises(ValueError, match=r"has images without a label: '/a'"):
        load_labelled_images(tmp_path / "x.tar")
    write_table(tmp_path / "t.parquet", [png("red")] * 2, ["red", None])
    with pytest.raises(ValueError, match="has no label for the images 1"):
        load_labelled_images(tmp_path / "t.parquet")


def test_a_number_without_a_name_is_refused(tmp_path):
    write_tar(tmp_path / "x.tar", samples())
    with pytest.raises(ValueError, match="has the labels 2, but 2 class names"):
        load_labelled_images(tmp_path / "x.tar", class_names=NAMES[:2])


@pytest.mark.parametrize("content", [b"", b"no archive", np.random.default_rng(0).bytes(2000)])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(ValueError, match=r"no tar file without compression|holds no images"):
        load_labelled_images(tmp_path / "x.tar")


def test_a_member_that_is_no_json_has_no_label(tmp_path):
    write_tar(tmp_path / "x.tar", samples(member=lambda label: ("json", "{")))
    with pytest.raises(ValueError, match="images without a label"):
        load_labelled_images(tmp_path / "x.tar")


def test_other_columns_are_named(tmp_path):
    parquet.write_table(pa.table({"text": ["a"], "label": [1]}), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="has the columns 'text', 'label': none is called image"):
        load_labelled_images(tmp_path / "t.parquet")


def test_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no images: give a folder"):
        load_labelled_images(tmp_path)
    with pytest.raises(ValueError, match="does not exist"):
        load_labelled_images(tmp_path / "none")
    (tmp_path / "x.zip").touch()
    with pytest.raises(ValueError, match="neither a tar nor a Parquet file"):
        load_labelled_images(tmp_path / "x.zip")
