"""Pairs, teachers and a student so small that training it takes no time."""

from typing import Any

import numpy as np
import pytest
from sklearn.utils import Bunch

SMALL = {
    "embed_dim": 12,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
N_PAIRS = 48


@pytest.fixture(scope="session")
def pairs() -> Bunch:
    """Noise with captions: images for every pair, and features of two teachers."""
    rng = np.random.default_rng(0)
    words = np.array(["red", "green", "blue", "small", "large", "round", "old", "new"])
    return Bunch(
        images=list(rng.integers(0, 256, (N_PAIRS, 20, 24, 3), dtype=np.uint8)),
        captions=[" ".join(rng.choice(words, 4)) for _ in range(N_PAIRS)],
        image_bank=rng.normal(size=(N_PAIRS, 10)).astype(np.float32),
        text_bank=rng.normal(size=(N_PAIRS, 6)).astype(np.float32),
    )


@pytest.fixture(scope="session")
def make_trainer(pairs: Bunch) -> Any:
    """Return a function that makes a quick trainer; its arguments replace the defaults."""
    from skclip.distill import CLIPPINGTrainer

    def make(**changes: Any) -> CLIPPINGTrainer:
        parameters = {
            "student": SMALL,
            "image_teacher": pairs.image_bank,
            "text_teacher": pairs.text_bank,
            "max_iter": 8,
            "batch_size": 8,
            "learning_rate": 1e-2,
            "dtype": "float32",
            "device": "cpu",
            "random_state": 0,
            "log_every": 2,
        }
        return CLIPPINGTrainer(**{**parameters, **changes})

    return make


@pytest.fixture
def weights() -> Any:
    """Return a function that reads the weights of a fitted trainer."""

    def read(trainer: Any) -> dict[str, np.ndarray]:
        state = trainer.embedder_.load_model().model.state_dict()
        return {name: value.numpy() for name, value in state.items()}

    return read


@pytest.fixture
def assert_same_weights(weights: Any) -> Any:
    """Return a function that compares two fitted trainers bit by bit."""

    def compare(one: Any, other: Any) -> None:
        expected = weights(other)
        for name, value in weights(one).items():
            np.testing.assert_array_equal(value, expected[name], err_msg=name)

    return compare
