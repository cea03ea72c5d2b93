"""Captioned images of one colour each."""

import pytest
from PIL import Image

from skclip.corpus import Corpus

ROWS = [
    ("red", "a red square", (255, 0, 0)),
    ("green", "A GREEN square", (0, 255, 0)),
    ("blue", "blue: the square", (0, 0, 255)),
    ("pink", "red and white make pink", (255, 128, 128)),
    ("teal", "green and blue make teal", (0, 128, 128)),
]


@pytest.fixture
def photos(tmp_path):
    """Folder of five images with sidecar captions."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, caption, color in ROWS:
        Image.new("RGB", (8, 8), color).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(caption)
    return folder


@pytest.fixture
def corpus(photos, tmp_path):
    """Their corpus, without embeddings, in shards of two: blue, green | pink, red | teal."""
    return Corpus.build(photos, tmp_path / "corpus", shard_size=2)


@pytest.fixture
def embedded_corpus(photos, tmp_path, mean_color):
    """Their corpus with embeddings."""
    return Corpus.build(photos, tmp_path / "embedded", shard_size=2, embedder=mean_color)
