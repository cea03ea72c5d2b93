"""What embeds the images and captions of a corpus."""

from typing import Any, Protocol

from numpy.typing import NDArray

__all__ = ["Embedder", "check_embedder"]


class Embedder(Protocol):
    """An embedder of images, such as :class:`skclip.CLIPEmbedder`."""

    @property
    def model_id(self) -> str:
        """Identity of model, weights and preprocessing."""

    def transform(self, X: Any) -> NDArray[Any]:
        """Return one row per image."""


def check_embedder(embedder: Any) -> None:
    """Raise if an object cannot embed."""
    if not hasattr(embedder, "model_id"):
        raise TypeError(
            "embedder must be a transformer with a model_id, such as CLIPEmbedder('ViT-B-32'), got "
            f"{embedder!r}."
        )
