import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, Subset

from skclip import CLIPEmbedder


@pytest.fixture
def images():
    return [Image.fromarray(np.full((20, 20, 3), 60 * i, np.uint8)) for i in range(4)]


class Pairs(Dataset):
    """Without an end of iteration, as most are."""

    def __init__(self, images, transform=None):
        self.images, self.transform = images, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image = self.images[i % len(self.images)]
        return image if self.transform is None else self.transform(image), i


class Stream(IterableDataset):
    def __init__(self, images):
        self.images = images

    def __iter__(self):
        return iter([(image, 0) for image in self.images])


def test_images_of_torch_are_the_first_of_each_item(images, tiny_embedder):
    wanted = tiny_embedder.transform(images)
    np.testing.assert_array_equal(tiny_embedder.transform(Pairs(images)), wanted)
    np.testing.assert_array_equal(tiny_embedder.transform(Stream(images)), wanted)
    np.testing.assert_array_equal(
        tiny_embedder.transform(Subset(Pairs(images), [3, 1])), wanted[[3, 1]]
    )


def test_folders_of_torchvision(images, tiny_embedder, tmp_path):
    torchvision = pytest.importorskip("torchvision.datasets")
    for i, image in enumerate(images):
        (tmp_path / f"class{i % 2}").mkdir(exist_ok=True)
        image.save(tmp_path / f"class{i % 2}" / f"{i}.png")
    folder = torchvision.ImageFolder(tmp_path)
    wanted = tiny_embedder.transform([path for path, _ in folder.samples])
    np.testing.assert_array_equal(tiny_embedder.transform(folder), wanted)


def test_transformed_images_are_refused(images, tiny_embedder):
    with pytest.raises(TypeError, match="make it without a transform"):
        tiny_embedder.transform(Pairs(images, lambda image: torch.rand(3, 20, 20)))


def test_pixels_of_torch_are_images(images, tiny_embedder):
    data = Pairs(images, lambda image: torch.from_numpy(np.array(image)))
    np.testing.assert_array_equal(tiny_embedder.transform(data), tiny_embedder.transform(images))


def test_empty_data_set_is_refused(tiny_embedder):
    with pytest.raises(ValueError, match="0 sample"):
        tiny_embedder.transform(Pairs([]))


def test_columns_of_hugging_face(images, tiny_embedder):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    data = datasets.Dataset.from_dict({"image": images, "label": [0, 1, 0, 1]}, features=features)
    wanted = tiny_embedder.transform(images)
    for column in (data["image"], data[:]["image"], data.select_columns("image")):
        np.testing.assert_array_equal(tiny_embedder.transform(column), wanted)
    stream = data.to_iterable_dataset().select_columns("image")
    np.testing.assert_array_equal(tiny_embedder.transform(stream), wanted)
    with pytest.raises(ValueError, match=r"2 columns: 'image', 'label'.*dataset\['image'\]"):
        tiny_embedder.transform(data)


def test_texts_of_hugging_face(tiny_embedder):
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"text": ["a ring", "a star"]})
    embedder = CLIPEmbedder("skclip-tiny", modality="text", device="cpu")
    np.testing.assert_array_equal(
        embedder.transform(data["text"]), embedder.transform(["a ring", "a star"])
    )
