"""Show all steps on synthetic images: recall, filter, prime, predict, measure."""

import time
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from skclip import (
    NearestClassMean,
    PrimedNCMClassifier,
    StackedHeadClassifier,
    ZeroShotClassifier,
    ZeroShotFilter,
)
from skclip._optional import import_optional
from skclip._progress import progress_bar
from skclip.cli._common import add_quiet_argument
from skclip.cli._temporary import temporary_folder
from skclip.cli._terminal import say, standard_output
from skclip.corpus import Corpus
from skclip.datasets import CLASS_NAMES, make_captioned_images, write_captioned_folder
from skclip.display import PoolDisplay
from skclip.embedding import CLIPEmbedder
from skclip.recall import CaptionRetriever
from skclip.report import pool_page

__all__ = ["add_arguments", "run"]

USUAL_STYLE = "flat"  # the most frequent style in the training data
STYLES = ("sketch", "night", "mosaic")  # rare styles in the training data
N_COLLECTION, N_HELD_OUT, N_SHOTS = 2000, 1000, 4
AS_PUBLISHED = {"alpha": 0.9}
STAGES = (
    "draw",
    "write and index captions",
    "embed the collection",
    "embed class names",
    "recall",
    "filter",
    "prime",
    "embed held-out images",
    "predict",
)


class Stopwatch:
    """Measure the time of stages, and show the current one."""

    def __init__(self, n_seeds: int, *, quiet: bool) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.bar = progress_bar(shown=not quiet, total=n_seeds * len(STAGES), leave=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block."""
        self.bar.set_description(name)
        begin = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - begin
        self.bar.update()


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="new or empty folder for the collections, the corpora, the printed tables, and a page "
        "and a contact sheet of recalled images (default: a temporary folder, without these)",
    )
    parser.add_argument(
        "--style",
        choices=STYLES,
        default=STYLES[0],
        help="style of the images to classify, rare in the training data (default: %(default)s)",
    )
    parser.add_argument(
        "--seeds", type=int, default=3, help="repetitions with other images (default: %(default)s)"
    )
    add_quiet_argument(parser)


def run(args: Namespace) -> int:
    """Run the demo for every seed and print the results."""
    if args.seeds < 1:
        raise ValueError(f"--seeds must be at least 1, got {args.seeds}.")
    standard_output()
    if args.output is not None:
        for reason in _missing():  # before the work, while it can be installed
            say(reason)
    with _folder(args.output) as folder:
        watch = Stopwatch(args.seeds, quiet=args.quiet)
        with watch.bar:
            begin = time.perf_counter()
            embedder = CLIPEmbedder("skclip-tiny", n_jobs=-1)
            embedder.load_model()
            watch.seconds["load the model"] = time.perf_counter() - begin
            # the model is too small for several threads
            with threadpool_limits(1):
                results = [
                    run_seed(seed, args.style, folder / f"seed{seed}", embedder, watch)
                    for seed in range(args.seeds)
                ]
        tables = f"{summary(results, args.style)}\n{stage_table(watch.seconds)}\n"
        print(tables, end="")
        if args.output is not None:
            (folder / "results.txt").write_text(tables, encoding="utf-8")
            write_pictures(results[0], folder)
    return 0


def _missing() -> Iterator[str]:
    """Yield what cannot be written for want of a library, and how to get it."""
    for module, extra, what in (
        ("matplotlib", "plot", "The contact sheet"),
        ("jinja2", "report", "The page of what was recalled"),
    ):
        try:
            import_optional(module, extra=extra, purpose=what)
        except ImportError as error:
            yield str(error)


@contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    if output is None:
        with temporary_folder("demo") as temporary:
            yield temporary
        return
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"--output {str(output)!r} exists and is not an empty folder.")
    output.mkdir(parents=True, exist_ok=True)
    yield output


def run_seed(
    seed: int, style: str, folder: Path, embedder: CLIPEmbedder, watch: Stopwatch
) -> dict[str, Any]:
    """Run all steps once; nothing is chosen on held-out images."""
    names = list(CLASS_NAMES)
    with watch.stage("draw"):
        collection = make_captioned_images(
            N_COLLECTION, style=[USUAL_STYLE, style], random_state=10 * seed
        )
        held_out = make_captioned_images(N_HELD_OUT, style=style, random_state=10 * seed + 1)
        labelled = make_captioned_images(
            3 * N_SHOTS * len(names), style=style, random_state=10 * seed + 2
        )
    with watch.stage("write and index captions"):
        images = write_captioned_folder(collection, folder / "images")
        corpus = Corpus.build(images, folder / "corpus")
    with watch.stage("embed the collection"):
        corpus = corpus.embed(embedder)
    with watch.stage("embed class names"):
        zero_shot = ZeroShotClassifier(embedder=embedder, classes=names).fit()
    with watch.stage("recall"):
        pool = CaptionRetriever(corpus).recall(names)
    with watch.stage("filter"):
        kept = ZeroShotFilter(zero_shot).fit(pool.embeddings, pool.labels).support_
    with watch.stage("prime"):
        primed = PrimedNCMClassifier(zero_shot, retriever=pool)
        stacked = StackedHeadClassifier(zero_shot, retriever=pool)
        unlabelled = {
            "primed": clone(primed).fit(),
            "primed, no filter": clone(primed).set_params(filter="passthrough").fit(),
            "primed, as published": clone(primed).set_params(**AS_PUBLISHED).fit(),
        }
    with watch.stage("embed held-out images"):
        X = embedder.transform(held_out.images)
        shots = np.concatenate([np.flatnonzero(labelled.target == n)[:N_SHOTS] for n in names])
        X_shots = embedder.transform([labelled.images[i] for i in shots])
    with watch.stage("predict"):
        y_shots = labelled.target[shots]
        heads = {
            "zero-shot": zero_shot,
            f"{N_SHOTS}-shot class means": NearestClassMean().fit(X_shots, y_shots),
            **unlabelled,
            f"primed + {N_SHOTS}-shot": primed.fit(X_shots, y_shots),
            f"stacked + {N_SHOTS}-shot": stacked.fit(X_shots, y_shots),
        }
        accuracy = {name: head.score(X, held_out.target) for name, head in heads.items()}
    assert pool.ids is not None  # ids are file names
    true = collection.target[[int(Path(name).stem) for name in pool.ids]]
    return {
        "accuracy": accuracy,
        "pool": pool,
        "kept": kept,
        "right": true == pool.labels,
        "head": unlabelled["primed"],
    }


def summary(results: list[dict[str, Any]], style: str) -> str:
    """Return the accuracies, and the precision of recall and filter."""
    scores = {
        name: 100 * np.array([result["accuracy"][name] for result in results])
        for name in results[0]["accuracy"]
    }
    baseline = scores["zero-shot"]
    rows = [
        [name, _mean_std(values), "" if values is baseline else _mean_std(values - baseline, "+")]
        for name, values in scores.items()
    ]
    recalled = [
        [name, _mean_std(sizes, digits=0), _mean_std(shares)]
        for name, sizes, shares in (
            (
                "recalled by caption",
                [len(r["pool"]) for r in results],
                [100 * r["right"].mean() for r in results],
            ),
            (
                "kept by the filter",
                [r["kept"].sum() for r in results],
                [100 * r["right"][r["kept"]].mean() for r in results],
            ),
        )
    ]
    n_classes = len(CLASS_NAMES)
    return "\n\n".join(
        [
            f"{n_classes} classes; {N_COLLECTION} captioned images in the styles "
            f"{USUAL_STYLE} and {style}; {N_HELD_OUT} held-out images in the style "
            f"{style}; mean ± std over {len(results)} seed(s); chance is {100 / n_classes:.1f} %.",
            _table(["held-out images", "accuracy in %", "over zero-shot"], rows),
            _table(["recall", "images", "% that show their class"], recalled),
        ]
    )


def stage_table(seconds: dict[str, float]) -> str:
    """Return a table of the time of each stage and the total."""
    rows = [[name, f"{value:.2f}"] for name, value in seconds.items()]
    rows.append(["all", f"{sum(seconds.values()):.2f}"])
    return "\n" + _table(["stage", "seconds, all seeds"], rows)


def write_pictures(result: dict[str, Any], folder: Path) -> None:
    """Write recalled images, kept and rejected marked, as far as the libraries are there."""
    pool, kept = result["pool"], result["kept"]
    with suppress(ImportError):  # said at the start
        path = folder / "contact_sheet.png"
        PoolDisplay.from_pool(pool, kept=kept).plot().figure_.savefig(path, bbox_inches="tight")
        say(f"contact sheet of recalled images: {path}")
    with suppress(ImportError):
        page = pool_page(pool, head=result["head"], kept=kept, n_jobs=-1)
        say(f"page of recalled images: {page.save(folder / 'pool.html')}")


def _mean_std(values: Any, sign: str = "", *, digits: int = 1) -> str:
    return f"{np.mean(values):{sign}.{digits}f} ± {np.std(values):.{digits}f}"


def _table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table; the first column is left-aligned, the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for first, *others in [header, ["-" * width for width in widths], *rows]:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)
