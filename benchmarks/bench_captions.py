"""Caption search: build time, size and recall of skclip's index beside its peers, in one run.

    python benchmarks/bench_captions.py --n-captions 3000000

Every layout is built from one Parquet file with the eight columns of LAION's metadata, by one
process, and is on the disk when the clock stops. Peers: the layout of the published priming code
(whole rows in one FTS5 table, ``SELECT`` per name), plain FTS5 over the caption column, tantivy (if
installed). The peers' SQLite writes without a journal, as ours does. A corpus keeps id, URL and
caption in Parquet beside its index; "scan" has no index and reads the captions in one Aho-Corasick
pass (if pyahocorasick is installed).

"recall" finds the rows of every name; "with rows" also reads id, caption and URL of every hit
(plain FTS5 keeps the caption only, tantivy nothing). Times are CPU seconds of one process. Captions
are drawn from a Zipf distribution over 200 000 made-up words, names are words and word pairs in
them; ``--captions FILE`` takes real ones, repeated as often as needed.
"""

import argparse
import csv
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skclip.captions._ambiguity import Disambiguator
from skclip.captions._matching import Matching
from skclip.captions._query import make_queries
from skclip.captions._words import tokenize
from skclip.corpus import Corpus
from skclip.recall._matches import find_matches

N_WORDS = 200_000
BATCH = 8192
COLUMNS = "SAMPLE_ID, URL, TEXT, HEIGHT, WIDTH, LICENSE, NSFW, similarity"

# Finds the rows of names and returns how many there are; with True it reads them too.
Recall = Callable[[list[str], bool], int]


def make_captions(n: int, rng: np.random.Generator) -> list[str]:
    """Return captions of 5 to 15 words."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(
        sorted({"".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(N_WORDS)})
    )
    rng.shuffle(words)
    p = 1 / np.arange(1, len(words) + 1) ** 1.05
    captions: list[str] = []
    while len(captions) < n:
        lengths = rng.integers(5, 16, min(n - len(captions), 500_000))
        drawn = words[rng.choice(len(words), lengths.sum(), p=p / p.sum())]
        ends = np.cumsum(lengths)
        captions += [" ".join(drawn[end - k : end]) for end, k in zip(ends, lengths, strict=True)]
    return captions


def read_captions(path: Path, n: int) -> list[str]:
    """Return the last column of a TSV file with a header, from the beginning again at its end."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        captions = [row[-1] for row in rows]
    return list(islice(cycle(captions), n))


def make_names(captions: list[str], n: int, rng: np.random.Generator) -> list[str]:
    """Return distinct words and pairs of neighbouring words, none of the most common words."""
    common = set(tokenize(" ".join(captions[:200])))
    names: dict[str, None] = {}
    while len(names) < n:
        words = tokenize(captions[rng.integers(len(captions))])
        at = int(rng.integers(max(1, len(words) - 1)))
        name = words[at : at + 1 + int(rng.integers(2))]
        if name and not common.issuperset(name):
            names[" ".join(name)] = None
    return list(names)


def write_source(captions: list[str], path: Path) -> None:
    """Write the captions with the other columns of LAION's metadata."""
    n = len(captions)
    columns = {
        "SAMPLE_ID": np.arange(n),
        "URL": [f"https://example.org/{i % 1000}/{i}.jpg" for i in range(n)],
        "TEXT": captions,
        "HEIGHT": np.full(n, 480),
        "WIDTH": np.full(n, 640),
        "LICENSE": ["?"] * n,
        "NSFW": ["UNLIKELY"] * n,
        "similarity": np.full(n, 0.3),
    }
    pq.write_table(pa.table(columns), path)


def source_rows(source: Path, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the source as Python objects; no columns means all."""
    with pq.ParquetFile(source) as file:
        for batch in file.iter_batches(batch_size=BATCH, columns=list(columns) or None):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds, which other work on the machine changes little, and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def size_of(path: Path, pattern: str = "*") -> float:
    """Return megabytes of a file, or of the files below a directory."""
    files = [path] if path.is_file() else [f for f in path.rglob(pattern) if f.is_file()]
    return sum(f.stat().st_size for f in files) / 1e6


# -- the layouts


def fts5_table(path: Path, columns: str, rows: Iterator[tuple[Any, ...]]) -> sqlite3.Connection:
    """Fill one FTS5 table and wait until it is on the disk."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"CREATE VIRTUAL TABLE samples USING fts5({columns})")
    connection.execute("BEGIN")
    marks = ", ".join("?" * (columns.count(",") + 1))
    connection.executemany(f"INSERT INTO samples VALUES ({marks})", rows)
    connection.execute("COMMIT")
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    return connection


def priming_code(source: Path, path: Path) -> Recall:
    """Whole rows in FTS5, as the shards of the published code are queried."""
    connection = fts5_table(path, COLUMNS, source_rows(source))

    def recall(names: list[str], whole: bool) -> int:
        columns = "SAMPLE_ID, URL, TEXT" if whole else "rowid"
        query = f"SELECT {columns} FROM samples WHERE TEXT MATCH ?"
        return sum(len(connection.execute(query, (f'"{n}"',)).fetchall()) for n in names)

    return recall


def plain_fts5(source: Path, path: Path) -> Recall:
    """Put the caption column alone into FTS5 as it comes."""
    connection = fts5_table(path, "caption", source_rows(source, "TEXT"))

    def recall(names: list[str], whole: bool) -> int:
        query = f"SELECT {'*' if whole else 'rowid'} FROM samples WHERE samples MATCH ?"
        return sum(len(connection.execute(query, (f'"{n}"',)).fetchall()) for n in names)

    return recall


def tantivy_index(source: Path, path: Path) -> Recall:
    """Tantivy with positions, one writer thread, rows by a fast field."""
    import tantivy

    path.mkdir()
    schema = (
        tantivy.SchemaBuilder()
        .add_text_field("caption", stored=False, index_option="position")
        .add_unsigned_field("row", stored=False, fast=True)
        .build()
    )
    index = tantivy.Index(schema, path=str(path))
    writer = index.writer(heap_size=256_000_000, num_threads=1)
    for row, (caption,) in enumerate(source_rows(source, "TEXT")):
        document = tantivy.Document()
        document.add_text("caption", caption)
        document.add_unsigned("row", row)
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def recall(names: list[str], whole: bool) -> int:
        found = 0
        for name in names:
            words: list[Any] = name.split()
            query = (
                tantivy.Query.phrase_query(schema, "caption", words)
                if len(words) > 1
                else tantivy.Query.term_query(schema, "caption", words[0])
            )
            n_docs = searcher.search(query, limit=1).count
            found += len(searcher.search(query, limit=max(1, n_docs)).hits)
        return found

    return recall


def skclip_corpus(
    source: Path, path: Path, *, index: bool, shard_size: int, match: str = "phrase"
) -> Recall:
    """Build a corpus: captions in Parquet, a contentless index a shard or no index at all."""
    corpus = Corpus.build(source, path, index=index, shard_size=shard_size)

    def recall(names: list[str], whole: bool) -> int:
        matching, queries = Matching(match=match), make_queries(names)
        disambiguator = Disambiguator(names, queries, matching, longest=False, ambiguous="keep")
        method = "index" if index else "scan"
        rows = find_matches(corpus, disambiguator, method=method, n_jobs=None).rows
        if whole:
            found = np.concatenate(rows)
            corpus.ids(found), corpus.captions(found), corpus.image_references(found)
        return sum(map(len, rows))

    return recall


class Measured(NamedTuple):
    """What is known of a layout."""

    build_s: float
    mb: float
    index_mb: float
    recall_s: float
    whole_s: float
    n_hits: int


def run(n_captions: int, args: argparse.Namespace) -> None:
    """Measure the layouts on so many captions and print a table."""
    rng = np.random.default_rng(0)
    if args.captions is None:
        captions = make_captions(n_captions, rng)
    else:
        captions = read_captions(args.captions, n_captions)
    names = make_names(captions, args.n_names, rng)
    directory = Path(tempfile.mkdtemp(prefix="bench-captions-", dir=args.directory))
    source = directory / "captions.parquet"
    write_source(captions, source)
    del captions
    options = {"shard_size": args.shard_size, "match": args.match}
    layouts: dict[str, Callable[[Path], Recall]] = {
        "priming code": lambda path: priming_code(source, path),
        "plain FTS5": lambda path: plain_fts5(source, path),
        "tantivy": lambda path: tantivy_index(source, path),
        "skclip, index": lambda path: skclip_corpus(source, path, index=True, **options),
        "skclip, scan": lambda path: skclip_corpus(source, path, index=False, **options),
    }
    results: dict[str, Measured] = {}
    try:
        read_s, _ = timed(lambda: sum(1 for _ in source_rows(source)))
        for name, build in layouts.items():
            if args.only and name not in args.only:
                continue
            path = directory / name.replace(", ", "-").replace(" ", "-")
            try:
                results[name] = measure(lambda build=build, path=path: build(path), path, names)
            except ImportError as error:
                print(f"skipped {name}: {error}")
    finally:
        shutil.rmtree(directory)
    print(
        f"\n{n_captions:,} captions, {args.n_names:,} names; reading the source: {read_s:.1f} s\n"
    )
    report(results)


def measure(build: Callable[[], Recall], path: Path, names: list[str]) -> Measured:
    """Build once; recall twice, of which the faster counts."""
    build_s, recall = timed(build)
    recall_s, n_hits = min(timed(lambda: recall(names, False)) for _ in range(2))
    whole_s, _ = min(timed(lambda: recall(names, True)) for _ in range(2))
    mb = size_of(path)
    return Measured(
        build_s,
        mb,
        size_of(path, "*.sqlite") if "skclip" in path.name else mb,
        recall_s,
        whole_s,
        n_hits,
    )


def report(results: dict[str, Measured]) -> None:
    """Print a table with ratios to the first layout."""
    base = next(iter(results.values()))
    print(
        "| layout | build CPU s | ratio | MB | index MB | ratio "
        "| recall CPU s | with rows | ratio | hits |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, m in results.items():
        print(
            f"| {name} | {m.build_s:.1f} | {m.build_s / base.build_s:.2f} | {m.mb:.0f} | "
            f"{m.index_mb:.0f} | {m.index_mb / base.index_mb:.2f} | {m.recall_s:.2f} | "
            f"{m.whole_s:.2f} | {m.whole_s / base.whole_s:.2f} | {m.n_hits:,} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n-captions", type=int, nargs="+", default=[3_000_000])
    parser.add_argument("--n-names", type=int, default=1000)
    parser.add_argument("--shard-size", type=int, default=500_000)
    parser.add_argument("--match", default="phrase", help="of skclip; the peers find phrases")
    parser.add_argument("--captions", type=Path, help="TSV file with captions in the last column")
    parser.add_argument("--directory", type=Path, help="where to build; a temporary one by default")
    parser.add_argument("--only", nargs="*", help="layouts to run; all by default")
    args = parser.parse_args()
    for n in args.n_captions:
        run(n, args)


if __name__ == "__main__":
    main()
