"""From matches to a pool: order, choice and report."""

import warnings
from collections.abc import Sequence
from numbers import Real
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from skclip._linalg import unit_rows
from skclip._text_head import resolve_text_head
from skclip._validation import sample_of
from skclip.captions import Matches
from skclip.corpus import CaptionStore, Embedder
from skclip.exceptions import NoMatchWarning, UnreadableImageWarning
from skclip.recall._find_matches import Candidates
from skclip.recall._pool import PrimingPool, label_array
from skclip.recall._report import RecallReport, count_labels
from skclip.recall._select import Choice, Chooser, Excluded, random_order
from skclip.recall._vectors import row_vectors

__all__ = ["recall_pool", "text_of_names", "warn_about"]


def recall_pool(
    store: CaptionStore,
    names: list[Any],
    matches: Matches | Candidates,
    *,
    k: int | None,
    seed: int | None = None,
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

    zero_shot : mapping, classifier or None
        Text embeddings; if given, matches most similar to their class come first.

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
    candidates = matches.rows
    if seed is not None:
        candidates = [
            random_order(m, name, seed) for m, name in zip(candidates, names, strict=True)
        ]
    if zero_shot is not None:
        candidates = _best_first(store, names, candidates, zero_shot, embedder)
    threshold = deduplicate if isinstance(deduplicate, Real) else None
    excluded = None
    if exclude_images is not None:
        model_id = getattr(embedder, "model_id", None)
        excluded = store.recalled.get_or_make(
            joblib.hash((exclude_images, model_id, threshold)),
            lambda: Excluded.of(exclude_images, embedder, threshold),
        )
    chooser = Chooser(store, k=k, embedder=embedder, deduplicate=deduplicate, excluded=excluded)
    return _make_pool(store, names, matches, chooser.choose(candidates), embedder)


def _best_first(
    store: CaptionStore,
    names: list[Any],
    matches: Sequence[NDArray[np.int64]],
    zero_shot: Any,
    embedder: Embedder | None,
) -> list[NDArray[np.int64]]:
    """Order the matches of each class by their cosine with its text embedding."""
    ordered = []
    for text, rows in zip(text_of_names(zero_shot, names), matches, strict=True):
        embeddings, _ = row_vectors(store, rows, embedder)
        if embeddings is None:
            raise ValueError(
                "select='best' needs embeddings: build the corpus with embedder=, or give an "
                "embedder."
            )
        ordered.append(rows[np.argsort(-(unit_rows(embeddings) @ text), kind="stable")])
    return ordered


def text_of_names(zero_shot: Any, names: list[Any]) -> NDArray[Any]:
    """Return the text embedding of each class name."""
    head = resolve_text_head(zero_shot, np.unique(label_array(names)))
    assert head is not None
    text = dict(zip(head.classes.tolist(), head.weights, strict=True))
    return np.stack([text[name] for name in names])


def _make_pool(
    store: CaptionStore,
    names: list[Any],
    matches: Matches | Candidates,
    choice: Choice,
    embedder: Embedder | None,
) -> PrimingPool:
    rows = np.concatenate(choice.rows)
    labels = np.repeat(label_array(names), [len(r) for r in choice.rows])
    counts = {
        "matches": matches.n_matches,
        "ambiguous": matches.n_ambiguous,
        **choice.counts,
        "kept": count_labels(names, labels),
    }
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
        warnings.warn(
            f"No caption names {sample_of(unmatched)} ({len(unmatched)} of {len(report.names)} "
            "classes): no images are recalled for them. Give other words for them as synonyms.",
            NoMatchWarning,
            stacklevel=3,
        )
    if problems:
        warnings.warn(
            f"{len(problems)} recalled images could not be read and were left out: "
            f"{sample_of(problems)}.",
            UnreadableImageWarning,
            stacklevel=3,
        )
