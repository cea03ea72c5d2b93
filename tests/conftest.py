"""Fixtures that every test module may use."""

import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from joblib.externals.loky import get_reusable_executor
from numpy.typing import NDArray
from PIL import Image
from sklearn.utils import Bunch

# before torch is imported: the models and arrays of tests are too small for more than one thread
os.environ.setdefault("OMP_NUM_THREADS", "1")

# a shared machine is slow at times: examples are counted, not timed
settings.register_profile("skclip", deadline=None, max_examples=30)
settings.load_profile("skclip")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def own_workers() -> Iterator[None]:
    """Worker processes of joblib for one test.

    joblib keeps them for the next call. They end when they have been idle for minutes, and work
    that is handed to them at that moment may be lost: the call then waits for ever.
    """
    yield
    get_reusable_executor().shutdown(wait=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real captions and embeddings; they are no part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data (../shared/data beside the checkout) is not here")
    return SHARED_DATA


class MeanColorEmbedder:
    """Embeds an image as its mean colour; an image that cannot be read gets a zero row."""

    def __init__(self, model_id: str = "mean-color/none@1") -> None:
        self.model_id = model_id
        self.seen: list[Any] = []

    def transform(self, images: Sequence[Any]) -> NDArray[np.float32]:
        self.seen += list(images)
        return np.stack([self._mean(image) for image in images])

    @staticmethod
    def _mean(image: Any) -> NDArray[np.float32]:
        try:
            if isinstance(image, bytes):
                image = io.BytesIO(image)
            pixels = image if isinstance(image, np.ndarray) else np.asarray(Image.open(image))
        except OSError:
            return np.zeros(4, np.float32)
        return np.array([*pixels.reshape(-1, 3).mean(axis=0) / 255, 0.25], np.float32)


@pytest.fixture
def mean_color() -> MeanColorEmbedder:
    """An embedder without a model; `seen` is what it was given."""
    return MeanColorEmbedder()


@pytest.fixture(scope="session")
def tiny_embedder() -> Any:
    """The bundled model; clones share it."""
    from skclip import CLIPEmbedder

    return CLIPEmbedder("skclip-tiny", device="cpu")


@pytest.fixture(scope="session")
def captioned_images() -> Bunch:
    """Drawn images of six classes with captions that are mostly right."""
    from skclip.datasets import make_captioned_images

    classes = ["house", "palm tree", "ring", "star", "starfish", "tree"]
    return make_captioned_images(180, classes=classes, random_state=7)


@pytest.fixture(scope="session")
def captioned_folder(captioned_images: Bunch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as PNG files with a text file beside each."""
    from skclip.datasets import write_captioned_folder

    return write_captioned_folder(captioned_images, tmp_path_factory.mktemp("data") / "images")


@pytest.fixture(scope="session")
def corpus_path(
    captioned_folder: Path, tiny_embedder: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A corpus of the folder, embedded by the bundled model."""
    from skclip.corpus import Corpus

    path = tmp_path_factory.mktemp("data") / "corpus"
    return Corpus.build(captioned_folder, path, embedder=tiny_embedder).path
