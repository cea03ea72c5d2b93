"""From items to rows, batch by batch: workers decode the next batch where cores are free.

At most two batches of pixels are in memory, whatever the number of items.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from joblib import Parallel, cpu_count, delayed, effective_n_jobs
from numpy.typing import NDArray

from skclip.embedding._cache import EmbeddingCache
from skclip.embedding._decode import content_key, decode_image, describe_image, fetch_image
from skclip.embedding._items import check_texts
from skclip.embedding._registry import LoadedModel
from skclip.embedding._tokens import tokenize
from skclip.exceptions import UnreadableImageError

if TYPE_CHECKING:
    import torch

__all__ = ["EmbeddedBatch", "Failure", "embed_images", "embed_texts"]

T = TypeVar("T")
Encode = Callable[[Sequence["torch.Tensor"]], NDArray[np.float32]]

# How often a process looks for rows that another process computes, and after how long it computes
# them itself.
SECONDS_BETWEEN_LOOKS = 0.02
PATIENCE = 600.0

logger = logging.getLogger("skclip.embedding")


@dataclass(frozen=True)
class Failure:
    """An item without a vector: its position, its name and the reason."""

    position: int
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class EmbeddedBatch:
    """Rows as the model returned them; rows of failures are zero."""

    rows: NDArray[np.float32]
    failures: list[Failure] = field(default_factory=list)
    n_truncated: int = 0


def embed_images(
    loaded: LoadedModel,
    items: Iterable[Any],
    *,
    batch_size: int,
    n_jobs: int | None = None,
    cache: EmbeddingCache | None = None,
) -> Iterator[EmbeddedBatch]:
    """Decode and embed images.

    Parameters
    ----------
    loaded : LoadedModel
        The model.

    items : iterable
        Images in any form that :func:`~skclip.embedding._decode.fetch_image` accepts.

    batch_size : int
        Images per forward pass.

    n_jobs : int or None, default=None
        Workers that read and decode: threads, unless :func:`joblib.parallel_config` selects
        another backend. They work while the model runs if there are cores for both. None: see
        :func:`_n_workers`.

    cache : EmbeddingCache, default=None
        Cache to read rows from and add new rows to. Images with a cached row are not decoded.

    Yields
    ------
    batch : EmbeddedBatch
        In the order of the items.
    """
    encode = _AdaptiveEncoder(loaded.encode_pixels)
    load = partial(_load_chunk, loaded.preprocess, cache)
    n_workers = _n_workers(n_jobs)
    ahead = _may_run_ahead(loaded.device, n_workers)
    for batch in _prefetch(load, items, batch_size, n_workers, ahead=ahead):
        rows = np.zeros((len(batch), loaded.n_features), dtype=np.float32)
        failures, missing = {}, []
        for i, (_, _, result) in enumerate(batch):
            if isinstance(result, Failure):
                failures[i] = result
            elif isinstance(result, np.ndarray):
                rows[i] = result
            else:
                missing.append((i, *result))
        _fill(rows, missing, encode, cache)
        for i in np.flatnonzero(~_usable(rows)).tolist():
            position, name, _ = batch[i]
            failures.setdefault(i, Failure(position, name, _not_finite(loaded.dtype)))
            rows[i] = 0
        yield EmbeddedBatch(rows, [failures[i] for i in sorted(failures)])


def embed_texts(
    loaded: LoadedModel,
    texts: Iterable[Any],
    *,
    batch_size: int,
    cache: EmbeddingCache | None = None,
) -> Iterator[EmbeddedBatch]:
    """Tokenize and embed texts.

    Parameters
    ----------
    loaded : LoadedModel
        The model.

    texts : iterable of str
        Texts that are too long for the model are cut by its tokenizer and counted.

    batch_size : int
        Texts per forward pass.

    cache : EmbeddingCache, default=None
        Cache to read rows from and add new rows to.

    Yields
    ------
    batch : EmbeddedBatch
        In the order of the texts.
    """
    encode = _AdaptiveEncoder(loaded.encode_tokens)
    start = 0
    for batch in _batched(texts, batch_size):
        checked = check_texts(batch, start)
        tokens, n_truncated = tokenize(loaded.tokenizer, checked)
        rows = np.zeros((len(batch), loaded.n_features), dtype=np.float32)
        keys = [content_key(text.encode("utf-8", "surrogatepass")) for text in checked]
        _fill(rows, list(zip(range(len(batch)), keys, tokens, strict=True)), encode, cache)
        if (bad := np.flatnonzero(~_usable(rows))).size:
            # a zero row for a text would make a class that is never predicted
            raise ValueError(
                f"The text {checked[bad[0]]!r} at position {start + bad[0]} has no embedding: "
                f"{_not_finite(loaded.dtype)}."
            )
        yield EmbeddedBatch(rows, n_truncated=n_truncated)
        start += len(batch)


def _usable(rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which rows have a direction: finite, of finite length and not zero."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.einsum("ij,ij->i", rows, rows)
    usable: NDArray[np.bool_] = np.isfinite(lengths) & (lengths > 0)
    return usable


def _not_finite(dtype: str) -> str:
    advice = "" if dtype == "float32" else "; dtype='float32' has a wider range or more digits"
    return f"the output of the model in {dtype} is NaN, infinite or zero{advice}"


def _fill(
    rows: NDArray[np.float32],
    missing: Sequence[tuple[int, bytes, "torch.Tensor"]],
    encode: Encode,
    cache: EmbeddingCache | None,
) -> None:
    """Encode missing items into their rows; with a cache, encode equal contents once."""
    if not missing:
        return
    if cache is None:
        rows[[i for i, _, _ in missing]] = encode([inputs for _, _, inputs in missing])
        return
    known = _encode_once({key: inputs for _, key, inputs in missing}, encode, cache)
    for i, key, _ in missing:
        rows[i] = known[key]


def _encode_once(
    inputs: dict[bytes, "torch.Tensor"], encode: Encode, cache: EmbeddingCache
) -> dict[bytes, NDArray[np.float32]]:
    """Return the rows of contents; encode those that no other process encodes."""
    known: dict[bytes, NDArray[np.float32]] = {}
    waiting_since = time.monotonic()
    while True:
        # the previous batch, or another process, may have added some meanwhile
        known |= cache.get(inputs.keys() - known.keys())
        missing = [key for key in inputs if key not in known]
        if not missing:
            return known
        mine = cache.lease(missing)
        if not mine and time.monotonic() - waiting_since > PATIENCE:
            mine = missing
        if mine:
            encoded = dict(zip(mine, encode([inputs[key] for key in mine]), strict=True))
            # an overflow depends on the precision, not only on the image: do not cache it
            cache.put({key: row for key, row in encoded.items() if np.isfinite(row).all()})
            known |= encoded
            waiting_since = time.monotonic()
        else:
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _prefetch(
    load: Callable[[list[tuple[int, Any]]], list[Any]],
    items: Iterable[Any],
    batch_size: int,
    n_workers: int,
    *,
    ahead: bool,
) -> Iterator[list[Any]]:
    """Yield loaded batches; with ``ahead``, load the next batch while the caller uses this one."""
    batches = _batched(enumerate(items), batch_size)
    first = next(batches, [])
    n_workers = max(1, min(n_workers, len(first)))  # no threads for a single image
    # two chunks per worker balance images of unequal size
    chunk_size = -(-batch_size // (2 * n_workers))
    loading: Iterable[list[Any]] = ()
    with _parallel(n_workers) as parallel:

        def start(batch: list[tuple[int, Any]]) -> Iterable[list[Any]]:
            chunks = _batched(batch, chunk_size)
            started: Iterable[list[Any]] = parallel(delayed(load)(chunk) for chunk in chunks)
            return started

        try:
            for batch in chain([first], batches):
                loaded, loading = list(chain.from_iterable(loading)), start(batch)
                if not ahead:
                    loaded, loading = list(chain.from_iterable(loading)), ()
                if loaded:
                    yield loaded
            if rest := list(chain.from_iterable(loading)):
                yield rest
        finally:
            # joblib requires started work to be consumed, even when the caller stops early
            for _ in loading:
                pass


def _n_workers(n_jobs: int | None) -> int:
    """Return the number of workers that read and decode.

    By default there are as many as threads of torch: one per core, and fewer in processes of
    joblib, which have a part of the cores.
    """
    import torch

    n_workers: int = effective_n_jobs(n_jobs)
    return torch.get_num_threads() if n_jobs is None and n_workers == 1 else n_workers


def _may_run_ahead(device: str, n_workers: int) -> bool:
    """Return whether there are cores for both workers and model.

    On shared cores they slow each other down; alternating is a quarter faster for a small model.
    """
    if device != "cpu":
        return True
    import torch

    n_cores: int = cpu_count()
    return n_workers + torch.get_num_threads() <= n_cores


def _parallel(n_workers: int) -> Parallel:
    """Return workers that run in the background, if their backend supports it."""
    try:
        return Parallel(n_jobs=n_workers, prefer="threads", return_as="generator")
    except ValueError:
        return Parallel(n_jobs=n_workers, prefer="threads")


def _load_chunk(
    preprocess: Callable[[Any], "torch.Tensor"],
    cache: EmbeddingCache | None,
    chunk: Sequence[tuple[int, Any]],
) -> list[Any]:
    return [
        (position, describe_image(item, position), _load(preprocess, cache, position, item))
        for position, item in chunk
    ]


def _load(
    preprocess: Callable[[Any], "torch.Tensor"],
    cache: EmbeddingCache | None,
    position: int,
    item: Any,
) -> "tuple[bytes, torch.Tensor] | NDArray[np.float32] | Failure":
    """Return the key and pixels of an image, its cached row, or the reason it has neither."""
    key = b""
    try:
        content = fetch_image(item)
        if cache is not None:
            key = content_key(content)
            if (row := cache.get([key]).get(key)) is not None:
                return row
        return key, preprocess(decode_image(content))
    except UnreadableImageError as error:
        return Failure(position, describe_image(item, position), str(error))


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


class _AdaptiveEncoder:
    """Run a tower over a batch; split batches once memory has run out."""

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
                logger.warning("out of memory: continuing with batches of %d", self.limit)
            else:
                parts.append(rows)
                start += len(part)
        return np.concatenate(parts)

    def _encode_or_none(self, part: Any) -> NDArray[np.float32] | None:
        """Return None when memory runs out, and drop the traceback, which holds that memory."""
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
