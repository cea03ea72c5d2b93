"""The code of the page on keeping and serving a head runs as it is printed."""

import io
import re
from pathlib import Path

import numpy as np
import pytest

from skclip import ZeroShotClassifier
from skclip.export import save_head

PAGE = Path(__file__).resolve().parents[1] / "docs/user_guide/keep_and_serve.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def head(tiny_embedder, captioned_images, tmp_path, monkeypatch):
    """A head in the working directory, where the page has it."""
    names = list(captioned_images.target_names)
    fitted = ZeroShotClassifier(embedder=tiny_embedder, classes=names).fit()
    save_head(fitted, tmp_path / "birds.skclip", embedder=tiny_embedder)
    monkeypatch.chdir(tmp_path)
    return fitted


def block(mark: str) -> str:
    (found,) = (code for code in BLOCKS if mark in code)
    return found.replace('CLIPEmbedder("ViT-B-32")', 'CLIPEmbedder("skclip-tiny", device="cpu")')


def test_file_is_read_as_the_page_says(head, tiny_embedder, captioned_images):
    X = tiny_embedder.transform(captioned_images.images[:9])
    names = {"X": X}
    exec(block("safe_open"), names)
    assert names["labels"] == head.predict(X).tolist()
    odds = np.exp(names["logits"] - names["logits"].max(axis=1, keepdims=True))
    proba = odds / odds.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(proba, head.predict_proba(X), rtol=1e-3, atol=1e-6)


def test_server_of_the_page_answers(head, tiny_embedder, captioned_images):
    pytest.importorskip("fastapi")
    pytest.importorskip("multipart")
    pytest.importorskip("httpx")
    from fastapi.testclient import TestClient

    code = block("FastAPI")
    names: dict = {"__name__": "serve"}
    exec(compile(code, "serve.py", "exec"), names)
    client = TestClient(names["app"])
    image = captioned_images.images[0]
    file = io.BytesIO()
    image.save(file, "PNG")
    answer = client.post("/classify", files={"image": ("a.png", file.getvalue())})
    assert answer.status_code == 200
    (proba,) = head.predict_proba(tiny_embedder.transform([image]))
    assert answer.json() == pytest.approx(
        dict(zip(head.classes_.tolist(), proba.tolist(), strict=True))
    )
    broken = client.post("/classify", files={"image": ("a.png", b"no image")})
    assert broken.status_code == 422
    assert "Cannot read image" in broken.json()["detail"]


def test_server_has_about_twenty_lines():
    lines = [line for line in block("FastAPI").splitlines() if line.strip()]
    assert len(lines) <= 20
