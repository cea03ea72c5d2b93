"""A folder of captioned images, and an embedder that needs no model."""

import pytest
from PIL import Image

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255,) * 3}


@pytest.fixture
def photos(tmp_path):
    """Four images of one colour each, with sidecar captions."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for i, (name, color) in enumerate(COLORS.items()):
        below = folder / "more" if i % 2 else folder
        Image.new("RGB", (8, 8), color).save(below / f"{name}.png")
        (below / f"{name}.txt").write_text(f"a {name}\nsquare")
    return folder
