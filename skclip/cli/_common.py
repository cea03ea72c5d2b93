"""Options and checks shared by several verbs."""

import csv
from argparse import ArgumentParser, Namespace
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from skclip._device import check_device, resolve_device
from skclip._files import find_file
from skclip._validation import sample_of
from skclip.cli._terminal import say
from skclip.corpus import MANIFEST, OPERATORS, UNFINISHED, Corpus
from skclip.embedding import CLIPEmbedder, parse_model_id, resolve_pretrained
from skclip.exceptions import ModelNotFoundError
from skclip.recall import PrimingPool

__all__ = [
    "CLASSES_HELP",
    "add_decisions_argument",
    "add_engine_arguments",
    "add_model_arguments",
    "add_quiet_argument",
    "add_select_argument",
    "add_table_arguments",
    "as_decided",
    "check_at_least_one",
    "check_device_option",
    "check_folder",
    "engine_of",
    "is_corpus",
    "make_embedder",
    "note_resumed",
    "read_classes",
    "refuse_where",
    "table_options",
    "take_model",
    "take_model_of",
]

DEFAULT_MODEL = "ViT-B-32"
CLASSES_HELP = (
    "text file with one class per line; further names of a class follow it after commas: "
    "'airplane, plane, jet'. Put a name with a comma in double quotes."
)


def add_model_arguments(parser: ArgumentParser, *, default: str = DEFAULT_MODEL) -> None:
    """Add the options of the model; ``default`` is shown in the help."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        help="a model name of open_clip, 'hf-hub:ORG/REPO', 'local-dir:FOLDER', or 'skclip-tiny' "
        f"(default: {default})",
    )
    group.add_argument(
        "--pretrained",
        default="auto",
        help="pretrained tag or checkpoint file (default: the usual one of the model)",
    )
    group.add_argument("--device", default="auto", help="torch device (default: %(default)s)")
    group.add_argument(
        "--dtype",
        choices=("auto", "float32", "float16", "bfloat16"),
        default="float32",
        help="precision of the model; auto selects a fast one for this machine "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--batch-size", type=int, default=64, help="images per forward pass (default: %(default)s)"
    )
    group.add_argument(
        "--jobs",
        type=int,
        default=-1,
        help="workers that decode images; -1 means one per core (default: %(default)s)",
    )
    group.add_argument(
        "--cache",
        metavar="DIR",
        help="folder of cached embeddings, so that each is computed once",
    )


def make_embedder(args: Namespace) -> CLIPEmbedder:
    """Return the embedder of the model options; it skips unreadable images."""
    check_at_least_one(args, "batch_size")
    if args.jobs == 0:
        raise ValueError("--jobs must be a number of workers, or -1 for one per core, got 0.")
    check_device_option(args)
    if args.cache is not None and (cache := find_file(args.cache)).exists() and not cache.is_dir():
        raise ValueError(f"--cache {args.cache!r} is a file: give a folder.")
    return CLIPEmbedder(
        args.model or DEFAULT_MODEL,
        args.pretrained,
        device=args.device,
        dtype=args.dtype,
        batch_size=args.batch_size,
        n_jobs=args.jobs,
        cache=args.cache,
        on_error="skip",
    )


def take_model_of(corpus: Corpus, args: Namespace) -> None:
    """Set ``--model`` and ``--pretrained`` to those of a corpus, if neither is given."""
    take_model(args, corpus.model_id, f"The corpus {str(corpus.path)!r} was")


def take_model(args: Namespace, model_id: str | None, what: str) -> None:
    """Set ``--model`` and ``--pretrained`` to those of a model identity, if neither is given.

    Parameters
    ----------
    args : Namespace
        Options of the model; changed.

    model_id : str or None
        What made the embeddings; None changes nothing.

    what : str
        Begins the message where the model cannot be loaded: "The corpus 'x' was".
    """
    if args.model is not None or model_id is None:
        return
    name, tag = parse_model_id(model_id)
    given = args.pretrained if args.pretrained != "auto" else tag
    try:
        if not name:
            raise ModelNotFoundError("Its location is unknown.")
        resolve_pretrained(name, given)
        args.model, args.pretrained = name, given
        make_embedder(args).load_model()
    except ModelNotFoundError as error:
        reason = str(error).partition(". ")[0].rstrip(".")
        label = model_id.rpartition("@")[0]
        raise ModelNotFoundError(
            f"{what} embedded by {label!r}, which cannot be loaded: give this model as --model and "
            f"--pretrained. ({reason}.)"
        ) from None


def check_at_least_one(args: Namespace, *options: str) -> None:
    """Raise if one of the options is less than 1."""
    for option in options:
        value = getattr(args, option)
        if value is not None and value < 1:
            raise ValueError(f"--{option.replace('_', '-')} must be at least 1, got {value}.")


def check_device_option(args: Namespace) -> None:
    """Raise if the device is not available; ``auto`` is not checked."""
    if args.device != "auto":
        check_device(resolve_device(args.device))


def add_table_arguments(parser: ArgumentParser) -> None:
    """Add the options for tables of captions."""
    parser.add_argument("--caption-column", help="column of captions, if not found by name")
    parser.add_argument("--image-column", help="column of image paths, if not found by name")
    parser.add_argument(
        "--where",
        nargs=3,
        action="append",
        metavar=("COLUMN", "OP", "VALUE"),
        help="use only rows of a table with such a value: --where similarity '>' 0.3; OP is one of "
        f"{', '.join(OPERATORS)}, and several values for in stand between commas; repeated, all "
        "must hold; a VALUE in double quotes is text",
    )
    parser.add_argument(
        "--images-root",
        metavar="DIR",
        help="base folder of the image paths of a table (default: the folder of the table)",
    )


def table_options(args: Namespace) -> dict[str, Any]:
    """Return the given options of :func:`add_table_arguments`, for ``Corpus.build``."""
    root = args.images_root
    if root is not None and not find_file(root).is_dir():
        raise ValueError(f"--images-root {root!r} is not a folder.")
    given = {name: getattr(args, name) for name in ("caption_column", "image_column")}
    given["images_root"] = root
    given["filters"] = args.where and [_condition(*condition) for condition in args.where]
    return {name: value for name, value in given.items() if value is not None}


def refuse_where(args: Namespace, corpus: Path) -> None:
    """Raise if ``--where`` is given for a corpus, whose rows have no further columns."""
    if args.where is not None:
        raise ValueError(
            f"--where selects rows of a table, but {str(corpus)!r} is a corpus: build one of these "
            "rows by `skclip index TABLE --output DIR --where ...`."
        )


def _condition(column: str, operator: str, value: str) -> tuple[str, str, Any]:
    """Return a filter; text that is a number, true or false is one."""
    if operator not in OPERATORS:
        raise ValueError(
            f"--where {column} {operator} {value}: {operator!r} is no operator; expected "
            f"{', '.join(OPERATORS)}."
        )
    if operator in ("in", "not in"):
        return column, operator, [_value(text.strip()) for text in value.split(",")]
    return column, operator, _value(value)


def _value(text: str) -> str | float | bool:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def add_quiet_argument(parser: ArgumentParser) -> None:
    """Add ``--quiet``."""
    parser.add_argument("--quiet", action="store_true", help="no progress bars, no summary")


def add_select_argument(parser: ArgumentParser) -> None:
    """Add ``--select``: which matches of a class to take."""
    parser.add_argument(
        "--select",
        choices=("first", "random", "best", "caption"),
        default="first",
        help="which images to recall if more captions name a class: the first, random ones, "
        "the most similar to its prompts, or those whose caption is (`skclip embed --captions`) "
        "(default: %(default)s)",
    )


def add_engine_arguments(parser: ArgumentParser) -> None:
    """Add the options of the engine that works on shards; :func:`engine_of` reads them."""
    group = parser.add_argument_group("engine")
    group.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="what works on the shards of the corpus: this process, or Ray Data "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="address of a Ray cluster, or 'auto' (default: $RAY_ADDRESS, else this machine)",
    )
    group.add_argument(
        "--ray-gpus",
        type=float,
        default=0,
        metavar="N",
        help="accelerators for each worker that embeds (default: %(default)s)",
    )


def engine_of(args: Namespace) -> AbstractContextManager[None]:
    """Return the context in which shards are worked on by ``--engine``."""
    if args.engine == "local" and (args.ray_address is not None or args.ray_gpus):
        raise ValueError("--ray-address and --ray-gpus are for --engine ray.")
    if args.engine == "local":
        return nullcontext()
    from skclip.distributed import chosen_engine  # needed by few commands

    return chosen_engine(
        args.engine,
        address=args.ray_address,
        num_cpus=1,
        num_gpus=args.ray_gpus,
        compute=None,
    )


def add_decisions_argument(parser: ArgumentParser) -> None:
    """Add ``--decisions``; :func:`as_decided` honours it."""
    parser.add_argument(
        "--decisions",
        metavar="FILE",
        help="what was decided about the recalled images in the page of `skclip report`: the "
        "exported .csv or .json",
    )


def as_decided(pool: PrimingPool, args: Namespace) -> PrimingPool:
    """Return the pool as ``--decisions`` corrects it, or as it is without."""
    if args.decisions is None:
        return pool
    path = find_file(args.decisions)
    if not path.is_file():
        raise ValueError(f"--decisions {args.decisions!r} does not exist.")
    return pool.apply_decisions(path)


def check_folder(given: str, option: str) -> Path:
    """Return the output folder of an option; raise if it is a file or below one."""
    path = find_file(given)
    found = next(place for place in (path, *path.absolute().parents) if place.exists())
    if found.is_dir():
        return path
    what = "is a file" if found == path else f"is below {str(found)!r}, which is a file"
    raise ValueError(f"{option} {given!r} {what}: give a folder to write.")


def read_classes(
    path: str | Path, *, option: str = "--classes"
) -> tuple[list[str], dict[str, list[str]]]:
    """Read class names and their synonyms.

    Parameters
    ----------
    path : str or Path
        Text file in the format of :data:`CLASSES_HELP`; blank lines are ignored.

    option : str, default="--classes"
        What names the file, for messages.

    Returns
    -------
    names : list of str
        Class names in the file's order.

    synonyms : dict of {str: list of str}
        Further names of each class that has some.
    """
    synonyms: dict[str, list[str]] = {}
    lines_of: dict[str, list[int]] = {}
    path = find_file(path)
    if path.is_dir() or not path.exists():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(
            f"{option} {str(path)!r} {what}: give a text file with one class per line."
        )
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8 text ({error}): save it as UTF-8.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        # line by line, so that an open quote affects no other class
        (cells,) = csv.reader([line.strip()], skipinitialspace=True)
        name, *others = (cell.strip() for cell in cells)
        if not name:
            raise ValueError(
                f"{str(path)!r}, line {number}, has no class name before the comma: {line!r}."
            )
        lines_of.setdefault(name, []).append(number)
        if any(others):
            synonyms[name] = list(filter(None, others))
    if not lines_of:
        raise ValueError(f"{str(path)!r} has no class names: write one per line.")
    twice = [f"{name} (lines {', '.join(map(str, at))})" for name, at in lines_of.items() if at[1:]]
    if twice:
        raise ValueError(
            f"{str(path)!r} has repeated names: {sample_of(twice)}. Remove repetitions, and give "
            "classes of the same name different names, as for the two 'crane' of ImageNet: "
            "'crane bird', 'construction crane'."
        )
    return list(lines_of), synonyms


def note_resumed(begun: Path, *, quiet: bool) -> None:
    """Print that a run resumes, if the file of an interrupted run exists."""
    if not quiet and begun.exists():
        say(f"resuming {begun.parent} where it was interrupted")


def is_corpus(path: Path) -> bool:
    """Return whether a directory is a corpus or an interrupted build of one."""
    return (path / MANIFEST).exists() or (path / UNFINISHED).exists()
