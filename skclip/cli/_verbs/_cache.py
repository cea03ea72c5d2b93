"""Inspect, prune or clear a cache of embeddings."""

from argparse import ArgumentParser, Namespace

from skclip.cli._terminal import say, tell
from skclip.embedding import cache_info, clear_cache, prune_cache

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    actions = parser.add_subparsers(title="actions", required=True, dest="action", metavar="ACTION")
    for action, summary in (
        ("info", "size, and number of embeddings per model"),
        ("prune", "remove the least recently used embeddings"),
        ("clear", "remove all embeddings"),
    ):
        sub = actions.add_parser(action, help=summary, description=summary)
        sub.add_argument("folder", help="folder given as --cache")
        if action == "prune":
            sub.add_argument("--max-bytes", type=int, metavar="N", help="size to shrink to")
            sub.add_argument(
                "--max-age-days",
                type=float,
                metavar="N",
                help="maximum days since the last use",
            )


def run(args: Namespace) -> int:
    """Run the action."""
    if args.action == "info":
        info = cache_info(args.folder)
        tell(f"path: {info.path}")
        tell(f"bytes: {info.n_bytes}")
        for model, count in info.n_vectors.items():
            tell(f"{model}: {count} embeddings")
    elif args.action == "clear":
        say(f"{clear_cache(args.folder)} embeddings removed")
    else:
        if args.max_bytes is None and args.max_age_days is None:
            raise ValueError("give --max-bytes or --max-age-days: both are missing.")
        n_removed = prune_cache(
            args.folder, max_bytes=args.max_bytes, max_age_days=args.max_age_days
        )
        say(f"{n_removed} embeddings removed")
    return 0
