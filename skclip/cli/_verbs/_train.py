"""Train a light CLIP on captioned images, with the guidance of frozen encoders."""

from argparse import ArgumentParser, Namespace
from typing import Any

from skclip._files import find_file
from skclip.cli._common import (
    add_quiet_argument,
    add_table_arguments,
    check_at_least_one,
    check_device_option,
    check_folder,
    is_corpus,
    note_resumed,
    refuse_where,
    table_options,
)
from skclip.cli._job import add_job_arguments, is_dry_run
from skclip.cli._terminal import say
from skclip.corpus import Corpus
from skclip.distill import CLIPPINGTrainer
from skclip.embedding import CLIPEmbedder, resolve_pretrained
from skclip.exceptions import ModelNotFoundError, TrainingDivergedError

__all__ = ["add_arguments", "run"]

_TEACHER_HELP = "a model as for `skclip embed --model`, or a .npy file with one row per caption"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    defaults = CLIPPINGTrainer()
    parser.add_argument(
        "source",
        help="folder with images and captions, a table of them, or a corpus of `skclip index`",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help="directory of the run: checkpoint, log.jsonl and finally model/. The same command "
        "resumes an interrupted run",
    )
    parser.add_argument(
        "--student",
        default=defaults.student,
        help="a model name of open_clip, or a JSON file with a model configuration (default: "
        "%(default)s)",
    )
    parser.add_argument("--image-teacher", metavar="MODEL", help=_TEACHER_HELP)
    parser.add_argument("--text-teacher", metavar="MODEL", help=_TEACHER_HELP)
    _add_training_arguments(parser, defaults)
    add_table_arguments(parser)
    add_quiet_argument(parser)
    add_job_arguments(parser)


def _add_training_arguments(parser: ArgumentParser, defaults: CLIPPINGTrainer) -> None:
    group = parser.add_argument_group("training")
    options: dict[str, tuple[Any, str]] = {
        "lambda_nn": (float, "weight of the nearest neighbours"),
        "lambda_xnn": (float, "weight of their counterparts in the other modality"),
        "batch_size": (int, "pairs per forward pass"),
        "accumulate": (int, "forward passes per step"),
        "learning_rate": (float, "largest rate"),
        "weight_decay": (float, "weight decay of matrices"),
        "warmup": (float, "fraction of steps for the warm-up"),
        "checkpoint_every": (int, "steps between checkpoints"),
        "device": (str, "torch device"),
        "dtype": (str, "float32, bfloat16, float16 or auto"),
    }
    for name, (kind, text) in options.items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            default=getattr(defaults, name),
            help=f"{text} (default: %(default)s)",
        )
    length = group.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=int, default=defaults.n_epochs, help="passes over images")
    length.add_argument("--steps", type=int, help="steps, instead of passes")
    group.add_argument("--ema-decay", type=float, help="average the weights over steps")
    group.add_argument("--compile", action="store_true", help="use torch.compile")
    group.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    group.add_argument(
        "--jobs", type=int, default=-1, help="workers that decode images (default: one per core)"
    )


def run(args: Namespace) -> int:
    """Train, or resume training."""
    # importing open_clip takes seconds: not for other verbs
    from skclip.distill import find_architecture

    check_at_least_one(args, "batch_size", "accumulate", "epochs", "steps", "checkpoint_every")
    check_device_option(args)
    args.output = check_folder(args.output, "--output")
    find_architecture(args.student)
    for option in ("image_teacher", "text_teacher"):
        given, spelled = getattr(args, option), f"--{option.replace('_', '-')}"
        if given is None and (args.lambda_nn or args.lambda_xnn):
            raise ValueError(
                f"{spelled} is missing: give a model or a .npy file with one row per caption, or "
                "set --lambda-nn and --lambda-xnn to 0 for plain CLIP training."
            )
        _check_teacher(given, spelled)
    if is_dry_run(args):
        return 0
    if not (args.output / "model").exists():
        note_resumed(args.output / "checkpoint.pt", quiet=args.quiet)
    corpus = _open_pairs(args)
    trainer = CLIPPINGTrainer(
        args.student,
        _teacher(args.image_teacher, "image", args),
        _teacher(args.text_teacher, "text", args),
        lambda_nn=args.lambda_nn,
        lambda_xnn=args.lambda_xnn,
        n_epochs=args.epochs,
        max_iter=args.steps,
        batch_size=args.batch_size,
        accumulate=args.accumulate,
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        warmup=args.warmup,
        ema_decay=args.ema_decay,
        dtype=args.dtype,
        device=args.device,
        compile=args.compile,
        n_jobs=args.jobs,
        random_state=args.seed,
        output=args.output,
        checkpoint_every=args.checkpoint_every,
        on_error="skip",
        verbose=int(not args.quiet),
    )
    try:
        trainer.fit(corpus.image_references(), corpus.captions())
    except TrainingDivergedError as error:
        say(f"error: {error}")
        return 1
    if not args.quiet:
        last = trainer.log_[-1]
        say(f"{last['step']} steps, loss {last['loss']:.3f}, {last['images_per_second']} images/s")
        say(f"load it with --model local-dir:{args.output / 'model'}")
    return 0


def _open_pairs(args: Namespace) -> Corpus:
    """Open the corpus, or build one in the run's directory, to read all sources alike."""
    if is_corpus(source := find_file(args.source)):
        refuse_where(args, source)
        return Corpus(source)
    return Corpus.build(
        args.source,
        args.output / "pairs",
        index=False,
        overwrite=True,
        verbose=int(not args.quiet),
        **table_options(args),
    )


def _check_teacher(given: str | None, option: str) -> None:
    """Raise if a teacher cannot be found, before reading captions and embedding images."""
    if given is None:
        return
    if not given.endswith(".npy"):
        try:
            resolve_pretrained(given, "auto")
        except ModelNotFoundError as error:
            raise ModelNotFoundError(f"{option} {given!r}: {error}") from None
    elif not find_file(given).is_file():
        raise ValueError(f"{option} {given!r} does not exist.")


def _teacher(given: str | None, modality: str, args: Namespace) -> Any:
    if given is None or given.endswith(".npy"):
        return given and find_file(given)
    return CLIPEmbedder(
        given, modality=modality, device=args.device, n_jobs=args.jobs, on_error="skip"
    )
