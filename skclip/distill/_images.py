"""From images to the student's pixels. All images are decoded once before training, as a check."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from skclip._progress import progress_bar
from skclip._warn import warn_caller
from skclip.distill._pairs import Pairs
from skclip.embedding import content_key, decode_image, describe_image, fetch_image
from skclip.exceptions import UnreadableImageError, UnusablePairWarning

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PixelReader", "Scan", "scan_images", "usable_pairs"]

_CHUNK = 64
_MAX_NAMES = 10


class PixelReader:
    """Resize and crop as in the model's preprocessing, without normalisation.

    Parameters
    ----------
    preprocess : mapping
        Complete preprocessing configuration of an open_clip model.
    """

    def __init__(self, preprocess: Mapping[str, Any]) -> None:
        from open_clip.transform import PreprocessCfg, image_transform_v2

        # mean 0 and deviation 1 keep the bytes, as fractions of 255
        cfg = PreprocessCfg(**{**preprocess, "mean": (0.0,) * 3, "std": (1.0,) * 3})
        self._transform = image_transform_v2(cfg, is_train=False)
        self.shape: tuple[int, int, int] = (*cfg.input_size[1:], 3)

    def read(self, item: Any) -> tuple[bytes, NDArray[np.uint8]]:
        """Return the content key and the pixels, ``(height, width, 3)``, of an image."""
        content = fetch_image(item)
        return content_key(content), self._pixels(decode_image(content))

    def _pixels(self, image: "Image") -> NDArray[np.uint8]:
        fractions = self._transform(image).numpy()
        pixels: NDArray[np.uint8] = np.rint(fractions * 255).astype(np.uint8)
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))


@dataclass(frozen=True)
class Scan:
    """Result of decoding all images once.

    Parameters
    ----------
    key : str
        Hash of all contents in order.

    failures : dict of int to str
        Name and reason, keyed by image number.

    pixels : ndarray of shape (n_images, height, width, 3) or None
        uint8, if kept; pixels of failures are zero.
    """

    key: str
    failures: dict[int, str]
    pixels: NDArray[np.uint8] | None


def scan_images(
    images: Sequence[Any],
    positions: NDArray[np.int64],
    reader: PixelReader,
    *,
    keep: bool,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Scan:
    """Decode every image once.

    Parameters
    ----------
    images : sequence
        Images in any form that :func:`~skclip.embedding._decode.fetch_image` accepts.

    positions : ndarray of shape (n_images,)
        Positions in the user's input, to name images without a path.

    reader : PixelReader
        Decodes the images.

    keep : bool
        Whether to keep the pixels.

    n_jobs : int or None, default=None
        Number of workers: threads, unless :func:`joblib.parallel_config` selects another backend.

    verbose : int, default=0
        Whether to show a progress bar. It is shown on terminals only.

    Returns
    -------
    scan : Scan
        Key, failures and pixels.
    """
    pixels = np.zeros((len(images), *reader.shape), dtype=np.uint8) if keep else None
    digest, failures, number = blake2b(digest_size=16), {}, 0
    with progress_bar(shown=bool(verbose), desc="images", total=len(images)) as bar:
        for chunk in _decode_in_chunks(images, reader, n_jobs):
            for result in chunk:
                if isinstance(result, str):
                    name = describe_image(images[number], int(positions[number]))
                    failures[number] = f"{name}: {result}"
                    digest.update(b"unreadable")
                else:
                    digest.update(result[0])
                    if pixels is not None:
                        pixels[number] = result[1]
                number += 1
            bar.update(len(chunk))
    return Scan(digest.hexdigest(), failures, pixels)


def _decode_in_chunks(
    images: Sequence[Any], reader: PixelReader, n_jobs: int | None
) -> Iterator[list[Any]]:
    starts = range(0, len(images), _CHUNK)
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
    work = (delayed(_decode_chunk)(images[i : i + _CHUNK], reader) for i in starts)
    yield from parallel(work)


def _decode_chunk(images: Sequence[Any], reader: PixelReader) -> list[Any]:
    return [_decode(image, reader) for image in images]


def _decode(image: Any, reader: PixelReader) -> "tuple[bytes, NDArray[np.uint8]] | str":
    try:
        return reader.read(image)
    except UnreadableImageError as error:
        return str(error)


def usable_pairs(pairs: Pairs, scan: Scan, on_error: str) -> tuple[Pairs, NDArray[np.uint8] | None]:
    """Drop pairs without a readable image or a caption, or raise an error.

    Parameters
    ----------
    pairs : Pairs
        All given pairs.

    scan : Scan
        Scan of their images.

    on_error : {"raise", "skip"}
        Whether to raise an error or to drop pairs.

    Returns
    -------
    pairs : Pairs
        The pairs to train on.

    pixels : ndarray of shape (n_images, height, width, 3) or None
        Pixels of their images, if kept.
    """
    empty = [i for i, caption in enumerate(pairs.captions) if not caption.strip()]
    if not scan.failures and not empty:
        return pairs, scan.pixels
    problems = [*scan.failures.values(), *(f"caption {i}: empty" for i in empty)]
    named = "; ".join(problems[:_MAX_NAMES]) + ("; …" if len(problems) > _MAX_NAMES else "")
    if on_error == "raise":
        kind = UnreadableImageError if scan.failures else ValueError
        raise kind(
            f"{len(problems)} images or captions cannot be used: {named}. on_error='skip' leaves "
            "out such pairs."
        )
    kept = pairs.without(scan.failures, empty)
    warn_caller(
        f"{len(pairs.captions) - len(kept.captions)} of {len(pairs.captions)} pairs were left out: "
        f"{named}.",
        UnusablePairWarning,
    )
    if scan.pixels is None:
        return kept, None
    return kept, scan.pixels[pairs.image_of[kept.image_positions]]
