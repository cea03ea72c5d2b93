import json

import numpy as np
import pytest
import torch

from skclip import MultiProxyImprinter, StackedHeadClassifier, ZeroShotClassifier
from skclip.export import to_onnx
from tests.export.conftest import NAMES, TEXT, blobs


@pytest.fixture(scope="module")
def runtime():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    return pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(
    "head",
    [
        StackedHeadClassifier(TEXT),
        ZeroShotClassifier(TEXT, logit_scale=20.0, logit_bias=-5.0),
        MultiProxyImprinter(k=2, random_state=0),
    ],
    ids=["stacked", "sigmoid", "proxies"],
)
def test_features_to_probabilities(head, runtime, tmp_path):
    X, y, _ = blobs()
    path = to_onnx(head.fit(X, y), tmp_path / "head.onnx")
    session = runtime.InferenceSession(path)
    for rows in (X[:1], X):
        (got,) = session.run(["probabilities"], {"features": rows})
        np.testing.assert_allclose(got, head.predict_proba(rows), atol=2e-5)
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["labels"]) == NAMES
    assert json.loads(facts["preprocess"]) is None
    assert [file.name for file in tmp_path.iterdir()] == ["head.onnx"]


def test_images_to_probabilities(runtime, tiny_embedder, captioned_images, tmp_path):
    names, images = list(captioned_images.target_names), captioned_images.images[:7]
    head = ZeroShotClassifier(embedder=tiny_embedder, classes=names).fit()
    path = to_onnx(head, tmp_path / "head.onnx", tiny_embedder)
    session = runtime.InferenceSession(path)
    facts = session.get_modelmeta().custom_metadata_map
    preprocess = json.loads(facts["preprocess"])
    # what is documented, by hand: the drawn images are square
    size = preprocess["size"]
    pixels = [image.convert("RGB").resize((size, size), 3) for image in images]
    pixels = np.stack([np.asarray(image) for image in pixels]) / 255
    pixels = (pixels - preprocess["mean"]) / preprocess["std"]
    pixels = pixels.transpose(0, 3, 1, 2).astype(np.float32)
    (got,) = session.run(None, {"image": pixels})
    wanted = head.predict_proba(tiny_embedder.transform(images))
    np.testing.assert_allclose(got, wanted, atol=2e-3)
    own = torch.stack([tiny_embedder.load_model().preprocess(image) for image in images]).numpy()
    (got,) = session.run(None, {"image": own})
    np.testing.assert_allclose(got, wanted, atol=1e-4)
    assert json.loads(facts["model"]) == tiny_embedder.model_id


def test_place_is_checked_first(tmp_path, runtime):
    with pytest.raises(FileNotFoundError, match="folder that does not exist"):
        to_onnx(ZeroShotClassifier(TEXT).fit(), tmp_path / "none" / "head.onnx")


def test_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'skclip\[onnx\]'"):
        to_onnx(ZeroShotClassifier(TEXT).fit(), tmp_path / "head.onnx")
