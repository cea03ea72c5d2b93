"""The CLIP inside the package: a plain open_clip model that does what its documentation says."""

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file

import skclip.embedding
from skclip import CLIPEmbedder
from skclip.datasets import CLASS_NAMES, STYLE_NAMES, make_captioned_images

FOLDER = Path(skclip.embedding.__file__).parent / "tiny"
CHANCE = 1 / len(CLASS_NAMES)
RARELY_DRAWN = ("sketch", "night", "mosaic")


@pytest.fixture(scope="module")
def text_rows() -> np.ndarray:
    embedder = CLIPEmbedder("skclip-tiny", modality="text", device="cpu")
    return embedder.transform([f"a photo of a {name}" for name in CLASS_NAMES])


@pytest.fixture(scope="module")
def image_embedder() -> CLIPEmbedder:
    return CLIPEmbedder("skclip-tiny", device="cpu", batch_size=128)


def test_checkpoint_is_small_half_precision_and_finite():
    checkpoint = FOLDER / "skclip-tiny.safetensors"
    assert checkpoint.stat().st_size < 8 * 2**20
    floats = [v for v in load_file(checkpoint).values() if v.is_floating_point()]
    assert {v.dtype for v in floats} == {torch.float16}
    assert all(torch.isfinite(v).all() for v in floats)


def test_open_clip_loads_it_without_skclip(image_embedder):
    open_clip.add_model_config(FOLDER)
    model, _, preprocess = open_clip.create_model_and_transforms(
        "skclip-tiny", pretrained=str(FOLDER / "skclip-tiny.safetensors")
    )
    image = make_captioned_images(1, random_state=0).images[0]
    with torch.inference_mode():
        row = model.eval().encode_image(preprocess(image)[None], normalize=True)[0].numpy()
    np.testing.assert_allclose(image_embedder.transform([image])[0], row, atol=1e-5)


@pytest.mark.parametrize("style", STYLE_NAMES)
def test_zero_shot_is_far_above_chance_in_every_style(style, image_embedder, text_rows):
    data = make_captioned_images(200, style=style, random_state=1)
    scores = image_embedder.transform(data.images) @ text_rows.T
    accuracy = np.mean(np.array(CLASS_NAMES)[scores.argmax(axis=1)] == data.target)
    assert accuracy > (8 if style in RARELY_DRAWN else 15) * CHANCE


def test_zero_shot_is_clearly_imperfect(image_embedder, text_rows):
    data = make_captioned_images(300, style=RARELY_DRAWN, random_state=2)
    scores = image_embedder.transform(data.images) @ text_rows.T
    accuracy = np.mean(np.array(CLASS_NAMES)[scores.argmax(axis=1)] == data.target)
    assert accuracy < 0.85


def test_captions_find_their_images(image_embedder):
    data = make_captioned_images(
        64, style="flat", caption_noise=0, distractor_rate=0, random_state=3
    )
    captions = CLIPEmbedder("skclip-tiny", modality="text", device="cpu").transform(data.captions)
    scores = captions @ image_embedder.transform(data.images).T
    rank = (scores > np.diag(scores)[:, None]).sum(axis=1)
    assert np.mean(rank < 5) > 0.5
