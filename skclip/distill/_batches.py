"""The pairs of each training step, and its batch.

Both depend only on the seed and the step number, so that training can resume exactly.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip.distill._banks import Banks
from skclip.distill._images import PixelReader

__all__ = ["PairBatches", "Plan"]

_ORDER, _CAPTIONS, _JITTER = range(3)  # random streams


class Plan:
    """The pairs of every step.

    An epoch uses every image once, so that no batch has two captions of one image, which the loss
    would treat as negatives. The captions of an image alternate between epochs. The last,
    incomplete batch of an epoch is dropped.

    Parameters
    ----------
    image_of : ndarray of shape (n_pairs,)
        Image number of each pair.

    n_batch : int
        Pairs per step.

    seed : int
        Seed of the order.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.distill._batches import Plan
    >>> plan = Plan(np.array([0, 0, 1, 2]), n_batch=3, seed=0)
    >>> [sorted(plan.pairs(step).tolist()) for step in (0, 1)]
    [[1, 2, 3], [0, 2, 3]]
    """

    def __init__(self, image_of: NDArray[np.int64], n_batch: int, seed: int) -> None:
        self.n_batch, self._seed = n_batch, seed
        self._by_image = np.argsort(image_of, kind="stable")
        self._n_captions = np.bincount(image_of)
        self._first = np.cumsum(self._n_captions) - self._n_captions
        self._turn = np.random.default_rng([seed, _CAPTIONS]).integers(self._n_captions)
        self.steps_per_epoch = len(self._n_captions) // n_batch
        self._order = lru_cache(maxsize=2)(self._shuffle)

    def pairs(self, step: int) -> NDArray[np.int64]:
        """Return the pairs of a step, of shape ``(n_batch,)``."""
        epoch, at = divmod(step, self.steps_per_epoch)
        images = self._order(epoch)[at * self.n_batch : (at + 1) * self.n_batch]
        turn = (self._turn[images] + epoch) % self._n_captions[images]
        pairs: NDArray[np.int64] = self._by_image[self._first[images] + turn]
        return pairs

    def _shuffle(self, epoch: int) -> NDArray[np.int64]:
        rng = np.random.default_rng([self._seed, _ORDER, epoch])
        return rng.permutation(len(self._n_captions))

    def __getstate__(self) -> dict[str, Any]:
        # workers compute the order themselves
        return {k: v for k, v in vars(self).items() if k != "_order"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._order = lru_cache(maxsize=2)(self._shuffle)


class PairBatches:
    """A map-style dataset for torch's loader; its items are whole batches, indexed by step.

    Parameters
    ----------
    plan : Plan
        The pairs of each step.

    tokens : ndarray of shape (n_pairs, context_length)
        Token ids of the captions.

    image_of : ndarray of shape (n_pairs,)
        Image number of each pair.

    pixels : ndarray of shape (n_images, height, width, 3) or None
        uint8; None if images are decoded on demand, or are on the device.

    images : sequence or None
        Images to decode on demand; None if pixels are kept in memory.

    reader : PixelReader
        Decodes the images.

    banks : Banks or None
        Banks in main memory; None if they are on the device, or not used.

    seed : int
        Seed of the augmentation.
    """

    def __init__(
        self,
        plan: Plan,
        tokens: NDArray[np.int64],
        image_of: NDArray[np.int64],
        *,
        pixels: NDArray[np.uint8] | None,
        images: Sequence[Any] | None,
        reader: PixelReader,
        banks: Banks | None,
        seed: int,
    ) -> None:
        self._plan = plan
        self._tokens = tokens
        self._image_of = image_of
        self._pixels = pixels
        self._images = images
        self._reader = reader
        self._banks = banks
        self._seed = seed

    def __getitem__(self, step: int) -> dict[str, NDArray[Any]]:
        pairs = self._plan.pairs(step)
        images = self._image_of[pairs]
        batch: dict[str, NDArray[Any]] = {
            "pairs": pairs,
            "images": images,
            "tokens": self._tokens[pairs],
        }
        batch |= self._jitter(step, len(pairs))
        if self._pixels is not None:
            batch["pixels"] = self._pixels[images]
        elif self._images is not None:
            batch["pixels"] = np.stack([self._reader.read(self._images[i])[1] for i in images])
        if self._banks is not None:
            batch |= self._banks.gather(pairs)
        return batch

    def _jitter(self, step: int, n: int) -> dict[str, NDArray[Any]]:
        """Return random parameters for :func:`skclip.distill._learner.as_input`."""
        rng = np.random.default_rng([self._seed, _JITTER, step])
        height, width, _ = self._reader.shape
        reach = np.maximum(1, np.array([height, width]) // 16)
        return {
            "shift": rng.integers(-reach, reach + 1),
            "gain": rng.uniform(0.8, 1.2, n).astype(np.float32),
            "offset": rng.uniform(-15, 15, n).astype(np.float32),
        }
