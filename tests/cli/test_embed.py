import json
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from skclip import CLIPEmbedder
from skclip.cli import main
from tests.cli.conftest import MODEL


def test_embed_keeps_the_place_of_broken_images(labelled, tmp_path, capsys):
    folder = tmp_path / "images"
    shutil.copytree(labelled / "ring", folder)
    (folder / "000.jpg").write_bytes(b"broken")
    output = tmp_path / "X.npy"
    assert main(["embed", str(folder), "--output", str(output), *MODEL]) == 0
    X, notes = np.load(output), json.loads(Path(f"{output}.json").read_text())
    assert len(X) == len(notes["images"])
    assert [Path(name).name for name in np.array(notes["images"])[~X.any(axis=1)]] == ["000.jpg"]
    assert "1 images could not be read: their rows are zero" in capsys.readouterr().err


def interrupted(monkeypatch, n_batches: int):
    """Let the next embedding of images be interrupted after some batches; return who undoes it."""
    whole = CLIPEmbedder.iter_transform

    def some(self, X):
        yield from islice(whole(self, X), n_batches)
        raise KeyboardInterrupt

    monkeypatch.setattr(CLIPEmbedder, "iter_transform", some)
    return lambda: monkeypatch.setattr(CLIPEmbedder, "iter_transform", whole)


@pytest.fixture
def few(labelled, tmp_path) -> Path:
    """Images of one class."""
    return Path(shutil.copytree(labelled / "ring", tmp_path / "images"))


def test_interrupted_embedding_goes_on(few, tmp_path, capsys, monkeypatch):
    (few / "000.jpg").write_bytes(b"broken")
    n, output = len(list(few.iterdir())), tmp_path / "X.npy"
    command = ["embed", str(few), "--output", str(output), *MODEL, "--batch-size", "2", "--quiet"]
    restored = interrupted(monkeypatch, 2)
    assert main(command) == 130
    assert f"4 of {n} images are embedded: the same command continues" in capsys.readouterr().err
    assert not output.exists()
    restored()
    # a row that was not written whole is computed again
    with (tmp_path / "X.npy.unfinished").open("rb+") as file:
        file.seek(-7, 2)
        file.truncate()
    assert main(command) == 0
    said = capsys.readouterr().err
    assert f"resuming {output}: 3 of {n} images are embedded" in said
    assert "1 images could not be read" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["X.npy", "X.npy.json", "images"]
    whole = tmp_path / "whole.npy"
    assert main(["embed", str(few), "--output", str(whole), *MODEL, "--quiet"]) == 0
    np.testing.assert_allclose(np.load(output), np.load(whole), atol=1e-6)
    assert Path(f"{output}.json").read_bytes() == Path(f"{whole}.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: next(folder.iterdir()).unlink(), "other images"),
        (lambda folder: next(folder.iterdir()).write_bytes(b"other"), "images that have changed"),
        (lambda folder: (folder.parent / "X.npy.unfinished").write_bytes(b""), "other images"),
    ],
    ids=["removed", "changed", "damaged"],
)
def test_interrupted_embedding_of_others_begins_anew(
    change, says, few, tmp_path, capsys, monkeypatch
):
    command = ["embed", str(few), "--output", str(tmp_path / "X.npy"), *MODEL, "--quiet"]
    restored = interrupted(monkeypatch, 1)
    assert main(command) == 130
    restored()
    change(few)
    assert main(command) == 0
    said = capsys.readouterr().err
    assert f"starting again: the interrupted run of {tmp_path / 'X.npy'} was of {says}" in said
    assert len(np.load(tmp_path / "X.npy")) == len(list(few.iterdir()))


def test_two_processes_do_not_write_the_same_embeddings(few, tmp_path, capsys):
    output = tmp_path / "X.npy"
    with FileLock(f"{output}.lock"):
        assert main(["embed", str(few), "--output", str(output), *MODEL]) == 2
    assert "is being written by another process" in capsys.readouterr().err


def test_embed_of_a_folder_asks_for_output(labelled, capsys):
    assert main(["embed", str(labelled)]) == 2
    assert "name a file by --output X.npy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "says"), [("X.csv", "must end in .npy"), ("none/X.npy", "does not exist")]
)
def test_embed_output_is_checked_first(output, says, labelled, tmp_path, capsys):
    assert main(["embed", str(labelled), "--output", str(tmp_path / output), *MODEL]) == 2
    assert says in capsys.readouterr().err
