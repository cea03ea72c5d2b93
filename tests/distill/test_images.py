"""Pixels are those of the model's own preprocessing; what cannot be read is named."""

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from skclip.distill._images import PixelReader, scan_images
from skclip.distill._learner import as_input

PREPROCESS = {"size": 16, "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3)}


@pytest.fixture
def picture():
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype=np.uint8))


def test_unjittered_input_is_what_the_embedder_will_feed(picture):
    pixels = PixelReader(PREPROCESS).read(picture)[1]
    mean, std = (torch.tensor(PREPROCESS[key]) for key in ("mean", "std"))
    images = as_input(torch.from_numpy(pixels)[None], None, mean, std)
    expected = image_transform_v2(PreprocessCfg(**PREPROCESS), is_train=False)(picture)
    torch.testing.assert_close(images[0], expected)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_jitter_is_the_formula():
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (3, 8, 10, 3), dtype=np.uint8)
    jitter = {
        "shift": torch.tensor([2, -3]),
        "gain": torch.tensor([0.8, 1.0, 1.2]),
        "offset": torch.tensor([-15.0, 0.0, 14.0]),
    }
    images = as_input(torch.from_numpy(pixels), jitter, torch.zeros(3), torch.ones(3))
    for n in range(3):
        gain, offset = jitter["gain"][n].item(), jitter["offset"][n].item()
        for y in range(8):
            for x in range(10):
                source = pixels[n, np.clip(y + 2, 0, 7), np.clip(x - 3, 0, 9)].astype(float)
                expected = np.clip((source - 128) * gain + 128 + offset, 0, 255) / 255
                np.testing.assert_allclose(images[n, :, y, x], expected, atol=1e-6)


def test_scan_names_what_cannot_be_read(picture, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    images = [picture, str(tmp_path / "missing.png"), tmp_path / "broken.png", None]
    scan = scan_images(images, np.array([0, 1, 5, 7]), PixelReader(PREPROCESS), keep=True)
    assert list(scan.failures) == [1, 2, 3]
    assert scan.failures[1] == f"'{tmp_path / 'missing.png'}': no such file"
    assert "not an image" in scan.failures[2]
    assert scan.failures[3].startswith("item 7 (NoneType): expected one of")
    assert scan.pixels.shape == (4, 16, 16, 3)
    assert not scan.pixels[1:].any()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_workers_and_keeping_change_nothing(picture, n_jobs):
    images = [picture.rotate(angle) for angle in range(0, 360, 2)]
    positions, reader = np.arange(len(images)), PixelReader(PREPROCESS)
    alone = scan_images(images, positions, reader, keep=True)
    scan = scan_images(images, positions, reader, keep=False, n_jobs=n_jobs)
    assert scan.key == alone.key
    assert scan.pixels is None


def test_key_follows_contents_and_order(picture):
    other, reader = picture.rotate(90), PixelReader(PREPROCESS)
    keys = {
        scan_images(images, np.arange(len(images)), reader, keep=False).key
        for images in ([picture, other], [other, picture], [picture], [picture, "missing.png"])
    }
    assert len(keys) == 4


def test_bundled_model_is_read_at_its_size(picture):
    from skclip.distill._student import find_architecture

    preprocess = find_architecture("skclip-tiny").preprocess_cfg
    assert PixelReader(preprocess).shape == (64, 64, 3)
    assert preprocess["mean"] == open_clip.OPENAI_DATASET_MEAN
