"""Recall and filter images of the classes of a head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skclip._linalg import nonzero_rows, unit_rows
from skclip._text_head import TextHead, check_same_width
from skclip._validation import encode_known, sample_of
from skclip._warn import warn_caller
from skclip.exceptions import ModelMismatchError, TextDisagreementWarning
from skclip.heads._parts._distinct_images import Images

if TYPE_CHECKING:
    from skclip.recall import PrimingPool

__all__ = ["common_width", "pool_images", "recall_pool", "warn_of_disagreement"]

# Agreement with fewer images is too noisy for a warning.
ENOUGH_TO_TELL = 20


def recall_pool(
    corpus: Any,
    retriever: Any,
    pool_filter: Any,
    text_head: TextHead | None,
    classes: NDArray[Any],
    *,
    estimator: str,
) -> PrimingPool | None:
    """Recall images of the classes and keep those that pass the filter.

    Parameters
    ----------
    corpus, retriever, pool_filter : object
        Parameters of the head.

    text_head : TextHead or None
        Gives the class names and the scores of the filter.

    classes : ndarray of shape (n_classes,)
        Sorted labels.

    estimator : str
        Name of the head, for messages.

    Returns
    -------
    pool : PrimingPool or None
        Labelled as the head; None without ``corpus`` and ``retriever``.
    """
    if corpus is not None and retriever is not None:
        raise ValueError(
            f"{estimator} got both `corpus` and `retriever`: give one of them. A retriever has "
            "its own corpus."
        )
    if corpus is None and retriever is None:
        return None
    # heads without a pool load no module that reads collections
    from skclip.recall import (
        CaptionRetriever,
        NeighborRetriever,
        ZeroShotFilter,
        warn_of_other_senses,
    )

    searched = CaptionRetriever(corpus) if retriever is None else clone(retriever, safe=False)
    labels = classes.tolist()
    names = labels
    if text_head is not None and text_head.class_names is not None:
        names = text_head.names
    elif classes.dtype.kind in "biuf" and isinstance(searched, CaptionRetriever):
        raise ValueError(
            f"{estimator} cannot search captions for the numbers {sample_of(labels)}. Give the "
            "class names: ZeroShotClassifier(..., class_names={label: name})."
        )
    if isinstance(searched, NeighborRetriever):
        raise ValueError(
            f"{estimator} recalls by class name, but NeighborRetriever recalls by image: set "
            "`retriever` to a CaptionRetriever or to a PrimingPool, such as the result of "
            "NeighborRetriever.recall(X, y)."
        )
    recalled = _checked(searched.recall(list(dict.fromkeys(names))), searched, estimator)
    if recalled.embeddings is None:
        raise ValueError(
            f"The {len(recalled)} recalled images have no embeddings: build the corpus with an "
            "embedder, or give the retriever one."
        )
    text_model = None if text_head is None else text_head.model_id
    if None not in (recalled.model_id, text_model) and recalled.model_id != text_model:
        raise ModelMismatchError(
            f"The pool was embedded by {recalled.model_id!r}, the class names by {text_model!r}: "
            "embed both with one model."
        )
    pool = _labelled(recalled, names, classes)
    assert pool.embeddings is not None
    if not len(pool):
        return pool
    if text_head is not None:
        check_same_width(pool.embeddings.shape[1], text_head)
        evident = np.flatnonzero(nonzero_rows(pool.embeddings))
        codes = encode_known(pool.labels[evident], classes, source="The recalled pool")
        scores = text_head.scores(unit_rows(pool.embeddings[evident]))
        warn_of_disagreement(scores, codes, "recalled images", n_errors=1)
        if (captions := pool.captions) is not None:
            winners = scores.argmax(axis=1)
            warn_of_other_senses(names, winners, codes, lambda i: captions[evident[i]])
    if isinstance(pool_filter, str):
        return pool
    pool_filter = ZeroShotFilter() if pool_filter is None else clone(pool_filter)
    kept = pool_filter.support(pool.embeddings, pool.labels, text_head)
    # a person has looked at these, the filter has not
    return pool[kept if pool.confirmed is None else kept | pool.confirmed]


def _checked(recalled: Any, retriever: Any, estimator: str) -> PrimingPool:
    """Return the result of a retriever as a valid pool; other retrievers may return any type."""
    from skclip.recall import PrimingPool

    if type(recalled) is PrimingPool and not _is_inconsistent(recalled):
        return recalled
    missing = [name for name in ("labels", "embeddings") if not hasattr(recalled, name)]
    if missing:
        raise TypeError(
            f"The `recall` of {retriever!r} must return a PrimingPool, but {estimator} got "
            f"{type(recalled).__name__} without {missing[0]}."
        )
    embeddings = recalled.embeddings
    return PrimingPool(
        np.array(recalled.labels),
        None if embeddings is None else np.array(embeddings),
        sample_weight=getattr(recalled, "sample_weight", None),
        model_id=getattr(recalled, "model_id", None),
    )


def _is_inconsistent(pool: PrimingPool) -> bool:
    """Return whether the arrays of a pool were changed and no longer fit together."""
    rows = pool.embeddings
    return rows is not None and (
        not isinstance(rows, np.ndarray) or rows.ndim != 2 or len(rows) != len(pool.labels)
    )


def _labelled(recalled: PrimingPool, names: list[Any], classes: NDArray[Any]) -> PrimingPool:
    """Return the pool with labels of the head; labels with the same name get the same images."""
    pool = recalled
    known = list(dict.fromkeys(names))
    at = encode_known(pool.labels, np.asarray(known), source="The recalled pool")
    if names == classes.tolist():
        return pool
    rows, labels = [], []
    for label, name in zip(classes.tolist(), names, strict=True):
        own = np.flatnonzero(at == known.index(name))
        rows.append(own)
        labels.extend([label] * len(own))
    chosen = pool[np.concatenate(rows)]
    return type(pool)(
        np.asarray(labels, dtype=classes.dtype),
        chosen.embeddings,
        ids=chosen.ids,
        captions=chosen.captions,
        images=chosen.images,
        sample_weight=chosen.sample_weight,
        model_id=chosen.model_id,
        confirmed=chosen.confirmed,
        corpus_id=chosen.corpus_id,
    )


def warn_of_disagreement(
    scores: NDArray[Any], codes: NDArray[Any], what: str, *, n_errors: float
) -> None:
    """Warn if the text head agrees with the classes no more often than by chance.

    Parameters
    ----------
    scores : ndarray of shape (n_images, n_classes)
        Scores of the text head.

    codes : ndarray of shape (n_images,)
        Classes of the images.

    what : str
        Kind of images, for the message.

    n_errors : float
        Warn up to this many standard errors above chance.
    """
    n_images, n_classes = scores.shape
    if n_classes < 2 or n_images < ENOUGH_TO_TELL:
        return
    agreed, chance = float(np.mean(scores.argmax(axis=1) == codes)), 1 / n_classes
    if agreed <= chance + n_errors * np.sqrt(chance * (1 - chance) / n_images):
        warn_caller(
            f"The text head agrees with {agreed:.0%} of {n_images} {what}, no more than by chance: "
            "names, synonyms, labels or the order of the text rows may be wrong, or the "
            "embeddings are of two models.",
            TextDisagreementWarning,
        )


def pool_images(pool: PrimingPool | None, classes: NDArray[Any]) -> Images | None:
    """Return the recalled images as unit rows with codes and weights; None if there are none."""
    if pool is None or pool.embeddings is None or not len(pool):
        return None
    weight = np.ones(len(pool)) if pool.sample_weight is None else pool.sample_weight
    codes = encode_known(pool.labels, classes, source="The recalled pool")
    return Images(unit_rows(pool.embeddings), codes, weight.astype(np.float64))


def common_width(rows: list[Any], text_head: TextHead | None) -> int:
    """Return the common number of features of labelled images, recalled images and text.

    Parameters
    ----------
    rows : list of arrays
        Labelled images and recalled images, if there are any.

    text_head : TextHead or None
        Text rows.

    Returns
    -------
    n_features : int
        0 without rows and text.

    Raises
    ------
    ValueError
        If the widths differ.
    """
    widths = [int(one.shape[1]) for one in rows]
    if len(set(widths)) > 1:
        raise ValueError(
            f"X has {widths[0]} features, but the recalled images have {widths[1]}: both must be "
            "embedded by the same model."
        )
    if text_head is None:
        return widths[0] if widths else 0
    for width in widths:
        check_same_width(width, text_head)
    return int(text_head.weights.shape[1])
