"""Labelled images, names, a head and embeddings as files."""

from pathlib import Path

import pytest

from skclip.cli import main
from skclip.datasets import load_image_folder

MODEL = ["--model", "skclip-tiny", "--jobs", "1"]


@pytest.fixture(scope="session")
def labelled(captioned_images, tmp_path_factory) -> Path:
    """Drawn images in one folder per class, with underscores for spaces."""
    folder = tmp_path_factory.mktemp("labelled") / "shots"
    for i, (image, label) in enumerate(
        zip(captioned_images.images[:60], captioned_images.target[:60], strict=True)
    ):
        place = folder / label.replace(" ", "_")
        place.mkdir(parents=True, exist_ok=True)
        image.save(place / f"{i:03d}.png")
    return folder


@pytest.fixture(scope="session")
def table(labelled) -> Path:
    """The same as a table."""
    data = load_image_folder(labelled)
    path = labelled.parent / "labels.csv"
    rows = [
        f"shots/{image.relative_to(labelled).as_posix()},{label.replace('_', ' ')}"
        for image, label in zip(data.images, data.target, strict=True)
    ]
    path.write_text("image,label\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="session")
def names(captioned_images, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("names") / "names.txt"
    lines = [", ".join([n, *captioned_images.synonyms[n]]) for n in captioned_images.target_names]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="session")
def stacked(corpus_path, names, labelled, tmp_path_factory) -> Path:
    """A head of text, recalled and labelled images."""
    path = tmp_path_factory.mktemp("head") / "shapes.skclip"
    inputs = ["--corpus", corpus_path, "--classes", names, "--shots", labelled]
    assert main(["fit", *map(str, inputs), "--output", str(path), *MODEL, "--quiet"]) == 0
    return path


@pytest.fixture(scope="session")
def vectors(labelled, tmp_path_factory) -> Path:
    """Embeddings of the labelled images."""
    path = tmp_path_factory.mktemp("vectors") / "X.npy"
    assert main(["embed", str(labelled), "--output", str(path), *MODEL, "--quiet"]) == 0
    return path
