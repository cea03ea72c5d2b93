"""The captioned collection that ``--corpus`` names: a corpus, or what one is built from."""

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skclip._files import find_file
from skclip.cli._common import is_corpus, refuse_where
from skclip.cli._temporary import temporary_folder
from skclip.cli._terminal import say
from skclip.corpus import Corpus
from skclip.embedding import CLIPEmbedder

__all__ = ["CORPUS_HELP", "open_collection"]

CORPUS_HELP = (
    "captioned collection to recall from: a corpus written by `skclip index`, a folder with images "
    "and captions, or a table of captions (default: none)"
)


@contextmanager
def open_collection(
    args: Namespace, embedder: CLIPEmbedder, options: dict[str, Any]
) -> Iterator[Corpus]:
    """Open the corpus, or build one from a folder or table, which is temporary by default."""
    path = find_file(args.corpus)
    corpus = Corpus(path) if is_corpus(path) else None
    # the tokenizer is needed for class names: fail before indexing
    _ = embedder.load_model().tokenizer
    if corpus is not None:
        refuse_where(args, path)
        yield corpus
        return
    with temporary_folder("prime") as temporary:
        directory = args.save_corpus or temporary / "corpus"
        if not args.quiet:
            where = args.save_corpus or "a temporary folder (--save-corpus DIR keeps it)"
            say(f"indexing the captions of {args.corpus} in {where}")
        yield Corpus.build(
            path, directory, n_jobs=args.jobs, verbose=int(not args.quiet), **options
        )
