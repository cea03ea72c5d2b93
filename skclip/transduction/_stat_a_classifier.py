"""Text and one Gaussian per class, moved to the unlabelled images of a batch."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from skclip._array_api import cast, like, take_labels, to_numpy
from skclip._base import ScoreClassifierMixin
from skclip._compat import ArrayAPIMixin, HasMethods, fit_context, get_namespace_and_device
from skclip._linalg import nonzero_rows, softmax, unit_rows
from skclip._text_head import TextHead
from skclip.transduction._neighbor_graph import neighbor_graph
from skclip.transduction._stat_a import (
    LIKELIHOOD_SHARE,
    Adapted,
    ClassGaussians,
    adapt_gaussians,
    log_density,
)
from skclip.transduction._targets import Targets, read_targets

__all__ = ["StatAClassifier"]

# Neighbours of every image in the graph, as published.
N_NEIGHBORS = 3


class StatAClassifier(ArrayAPIMixin, ScoreClassifierMixin, BaseEstimator):
    r"""Classify by the text and by Gaussians that unlabelled images move away from it (StatA).

    .. math:: \mathrm{score}_c(x) = s\, t_c \cdot x + w \log N(x; \mu_c, \sigma_c) / 50

    with the text embedding :math:`t_c` and a mean and diagonal variance per class. They start at
    the text and move towards the unlabelled images that belong to the class, the farther the more
    there are: a class without images keeps its text. This is what makes a batch of few classes
    safe. The weight :math:`w` is near one for a large batch, and near zero where images per class
    are few or the text cannot tell them apart: the labels are then those of the text. Labelled
    images are optional, and their labels are kept.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. Without one the class means of labelled images stand in for it.

    classes : array-like of shape (n_classes,), default=None
        Classes to know. By default those of the text head where it names them, else the labels
        in ``y``.

    unlabeled : label, default=None
        Label that marks rows of ``X`` without one, for instance -1. Where labels are text the
        mark is text.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    transduction_ : ndarray of shape (n_unlabelled,)
        Labels of the unlabelled images of ``fit``: those in ``X`` first, then ``X_unlabeled``.
        Neighbours have voted here; :meth:`predict` scores every row by itself.

    mean_ : ndarray of shape (n_classes, n_features)
        Means of the Gaussians, unit rows.

    variance_ : ndarray of shape (n_classes, n_features)
        Their variances.

    batch_weight_ : float
        The weight :math:`w`, from 0 to 1.

    text_head_ : TextHead
        Text rows, aligned with ``classes_``; class means of labelled images without text.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    skclip.PrimedNCMClassifier : Recalled images in the place of unlabelled ones.
    sklearn.semi_supervised.LabelPropagation : Labels of neighbours, without text.

    Notes
    -----
    The formulas are those of ``skclip.transduction._stat_a``, with ten rounds of means and
    variances and five of probabilities over the graph of three nearest neighbours. Memory grows
    with the number of rows, time with its square where the graph is made.

    The weight is not published, and :math:`w = 1` is. With :math:`n` images, text probabilities
    :math:`\hat y_i`, their mean :math:`\bar y` and entropies :math:`H`,

    .. math::
        w = \frac{m}{m + 8}, \qquad
        m = \frac{n}{e^{H(\bar y)}} \Big(1 - \frac{\overline{H(\hat y_i)}}{H(\bar y)}\Big)

    where :math:`m` is the number of images per class that the text tells apart.

    All that a batch teaches is learnt in ``fit``; predictions do not depend on what else is
    predicted. With one image there is nothing to learn and the labels are those of the text.

    References
    ----------
    .. [1] Zanella et al., "Realistic Test-Time Adaptation of Vision-Language Models",
       `arXiv 2501.03729 <https://arxiv.org/abs/2501.03729>`_.

    Examples
    --------
    >>> from skclip.transduction import StatAClassifier
    >>> text = {"cat": [1.0, 0.0, 0.2], "dog": [0.0, 1.0, 0.2], "fox": [0.5, 0.5, -0.7]}
    >>> X = [[0.9, 0.1, 0.3], [0.8, 0.3, 0.1], [0.3, 0.8, 0.2], [0.1, 0.9, 0.4]]
    >>> head = StatAClassifier(text).fit(X)
    >>> head.transduction_
    array(['cat', 'cat', 'dog', 'dog'], dtype='<U3')
    >>> head.predict([[0.9, 0.2, 0.1], [0.5, 0.4, -0.8]])
    array(['cat', 'fox'], dtype='<U3')
    """

    _placed = "mean_"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "classes": ["array-like", None],
        "unlabeled": [object],
    }

    def __init__(
        self,
        zero_shot: Any = None,
        *,
        classes: ArrayLike | None = None,
        unlabeled: Any = None,
    ) -> None:
        self.zero_shot = zero_shot
        self.classes = classes
        self.unlabeled = unlabeled

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        X_unlabeled: ArrayLike | None = None,
    ) -> Self:
        """Move the Gaussians to the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Embeddings of images; all are unlabelled where ``y`` is left out. Zero rows are
            ignored.

        y : array-like of shape (n_samples,), default=None
            Class labels, or ``unlabeled`` for rows without one.

        X_unlabeled : array-like of shape (n_unlabelled, n_features), default=None
            Embeddings of further unlabelled images.

        Returns
        -------
        self : StatAClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are no images, nothing names the classes, a label has no text embedding, or a
            cross-validation has split ``X_unlabeled``.
        """
        targets = read_targets(self, X, y, X_unlabeled)
        given = X if X is not None else X_unlabeled
        adapted = _adapted(targets)
        self.batch_weight_ = adapted.weight
        self.text_head_ = targets.text
        self.classes_ = like(targets.classes, y)
        dtype = targets.unlabelled.dtype.name
        self.mean_ = like(adapted.gaussians.mean, given, dtype)
        self.variance_ = like(adapted.gaussians.variance, given, dtype)
        self.n_features_in_ = self.mean_.shape[1]
        self.transduction_ = take_labels(targets.classes, adapted.posterior.argmax(axis=1), y)
        return self

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        rows = unit_rows(X)
        gaussians = ClassGaussians(self.mean_, self.variance_)
        share = self.batch_weight_ * LIKELIHOOD_SHARE
        return text_logits(self.text_head_, rows) + share * log_density(rows, gaussians)


def text_logits(text: TextHead, X: NDArray[Any]) -> NDArray[Any]:
    """Return logits whose softmax are the probabilities of the text, for unit rows."""
    xp, _, _ = get_namespace_and_device(X)
    logits: NDArray[Any] = text.logit_scale * (X @ cast(like(text.weights, X), X.dtype).T)
    if text.logit_bias is not None:
        logits = -xp.logaddexp(xp.zeros_like(logits), -(logits + text.logit_bias))
    return logits


def _adapted(targets: Targets) -> Adapted:
    """Return the Gaussians, and the probabilities of the unlabelled rows, zero rows included."""
    logits = text_logits(targets.text, targets.unlabelled)
    posterior = softmax(logits)
    seen = nonzero_rows(targets.unlabelled)
    n_labelled = len(targets.labelled)
    X = np.concatenate([targets.labelled, targets.unlabelled[seen]])
    if not len(X):
        raise ValueError(
            "No row carries evidence: every embedding is zero. Give at least one that is not."
        )
    known = np.zeros((n_labelled, len(targets.classes)), dtype=posterior.dtype)
    known[np.arange(n_labelled), targets.codes] = 1
    adapted = adapt_gaussians(
        X,
        to_numpy(targets.text.weights),
        np.concatenate([known, posterior[seen]]),
        neighbor_graph(X, N_NEIGHBORS),
        np.arange(len(X)) < n_labelled,
    )
    posterior[seen] = adapted.posterior[n_labelled:]
    return adapted._replace(posterior=posterior)
