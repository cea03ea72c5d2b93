"""A captioned collection on disk, to be read."""

import os
from collections.abc import Sequence
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from skclip._bounded_cache import BoundedCache
from skclip._validation import sample_of
from skclip._warn import warn_caller
from skclip.corpus._hashes import damaged_files, own_files
from skclip.corpus._manifest import read_manifest
from skclip.corpus._shards._disk import DiskShard, check_caption_widths
from skclip.corpus._store import CaptionStore
from skclip.corpus._stored_paths import user_path
from skclip.exceptions import CorpusError, CorpusFormatError, UnreadableImageWarning

__all__ = ["DiskStore", "with_warning"]

_MAX_OPEN = 64
_MAX_NAMES = 10


class DiskStore(CaptionStore):
    """Read access to the directory of a corpus; see :class:`skclip.Corpus`.

    Parameters
    ----------
    path : path-like
        Directory of the corpus.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = user_path(path)
        self._manifest = read_manifest(self.path)
        # a process may have 1024 files open, and a corpus more shards
        open_arrays = BoundedCache(max_size=_MAX_OPEN)
        self._shards = tuple(
            DiskShard(self.path, entry, open_arrays) for entry in self._manifest.shards
        )
        self.n_features = self._manifest.n_features
        for shard in self._shards:
            shard.check_size(self.n_features)
        check_caption_widths(self._shards)

    @property
    def shards(self) -> Sequence[DiskShard]:
        """Shards in row order."""
        return self._shards

    @property
    def has_embeddings(self) -> bool:
        """Whether every row has a stored embedding."""
        return all(shard.entry.embeddings is not None for shard in self._shards)

    @property
    def has_caption_embeddings(self) -> bool:
        """Whether every caption has a stored embedding."""
        return all(shard.entry.caption_embeddings is not None for shard in self._shards)

    @property
    def caption_model_id(self) -> str | None:
        """Identity of the model of the captions' embeddings; None without embeddings."""
        models = (shard.entry.caption_model_id for shard in self._shards)
        return next((model for model in models if model is not None), None)

    @property
    def has_index(self) -> bool:
        """Whether captions are indexed."""
        return all(shard.entry.indexed for shard in self._shards)

    @property
    def model_id(self) -> str | None:
        """Identity of the model of the embeddings; None if unknown or without embeddings."""
        return self._manifest.model_id

    @property
    def corpus_id(self) -> str | None:
        """Identity of the collection: the hash of its first captions.

        It stays when captions are added behind them, and when images are embedded. None for a
        corpus without hashes, which an earlier version has written.
        """
        first = self._manifest.shards[0] if self._manifest.shards else None
        digest = first and first.sha256.get(f"{first.name}.captions.parquet")
        return digest[:16] if digest else None

    def failures(self) -> pa.Table:
        """Return the rows whose images could not be read.

        Returns
        -------
        failures : pyarrow.Table
            Columns ``row``, ``id`` and ``reason``.
        """
        parts = []
        for offset, shard in zip(self.offsets[:-1], self._shards, strict=True):
            table = shard.failures()
            rows = pc.add(table.column("row"), int(offset))
            parts.append(table.set_column(0, "row", rows))
        return pa.concat_tables(parts)

    def verify(self) -> None:
        """Read every file of the corpus and compare it with its stored hash.

        Opening a corpus only checks that its files exist. This method also finds incomplete copies
        and changed bits. It does not check embedding files outside the corpus, or images.

        Raises
        ------
        CorpusFormatError
            If files are damaged or lost; the message lists them.

        CorpusError
            If files have no hash, because they were written by an earlier version of skclip.

        Examples
        --------
        >>> import tempfile
        >>> from skclip.corpus import Corpus
        >>> corpus = Corpus.build(["a cat", "a dog"], tempfile.mkdtemp())
        >>> corpus.verify()
        >>> index = corpus.path / "000-00000.index.sqlite"
        >>> _ = index.write_bytes(index.read_bytes()[:-1])
        >>> corpus.verify()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        skclip.exceptions.CorpusFormatError: 1 file of the corpus ... is damaged: ...
        """
        entries = self._manifest.shards
        if damaged := list(damaged_files(self.path, entries)):
            names = "; ".join(f"{name!r}: {why}" for name, why in damaged)
            many = "file of the corpus {} is" if len(damaged) == 1 else "files of the corpus {} are"
            raise CorpusFormatError(
                f"{len(damaged)} {many.format(repr(str(self.path)))} damaged: {names}. Copy the "
                "corpus again from an intact copy, or build it again with overwrite=True."
            )
        own = [(name, entry) for entry in entries for name in own_files(self.path, entry)]
        if unknown := [name for name, entry in own if name not in entry.sha256]:
            raise CorpusError(
                f"The corpus {str(self.path)!r} has no hashes for {len(unknown)} of its "
                f"{len(own)} files ({sample_of(unknown)}), which were written by an earlier "
                "version of skclip and cannot be verified. Build the corpus again with "
                "overwrite=True to hash them."
            )

    def __repr__(self) -> str:
        embedded = "" if self.model_id is None else f", model_id={self.model_id!r}"
        return f"Corpus({str(self.path)!r}, n_captions={len(self)}{embedded})"


Store = TypeVar("Store", bound=DiskStore)


def with_warning(store: Store, first_row: int = 0) -> Store:
    """Warn of rows without an image, starting at ``first_row``; return the corpus."""
    failures = store.failures().filter(pc.field("row") >= first_row)
    if n_failures := failures.num_rows:
        shown = failures.slice(0, _MAX_NAMES).to_pylist()
        names = (f"{row['id']!r}: {row['reason']}" for row in shown)
        warn_caller(
            f"{n_failures} of {len(store) - first_row} images could not be read and have no "
            f"embedding: {'; '.join(names)}"
            f"{'; …' if n_failures > _MAX_NAMES else ''}. Corpus.failures() lists them; "
            "retry_failed(embedder) embeds them again.",
            UnreadableImageWarning,
        )
    return store
