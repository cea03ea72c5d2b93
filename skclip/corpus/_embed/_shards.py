"""Embed the shards of a corpus, in this process or by an engine."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from skclip.corpus._build import Job, common_width
from skclip.corpus._embed._captions import embed_captions_of
from skclip.corpus._embed._images import embed_images_of
from skclip.corpus._embedder import Embedder
from skclip.corpus._engine import ShardTask, current_engine
from skclip.corpus._manifest import Manifest, ShardEntry

__all__ = ["embed_captions", "embed_shards"]

logger = logging.getLogger("skclip.corpus")

Embed = Callable[[ShardTask, Embedder], Iterator[int]]


def embed_shards(job: Job, entries: Sequence[ShardEntry], embedder: Embedder) -> Manifest:
    """Embed the images of shards that have no embeddings yet.

    Parameters
    ----------
    job : Job
        Work that these shards belong to.

    entries : sequence of ShardEntry
        All shards of the new corpus.

    embedder : Embedder
        Embeds the images.

    Returns
    -------
    manifest : Manifest
        All shards, embedded.
    """
    todo = [i for i, entry in enumerate(entries) if entry.embeddings is None]
    tasks = [job.task(entries[i]) for i in todo]
    _embed_all(job, tasks, embedder, embed_images_of, "embeddings")
    done = list(entries)
    for i, task in zip(todo, tasks, strict=True):
        done[i] = replace(
            entries[i],
            embeddings=task.files.embeddings.name,
            failures=task.files.failures.name if task.files.failures.exists() else None,
        )
    return Manifest(tuple(done), embedder.model_id, common_width(job.directory, done))


def embed_captions(job: Job, manifest: Manifest, embedder: Embedder) -> Manifest:
    """Embed the captions of shards whose captions are not embedded yet.

    Parameters
    ----------
    job : Job
        Work that these shards belong to.

    manifest : Manifest
        The current corpus.

    embedder : Embedder
        Embeds texts.

    Returns
    -------
    manifest : Manifest
        The same shards, with embedded captions.
    """
    entries = list(manifest.shards)
    todo = [i for i, entry in enumerate(entries) if entry.caption_embeddings is None]
    tasks = [job.task(entries[i]) for i in todo]
    _embed_all(job, tasks, embedder, embed_captions_of, "caption embeddings")
    for i, task in zip(todo, tasks, strict=True):
        entries[i] = replace(
            entries[i],
            caption_embeddings=task.files.caption_embeddings.name,
            caption_model_id=embedder.model_id,
        )
    return replace(manifest, shards=tuple(entries))


def _embed_all(
    job: Job, tasks: Sequence[ShardTask], embedder: Embedder, embed: Embed, description: str
) -> None:
    engine = current_engine()
    with job.progress(description, sum(task.entry.n_rows for task in tasks)) as bar:
        if engine is not None:
            for _, n_rows in engine.map(partial(_embed_whole, embed), tasks, embedder):
                bar.update(n_rows)
            return
        for task in tasks:
            started = time.monotonic()
            for n_rows in embed(task, embedder):
                bar.update(n_rows)
            logger.info("%s embedded in %.1f s", task.stem, time.monotonic() - started)


def _embed_whole(embed: Embed, task: ShardTask, embedder: Embedder) -> int:
    return sum(embed(task, embedder))
