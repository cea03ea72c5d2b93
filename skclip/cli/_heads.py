"""From options to a fitted head: class names, recall, filter, labelled images."""

import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from skclip import (
    GaussianDiscriminantClassifier,
    MultiProxyImprinter,
    NearestClassMean,
    PrimedNCMClassifier,
    StackedHeadClassifier,
    ZeroShotClassifier,
    ZeroShotFilter,
)
from skclip._files import find_file
from skclip._validation import sample_of
from skclip.cli._common import (
    CLASSES_HELP,
    add_decisions_argument,
    add_select_argument,
    check_at_least_one,
    is_corpus,
    read_classes,
)
from skclip.cli._inputs import Labelled, find_all_images
from skclip.embedding import CLIPEmbedder
from skclip.exceptions import BareNumberWarning
from skclip.prompts import build_prompts
from skclip.recall import CaptionMatch, CaptionRetriever, PrimingPool

__all__ = [
    "HEADS",
    "Classes",
    "add_head_arguments",
    "check_head_options",
    "check_readable",
    "check_templates",
    "class_names",
    "make_head",
    "recall",
]

# Values of --select that compare with the text.
COMPARED = ("best", "caption")
WITH_TEXT = ("stacked", "primed", "zero-shot")
WITH_SHOTS = ("class-means", "discriminant", "proxies")
HEADS = {
    "stacked": "text, class means, discriminant and recalled images, weighed by evidence",
    "primed": "text, labelled and recalled class means",
    "zero-shot": "text alone",
    "class-means": "class means of labelled images",
    "discriminant": "class means and one covariance of labelled images",
    "proxies": "several proxies per class, of labelled images",
}


class Classes(NamedTuple):
    """What the classes are called."""

    names: list[str]
    synonyms: dict[str, list[str]]
    excluded_words: dict[str, list[str]]


def add_head_arguments(
    parser: ArgumentParser, *, corpus_help: str, heads: Sequence[str] = tuple(HEADS)
) -> None:
    """Add the options that say which head, from which names and which recalled images."""
    group = parser.add_argument_group("head")
    group.add_argument("--classes", metavar="FILE", help=CLASSES_HELP)
    group.add_argument(
        "--head",
        choices=tuple(heads),
        default="stacked",
        help="; ".join(f"{name}: {HEADS[name]}" for name in heads) + " (default: %(default)s)",
    )
    group.add_argument(
        "--templates",
        default="photo",
        help="published set of prompts, or one prompt with {} for the name (default: %(default)s)",
    )
    group.add_argument(
        "--alpha",
        type=float,
        metavar="A",
        help="weight of the text of --head primed, from 0 to 1 (default: what the evidence gives)",
    )
    group = parser.add_argument_group("recalled images")
    group.add_argument("--corpus", metavar="PATH", help=corpus_help)
    group.add_argument(
        "--k", type=int, default=100, help="most images to recall a class (default: %(default)s)"
    )
    group.add_argument(
        "--plural", action="store_true", help="let regular plurals name a class in captions too"
    )
    group.add_argument(
        "--exclude",
        metavar="FILE",
        help="file as of --classes, with words of other senses after the name of a class: captions "
        "with one of them do not count for it ('crane, construction')",
    )
    group.add_argument(
        "--exclude-images",
        metavar="PATH",
        help="image, or folder of images, that must not be recalled, such as those to be tested on",
    )
    group.add_argument(
        "--filter",
        default="0",
        metavar="P",
        help="recalled images stay if zero-shot agrees with their class, by at least this "
        "probability; 'none' keeps all (default: %(default)s)",
    )
    group.add_argument("--save-corpus", metavar="DIR", help="save the corpus built from --corpus")
    add_select_argument(parser)
    add_decisions_argument(parser)


def check_head_options(args: Namespace, *, has_shots: bool) -> None:
    """Raise if options do not go together; find what can be wrong before the work."""
    check_at_least_one(args, "k")
    kind = args.head
    if args.alpha is not None and kind != "primed":
        raise ValueError(f"--alpha belongs to --head primed, and --head is {kind}.")
    if args.alpha is not None and not 0 <= args.alpha <= 1:
        raise ValueError(f"--alpha must be from 0 to 1, got {args.alpha}.")
    if kind == "zero-shot" and has_shots:
        raise ValueError("--head zero-shot learns nothing from labelled images: leave them out.")
    if kind in WITH_SHOTS and not has_shots:
        raise ValueError(f"--head {kind} learns from labelled images: give them by --shots.")
    if args.corpus is None:
        for option in ("exclude", "exclude_images", "save_corpus", "decisions"):
            if getattr(args, option) is not None:
                raise ValueError(
                    f"--{option.replace('_', '-')} is about recalled images: give --corpus too."
                )
        if args.select != "first":
            raise ValueError("--select is about recalled images: give --corpus too.")
    elif kind not in ("stacked", "primed"):
        raise ValueError(f"--head {kind} takes no recalled images: leave --corpus out.")
    make_filter(args)
    if args.corpus is not None:
        path = find_file(args.corpus)
        if not path.exists() and not is_corpus(path) and "{" not in path.name:
            raise ValueError(f"--corpus {args.corpus!r} does not exist.")
    if args.exclude_images is not None:
        find_all_images([args.exclude_images], option="--exclude-images", quiet=True)


def make_filter(args: Namespace) -> Any:
    """Return the filter that ``--filter`` describes."""
    if args.filter == "none":
        return "passthrough"
    try:
        threshold = float(args.filter)
    except ValueError:
        threshold = -1.0
    if not 0 <= threshold <= 1:
        raise ValueError(f"--filter must be a probability, or 'none', got {args.filter!r}.")
    return ZeroShotFilter(threshold=threshold)


def class_names(args: Namespace, shots: Labelled | None) -> tuple[Classes, Labelled | None]:
    """Return the classes, and the labelled images in their names.

    Names are those of ``--classes``, else the labels. Labels may have underscores for spaces.
    """
    if args.classes is None:
        if shots is None:
            raise ValueError("--classes is missing: name a text file with one class per line.")
        return _checked(args, Classes(sorted(set(shots.labels.tolist())), {}, {})), shots
    names, synonyms = read_classes(args.classes)
    classes = _checked(args, Classes(names, synonyms, {}))
    if shots is None:
        return classes, None
    name_of = {_spaced(name): name for name in names} | {name: name for name in names}
    labels = [name_of.get(label, name_of.get(_spaced(label))) for label in shots.labels.tolist()]
    unknown = sorted({n for n, name in zip(shots.labels, labels, strict=True) if name is None})
    if unknown:
        raise ValueError(
            f"--shots has labels that are not in --classes: {sample_of(unknown)}. The classes "
            f"are {sample_of(names)}."
        )
    return classes, shots._replace(labels=np.asarray(labels))


def _checked(args: Namespace, classes: Classes) -> Classes:
    if args.head in WITH_TEXT:
        check_templates(classes.names, args.templates)
    if args.exclude is None:
        return classes
    names, words = read_classes(args.exclude, option="--exclude")
    unknown = [name for name in names if name not in classes.names]
    if unknown:
        raise ValueError(f"--exclude has names that are not classes: {sample_of(unknown)}.")
    bare = [name for name in names if name not in words]
    if bare:
        raise ValueError(
            f"--exclude has no words for {sample_of(bare)}: write them after the name, 'crane, "
            "construction'."
        )
    return classes._replace(excluded_words=words)


def check_templates(names: list[str], templates: str) -> None:
    """Raise if prompts cannot be written, without warnings, which come later."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BareNumberWarning)
        build_prompts(names, templates)


def _spaced(name: str) -> str:
    return " ".join(name.replace("_", " ").split())


def recall(args: Namespace, classes: Classes, corpus: Any, embedder: CLIPEmbedder) -> PrimingPool:
    """Recall images of the classes, before the filter."""
    excluded = None
    if args.exclude_images is not None:
        excluded = find_all_images([args.exclude_images], option="--exclude-images", quiet=True)
    retriever = CaptionRetriever(
        corpus,
        k=args.k,
        plural=args.plural,
        synonyms=classes.synonyms,
        select=args.select,
        random_state=0,
        zero_shot=make_text_head(args, classes, embedder) if args.select in COMPARED else None,
        match=CaptionMatch(exclude=classes.excluded_words or None),
        exclude_images=excluded,
        embedder=embedder,
    )
    pool = retriever.recall(classes.names)
    check_readable(pool)
    return pool


def check_readable(pool: PrimingPool) -> None:
    """Raise if captions name the classes but none of their images can be read."""
    problems = pool.report().problems
    if not len(pool) and problems:
        raise ValueError(
            f"none of the {len(problems)} images that --corpus has of the classes can be read: "
            f"{sample_of(problems)}. Give the folder of the images as --images-root when building "
            "the corpus."
        )


def make_text_head(
    args: Namespace, classes: Classes, embedder: CLIPEmbedder | None
) -> ZeroShotClassifier:
    """Return the text head that the options describe, not fitted."""
    return ZeroShotClassifier(
        embedder=embedder,
        templates=args.templates,
        synonyms=classes.synonyms,
        classes=classes.names,
    )


def make_head(
    args: Namespace, classes: Classes, embedder: CLIPEmbedder | None, pool: PrimingPool | None
) -> Any:
    """Return the head that the options describe, not fitted."""
    if args.head == "class-means":
        return NearestClassMean()
    if args.head == "discriminant":
        return GaussianDiscriminantClassifier()
    if args.head == "proxies":
        return MultiProxyImprinter(random_state=0)
    zero_shot = make_text_head(args, classes, embedder)
    if args.head == "zero-shot":
        return zero_shot
    parts = {"retriever": pool, "filter": make_filter(args)}
    if args.head == "primed":
        alpha = "auto" if args.alpha is None else args.alpha
        return PrimedNCMClassifier(zero_shot, alpha=alpha, **parts)
    return StackedHeadClassifier(zero_shot, **parts)
