"""Classify images by a head that `skclip fit` wrote."""

from argparse import ArgumentParser, Namespace

from skclip.cli._common import add_model_arguments, add_quiet_argument, make_embedder, take_model
from skclip.cli._inputs import (
    Vectors,
    add_embeddings_argument,
    batches_of_images,
    batches_of_vectors,
    find_all_images,
    given_vectors,
)
from skclip.cli._job import add_job_arguments, is_dry_run
from skclip.cli._output import choose_format
from skclip.cli._predictions import add_output_argument, check_top, classify
from skclip.embedding import CLIPEmbedder
from skclip.export import LoadedHead, load_head

__all__ = ["HEAD_HELP", "add_arguments", "check_vectors", "embedder_of", "run"]

HEAD_HELP = "head that `skclip fit` or skclip.export.save_head wrote"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("head", help=HEAD_HELP)
    parser.add_argument(
        "images", nargs="*", metavar="IMAGES", help="images, or folders of images, to classify"
    )
    add_embeddings_argument(parser, "IMAGES")
    add_output_argument(parser)
    add_quiet_argument(parser)
    add_job_arguments(parser)
    add_model_arguments(parser, default="the one of the head")


def run(args: Namespace) -> int:
    """Write predictions."""
    kind = choose_format(args.output)
    head = load_head(args.head)
    top = check_top(args.top, len(head.classes_))
    vectors = given_vectors(args)
    if bool(args.images) == (vectors is not None):
        raise ValueError("give IMAGES to classify, or else --embeddings, and not both.")
    if vectors is not None:
        check_vectors(head, vectors, args.head)
        n_images = len(vectors.rows)
        if is_dry_run(args):
            return 0
        batches = batches_of_vectors(vectors)
    else:
        paths = find_all_images(args.images, option="IMAGES", quiet=args.quiet)
        n_images = len(paths)
        embedder = embedder_of(head, args)
        if is_dry_run(args):
            return 0
        batches = batches_of_images(embedder, paths)
    return classify(head, batches, n_images, args.output, kind, top=top, quiet=args.quiet)


def embedder_of(head: LoadedHead, args: Namespace) -> CLIPEmbedder:
    """Return the embedder of a head's images, after checking that it is the same model."""
    facts = head.model_ or {}
    if args.model is None and "name" in facts:
        args.model = facts["name"]
        if args.pretrained == "auto":
            args.pretrained = facts.get("pretrained", "auto")
    if args.model is None and head.model_id_ is None:
        raise ValueError(
            f"{args.head!r} does not say which model its embeddings are of: name it by --model."
        )
    take_model(args, head.model_id_, f"The images of the head {args.head!r} were")
    embedder = make_embedder(args)
    load_head(args.head, embedder=embedder)
    return embedder


def check_vectors(head: LoadedHead, vectors: Vectors, name: str) -> None:
    """Raise if embeddings are not of the model of a head, as far as that is known."""
    load_head(name, embedder=vectors.model_id)
    width = vectors.rows.shape[1]
    if width != head.n_features_in_:
        raise ValueError(
            f"--embeddings {str(vectors.path)!r} has {width} features, and the head {name!r} "
            f"scores {head.n_features_in_}: they are of another model."
        )
