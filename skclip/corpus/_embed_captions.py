"""Embed the captions of a collection by the text encoder of a model."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skclip._row_file import append_bytes, resume_rows, start_rows
from skclip.corpus._build import Job
from skclip.corpus._embed_shard import BATCHES_A_CHUNK, Embedder, as_stored
from skclip.corpus._manifest import Manifest
from skclip.corpus._shards import DiskShard, ShardFiles
from skclip.embedding import as_text_embedder
from skclip.exceptions import CorpusError, TruncatedTextWarning

__all__ = ["embed_captions"]


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
    texts, model_id = _quiet(as_text_embedder(embedder)), embedder.model_id
    todo = [entry for entry in manifest.shards if entry.caption_embeddings is None]
    entries = []
    with job.progress("caption embeddings", sum(entry.n_rows for entry in todo)) as bar:
        for entry in manifest.shards:
            if entry.caption_embeddings is None:
                files = job.files(entry)
                if files.caption_embeddings.exists():
                    bar.update(entry.n_rows)
                else:
                    for n_rows in _embed_shard(DiskShard(job.directory, entry), files, texts):
                        bar.update(n_rows)
                name = files.caption_embeddings.name
                entry = replace(entry, caption_embeddings=name, caption_model_id=model_id)
            entries.append(entry)
    return replace(manifest, shards=tuple(entries))


def _embed_shard(shard: DiskShard, files: ShardFiles, embedder: Embedder) -> Iterator[int]:
    """Append chunks of rows to a file, resuming interrupted work; yield the rows of each."""
    partial = files.caption_embeddings.with_suffix(".partial")
    chunk = BATCHES_A_CHUNK * getattr(embedder, "batch_size", 64)
    done, width = resume_rows(partial, shard.n_rows, chunk)
    yield done
    while done < shard.n_rows:
        rows = np.arange(done, min(done + chunk, shard.n_rows))
        vectors = _embed_texts(embedder, shard.column("caption", rows).tolist(), width)
        if width is None:
            width = vectors.shape[1]
            start_rows(partial, (shard.n_rows, width))
        elif vectors.shape[1] != width:
            raise CorpusError(
                f"The embedder returned {vectors.shape[1]} features for captions {done} onwards of "
                f"{shard.entry.name} but {width} before: an embedder must not change its width."
            )
        append_bytes(partial, as_stored(vectors, [None] * len(vectors))[0].tobytes())
        done += len(rows)
        yield len(rows)
    partial.replace(files.caption_embeddings)


def _embed_texts(embedder: Any, texts: Sequence[str], width: int | None) -> NDArray[np.float32]:
    """Embed each distinct text once; blank texts, and rows that are not finite, are zero."""
    distinct = list(dict.fromkeys(text for text in texts if text.strip()))
    if not distinct and width is not None:
        return np.zeros((len(texts), width), np.float32)
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore", TruncatedTextWarning)  # common among web captions
        # without any text, embed a word to find the width of the zero rows
        given = np.asarray(embedder.transform(distinct or ["a"]), dtype=np.float32)
    given[~np.isfinite(given).all(axis=1)] = 0
    at = {text: i for i, text in enumerate(distinct)}
    vectors = np.zeros((len(texts), given.shape[1]), np.float32)
    has_text = [i for i, text in enumerate(texts) if text in at]
    vectors[has_text] = given[[at[texts[i]] for i in has_text]]
    return vectors


def _quiet(embedder: Any) -> Any:
    """Return a copy without progress bars of its own, if the embedder has that parameter."""
    if hasattr(embedder, "get_params") and "verbose" in embedder.get_params(deep=False):
        return clone(embedder).set_params(verbose=0)
    return embedder
