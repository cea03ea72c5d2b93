"""Every family of models that open_clip lists, with random weights: `pytest -m slow`.

One model is in memory at a time, twice while it is loaded: 5 GB for the largest.
"""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from skclip import CLIPEmbedder, ZeroShotClassifier
from skclip.embedding import create_untrained_model
from tests.embedding.conftest import write_tokenizer

# The smallest model of each family; CLIPA and worldwide have none that is small.
SMALLEST = {
    r"EVA0[12]-": "EVA02-B-16",
    r"MobileCLIP-": "MobileCLIP-S1",
    r"MobileCLIP2-": "MobileCLIP2-S0",
    r"PE-Core-": "PE-Core-T-16-384",
    r"RN\d+(x\d+)?$": "RN50",
    r"RN\d+(x\d+)?-quickgelu$": "RN50-quickgelu",
    r"ViT-[\w-]+-SigLIP(-|$)": "ViT-B-16-SigLIP",
    r"ViT-[\w-]+-SigLIP2(-|$)": "ViT-B-32-SigLIP2-256",
    r"ViT-[\w-]+-CLIPA(-|$)": "ViT-L-14-CLIPA",
    r"ViT-[\w-]+-worldwide(-|$)": "ViT-L-14-worldwide",
    r"ViT-[\w-]+-quickgelu$": "ViT-B-32-quickgelu",
    r"ViT-": "ViT-S-32-alt",
    r"ViTamin-": "ViTamin-S",
    r"coca_": "coca_ViT-B-32",
    r"convnext_": "convnext_tiny",
    r"swin_": "swin_base_patch4_window7_224",
    r"vit_medium_": "vit_medium_patch16_gap_256",
    r"vit_relpos_": "vit_relpos_medium_patch16_cls_224",
}
# Their text towers are fetched from a hub when they are built.
WITH_FETCHED_TEXT = {
    "coca_roberta-ViT-B-32",
    "mt5-base-ViT-B-32",
    "mt5-xl-ViT-H-14",
    "nllb-clip-base",
    "nllb-clip-base-siglip",
    "nllb-clip-large",
    "nllb-clip-large-siglip",
    "roberta-ViT-B-32",
    "xlm-roberta-base-ViT-B-32",
    "xlm-roberta-large-ViT-H-14",
}
BUILT_IN = sorted(
    path.stem for path in Path(open_clip.__file__).parent.glob("model_configs/*.json")
)


def family(name: str) -> str | None:
    return next((model for start, model in SMALLEST.items() if re.match(start, name)), None)


def test_every_model_is_of_a_family():
    assert len(BUILT_IN) > 100
    of_none = {name for name in BUILT_IN if family(name) is None} - WITH_FETCHED_TEXT
    assert of_none == set()


def test_models_that_cannot_be_built_without_a_hub_are_the_ones_listed():
    configs = {name: open_clip.get_model_config(name) for name in BUILT_IN}
    fetched = {name for name, c in configs.items() if c["text_cfg"].get("hf_model_name")}
    assert fetched == WITH_FETCHED_TEXT


@pytest.mark.parametrize("name", sorted(WITH_FETCHED_TEXT))
@pytest.mark.slow
def test_fetched_text_towers(name):
    pytest.skip("its text tower is fetched from a hub when it is built")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a model is written and loaded from; it leaves disk and memory with the test."""
    monkeypatch.setattr("skclip.embedding._registry._models", {})
    yield tmp_path
    (tmp_path / "model.safetensors").unlink(missing_ok=True)


@pytest.mark.parametrize("name", list(SMALLEST.values()))
@pytest.mark.slow
def test_images_and_texts_of_random_weights(name, folder):
    torch.manual_seed(0)
    config = open_clip.get_model_config(name)
    model = create_untrained_model(name)
    description = {
        "model_cfg": config,
        "preprocess_cfg": open_clip.get_model_preprocess_cfg(model),
    }
    (folder / "open_clip_config.json").write_text(json.dumps(description))
    weights = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    del model, weights
    embedder = CLIPEmbedder(f"local-dir:{folder}", device="cpu")
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)) for _ in range(2)]
    X = embedder.transform(images)
    assert X.shape == (2, config["embed_dim"])
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1, rtol=1e-4)
    needs_tokenizer = bool(config["text_cfg"].get("hf_tokenizer_name"))
    if needs_tokenizer and find_spec("transformers"):
        write_tokenizer(folder)
        needs_tokenizer = False
    if needs_tokenizer:
        # any numbers stand for the tokens
        loaded = embedder.load_model()
        tokens = torch.randint(1, 100, (2, config["text_cfg"].get("context_length", 77)))
        T = loaded.encode_tokens(list(tokens))
        text = {"a": T[0], "b": T[1]}
        head = ZeroShotClassifier(
            text, logit_scale=loaded.logit_scale, logit_bias=loaded.logit_bias
        ).fit()
    else:
        head = ZeroShotClassifier(embedder=embedder, classes=["a", "b"]).fit()
    assert head.coef_.shape == (2, config["embed_dim"])
    np.testing.assert_allclose(head.predict_proba(X).sum(axis=1), 1, rtol=1e-4)
    has_bias = "SigLIP" in name
    assert (embedder.logit_bias is not None) is has_bias
    assert hasattr(head, "predict_pair_proba") is has_bias
