"""Retry to embed images that could not be read, for example after a network failure."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.utils import gen_batches

from skclip._files import replacing
from skclip.corpus._build import Job
from skclip.corpus._embed._grow import as_stored
from skclip.corpus._embed._images import embed_images
from skclip.corpus._embedder import Embedder
from skclip.corpus._manifest import Manifest, ShardEntry
from skclip.corpus._shards import ROW_GROUP_SIZE, DiskShard, ShardFiles, write_failures

__all__ = ["retry_shards"]


def retry_shards(job: Job, manifest: Manifest, embedder: Embedder) -> Manifest:
    """Embed the failed rows of all shards again.

    Parameters
    ----------
    job : Job
        The work.

    manifest : Manifest
        The current manifest.

    embedder : Embedder
        The model of the other embeddings.

    Returns
    -------
    manifest : Manifest
        Manifest with new files for shards in which a row succeeded.
    """
    shards = [DiskShard(job.directory, entry) for entry in manifest.shards]
    failed = [
        dict(zip(table["row"].to_pylist(), table["reason"].to_pylist(), strict=True))
        for table in (shard.failures() for shard in shards)
    ]
    entries: list[ShardEntry] = []
    with job.progress("retry", sum(map(len, failed))) as bar:
        for shard, reasons in zip(shards, failed, strict=True):
            entry = shard.entry
            if reasons and entry.embeddings is not None:
                entry = _retry(shard, job.files(entry), reasons, embedder)
            entries.append(entry)
            bar.update(len(reasons))
    return replace(manifest, shards=tuple(entries))


def _retry(
    shard: DiskShard, files: ShardFiles, reasons: dict[int, str], embedder: Embedder
) -> ShardEntry:
    """Embed the failed rows of a shard again and write the changed files."""
    rows = np.fromiter(reasons, dtype=np.int64)
    images: Sequence[object] = shard.column("image", rows).tolist()
    rows, images = (
        rows[[image is not None for image in images]],
        [image for image in images if image is not None],
    )
    if not images:
        return shard.entry
    half, why_not = as_stored(*embed_images(embedder, images))
    succeeded = np.asarray([reason is None for reason in why_not], dtype=bool)
    if not succeeded.any():
        return shard.entry
    kept = {row: why for row, why in reasons.items() if row not in set(rows.tolist())}
    with replacing(files.embeddings) as temporary:
        shape = (shard.n_rows, half.shape[1])
        written = np.lib.format.open_memmap(temporary, "w+", "<f2", shape)
        for part in gen_batches(shard.n_rows, ROW_GROUP_SIZE):
            old = shard.embeddings(np.arange(part.start, part.stop))
            # embeddings of another program may be too large for half precision
            written[part], found = as_stored(old, [None] * len(old))
            useless = {part.start + i: why for i, why in enumerate(found) if why is not None}
            kept = useless | kept
        written[rows[succeeded]] = half[succeeded]
        written.flush()
        del written  # Windows cannot rename an open file
    again = {row: why for row, why in zip(rows.tolist(), why_not, strict=True) if why is not None}
    write_failures(shard, files, {**kept, **again})
    return replace(
        shard.entry,
        embeddings=files.embeddings.name,
        first_embedding=0,
        failures=files.failures.name if files.failures.exists() else None,
    )
