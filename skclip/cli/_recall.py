"""List the images of a corpus whose captions name a class."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet

from skclip.cli._common import CLASSES_HELP, output_file, read_classes
from skclip.corpus._manifest import replacing
from skclip.recall import CaptionRetriever, PrimingPool

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="class names to look for")
    parser.add_argument("--classes", type=Path, metavar="FILE", help=CLASSES_HELP)
    parser.add_argument("--corpus", required=True, help="corpus that `skclip index` wrote")
    parser.add_argument(
        "--k", type=int, default=100, help="most images a class (default: %(default)s)"
    )
    parser.add_argument(
        "--format",
        choices=["csv", "jsonl", "parquet"],
        default="csv",
        help="what to write (default: %(default)s)",
    )
    parser.add_argument(
        "--output", default="-", metavar="FILE", help="file to write (default: standard output)"
    )


def run(args: Namespace) -> int:
    """Recall and write the rows."""
    if bool(args.names) == (args.classes is not None):
        raise ValueError("give class names, or a file of them by --classes.")
    names, synonyms = read_classes(args.classes) if args.classes else (args.names, {})
    retriever = CaptionRetriever(args.corpus, k=args.k, synonyms=synonyms)
    pool = retriever.recall(names)
    write_table(as_table(pool), args.format, args.output)
    return 0 if len(pool) else 1


def as_table(pool: PrimingPool) -> pa.Table:
    """Return the rows of a pool; images kept as bytes have no path to show."""
    given = [None] * len(pool) if pool.images is None else pool.images
    images = [image if isinstance(image, str) else None for image in given]
    return pa.table(
        {
            "label": pa.array([str(label) for label in pool.labels.tolist()], pa.string()),
            "id": pa.array(pool.ids, pa.string()),
            "caption": pa.array(pool.captions, pa.string()),
            "image": pa.array(images, pa.string()),
        }
    )


def write_table(table: pa.Table, kind: str, output: str) -> None:
    """Write a table as CSV, JSON lines or Parquet to a file or standard output."""
    if kind == "jsonl":
        with output_file(output) as file:
            for row in table.to_pylist():
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        return
    write = csv.write_csv if kind == "csv" else parquet.write_table
    if output == "-":
        write(table, sys.stdout.buffer)
        return
    with replacing(Path(output)) as temporary:
        write(table, temporary)
