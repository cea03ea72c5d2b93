"""Corpus.build, Corpus.embed and Corpus.embed_captions by an engine that is named."""

import os
from typing import Any

from skclip.corpus import Corpus, Embedder, open_corpus
from skclip.distributed._engine import chosen_engine

__all__ = ["build", "embed"]


def build(
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
    engine: str = "local",
    ray_address: str | None = None,
    num_cpus: float = 1,
    num_gpus: float = 0,
    compute: Any = None,
) -> Corpus:
    """Build a corpus from captioned images, on one machine or on a Ray cluster.

    The driver, which is the process that calls this function, reads the source, writes the captions
    of all shards, and at the end the manifest. Indexes and embeddings are made shard by shard: by
    this process, or by Ray Data. Both write the same files. All machines must see the directory of
    the corpus and the images under the same paths.

    A worker that dies is replaced, and its shard resumes. If the driver dies, repeat the call: it
    resumes where it stopped, by either engine.

    Parameters
    ----------
    source, path, embedder, embeddings, model_id, index, shard_size, caption_column : object
        As for :meth:`skclip.Corpus.build`.

    image_column, id_column, images_root, filters, overwrite, n_jobs, verbose : object
        As for :meth:`skclip.Corpus.build`. Ray does not use ``n_jobs``.

    engine : {"local", "ray"}, default="local"
        What works on the shards: this process, or Ray Data (``pip install 'skclip[ray]'``).

    ray_address : str, default=None
        Address of a Ray cluster, such as ``"auto"``. None uses the cluster that this process is
        connected to, or that the environment variable ``RAY_ADDRESS`` names; without either, Ray
        starts on this machine.

    num_cpus : float, default=1
        Processors that Ray reserves per worker. Images are decoded in a worker by the threads of
        the embedder (``n_jobs`` of :class:`skclip.CLIPEmbedder`).

    num_gpus : float, default=0
        Accelerators that Ray reserves per worker with an embedder.

    compute : ray.data.ActorPoolStrategy, default=None
        Number of workers with an embedder. None is from one up to as many as fit in the cluster.

    Returns
    -------
    corpus : Corpus
        The new corpus.

    Raises
    ------
    ImportError
        If Ray is asked for and not installed.

    ModelMismatchError
        If a worker has other weights than the driver.

    Notes
    -----
    Every worker makes its own embedder from the class and the parameters of the given one; weights
    do not travel. An embedder without ``get_params`` is pickled.

    Embeddings of both engines have the same bytes if torch computes with the same number of
    threads; Ray sets it to ``num_cpus``.

    Examples
    --------
    >>> import tempfile
    >>> from skclip.distributed import build
    >>> corpus = build(["a cat", "two dogs"], tempfile.mkdtemp(), engine="local")
    >>> corpus.search("cat").tolist()
    [0]
    """
    with chosen_engine(
        engine, address=ray_address, num_cpus=num_cpus, num_gpus=num_gpus, compute=compute
    ):
        return Corpus.build(
            source,
            path,
            embedder=embedder,
            embeddings=embeddings,
            model_id=model_id,
            index=index,
            shard_size=shard_size,
            caption_column=caption_column,
            image_column=image_column,
            id_column=id_column,
            images_root=images_root,
            filters=filters,
            overwrite=overwrite,
            n_jobs=n_jobs,
            verbose=verbose,
        )


def embed(
    corpus: Corpus | str | os.PathLike[str],
    embedder: Embedder,
    *,
    captions: bool = False,
    verbose: int = 0,
    engine: str = "local",
    ray_address: str | None = None,
    num_cpus: float = 1,
    num_gpus: float = 0,
    compute: Any = None,
) -> Corpus:
    """Embed the images or the captions of a corpus that was built without.

    Parameters
    ----------
    corpus : Corpus or path-like
        The corpus.

    embedder : transformer
        Embeds every image, e.g. :class:`skclip.CLIPEmbedder`.

    captions : bool, default=False
        Whether to embed the captions in place of the images, by the text encoder.

    verbose : int, default=0
        Whether to show a progress bar. It is shown on terminals only.

    engine, ray_address, num_cpus, num_gpus, compute : object
        As for :func:`build`.

    Returns
    -------
    corpus : Corpus
        The corpus with embeddings. Unchanged if it already has those of this model.

    Raises
    ------
    CorpusError
        If no row has an image, and ``captions`` is False.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skclip import CLIPEmbedder
    >>> from skclip.distributed import build, embed
    >>> images = [np.full((32, 32, 3), i, np.uint8) for i in (0, 255)]
    >>> corpus = build((["black", "white"], images), tempfile.mkdtemp())
    >>> corpus = embed(corpus, CLIPEmbedder("skclip-tiny"))
    >>> corpus = embed(corpus, CLIPEmbedder("skclip-tiny"), captions=True)
    >>> corpus.has_embeddings, corpus.has_caption_embeddings
    (True, True)
    """
    with chosen_engine(
        engine, address=ray_address, num_cpus=num_cpus, num_gpus=num_gpus, compute=compute
    ):
        opened = open_corpus(corpus)
        work = opened.embed_captions if captions else opened.embed
        return work(embedder, verbose=verbose)
