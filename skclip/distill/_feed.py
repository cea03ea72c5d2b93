"""From numbers of pairs to the arguments of a step; what fits on the accelerator stays there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skclip.distill._batches import PairBatches, Plan
from skclip.distill._images import PixelReader
from skclip.distill._learner import as_input
from skclip.distill._neighbors import Guides
from skclip.distill._pairs import Pairs

__all__ = ["Banks", "Feed", "make_feed"]


@dataclass(frozen=True)
class Banks:
    """Features of both teachers and the rows that guide each pair.

    Parameters
    ----------
    image : ndarray of shape (n_images, n_image_features)
        float16.

    text : ndarray of shape (n_pairs, n_text_features)
        float16.

    guides : Guides
        Rows to gather.
    """

    image: NDArray[np.float16]
    text: NDArray[np.float16]
    guides: Guides

    @property
    def nbytes(self) -> int:
        """Size of the features."""
        return self.image.nbytes + self.text.nbytes

    def gather(self, pairs: NDArray[np.int64]) -> dict[str, NDArray[np.float16]]:
        """Return the rows of a batch, each of shape ``(2, n_batch, n_features)``."""
        return {
            "image_rows": self.image[self.guides.image[:, pairs]],
            "text_rows": self.text[self.guides.text[:, pairs]],
        }


class Feed:
    """Prepares batches on the device.

    Parameters
    ----------
    preprocess : mapping
        With ``"mean"`` and ``"std"``.

    device : str
        Where.

    augment : bool
        Whether images are shifted and relit.

    pixels : ndarray of shape (n_images, height, width, 3) or None
        Images that stay on the device; None if batches bring theirs.

    banks : Banks or None
        Features that stay on the device; None if batches bring theirs, or there are none.
    """

    def __init__(
        self,
        preprocess: Mapping[str, Any],
        device: str,
        *,
        augment: bool,
        pixels: NDArray[np.uint8] | None,
        banks: Banks | None,
    ) -> None:
        def place(values: Any) -> Tensor:
            return torch.as_tensor(np.asarray(values)).to(device)

        self._mean, self._std = (place(preprocess[k]).float() for k in ("mean", "std"))
        self._augment = augment
        self._pixels = None if pixels is None else place(pixels)
        self._banks = None
        if banks is not None:
            parts = (banks.image, banks.text, banks.guides.image, banks.guides.text)
            self._banks = tuple(map(place, parts))

    def __call__(
        self, batch: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]:
        """Return images, tokens and bank rows as :meth:`Learner.step` takes them."""
        pixels = batch["pixels"] if self._pixels is None else self._pixels[batch["images"]]
        jitter = batch if self._augment else None
        images = as_input(pixels, jitter, self._mean, self._std)
        return images, batch["tokens"], self._bank_rows(batch)

    def _bank_rows(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor] | None:
        if self._banks is not None:
            image_bank, text_bank, image_guides, text_guides = self._banks
            at = batch["pairs"]
            return image_bank[image_guides[:, at]], text_bank[text_guides[:, at]]
        if "image_rows" in batch:
            return batch["image_rows"], batch["text_rows"]
        return None


def make_feed(
    pairs: Pairs,
    tokens: NDArray[np.int64],
    plan: Plan,
    *,
    pixels: NDArray[np.uint8] | None,
    reader: PixelReader,
    banks: Banks | None,
    preprocess: Mapping[str, Any],
    device: str,
    augment: bool,
    seed: int,
) -> tuple[PairBatches, Feed]:
    """Return what makes batches in main memory, and what completes them on the device.

    Parameters
    ----------
    pairs : Pairs
        What is trained on.

    tokens : ndarray of shape (n_pairs, context_length)
        Token ids of the captions.

    plan : Plan
        The pairs of every step.

    pixels : ndarray of shape (n_images, height, width, 3) or None
        None decodes images as they are needed.

    reader : PixelReader
        Decodes them.

    banks : Banks or None
        Features of the teachers.

    preprocess : mapping
        Of the student.

    device : str
        Where the student is.

    augment : bool
        Whether images are shifted and relit.

    seed : int
        Decides how.

    Returns
    -------
    batches : PairBatches
        Gives the batch of any step.

    feed : Feed
        Makes it the arguments of :meth:`~skclip.distill._learner.Learner.step`.
    """
    stays = _fits_on(device, sum(data.nbytes for data in (pixels, banks) if data is not None))
    batches = PairBatches(
        plan,
        tokens,
        pairs.image_of,
        pixels=None if stays else pixels,
        images=pairs.images if pixels is None else None,
        reader=reader,
        banks=None if stays else banks,
        seed=seed,
    )
    feed = Feed(
        preprocess,
        device,
        augment=augment,
        pixels=pixels if stays else None,
        banks=banks if stays else None,
    )
    return batches, feed


def _fits_on(device: str, n_bytes: int) -> bool:
    """Tell whether data may stay on an accelerator: in half of what is free."""
    if not device.startswith("cuda"):
        return False
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    return 2 * n_bytes < free
