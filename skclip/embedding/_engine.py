"""From items to rows, batch by batch: decoding runs ahead of the model, never far ahead.

At most two batches of pixels are in memory, whatever the number of items.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from numpy.typing import NDArray

from skclip.embedding._decode import decode_image, describe_image
from skclip.embedding._items import check_texts
from skclip.embedding._registry import LoadedModel
from skclip.embedding._tokens import tokenize
from skclip.exceptions import UnreadableImageError

if TYPE_CHECKING:
    import torch

__all__ = ["EmbeddedBatch", "Failure", "embed_images", "embed_texts"]

T = TypeVar("T")

logger = logging.getLogger("skclip.embedding")


@dataclass(frozen=True)
class Failure:
    """An item without a vector: where it stood, how it is called, why."""

    position: int
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class EmbeddedBatch:
    """Rows as the model gave them; those of failures are zero."""

    rows: NDArray[np.float32]
    failures: list[Failure] = field(default_factory=list)
    n_truncated: int = 0


def embed_images(
    loaded: LoadedModel, items: Iterable[Any], *, batch_size: int, n_jobs: int | None
) -> Iterator[EmbeddedBatch]:
    """Decode and embed images.

    Parameters
    ----------
    loaded : LoadedModel
        The model.

    items : iterable
        What :func:`~skclip.embedding._decode.decode_image` takes.

    batch_size : int
        Images a forward pass.

    n_jobs : int or None
        Workers that decode while the model runs, threads unless
        :func:`joblib.parallel_config` says otherwise.

    Yields
    ------
    batch : EmbeddedBatch
        In the order of the items.
    """
    encode = _AdaptiveEncoder(loaded.encode_pixels)
    for batch in _prefetch(loaded.preprocess, items, batch_size, n_jobs):
        rows = np.zeros((len(batch), loaded.n_features), dtype=np.float32)
        good = [i for i, result in enumerate(batch) if not isinstance(result, Failure)]
        if good:
            rows[good] = encode([batch[i] for i in good])
        yield EmbeddedBatch(rows, [result for result in batch if isinstance(result, Failure)])


def embed_texts(
    loaded: LoadedModel, texts: Iterable[Any], *, batch_size: int
) -> Iterator[EmbeddedBatch]:
    """Tokenize and embed texts.

    Parameters
    ----------
    loaded : LoadedModel
        The model.

    texts : iterable of str
        Longer ones than the model reads are cut by its tokenizer and counted.

    batch_size : int
        Texts a forward pass.

    Yields
    ------
    batch : EmbeddedBatch
        In the order of the texts.
    """
    encode = _AdaptiveEncoder(loaded.encode_tokens)
    start = 0
    for batch in _batched(texts, batch_size):
        tokens, n_truncated = tokenize(loaded.tokenizer, check_texts(batch, start))
        yield EmbeddedBatch(encode(tokens), n_truncated=n_truncated)
        start += len(batch)


def _prefetch(
    preprocess: Callable[[Any], "torch.Tensor"],
    items: Iterable[Any],
    batch_size: int,
    n_jobs: int | None,
) -> Iterator[list["torch.Tensor | Failure"]]:
    """Yield decoded batches; the next one decodes while the caller works on this one."""
    n_workers = effective_n_jobs(n_jobs)
    # two chunks a worker even out images of unequal size
    chunk_size = -(-batch_size // (2 * n_workers))
    decoding: Iterator[list[torch.Tensor | Failure]] = iter(())
    with Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator") as parallel:
        try:
            for batch in _batched(enumerate(items), batch_size):
                decoded = list(chain.from_iterable(decoding))
                decoding = parallel(
                    delayed(_decode_chunk)(preprocess, chunk)
                    for chunk in _batched(batch, chunk_size)
                )
                if decoded:
                    yield decoded
            yield list(chain.from_iterable(decoding))
        finally:
            # joblib wants what it began to be taken, also when the caller has had enough
            for _ in decoding:
                pass


def _decode_chunk(
    preprocess: Callable[[Any], "torch.Tensor"], chunk: Sequence[tuple[int, Any]]
) -> list["torch.Tensor | Failure"]:
    results: list[torch.Tensor | Failure] = []
    for position, item in chunk:
        try:
            results.append(preprocess(decode_image(item)))
        except UnreadableImageError as error:
            results.append(Failure(position, describe_image(item, position), str(error)))
    return results


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


class _AdaptiveEncoder:
    """Run a tower over a batch, in smaller parts once the memory did not suffice for a whole."""

    def __init__(self, encode: Callable[[Any], NDArray[np.float32]]) -> None:
        self.encode = encode
        self.limit: int | None = None

    def __call__(self, batch: Any) -> NDArray[np.float32]:
        parts = []
        start = 0
        while start < len(batch):
            part = batch[start : start + (self.limit or len(batch))]
            rows = self._encode_or_none(part)
            if rows is None:
                self.limit = len(part) // 2
                logger.warning("out of memory: going on with batches of %d", self.limit)
            else:
                parts.append(rows)
                start += len(part)
        return np.concatenate(parts)

    def _encode_or_none(self, part: Any) -> NDArray[np.float32] | None:
        """Return None when the memory did not suffice; the traceback that holds it is gone then."""
        import torch

        try:
            return self.encode(part)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if len(part) == 1 or not _is_out_of_memory(error):
                raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    wordings = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(w in str(error) for w in wordings)
