"""From matches to a pool: order, choice and report."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from skclip._linalg import unit_rows
from skclip._validation import sample_of
from skclip._warn import warn_caller
from skclip.captions import Matches
from skclip.corpus import CaptionStore, Embedder
from skclip.exceptions import NoMatchWarning, UnreadableImageWarning
from skclip.recall._matches import Candidates, Choice, Chooser, Excluded, random_order
from skclip.recall._other_senses import compare_with_all
from skclip.recall._pool import PrimingPool, label_array
from skclip.recall._report import RecallReport, count_labels
from skclip.recall._vectors import check_same_caption_model, row_vectors, text_rows

__all__ = ["BY_SIMILARITY", "most_similar_first", "recall_pool", "warn_about"]

# Values of `select` that compare images, or captions, with the text of the class.
BY_SIMILARITY = ("best", "caption")
# Rows whose embeddings are in memory at once.
_BLOCK = 1 << 14


def recall_pool(
    store: CaptionStore,
    names: list[Any],
    matches: Matches | Candidates,
    *,
    k: int | None,
    seed: int | None = None,
    select: str = "first",
    zero_shot: Any = None,
    deduplicate: float | str | None = None,
    exclude_images: Any = None,
    embedder: Embedder | None = None,
) -> PrimingPool:
    """Take at most k matches per class.

    Parameters
    ----------
    store : CaptionStore
        Collection of the matches.

    names : list
        Class names.

    matches : Matches or Candidates
        Matches of each class.

    k : int or None
        Maximum number of rows per class.

    seed : int or None
        Seed of a random order; None uses the order of the collection.

    select : {"first", "random", "best", "caption"}
        Which matches come first; see :class:`~skclip.recall.CaptionRetriever`.

    zero_shot : mapping, classifier or None
        Text embeddings of the classes, for ``"best"`` and ``"caption"``.

    deduplicate : float, "content" or None
        How to drop duplicates; see :class:`~skclip.recall.CaptionRetriever`.

    exclude_images : sequence of images, ndarray or None
        Images that must not be recalled.

    embedder : Embedder or None
        Embeds candidates if the collection has no embeddings.

    Returns
    -------
    pool : PrimingPool
        The pool, with its report.
    """
    candidates, n_dissimilar = _in_order(store, names, matches, select, seed, zero_shot, embedder)
    threshold = deduplicate if isinstance(deduplicate, Real) else None
    excluded = None
    if exclude_images is not None:
        model_id = getattr(embedder, "model_id", None)
        excluded = store.recalled.get_or_make(
            joblib.hash((exclude_images, model_id, threshold)),
            lambda: Excluded.of(exclude_images, embedder, threshold),
        )
    chooser = Chooser(store, k=k, embedder=embedder, deduplicate=deduplicate, excluded=excluded)
    choice = chooser.choose(candidates)
    counts = {"matches": matches.n_matches, "ambiguous": matches.n_ambiguous}
    if n_dissimilar is not None:
        counts["dissimilar"] = n_dissimilar
    return _make_pool(store, names, counts, choice, embedder)


def most_similar_first(
    candidates: Sequence[NDArray[np.int64]],
    text: NDArray[Any],
    embeddings: Callable[[NDArray[np.int64]], NDArray[Any]],
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float32]]]:
    r"""Order the matches of each class by their cosine :math:`x \cdot t_c` with its text.

    Rows are read in blocks. Equal rows have equal cosines, wherever they are in a block.

    Parameters
    ----------
    candidates : sequence of ndarray of int64
        Matches of each class, ascending.

    text : ndarray of shape (n_classes, n_features)
        Unit rows.

    embeddings : callable
        Returns the embeddings of rows.

    Returns
    -------
    ordered : list of ndarray of int64
        The same rows, most similar first; equal cosines are in order of row number.

    similarities : list of ndarray of float32
        Cosines, descending; zero rows have 0.
    """
    ordered, similarities = [], []
    for rows, t in zip(candidates, np.asarray(text, dtype=np.float32), strict=True):
        # a matrix product may round equal rows differently, einsum does not
        cosines = [
            np.einsum("ij,j->i", unit_rows(embeddings(rows[start : start + _BLOCK])), t)
            for start in range(0, len(rows), _BLOCK)
        ]
        values = np.concatenate([np.empty(0, dtype=np.float32), *cosines])
        order = np.argsort(-values, kind="stable")
        ordered.append(rows[order])
        similarities.append(values[order])
    return ordered, similarities


def _in_order(
    store: CaptionStore,
    names: list[Any],
    matches: Matches | Candidates,
    select: str,
    seed: int | None,
    zero_shot: Any,
    embedder: Embedder | None,
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64] | None]:
    """Return the matches of each class in order of preference, and how many are dissimilar."""
    candidates = matches.rows
    if seed is not None:
        pairs = zip(candidates, names, strict=True)
        return [random_order(rows, name, seed) for rows, name in pairs], None
    if select not in BY_SIMILARITY:
        return candidates, None
    text, text_model_id = text_rows(zero_shot, names)
    if select == "best":
        images = _image_rows(store, embedder)
        ordered, _ = most_similar_first(candidates, text, images)
        if store.has_embeddings:  # otherwise it may cost forward passes
            compare_with_all(store, names, ordered, text, images, what="images")
        return ordered, None
    check_same_caption_model(store, text_model_id)
    width = store.caption_embeddings([]).shape[1]
    if text.shape[1] != width:
        raise ValueError(
            f"zero_shot has {text.shape[1]} features, but the captions have {width}: select="
            "'caption' needs text embeddings of the model that embedded the captions."
        )
    ordered, similarities = most_similar_first(candidates, text, store.caption_embeddings)
    compare_with_all(store, names, ordered, text, store.caption_embeddings, what="captions")
    n_similar = [int(np.sum(values > 0)) for values in similarities]
    kept = [rows[:n] for rows, n in zip(ordered, n_similar, strict=True)]
    n_dissimilar = [len(a) - len(b) for a, b in zip(ordered, kept, strict=True)]
    return kept, np.asarray(n_dissimilar, dtype=np.int64)


def _image_rows(
    store: CaptionStore, embedder: Embedder | None
) -> Callable[[NDArray[np.int64]], NDArray[Any]]:
    if embedder is None and not store.has_embeddings:
        raise ValueError(
            "select='best' needs embeddings: build the corpus with embedder=, or give an embedder."
        )

    def read(rows: NDArray[np.int64]) -> NDArray[Any]:
        embeddings, _ = row_vectors(store, rows, embedder)
        assert embeddings is not None
        return embeddings

    return read


def _make_pool(
    store: CaptionStore,
    names: list[Any],
    counts: dict[str, NDArray[np.int64]],
    choice: Choice,
    embedder: Embedder | None,
) -> PrimingPool:
    rows = np.concatenate(choice.rows)
    labels = np.repeat(label_array(names), [len(r) for r in choice.rows])
    counts = {**counts, **choice.counts, "kept": count_labels(names, labels)}
    unreadable = store.ids(list(choice.problems))
    problems = [f"{i}: {why}" for i, why in zip(unreadable, choice.problems.values(), strict=True)]
    return PrimingPool(
        labels,
        embeddings=choice.embeddings,
        ids=store.ids(rows),
        captions=store.captions(rows),
        images=store.image_references(rows),
        model_id=store.model_id if store.has_embeddings else getattr(embedder, "model_id", None),
        recall_report=RecallReport(names, counts, problems),
        corpus_id=store.corpus_id,
    )


def warn_about(report: RecallReport) -> None:
    """Warn of classes without a match and of unreadable images."""
    unmatched, problems = report.unmatched, report.problems
    if unmatched:
        warn_caller(
            f"No caption names {sample_of(unmatched)} ({len(unmatched)} of {len(report.names)} "
            "classes): no images are recalled for them. Give other words for them as synonyms.",
            NoMatchWarning,
        )
    if problems:
        warn_caller(
            f"{len(problems)} recalled images could not be read and were left out: "
            f"{sample_of(problems)}.",
            UnreadableImageWarning,
        )
