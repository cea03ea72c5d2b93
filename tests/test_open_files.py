"""No file that is open is renamed or replaced: Windows would refuse it."""

import os
import sys
from pathlib import Path

import pytest

from skclip.corpus import Corpus
from tests.corpus.conftest import photos
from tests.distill.conftest import make_trainer, pairs

__all__ = ["make_trainer", "pairs", "photos"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what is open")


@pytest.fixture
def renamed(monkeypatch):
    """Return the names of the files that are renamed, each of which must not be open."""
    names = []
    replace = Path.replace

    def is_open(path):
        fds = {os.readlink(fd) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()}
        return str(path) in fds or str(path) in Path("/proc/self/maps").read_text()

    def checked(self, target):
        names.append(Path(target).name)
        assert not is_open(self), f"{self} is open"
        assert not is_open(target), f"{target} is open"
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", checked)
    return names


def test_of_a_corpus(renamed, photos, tmp_path, mean_color):
    image = (photos / "red.png").read_bytes()
    (photos / "red.png").write_bytes(b"offline")
    corpus = Corpus.build(photos, tmp_path / "corpus")
    with pytest.warns(UserWarning, match="could not be read"):
        corpus = corpus.embed(mean_color)
    corpus.embeddings()
    (photos / "red.png").write_bytes(image)
    corpus.retry_failed(mean_color).append(photos, embedder=mean_color)
    assert {name.partition(".")[2] for name in renamed} == {
        "json",
        "captions.parquet",
        "index.sqlite",
        "embeddings.npy",
        "failures.parquet",
    }


def test_of_a_training_run(renamed, make_trainer, pairs, tmp_path):
    for steps in (4, 4):
        make_trainer(output=tmp_path, max_iter=steps).fit(pairs.images, pairs.captions)
    assert {"checkpoint.pt", "image_bank.npy", "guides.npz", "run.json"} <= set(renamed)
