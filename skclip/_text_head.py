"""The text head: one unit row a class, aligned by name, from whatever ``zero_shot`` was given.

Every estimator with a ``zero_shot`` parameter resolves it here.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from skclip._array_api import cast, to_numpy
from skclip._linalg import class_proba, unit_rows
from skclip._validation import sample_of

__all__ = ["TextHead", "check_labels_known", "check_same_width", "resolve_text_head"]


class TextHead(NamedTuple):
    """Text weights aligned with sorted classes.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted class labels.

    weights : ndarray of shape (n_classes, n_features)
        Unit rows, one a class.

    logit_scale : float
        The model's logit scale.

    logit_bias : float or None
        The model's logit bias, if it was trained with a sigmoid a pair.

    model_id : str or None
        Identity of the model that encoded the text, where known.
    """

    classes: NDArray[Any]
    weights: NDArray[Any]
    logit_scale: float
    logit_bias: float | None
    model_id: str | None

    def scores(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return x·t for unit rows ``X``: ``(n, d) -> (n, C)``."""
        scores: NDArray[Any] = X @ cast(self.weights, X.dtype).T
        return scores

    def proba(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the probabilities of :meth:`scores`: ``(n, d) -> (n, C)``."""
        return class_proba(self.scores(X), self.logit_scale, self.logit_bias)

    def restricted(self, classes: NDArray[Any]) -> "TextHead":
        """Return the head of some of the classes; ``classes`` is sorted and known to it."""
        at = np.searchsorted(self.classes, classes)
        return self._replace(classes=self.classes[at], weights=self.weights[at])


def aligned_rows(rows: Mapping[Any, ArrayLike]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return sorted class names and their vectors, from ``{class name: vector}``.

    Examples
    --------
    >>> from skclip._text_head import aligned_rows
    >>> aligned_rows({"dog": [0.0, 1.0], "cat": [1.0, 0.0]})
    (array(['cat', 'dog'], dtype='<U3'), array([[1., 0.],
           [0., 1.]]))
    """
    if not rows:
        raise ValueError("The mapping of class names to text embeddings is empty.")
    vectors = [to_numpy(row) for row in rows.values()]
    shapes = {vector.shape for vector in vectors}
    if len(shapes) > 1 or len(vectors[0].shape) != 1:
        raise ValueError(
            "The text embeddings of all classes must be vectors of one length, got shapes "
            f"{sample_of(sorted(shapes))}."
        )
    weights = np.stack(vectors)
    if weights.dtype not in (np.float32, np.float64):
        weights = weights.astype(np.float32)
    finite = np.isfinite(weights).all(axis=1)
    names = np.asarray(list(rows))
    if not finite.all():
        raise ValueError(
            f"The text embeddings of {sample_of(names[~finite])} contain NaN or infinity."
        )
    order = np.argsort(names)
    return names[order], weights[order]


def resolve_text_head(zero_shot: Any, labels: NDArray[Any] | None) -> TextHead | None:
    """Turn the ``zero_shot`` parameter of an estimator into a text head.

    Parameters
    ----------
    zero_shot : None, mapping or classifier
        ``{class name: vector}``, or a classifier that needs no rows to fit, such as
        :class:`~skclip.ZeroShotClassifier`. A classifier is cloned and fitted on the labels
        alone; wrap one that must stay as it is in
        :class:`~sklearn.frozen.FrozenEstimator`.

    labels : ndarray of shape (n_labels,) or None
        Sorted unique labels that the head must know; None asks for those it knows by itself.

    Returns
    -------
    text_head : TextHead or None
        Its classes contain ``labels``.
    """
    if zero_shot is None:
        return None
    if isinstance(zero_shot, Mapping):
        classes, weights = aligned_rows(zero_shot)
        scale, bias, model_id = 100.0, None, None
    else:
        fitted = clone(zero_shot).fit(None, labels)
        if not hasattr(fitted, "coef_"):
            raise ValueError(
                f"zero_shot={zero_shot!r} has no coef_: a text head has one weight row a class, "
                "which does not change with the image. Of AggregatedPromptClassifier that is "
                "aggregation='mean'."
            )
        classes, weights = to_numpy(fitted.classes_), to_numpy(fitted.coef_)
        scale = getattr(fitted, "logit_scale_", 100.0)
        bias = getattr(fitted, "logit_bias_", None)
        model_id = getattr(fitted, "model_id_", None)
    if labels is not None:
        check_labels_known(labels, classes)
    return TextHead(classes, unit_rows(weights), scale, bias, model_id)


def check_labels_known(labels: NDArray[Any], classes: NDArray[Any]) -> None:
    """Raise if a label has no row in the text head."""
    unknown = np.setdiff1d(labels, classes)
    if unknown.size:
        raise ValueError(
            f"y holds labels without a text embedding: {sample_of(unknown)}. The text head knows "
            f"{sample_of(classes)}: add the missing classes to it, or correct the labels."
        )


def check_same_width(n_features: int, text_head: TextHead) -> None:
    """Raise if images and text are not embeddings of one space."""
    width = text_head.weights.shape[1]
    if width != n_features:
        raise ValueError(
            f"X has {n_features} features, but the text head has {width}: images and class names "
            "must be embedded by the same model."
        )
