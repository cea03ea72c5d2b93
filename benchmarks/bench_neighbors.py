"""Neighbour search: time and recall of NeighborRetriever's methods beside scikit-learn, in one run.

    OMP_NUM_THREADS=1 python benchmarks/bench_neighbors.py --n-rows 10000 100000

Rows are unit vectors around random centres; the queries are perturbed rows. Times are CPU seconds
of one process, contenders take turns, the least of the rounds counts. Libraries that are not
installed are left out.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from skclip.recall import NeighborRetriever, PrimingPool

Search = Callable[[], NDArray[Any]]


def make_rows(
    n_rows: int, n_queries: int, n_features: int, noise: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return rows around ``sqrt(n_rows)`` centres, and queries near some of them."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(int(n_rows**0.5), n_features)).astype(np.float32)
    X = centers[rng.integers(len(centers), size=n_rows)]
    X += noise * rng.normal(size=X.shape).astype(np.float32)
    Q = X[rng.choice(n_rows, n_queries, replace=False)]
    Q = Q + noise * rng.normal(size=Q.shape).astype(np.float32)
    return tuple(A / np.linalg.norm(A, axis=1, keepdims=True) for A in (X, Q))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def contenders(X: NDArray[Any], Q: NDArray[Any], k: int) -> dict[str, Callable[[], Search]]:
    """Return functions that build, and return functions that search."""

    def scikit_learn() -> Search:
        neighbors = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(X)
        return lambda: neighbors.kneighbors(Q, return_distance=False)

    def whole_matrix() -> Search:
        def search() -> NDArray[Any]:
            S = Q @ X.T
            found = np.argpartition(-S, k, axis=1)[:, :k]
            order = np.argsort(-np.take_along_axis(S, found, 1), axis=1)
            return np.take_along_axis(found, order, 1)

        return search

    def ours(method: str) -> Callable[[], Search]:
        def build() -> Search:
            pool = PrimingPool(np.zeros(len(X), dtype=int), X)
            retriever = NeighborRetriever(pool, k=k, method=method)
            retriever.kneighbors(Q[:1])  # builds the index
            return lambda: retriever.kneighbors(Q)[1]

        return build

    return {
        "scikit-learn brute force": scikit_learn,
        "whole matrix in numpy": whole_matrix,
        "method='exact'": ours("exact"),
        "method='faiss'": ours("faiss"),
        "method='hnsw'": ours("hnsw"),
    }


def run(n_rows: int, args: argparse.Namespace) -> None:
    X, Q = make_rows(n_rows, args.n_queries, args.n_features, args.noise)
    results: dict[str, list[Any]] = {}
    searches: dict[str, Search] = {}
    for name, build in contenders(X, Q, args.k).items():
        try:
            build_s, searches[name] = timed(build)
        except ImportError as error:
            print(f"skipped {name}: {error}")
            continue
        results[name] = [build_s, np.inf, None]
    for _ in range(args.n_rounds):
        for name, search in searches.items():
            query_s, rows = timed(search)
            results[name][1] = min(results[name][1], query_s)
            results[name][2] = rows
    truth = results["scikit-learn brute force"][2]
    base = results["scikit-learn brute force"][1]
    print(f"\n{n_rows:,} rows of {args.n_features}, {args.n_queries:,} queries, k={args.k}\n")
    print("| search | build CPU s | query CPU s | ratio | recall@k |")
    print("|---|---|---|---|---|")
    for name, (build_s, query_s, rows) in results.items():
        recall = np.mean([np.isin(t, r).mean() for t, r in zip(truth, rows, strict=True)])
        ratio = query_s / base
        print(f"| {name} | {build_s:.2f} | {query_s:.2f} | {ratio:.2f} | {recall:.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n-rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--n-queries", type=int, default=1000)
    parser.add_argument("--n-features", type=int, default=512)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--noise", type=float, default=1.0, help="spread around the centres")
    parser.add_argument("--n-rounds", type=int, default=3)
    args = parser.parse_args()
    for n_rows in args.n_rows:
        run(n_rows, args)


if __name__ == "__main__":
    main()
