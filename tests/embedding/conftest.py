"""A random CLIP small enough to be made anew for every test session, and images to embed."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TINY = {
    "embed_dim": 12,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return a function that writes a random checkpoint and returns its ``local-dir:`` name."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    def make(
        name: str = "random", *, seed: int = 0, preprocess: dict | None = None, **changes
    ) -> str:
        config = copy.deepcopy(TINY) | changes
        torch.manual_seed(seed)
        weights = open_clip.CLIP(**config).state_dict()
        folder = tmp_path_factory.mktemp("models") / name
        folder.mkdir()
        save_file({k: v.contiguous() for k, v in weights.items()}, folder / "model.safetensors")
        description = {"model_cfg": config, "preprocess_cfg": preprocess or {}}
        (folder / "open_clip_config.json").write_text(json.dumps(description))
        return f"local-dir:{folder}"

    return make


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer of a few words, as models with one of transformers have it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", "a", "b", "cat", "dog", "of", "photo", "two", "."]
    rules = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    rules.pre_tokenizer = pre_tokenizers.Whitespace()
    rules.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    special = {"pad_token": "<pad>", "eos_token": "</s>", "sep_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=rules, **special).save_pretrained(folder)


@pytest.fixture(scope="session")
def tiny_model(make_model: Callable[..., str]) -> str:
    """Name of a model with random weights."""
    return make_model()


@pytest.fixture
def embedder(tiny_model: str):
    """An image embedder on the random model."""
    from skclip import CLIPEmbedder

    return CLIPEmbedder(tiny_model, device="cpu", batch_size=4)


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    """Ten small images, all different."""
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (24 + 3 * i, 40 - 2 * i, 3), dtype=np.uint8))
        for i in range(10)
    ]


@pytest.fixture
def image_files(tmp_path: Path, pictures: list[Image.Image]) -> list[str]:
    """The images as PNG files."""
    folder = tmp_path / "images"
    folder.mkdir()
    paths = [folder / f"{i}.png" for i in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        picture.save(path)
    return [str(path) for path in paths]
