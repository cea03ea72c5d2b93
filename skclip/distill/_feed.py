"""From pair numbers to the arguments of a step; data that fits stays on the accelerator."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skclip.distill._banks import Banks
from skclip.distill._batches import PairBatches, Plan
from skclip.distill._images import PixelReader
from skclip.distill._learner import as_input
from skclip.distill._pairs import Pairs

__all__ = ["Feed", "make_feed"]


class Feed:
    """Prepare batches on the device.

    Parameters
    ----------
    preprocess : mapping
        With ``"mean"`` and ``"std"``.

    device : str
        Device of the student.

    augment : bool
        Whether to shift images and vary their brightness and contrast.

    pixels : ndarray of shape (n_images, height, width, 3) or None
        Images to keep on the device; None if batches contain them.

    banks : Banks or None
        Features to keep on the device; None if batches contain them, or there are none.
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
        """Return images, tokens and bank rows, the arguments of :meth:`Learner.step`."""
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
    """Return the batches in main memory, and the feed that completes them on the device.

    Parameters
    ----------
    pairs : Pairs
        The pairs to train on.

    tokens : ndarray of shape (n_pairs, context_length)
        Token ids of the captions.

    plan : Plan
        The pairs of every step.

    pixels : ndarray of shape (n_images, height, width, 3) or None
        None decodes images on demand.

    reader : PixelReader
        Decodes the images.

    banks : Banks or None
        Features of the teachers.

    preprocess : mapping
        Preprocessing of the student.

    device : str
        Device of the student.

    augment : bool
        Whether to shift images and vary their brightness and contrast.

    seed : int
        Seed of the augmentation.

    Returns
    -------
    batches : PairBatches
        The batch of each step.

    feed : Feed
        Converts a batch to the arguments of :meth:`~skclip.distill._learner.Learner.step`.
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
    """Return whether data fits into half of the free memory of an accelerator."""
    if not device.startswith("cuda"):
        return False
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    return 2 * n_bytes < free
