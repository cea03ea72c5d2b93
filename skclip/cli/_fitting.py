"""From names, recalled and labelled images to a fitted head: what fit and prime share."""

import warnings
from argparse import Namespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._files import find_file
from skclip._linalg import nonzero_rows
from skclip.cli._common import (
    as_decided,
    check_folder,
    is_corpus,
    make_embedder,
    take_model,
    take_model_of,
)
from skclip.cli._heads import WITH_TEXT, Classes, make_head, recall
from skclip.cli._inputs import Labelled, Vectors, open_collection
from skclip.cli._summary import say_recall
from skclip.cli._terminal import say
from skclip.corpus import Corpus
from skclip.embedding import CLIPEmbedder
from skclip.exceptions import ModelMismatchError, UnreadableImageWarning

__all__ = ["fit_head", "prepare", "rows_of"]


def prepare(args: Namespace, vectors: Vectors | None = None) -> CLIPEmbedder | None:
    """Settle the model; None where nothing is to be embedded."""
    if args.save_corpus is not None:
        check_folder(args.save_corpus, "--save-corpus")
    if args.corpus is not None and is_corpus(source := find_file(args.corpus)):
        take_model_of(Corpus(source), args)
    if vectors is not None:
        if args.head not in WITH_TEXT:
            return None
        if args.model is None and vectors.model_id is None:
            raise ValueError(
                f"--head {args.head} embeds class names, but the model of "
                "--embeddings is unknown: name it by --model, or choose --head class-means, "
                "discriminant or proxies."
            )
        take_model(args, vectors.model_id, f"{str(vectors.path)!r} was")
    embedder = make_embedder(args)
    if vectors is not None and vectors.model_id not in (None, embedder.model_id):
        raise ModelMismatchError(
            f"--embeddings {str(vectors.path)!r} are of {vectors.model_id!r}, the model is "
            f"{embedder.model_id!r}: use one model for all."
        )
    return embedder


def rows_of(
    shots: Labelled, vectors: Vectors | None, embedder: CLIPEmbedder | None, *, quiet: bool
) -> NDArray[Any]:
    """Return the embeddings of labelled images; those that cannot be read are zero."""
    if vectors is not None:
        return np.array(vectors.rows, dtype=vectors.dtype)
    assert embedder is not None
    embedder.set_params(verbose=int(not quiet))
    with warnings.catch_warnings():
        # they are counted here
        warnings.simplefilter("ignore", UnreadableImageWarning)
        X: NDArray[Any] = embedder.transform(shots.paths)
    missing = int((~nonzero_rows(X)).sum())
    if missing == len(X):
        raise ValueError(f"none of the {len(X)} images of --shots can be read.")
    if missing:
        say(f"{missing} of {len(X)} images of --shots could not be read and are left out")
    return X


def fit_head(
    args: Namespace,
    classes: Classes,
    embedder: CLIPEmbedder | None,
    options: dict[str, Any],
    X: NDArray[Any] | None = None,
    y: NDArray[Any] | None = None,
) -> Any:
    """Recall, fit, and say what was recalled."""
    if args.corpus is None:
        return make_head(args, classes, embedder, None).fit(X, y)
    assert embedder is not None
    with open_collection(args, embedder, options) as corpus:
        pool = recall(args, classes, corpus, embedder)
        decided = as_decided(pool, args)
        head = make_head(args, classes, embedder, decided).fit(X, y)
    if not args.quiet:
        say_recall(pool, decided, head.pool_)
    return head
