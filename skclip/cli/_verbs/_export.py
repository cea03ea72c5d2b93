"""Write a head for other programs: ONNX, torch, or a model card."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from skclip._files import file_to_write, find_file, replacing
from skclip.cli._common import add_model_arguments, add_quiet_argument
from skclip.cli._job import add_job_arguments, is_dry_run
from skclip.cli._terminal import say
from skclip.cli._verbs._predict import HEAD_HELP, embedder_of
from skclip.embedding import CLIPEmbedder
from skclip.export import LoadedHead, load_head, model_card, to_onnx, to_torch

__all__ = ["add_arguments", "run"]

FORMATS = {".onnx": "ONNX", ".pt2": "a program of torch.export", ".md": "a model card"}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("head", help=HEAD_HELP)
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="file to write; its ending decides: "
        + ", ".join(f"{ending} {what}" for ending, what in FORMATS.items()),
    )
    parser.add_argument(
        "--features",
        action="store_true",
        help="of .onnx and .pt2: begin with embeddings instead of images, without the model",
    )
    parser.add_argument("--title", help="of .md: first line of the card")
    add_quiet_argument(parser)
    add_job_arguments(parser)
    add_model_arguments(parser, default="the one of the head")


def run(args: Namespace) -> int:
    """Write the file."""
    path = file_to_write(args.output, "--output")
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise ValueError(f"--output {args.output!r} must end in one of {', '.join(FORMATS)}.")
    if args.title is not None and ending != ".md":
        raise ValueError("--title is of a card: end --output in .md.")
    head = load_head(args.head)
    embedder = None if args.features or ending == ".md" else embedder_of(head, args)
    if is_dry_run(args):
        return 0
    if ending == ".md":
        title = args.title or find_file(args.head).stem
        card = model_card(head, title=title, file_name=find_file(args.head).name)
        with replacing(path) as temporary:
            temporary.write_text(card, encoding="utf-8")
    elif ending == ".onnx":
        to_onnx(head, path, embedder)
    else:
        write_program(head, path, embedder)
    if not args.quiet:
        say(f"{FORMATS[ending]} in {path}")
    return 0


def write_program(head: LoadedHead, path: Path, embedder: CLIPEmbedder | None) -> None:
    """Write a program that torch.export.load reads: images or features to logits."""
    import torch

    module = to_torch(head, embedder)
    example = torch.zeros(2, head.n_features_in_)
    if embedder is not None:
        from PIL import Image

        loaded = embedder.load_model()
        pixels = loaded.preprocess(Image.new("RGB", (8, 8)))
        example = torch.stack([pixels, pixels]).to(loaded.device, getattr(torch, loaded.dtype))
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (example,), dynamic_shapes=({0: batch},))
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.export.save(program, file)
