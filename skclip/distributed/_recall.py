"""Recall with the shards of a corpus searched by an engine."""

from collections.abc import Iterable
from typing import Any

from skclip.distributed._engine import chosen_engine
from skclip.recall import CaptionRetriever, PrimingPool

__all__ = ["recall"]


def recall(
    retriever: CaptionRetriever,
    names: Iterable[Any],
    *,
    engine: str = "local",
    ray_address: str | None = None,
    num_cpus: float = 1,
    num_gpus: float = 0,
    compute: Any = None,
) -> PrimingPool:
    """Recall images by class name, with the shards of the corpus searched by Ray.

    Every worker gets the names and returns the best matches of its shards, of which the best are
    taken: by cosine with the text if ``select="best"``, then by shard, then by row. If duplicates,
    excluded or unreadable images leave a class with less than ``k`` images, more matches are
    fetched, so that the pool is that of ``retriever.recall(names)``.

    Parameters
    ----------
    retriever : CaptionRetriever
        Retriever with a corpus.

    names : iterable
        Distinct class names.

    engine, ray_address, num_cpus, num_gpus, compute : object
        As for :func:`build`. There is no embedder in the workers.

    Returns
    -------
    pool : PrimingPool
        The recalled images.

    Examples
    --------
    >>> import tempfile
    >>> from skclip import CaptionRetriever
    >>> from skclip.distributed import build, recall
    >>> corpus = build(["a cat", "two dogs", "the cat"], tempfile.mkdtemp(), shard_size=2)
    >>> recall(CaptionRetriever(corpus), ["cat"]).captions.tolist()
    ['a cat', 'the cat']
    """
    if not isinstance(retriever, CaptionRetriever) or retriever.corpus is None:
        raise ValueError(
            f"recall needs a CaptionRetriever with a corpus on disk, got {retriever!r}: give "
            "CaptionRetriever(corpus=path)."
        )
    with chosen_engine(
        engine, address=ray_address, num_cpus=num_cpus, num_gpus=num_gpus, compute=compute
    ):
        return retriever.recall(names)
