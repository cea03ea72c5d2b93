"""Recall for heads: images of the classes, in the labels of the head, that the filter keeps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skclip._linalg import unit_rows
from skclip._text_head import TextHead, check_same_width
from skclip._validation import encode_known, sample_of
from skclip._warn import warn_caller
from skclip.exceptions import ModelMismatchError, PoolDisagreementWarning
from skclip.heads._distinct_images import Images
from skclip.recall import CaptionRetriever, PrimingPool, ZeroShotFilter

__all__ = ["common_width", "pool_images", "recall_pool"]

# So many recalled images tell agreement from chance.
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
        Names the classes, and is what the filter compares with.

    classes : ndarray of shape (n_classes,)
        Sorted labels.

    estimator : str
        Name of the head, for messages.

    Returns
    -------
    pool : PrimingPool or None
        In the labels of the head; None where there is nothing to recall from.
    """
    if corpus is not None and retriever is not None:
        raise ValueError(
            f"{estimator} got both `corpus` and `retriever`: give one of them. A retriever has a "
            "corpus of its own."
        )
    if corpus is None and retriever is None:
        return None
    searched = CaptionRetriever(corpus) if retriever is None else clone(retriever, safe=False)
    labels = classes.tolist()
    names = labels
    if text_head is not None and text_head.class_names is not None:
        names = text_head.names
    elif classes.dtype.kind in "biuf" and isinstance(searched, CaptionRetriever):
        raise ValueError(
            f"{estimator} would search captions for the numbers {sample_of(labels)}. Say what the "
            "classes are called: ZeroShotClassifier(..., class_names={label: name})."
        )
    recalled = searched.recall(list(dict.fromkeys(names)))
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
    if not len(pool) or isinstance(pool_filter, str):
        return pool
    pool_filter = ZeroShotFilter() if pool_filter is None else clone(pool_filter)
    assert pool.embeddings is not None
    kept = pool_filter.support(pool.embeddings, pool.labels, text_head)
    if text_head is not None:
        _warn_of_disagreement(pool, text_head)
    return pool[kept]


def _labelled(recalled: Any, names: list[Any], classes: NDArray[Any]) -> PrimingPool:
    """Return the pool in labels of the head; of two labels with one name both get its images."""
    # a third party's pool is not trusted to stay as it is, nor to know the classes
    pool = (
        recalled
        if isinstance(recalled, PrimingPool)
        else PrimingPool(np.array(recalled.labels), np.array(recalled.embeddings))
    )
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
    return PrimingPool(
        np.asarray(labels, dtype=classes.dtype),
        chosen.embeddings,
        ids=chosen.ids,
        captions=chosen.captions,
        images=chosen.images,
        sample_weight=chosen.sample_weight,
        model_id=chosen.model_id,
    )


def _warn_of_disagreement(pool: PrimingPool, text_head: TextHead) -> None:
    assert pool.embeddings is not None
    check_same_width(pool.embeddings.shape[1], text_head)
    evident = np.flatnonzero(pool.embeddings.any(axis=1))
    n_classes = len(text_head.classes)
    if n_classes < 2 or len(evident) < ENOUGH_TO_TELL:
        return
    codes = encode_known(pool.labels[evident], text_head.classes, source="The recalled pool")
    scores = text_head.scores(unit_rows(pool.embeddings[evident]))
    agreed = float(np.mean(scores.argmax(axis=1) == codes))
    if agreed <= 1 / n_classes:
        warn_caller(
            f"The text head agrees with {agreed:.0%} of {len(evident)} recalled images, no more "
            "than by chance: names, synonyms or the order of the text rows may be wrong, or the "
            "embeddings are of two models.",
            PoolDisagreementWarning,
        )


def pool_images(pool: PrimingPool | None, classes: NDArray[Any]) -> Images | None:
    """Return the recalled images as unit rows with codes and weights; None without any."""
    if pool is None or pool.embeddings is None or not len(pool):
        return None
    weight = np.ones(len(pool)) if pool.sample_weight is None else pool.sample_weight
    codes = encode_known(pool.labels, classes, source="The recalled pool")
    return Images(unit_rows(pool.embeddings), codes, weight.astype(np.float64))


def common_width(rows: list[Any], text_head: TextHead | None) -> int:
    """Return the number of features that labelled images, recalled images and text share.

    Parameters
    ----------
    rows : list of arrays
        Labelled images, recalled images: those that there are.

    text_head : TextHead or None
        Text rows.

    Returns
    -------
    n_features : int
        0 where there is nothing.

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
