"""Describe a corpus or a head; without one, the installation."""

from argparse import ArgumentParser, Namespace

from skclip._files import find_file
from skclip.cli._output import open_rows
from skclip.cli._terminal import standard_output, tell
from skclip.corpus import MANIFEST, Corpus, WorkLeft, work_left
from skclip.export import LoadedHead, load_head
from skclip.utils import show_versions

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "corpus",
        nargs="?",
        metavar="CORPUS|HEAD",
        help="corpus that `skclip index` wrote, or head that `skclip fit` wrote",
    )
    parser.add_argument(
        "--failures", action="store_true", help="list the images that could not be read, as CSV"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="also read every file of the corpus and fail if one is damaged",
    )


def run(args: Namespace) -> int:
    """Print what is known."""
    standard_output()
    if args.corpus is None:
        if args.failures or args.verify:
            raise ValueError("--failures and --verify need a corpus: give its path.")
        show_versions()
        return 0
    if find_file(args.corpus).is_file():
        if args.failures or args.verify:
            raise ValueError("--failures and --verify need a corpus, but this is a file.")
        for name, value in head_facts(load_head(args.corpus)).items():
            tell(f"{name}: {value}")
        return 0
    left = work_left(find_file(args.corpus))
    if left is not None and not (args.failures or args.verify):
        for name, value in unfinished_facts(left).items():
            tell(f"{name}: {value}")
        if not (find_file(args.corpus) / MANIFEST).exists():
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
        "embeddings of captions": "yes" if corpus.has_caption_embeddings else "no",
        "model of captions": corpus.caption_model_id or "-",
        "unreadable images": corpus.failures().num_rows,
    }
    if args.verify:
        facts["files"] = "verified"
    for name, value in facts.items():
        tell(f"{name}: {value}")
    return 0


def unfinished_facts(left: WorkLeft) -> dict[str, object]:
    """Return how far unfinished work is, by name."""
    facts: dict[str, object] = {
        "unfinished": "run the same command again, and it resumes",
        "captions written": f"{left.n_rows} in {left.n_shards} shards",
        "shards indexed": f"{left.n_indexed} of {left.n_shards}",
    }
    if left.model_id is not None:
        facts["shards embedded"] = f"{left.n_embedded} of {left.n_shards}"
        facts["images embedded"] = f"{left.n_rows_embedded} of {left.n_rows}"
        facts["images left"] = left.n_rows - left.n_rows_embedded
    return facts


def head_facts(head: LoadedHead) -> dict[str, object]:
    """Return what is to be known of a head, by name."""
    came_from = dict(head.provenance_)
    images = {
        name.replace("_", " "): sum(counts.values()) if isinstance(counts, dict) else counts
        for name in ("labelled_images", "recalled_images")
        if (counts := came_from.get(name)) is not None
    }
    weights = came_from.get("head_weights")
    return {
        "estimator": came_from.get("estimator", "-"),
        "classes": f"{len(head.classes_)}: {', '.join(map(str, head.classes_[:9]))}"
        + (", …" if len(head.classes_) > 9 else ""),
        "features": head.n_features_in_,
        "form": "one matrix" if hasattr(head, "coef_") else "proxies",
        "model": head.model_id_ or "-",
        "preprocessing": (head.model_ or {}).get("preprocess_hash", "-"),
        "templates": (head.prompts_ or {}).get("templates", "-"),
        **({"weights": weights} if weights else {}),
        **images,
        "logit scale": head.logit_scale_,
        "logit bias": "-" if head.logit_bias_ is None else head.logit_bias_,
        "written by": f"skclip {came_from.get('skclip', '-')}",
    }
