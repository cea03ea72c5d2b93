"""Describe a corpus, or the installation."""

from argparse import ArgumentParser, Namespace

from skclip.cli._output import open_rows
from skclip.cli._terminal import standard_output, tell
from skclip.corpus import Corpus
from skclip.utils import show_versions

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("corpus", nargs="?", help="corpus written by `skclip index`")
    parser.add_argument(
        "--failures", action="store_true", help="list the images that could not be read, as CSV"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="also read every file of the corpus and fail if one is damaged",
    )


def run(args: Namespace) -> int:
    """Print the description."""
    standard_output()
    if args.corpus is None:
        if args.failures or args.verify:
            raise ValueError("--failures and --verify need a corpus: give its path.")
        show_versions()
        return 0
    corpus = Corpus(args.corpus)
    if args.verify:
        corpus.verify()
    for shard in corpus.shards:
        shard.check()
    if args.failures:
        failures = corpus.failures()
        with open_rows("-", "csv", failures.column_names, quote=True) as write:
            for row in failures.to_pylist():
                write(list(row.values()))
        return 0
    facts = {
        "path": corpus.path,
        "captions": len(corpus),
        "shards": len(corpus.shards),
        "caption index": "yes" if corpus.has_index else "no",
        "embeddings": f"{corpus.n_features} features" if corpus.has_embeddings else "no",
        "model": corpus.model_id or "-",
        "unreadable images": corpus.failures().num_rows,
    }
    if args.verify:
        facts["files"] = "verified"
    for name, value in facts.items():
        tell(f"{name}: {value}")
    return 0
