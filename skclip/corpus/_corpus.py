"""Corpus: a captioned collection in a directory."""

import os
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from skclip.corpus._begin import check_free, is_taken
from skclip.corpus._build import (
    add_captions,
    finish_commit,
    first_rows_read,
    index_shards,
    keep_embeddings,
    working_on,
)
from skclip.corpus._embed import (
    embed_captions,
    embed_shards,
    open_embeddings,
    retry_shards,
    store_embeddings,
)
from skclip.corpus._embedder import Embedder, check_embedder
from skclip.corpus._manifest import MANIFEST, read_manifest
from skclip.corpus._readers import Columns, Filters, Part, Request, open_source
from skclip.corpus._shards import DiskStore, with_warning
from skclip.corpus._stored_paths import user_path
from skclip.exceptions import CorpusError, ModelMismatchError

__all__ = ["Corpus", "open_corpus"]


class Corpus(DiskStore):
    """A captioned image collection on disk.

    A corpus is a directory with captions, ids and image references in Parquet, a full-text index of
    the captions, and embeddings if it was built with an embedder. :meth:`build` creates it, and
    reading never changes it. Estimators refer to it by its path, so that clones, processes and
    machines share it without copying. A Corpus object may be used by several threads.

    Parameters
    ----------
    path : path-like
        Directory written by :meth:`build`.

    Attributes
    ----------
    path : Path
        Absolute path of the directory.

    model_id : str or None
        Identity of the model of the embeddings.

    n_features : int or None
        Width of the embeddings.

    See Also
    --------
    skclip.recall.CaptionRetriever : Recall images from a corpus by class name.

    Examples
    --------
    >>> import tempfile
    >>> from skclip.corpus import Corpus
    >>> captions = ["a cat on a mat", "two dogs", "The Cat!"]
    >>> images = ["1.jpg", "2.jpg", "3.jpg"]
    >>> corpus = Corpus.build((captions, images), tempfile.mkdtemp())
    >>> len(corpus), corpus.search("cat").tolist()
    (3, [0, 2])
    >>> corpus.captions([2]).tolist()
    ['The Cat!']
    """

    @classmethod
    def build(
        cls,
        source: Any,
        path: str | os.PathLike[str],
        *,
        embedder: Embedder | None = None,
        embeddings: Any = None,
        model_id: str | None = None,
        index: bool = True,
        shard_size: int = 500_000,
        caption_column: str | None = None,
        image_column: str | None = None,
        id_column: str | None = None,
        images_root: str | os.PathLike[str] | None = None,
        filters: Any = None,
        overwrite: bool = False,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> Self:
        """Build a corpus from captioned images.

        An interrupted build resumes when the same call is repeated, even after ``kill -9``, and
        writes the same bytes. It also resumes with another batch size of the embedder, but models
        round rows of larger and smaller batches differently. An existing corpus at ``path`` remains
        valid until the build ends.

        Parameters
        ----------
        source : path-like, list of path-like, data frame, (captions, images) or list of str
            One of: a folder of images with a CSV, TSV or Parquet file of captions by image path,
            or with a ``.txt`` or ``.json`` file beside each image; such a table; the JSON files of
            COCO and Flickr; a data set saved by Hugging Face's ``save_to_disk``; a text file with
            one caption per line; several of these in a list or as a range in braces; a pandas,
            polars or Arrow table; two sequences, where images are paths, URLs, bytes, PIL images
            or arrays; captions only. A list in place of a caption gives several captions of one
            image. Archives, Parquet files and folders of img2dataset may be URLs such as
            ``s3://bucket/{000..099}.tar``; they are read where they are, also later for images.

        path : path-like
            Directory to write: new, empty, or a corpus (see ``overwrite``).

        embedder : transformer, default=None
            Embeds every image, e.g. :class:`skclip.CLIPEmbedder`. If None, retrievers embed only
            recalled images. Unreadable images get a zero row and are listed by :meth:`failures`.

        embeddings : array-like of shape (n_captions, n_features) or path, default=None
            Embeddings that there are already, one row per caption in the order of the source, or
            an ``.npy`` file of them; in place of an embedder. The corpus keeps a copy.

        model_id : str, default=None
            Model of ``embeddings``, or of the embeddings in the source, if it has some.

        index : bool, default=True
            Whether to index the captions. Without an index they can only be scanned.

        shard_size : int, default=500_000
            Maximum number of captions per shard.

        caption_column, image_column, id_column : str, default=None
            Columns of a table; None searches for the usual names.

        images_root : path-like, default=None
            Base folder of the relative image paths of a table. None means the folder of the table,
            or the working directory for a data frame or sequences.

        filters : list or pyarrow.compute.Expression, default=None
            Which rows of tables in files to use, as :func:`pyarrow.parquet.read_table` takes them:
            ``[("similarity", ">", 0.3), ("NSFW", "=", "UNLIKELY")]``, all of which must hold; a
            list of such lists, of which one must hold; or an expression. Columns are those of the
            table. Rows without a value are left out.

        overwrite : bool, default=False
            Whether to replace an existing corpus.

        n_jobs : int, default=None
            Number of shards indexed in parallel; None means 1 unless in a
            :func:`joblib.parallel_config` context.

        verbose : int, default=0
            Whether to show progress bars. They are shown on terminals only.

        Returns
        -------
        corpus : Corpus
            The new corpus.
        """
        directory = user_path(path)
        check_free(directory, overwrite=overwrite)
        if embeddings is not None and embedder is not None:
            raise CorpusError("Corpus.build takes embeddings or an embedder, not both.")
        if embeddings is not None and filters is not None:
            raise CorpusError(
                "Corpus.build takes embeddings, one per row of the source, or filters=, which "
                "leaves rows out, not both."
            )
        rows = None if embeddings is None else open_embeddings(embeddings)
        columns = Columns(caption_column, image_column, id_column)
        parts = _opened(source, columns, filters, images_root)
        return cls._add(
            directory,
            first_rows_read(parts, embedder, must_embed=False),
            after=None,
            overwrite=overwrite,
            embedder=embedder,
            embeddings=rows,
            model_id=model_id,
            index=index,
            shard_size=shard_size,
            n_jobs=n_jobs,
            verbose=verbose,
        )

    def append(
        self,
        source: Any,
        *,
        embedder: Embedder | None = None,
        shard_size: int = 500_000,
        caption_column: str | None = None,
        image_column: str | None = None,
        id_column: str | None = None,
        images_root: str | os.PathLike[str] | None = None,
        filters: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> Self:
        """Append captioned images.

        Rows added by other processes since this object was opened are kept. An interrupted call
        resumes when it is repeated, and adds its rows once.

        Parameters
        ----------
        source : path-like, data frame, (captions, images) or list of str
            As for :meth:`build`.

        embedder : transformer, default=None
            Required if the corpus has embeddings; must be the same model.

        shard_size, caption_column, image_column, id_column, images_root, filters : object
            As for :meth:`build`.

        n_jobs, verbose : object
            As for :meth:`build`.

        Returns
        -------
        corpus : Corpus
            The longer corpus. This object still has the rows it was opened with.
        """
        if embedder is not None:
            self._check_model(embedder)
        columns = Columns(caption_column, image_column, id_column)
        parts = _opened(source, columns, filters, images_root)
        return self._add(
            self.path,
            first_rows_read(parts, embedder, must_embed=self.has_embeddings),
            after=self,
            overwrite=True,
            embedder=embedder,
            model_id=self.model_id,
            index=self.has_index,
            shard_size=shard_size,
            n_jobs=n_jobs,
            verbose=verbose,
        )

    def embed(self, embedder: Embedder, *, verbose: int = 0) -> Self:
        """Embed the images of a corpus that was built without an embedder.

        Parameters
        ----------
        embedder : transformer
            Embeds every image, e.g. :class:`skclip.CLIPEmbedder`.

        verbose : int, default=0
            Whether to show a progress bar. It is shown on terminals only.

        Returns
        -------
        corpus : Corpus
            The corpus with embeddings. Unchanged if it already has those of this model, or of one
            that is not known.

        Raises
        ------
        CorpusError
            If no row has an image.
        """
        self._check_model(embedder)
        if self.has_embeddings:
            finish_commit(self.path)
            return self
        if not any(shard.has_images() for shard in self.shards):
            raise CorpusError(
                f"{self!r} has captions and no images: build it from a source with images, or "
                "embed the captions by embed_captions(embedder)."
            )
        with working_on(self.path, model_id=embedder.model_id, verbose=verbose) as job:
            manifest = self._reopened(embedder)._manifest
            job.commit(embed_shards(job, manifest.shards, embedder))
        return with_warning(type(self)(self.path))

    def embed_captions(self, embedder: Embedder, *, verbose: int = 0) -> Self:
        """Embed the captions, for ``CaptionRetriever(select="caption")`` and :meth:`search`.

        The embeddings are stored beside those of the images. An interrupted call resumes when it
        is repeated. After :meth:`append`, a further call embeds the new captions only.

        Parameters
        ----------
        embedder : transformer
            Embeds texts, e.g. :class:`skclip.CLIPEmbedder`, whose text encoder is used. It may be
            another model than that of the images. Captions that are longer than the model can read
            are cut off.

        verbose : int, default=0
            Whether to show a progress bar. It is shown on terminals only.

        Returns
        -------
        corpus : Corpus
            The corpus with embeddings of its captions. Unchanged if it already has those of this
            model.

        Examples
        --------
        >>> import tempfile
        >>> from skclip import CLIPEmbedder, Corpus
        >>> corpus = Corpus.build(["a star", "two rings"], tempfile.mkdtemp())
        >>> corpus = corpus.embed_captions(CLIPEmbedder("skclip-tiny"))
        >>> len(corpus.caption_embeddings())
        2
        """
        self._check_caption_model(embedder)
        if self.has_caption_embeddings:
            finish_commit(self.path)
            return self
        with working_on(self.path, model_id=embedder.model_id, verbose=verbose) as job:
            now = self._reopened(None)
            now._check_caption_model(embedder)
            job.commit(embed_captions(job, now._manifest, embedder))
        return type(self)(self.path)

    def index_captions(self, *, n_jobs: int | None = None, verbose: int = 0) -> Self:
        """Index the captions of a corpus without an index, or with one of an earlier version.

        Captions, images and embeddings are kept.

        Parameters
        ----------
        n_jobs : int, default=None
            Number of shards indexed in parallel.

        verbose : int, default=0
            Whether to show a progress bar. It is shown on terminals only.

        Returns
        -------
        corpus : Corpus
            The corpus with an index. Unchanged if all its indexes are of this version.
        """
        if all(shard.has_current_index() for shard in self._shards):
            finish_commit(self.path)
            return self
        with working_on(self.path, model_id=self.model_id, verbose=verbose) as job:
            now = self._reopened(None)
            entries = list(now._manifest.shards)
            todo = [i for i, shard in enumerate(now._shards) if not shard.has_current_index()]
            new = index_shards(job, [entries[i] for i in todo], n_jobs=n_jobs)
            for i, entry in zip(todo, new, strict=True):
                entries[i] = entry
            job.commit(replace(now._manifest, shards=tuple(entries)))
        return type(self)(self.path)

    def retry_failed(self, embedder: Embedder, *, verbose: int = 0) -> Self:
        """Retry to embed the images that could not be read.

        Parameters
        ----------
        embedder : transformer
            The model of the other embeddings.

        verbose : int, default=0
            Whether to show a progress bar. It is shown on terminals only.

        Returns
        -------
        corpus : Corpus
            The corpus with the new embeddings; :meth:`failures` lists the remaining failures.
        """
        self._check_model(embedder)
        if not self.has_embeddings or not len(self.failures()):
            finish_commit(self.path)
            return self
        with working_on(self.path, model_id=embedder.model_id, verbose=verbose) as job:
            job.commit(retry_shards(job, self._reopened(embedder)._manifest, embedder))
        return with_warning(type(self)(self.path))

    @classmethod
    def _add(
        cls,
        directory: Path,
        parts: Any,
        *,
        after: Self | None,
        overwrite: bool,
        embedder: Embedder | None,
        embeddings: Any = None,
        model_id: str | None,
        index: bool,
        shard_size: int,
        n_jobs: int | None,
        verbose: int,
    ) -> Self:
        """Write the shards of a source, after those of a corpus or in place of them."""
        embedder_id = None if embedder is None else embedder.model_id
        with working_on(directory, model_id=embedder_id, verbose=verbose) as job:
            kept = () if after is None else after._reopened(embedder)._manifest.shards
            new = add_captions(job, parts, shard_size=shard_size)
            there = job.committed_before(
                new, appended=after is not None, index=index, model_id=embedder_id or model_id
            )
            if there is not None:
                job.finish(there)
                kept = there.shards[: -len(new)]
            elif job.repeats is not None and not overwrite:
                job.finish(read_manifest(directory))
                raise is_taken(directory)
            else:
                if index:
                    new = index_shards(job, new, n_jobs=n_jobs)
                entries = [*kept, *new]
                if embeddings is not None:
                    job.commit(store_embeddings(job, new, embeddings, model_id))
                elif embedder is None:
                    job.commit(keep_embeddings(job, entries, model_id))
                else:
                    job.commit(embed_shards(job, entries, embedder))
        first_new_row = sum(entry.n_rows for entry in kept)
        return with_warning(cls(directory), first_new_row)

    def _reopened(self, embedder: Embedder | None) -> Self:
        """Open the current corpus, which may be longer than when this object was opened."""
        now = type(self)(self.path)
        if embedder is not None:
            now._check_model(embedder)
        if (now.has_embeddings, now.has_index) != (self.has_embeddings, self.has_index):
            raise CorpusError(
                f"The corpus {str(self.path)!r} was replaced after it was opened: open it again "
                "by Corpus(path)."
            )
        return now

    def _check_model(self, embedder: Embedder) -> None:
        check_embedder(embedder)
        if self.has_embeddings and self.model_id not in (None, embedder.model_id):
            raise ModelMismatchError(
                f"{str(self.path)!r} holds embeddings of {self.model_id}, but the embedder is "
                f"{embedder.model_id}: use the embedder of the corpus, or build another corpus "
                "for this embedder."
            )

    def _check_caption_model(self, embedder: Embedder) -> None:
        check_embedder(embedder)
        if self.caption_model_id not in (None, embedder.model_id):
            raise ModelMismatchError(
                f"The captions of {str(self.path)!r} were embedded by {self.caption_model_id}, but "
                f"the embedder is {embedder.model_id}: use that model, or build another corpus."
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return open_corpus, (str(self.path),)

    def __sklearn_clone__(self) -> "Self":
        return self


def _opened(source: Any, columns: Columns, filters: Any, images_root: Any) -> Iterable[Part]:
    root = None if images_root is None else user_path(images_root)
    return open_source(source, Request(columns, Filters.of(filters), root))


def open_corpus(corpus: Corpus | str | os.PathLike[str]) -> Corpus:
    """Return the corpus at a path: the same object until the corpus on disk changes.

    Clones of an estimator open the same corpus repeatedly. Sharing the object shares its caches.

    Parameters
    ----------
    corpus : Corpus or path-like
        A Corpus is returned unchanged.

    Returns
    -------
    corpus : Corpus
        The open corpus.

    Examples
    --------
    >>> import tempfile
    >>> from skclip.corpus import Corpus, open_corpus
    >>> path = tempfile.mkdtemp()
    >>> _ = Corpus.build(["a cat", "a dog"], path)
    >>> open_corpus(path) is open_corpus(path)
    True
    """
    if isinstance(corpus, Corpus):
        return corpus
    path = user_path(corpus).resolve()
    try:
        status = (path / MANIFEST).stat()
    except OSError:
        return Corpus(path)  # raises the error
    return _open_unchanged(str(path), status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=8)
def _open_unchanged(path: str, mtime_ns: int, inode: int) -> Corpus:
    return Corpus(path)
