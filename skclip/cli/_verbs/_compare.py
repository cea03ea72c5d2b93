"""Compare heads on your labelled images, or on embeddings: the same few images for all."""

import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip import ZeroShotClassifier
from skclip._files import file_to_write, find_file, replacing
from skclip._linalg import nonzero_rows
from skclip._validation import sample_of
from skclip.cli._common import add_model_arguments, add_quiet_argument, make_embedder
from skclip.cli._terminal import say, tell
from skclip.datasets import load_labelled_images
from skclip.evaluation import HeadComparison, compare_heads, replay_comparison, usual_heads
from skclip.exceptions import UnreadableImageWarning
from skclip.prompts import TEMPLATES, load_class_names

__all__ = ["add_arguments", "run"]

STACK = "StackedHeadClassifier"


class Part(NamedTuple):
    """Embeddings with labels."""

    X: NDArray[Any]
    y: NDArray[Any]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "data",
        metavar="DATA",
        help="labelled images: a folder with one folder per class, tar files (webdataset), Parquet "
        "files with images, or embeddings in an .npy file. Without --test, a folder that holds "
        "`train` and `test`, as those of CLIP_benchmark do",
    )
    parser.add_argument("--test", metavar="PATH", help="labelled images to measure on")
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="labels of embeddings: an .npy file, or one per line",
    )
    parser.add_argument("--test-labels", metavar="FILE", help="labels of the test embeddings")
    parser.add_argument(
        "--text",
        metavar="FILE.npy",
        help="text embeddings, one row per class of --classes",
    )
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="text file with one class name a line, or a published set such as dtd, in the order "
        "of labels that are numbers",
    )
    parser.add_argument(
        "--templates",
        help="published set of prompts, or one prompt with {} for the name (default: those of a "
        "CLIP_benchmark folder, else photo)",
    )
    parser.add_argument(
        "--shots",
        default="1,2,4,8,16",
        help="labelled images per class; 0/1/15 deals these numbers to the classes "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--seeds", type=int, default=5, help="draws of labelled images (default: %(default)s)"
    )
    parser.add_argument(
        "--heads", metavar="NAME,…", help="which heads to compare (default: all usual ones)"
    )
    parser.add_argument("--no-text", action="store_true", help="heads of images alone")
    parser.add_argument(
        "--near-duplicates",
        type=float,
        default=0.995,
        metavar="COSINE",
        help="from which cosine on a test image and another are the same; more than 1 looks for "
        "none (default: %(default)s)",
    )
    parser.add_argument(
        "--output", metavar="FILE.json", help="file that keeps every run, to be replayed"
    )
    parser.add_argument(
        "--replay", metavar="FILE.json", help="run what is in this file again, and compare"
    )
    add_quiet_argument(parser)
    add_model_arguments(parser)


def run(args: Namespace) -> int:
    """Embed, compare, and print tables."""
    saved = None
    if args.replay is not None:
        path = find_file(args.replay)
        if not path.is_file():
            raise ValueError(f"--replay {args.replay!r} is not a file.")
        saved = HeadComparison.from_json(path.read_text(encoding="utf-8"))
    shots = read_shots(args.shots)
    if args.output is not None:
        file_to_write(args.output, "--output")
    names = None if args.classes is None else read_class_names(args.classes)
    train, test, text = read_data(args, names)
    heads = chosen_heads(text, args.heads)
    if saved is None:
        comparison = compare_heads(
            heads,
            *train,
            *test,
            zero_shot=text,
            shots=shots,
            seeds=args.seeds,
            near_duplicates=None if args.near_duplicates > 1 else args.near_duplicates,
            verbose=not args.quiet,
        )
    else:
        comparison = replay_comparison(
            saved, heads, *train, *test, zero_shot=text, verbose=not args.quiet
        )
    if args.output is not None:
        with replacing(find_file(args.output)) as temporary:
            temporary.write_text(comparison.to_json(), encoding="utf-8")
    for line in tables_of(comparison):
        tell(line)
    for head, reason in comparison.failures.items():
        if not args.quiet:
            say(f"{head}: not fitted, {reason}")
    if saved is None:
        return 0
    is_same = saved.to_json(timings=False) == comparison.to_json(timings=False)
    say("the replay gives the same numbers" if is_same else "the replay gives other numbers")
    return 0 if is_same else 1


def read_shots(given: str) -> list[int | tuple[int, ...]]:
    """Read ``1,2,0/1/15``."""
    shots: list[int | tuple[int, ...]] = []
    for part in given.split(","):
        numbers = part.split("/")
        if not all(number.strip().isdecimal() for number in numbers):
            raise ValueError(f"--shots {given!r}: {part!r} is no number of images.")
        shots.append(int(part) if len(numbers) == 1 else tuple(map(int, numbers)))
    return shots


def read_lines(given: str, option: str) -> list[str]:
    """Return the lines of a text file that are not blank."""
    path = find_file(given)
    if not path.is_file():
        raise ValueError(f"{option} {given!r} is no file.")
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [line.strip() for line in lines if line.strip()]


def read_class_names(given: str) -> list[str]:
    """Return the lines of a file, or the class names of a published set."""
    if Path(given).exists():
        return read_lines(given, "--classes")
    try:
        return load_class_names(given)
    except ValueError as error:
        sets = ", ".join(name for name in TEMPLATES if name != "photo")
        raise ValueError(
            f"--classes {given!r} is no file, and none of the published sets: {sets}."
        ) from error


def chosen_heads(text: Any, given: str | None) -> dict[str, Any]:
    """Return the usual heads, or those of them that are asked for."""
    heads = usual_heads(text)
    if given is None:
        return heads
    asked = [name.strip() for name in given.split(",")]
    if unknown := [name for name in asked if name not in heads]:
        raise ValueError(f"--heads has no {unknown[0]!r}: name some of {sample_of(heads, 20)}.")
    return {name: heads[name] for name in asked}


def read_data(args: Namespace, names: list[str] | None) -> tuple[Part, Part, Any]:
    """Return rows to draw from, test rows and the text head, if there is one."""
    first = find_file(args.data)
    if first.suffix == ".npy":
        if args.test is None or args.labels is None or args.test_labels is None:
            raise ValueError("embeddings need --labels, --test and --test-labels.")
        train = read_part(first, args.labels, "--labels", names)
        test = read_part(find_file(args.test), args.test_labels, "--test-labels", names)
        return train, test, text_of_rows(args, names)
    second = first / "test"
    if args.test is not None:
        second = find_file(args.test)
    elif not second.is_dir() or not (first / "train").is_dir():
        raise ValueError(
            f"DATA {args.data!r} holds no folders `train` and `test`: name the test images by "
            "--test."
        )
    root, first = first, first if args.test is not None else first / "train"
    train_images, test_images = (
        load_labelled_images(part, class_names=names) for part in (first, second)
    )
    embedder = make_embedder(args)
    train, test = (
        embedded(embedder, data, quiet=args.quiet) for data in (train_images, test_images)
    )
    if args.no_text:
        return train, test, None
    classes = sorted(set(train.y.tolist()))
    if not all(isinstance(name, str) for name in classes):
        raise ValueError(
            f"the labels are numbers ({sample_of(classes)}): name them by --classes, or compare "
            "heads of images alone by --no-text."
        )
    templates = args.templates or listed_templates(root) or "photo"
    return train, test, ZeroShotClassifier(embedder=embedder, templates=templates, classes=classes)


def embedded(embedder: Any, data: Any, *, quiet: bool) -> Part:
    """Embed images; those that cannot be read are left out and counted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreadableImageWarning)
        X = np.asarray(embedder.set_params(verbose=int(not quiet)).transform(data.images))
    seen = nonzero_rows(X)
    if not seen.all():
        say(f"{int((~seen).sum())} images could not be read and are left out")
    return Part(X[seen], data.target[seen])


def listed_templates(folder: Path) -> list[str] | None:
    """Return the prompts of a CLIP_benchmark folder, with {} in the place of the name."""
    file = folder / "zeroshot_classification_templates.txt"
    if not file.is_file():
        return None
    return [line.replace("{c}", "{}") for line in read_lines(str(file), "DATA")]


def read_part(path: Path, labels: str, option: str, names: Sequence[str] | None) -> Part:
    """Return embeddings of a file with the labels of another."""
    X, y = read_array(path), read_labels(labels, option)
    if len(X) != len(y):
        raise ValueError(f"{option} {labels!r} has {len(y)} labels for {len(X)} rows of {path}.")
    if names is not None and y.dtype.kind in "iu":
        if y.min() < 0 or y.max() >= len(names):
            raise ValueError(
                f"{option} {labels!r} has the label {y.max()}, and --classes {len(names)} names."
            )
        y = np.asarray(names)[y]
    return Part(X, y)


def read_labels(given: str, option: str) -> NDArray[Any]:
    """Read labels from an .npy file or the lines of a text file; digits are numbers."""
    if find_file(given).suffix == ".npy":
        return read_array(find_file(given))
    lines = read_lines(given, option)
    is_number = all(line.isdecimal() for line in lines)
    return np.array([int(line) for line in lines]) if is_number else np.array(lines)


def read_array(path: Path) -> NDArray[Any]:
    """Read an .npy file without pickle."""
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{str(path)!r} is no .npy file of numbers ({error}).") from None
    return array


def text_of_rows(args: Namespace, names: list[str] | None) -> Any:
    """Return the text head of ``--text``, or of the prompts of ``--classes`` and ``--model``."""
    if args.no_text or (args.text is None and (names is None or args.model is None)):
        if not args.quiet and not args.no_text:
            say(
                "no text head: give --text, or --classes and --model, for zero-shot and mixed heads"
            )
        return None
    if names is None:
        raise ValueError("--text needs --classes, which names its rows in their order.")
    if args.text is None:
        return ZeroShotClassifier(
            embedder=make_embedder(args), templates=args.templates or "photo", classes=names
        )
    return ZeroShotClassifier(read_array(find_file(args.text)), classes=names)


def tables_of(comparison: HeadComparison) -> list[str]:
    """Return what is printed: accuracy by choice, and how far the stack is from each head."""
    lines = comparison.to_markdown().splitlines()
    if comparison.cell(STACK, comparison.settings["shots"][0], "left-out choice"):
        lines += ["", f"**{STACK} less each head, points ± standard error**", ""]
        shots = comparison.settings["shots"]
        lines.append(f"| images per class | {' | '.join(shots)} |")
        lines.append("| --- " * (len(shots) + 1) + "|")
        rows: dict[str, list[str]] = {}
        for d in comparison.differences(STACK):
            cell = "-" if np.isnan(d.difference) else f"{d.difference:+.1f} ± {d.error:.1f}"
            rows.setdefault(f"{d.head}, {d.choice}", []).append(cell)
        lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return lines
