"""Caption search: build time, size and recall of skclip's index beside its peers, in one run.

    python benchmarks/bench_captions.py --n-captions 3000000

Peers: the layout of the published priming code (whole rows in one FTS5 table, ``SELECT *`` a
name), plain FTS5 over the caption column, tantivy (if installed), and one Aho-Corasick pass without
an index (if pyahocorasick is installed). Times are CPU seconds of one process. Captions are drawn
from a Zipf distribution over 200 000 made-up words, names are words and word pairs in them.
"""

import argparse
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skclip.corpus import Corpus
from skclip.recall._find import find_matches
from skclip.recall._matching import Matching
from skclip.recall._query import make_queries
from skclip.recall._settle import Settler

N_WORDS = 200_000


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


def make_names(captions: list[str], n: int, rng: np.random.Generator) -> list[str]:
    """Return distinct words and pairs of neighbouring words, none of the most common words."""
    common = set(" ".join(captions[:200]).split())
    names: dict[str, None] = {}
    while len(names) < n:
        words = captions[rng.integers(len(captions))].split()
        at = int(rng.integers(len(words) - 1))
        name = words[at : at + 1 + int(rng.integers(2))]
        if not common.issuperset(name):
            names[" ".join(name)] = None
    return list(names)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds, which other work on the machine changes little, and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def size_of(path: Path, pattern: str = "*") -> float:
    """Return megabytes of a file, or of the files below a directory."""
    files = [path] if path.is_file() else [f for f in path.rglob(pattern) if f.is_file()]
    return sum(f.stat().st_size for f in files) / 1e6


# -- the layouts: build(captions, directory) and recall(names) -> number of rows


def priming_code(captions: list[str], path: Path) -> Callable[[list[str]], int]:
    """Whole rows in FTS5, as the shards of the published code are queried."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(
        "CREATE VIRTUAL TABLE samples USING fts5("
        "SAMPLE_ID, URL, TEXT, HEIGHT, WIDTH, LICENSE, NSFW, similarity)"
    )
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (i, f"https://example.org/{i % 1000}/{i}.jpg", c, 480, 640, "?", "UNLIKELY", 0.3)
            for i, c in enumerate(captions)
        ),
    )
    connection.execute("COMMIT")

    def recall(names: list[str]) -> int:
        query = "SELECT * FROM samples WHERE TEXT MATCH ?"
        return sum(len(connection.execute(query, (f'"{n}"',)).fetchall()) for n in names)

    return recall


def plain_fts5(captions: list[str], path: Path) -> Callable[[list[str]], int]:
    """Put the caption column alone into FTS5 as it comes."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("CREATE VIRTUAL TABLE samples USING fts5(caption)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO samples VALUES (?)", ((c,) for c in captions))
    connection.execute("COMMIT")

    def recall(names: list[str]) -> int:
        query = "SELECT rowid FROM samples WHERE samples MATCH ?"
        return sum(len(connection.execute(query, (f'"{n}"',)).fetchall()) for n in names)

    return recall


def tantivy_index(captions: list[str], path: Path) -> Callable[[list[str]], int]:
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
    for row, caption in enumerate(captions):
        document = tantivy.Document()
        document.add_text("caption", caption)
        document.add_unsigned("row", row)
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def recall(names: list[str]) -> int:
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
    source: Path, path: Path, *, index: bool, shard_size: int
) -> Callable[[list[str]], int]:
    """Build a corpus: captions in Parquet, a contentless index a shard or no index at all."""
    corpus = Corpus.build(source, path, index=index, shard_size=shard_size)

    def recall(names: list[str]) -> int:
        settler = Settler(names, make_queries(names), Matching(), longest=False, ambiguous="keep")
        method = "index" if index else "scan"
        matches = find_matches(corpus, settler, method=method, n_jobs=None)
        return sum(map(len, matches.rows))

    return recall


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n-captions", type=int, nargs="+", default=[3_000_000])
    parser.add_argument("--n-names", type=int, default=1000)
    parser.add_argument("--shard-size", type=int, default=500_000)
    parser.add_argument("--only", nargs="*", help="layouts to run; all by default")
    args = parser.parse_args()
    for n in args.n_captions:
        run(n, args)


def run(n_captions: int, args: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    captions = make_captions(n_captions, rng)
    names = make_names(captions, args.n_names, rng)
    directory = Path(tempfile.mkdtemp(prefix="bench-captions-"))
    source = directory / "captions.parquet"
    pq.write_table(pa.table({"caption": captions}), source)
    options = {"shard_size": args.shard_size}
    layouts: dict[str, Callable[[Path], Callable[[list[str]], int]]] = {
        "priming code": lambda path: priming_code(captions, path),
        "plain FTS5": lambda path: plain_fts5(captions, path),
        "tantivy": lambda path: tantivy_index(captions, path),
        "skclip, index": lambda path: skclip_corpus(source, path, index=True, **options),
        "skclip, scan": lambda path: skclip_corpus(source, path, index=False, **options),
    }
    rows = []
    try:
        for name, build in layouts.items():
            if args.only and name not in args.only:
                continue
            path = directory / name.replace(", ", "-").replace(" ", "-")
            try:
                build_s, recall = timed(lambda build=build, path=path: build(path))
            except ImportError as error:
                print(f"skipped {name}: {error}")
                continue
            recall_s, n_hits = min(timed(lambda recall=recall: recall(names)) for _ in range(2))
            index_mb = size_of(path, "*.sqlite") if path.is_dir() and "skclip" in name else None
            rows.append((name, build_s, size_of(path), index_mb, recall_s, n_hits))
    finally:
        shutil.rmtree(directory)
    report(n_captions, args.n_names, rows)


def report(n_captions: int, n_names: int, rows: list[tuple[Any, ...]]) -> None:
    _, build_0, size_0, _, recall_0, _ = rows[0]
    print(f"\n{n_captions:,} captions, {n_names:,} names\n")
    print("| layout | build CPU s | ratio | MB | index MB | ratio | recall CPU s | ratio | hits |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, build_s, mb, index_mb, recall_s, hits in rows:
        index = mb if index_mb is None else index_mb
        print(
            f"| {name} | {build_s:.1f} | {build_s / build_0:.2f} | {mb:.0f} | {index:.0f} | "
            f"{index / size_0:.2f} | {recall_s:.2f} | {recall_s / recall_0:.2f} | {hits:,} |"
        )


if __name__ == "__main__":
    main()
