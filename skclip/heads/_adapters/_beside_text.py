"""What the adapters share: labelled images in, and scores of text plus an image part out."""

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from sklearn.base import BaseEstimator

from skclip._base import ScoreClassifierMixin
from skclip._compat import HasMethods, Interval, StrOptions, check_sample_weight, fit_context
from skclip._linalg import unit_rows
from skclip._text_head import TextHead, check_same_width, resolve_classes
from skclip._validation import check_labelled_embeddings
from skclip.heads._adapters._left_out_weights import (
    Weights,
    label_loss,
    left_out_folds,
    weigh_left_out,
)
from skclip.heads._discriminant import distinct_rows_of_classes
from skclip.heads._parts import fill_by_text, own_similarity, slope_on_text

__all__ = ["LabelledImages", "LeftOutJudge", "TextAdapterBase", "take_images"]

Array = NDArray[np.float64]

# Quantiles at which a predicted similarity is taken.
N_QUANTILES = 5


class LabelledImages(NamedTuple):
    """Distinct images, ordered by class: unit rows, codes and weights of mean one."""

    X: NDArray[Any]
    codes: NDArray[np.integer]
    weight: Array


def take_images(
    head: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
) -> LabelledImages:
    """Check what a head is fitted on; set its ``classes_`` and ``text_head_``.

    Parameters
    ----------
    head : estimator
        With the parameters ``zero_shot`` and ``classes``.

    X, y, sample_weight
        As given to ``fit``.

    Returns
    -------
    images : LabelledImages
        In the dtype of ``X``.

    Raises
    ------
    ValueError
        If every row is zero or has weight zero.
    """
    name = type(head).__name__
    X, y = check_labelled_embeddings(head, X, y)
    weight = check_sample_weight(sample_weight, X, dtype=np.float64)
    resolved = resolve_classes(head.zero_shot, head.classes, y, estimator=name)
    head.classes_, head.text_head_ = resolved.names, resolved.text_head
    if head.text_head_ is not None:
        check_same_width(X.shape[1], head.text_head_)
    X, codes = unit_rows(X), np.asarray(resolved.codes)
    rows, mass = distinct_rows_of_classes(X, codes, weight)
    if not len(rows):
        raise ValueError(
            f"No row of the {len(X)} given to {name} carries evidence: every embedding is "
            "zero or has weight zero. Give at least one that is not."
        )
    return LabelledImages(X[rows], codes[rows], mass)


class LeftOutJudge:
    """Compares image parts by the likelihood of the labels of left-out images.

    If every class has one image, no image can be left out. Each is then scored as a new image of
    its class: its similarities to the others are its own, and its similarity to its own class is
    the expected one of two images of a class.

    If only some classes have an image to leave out, these images are also scored with their class
    hidden from the part: its score is then predicted from the text, as for a class without images.
    The weight of these scores is the fraction of classes without an image to leave out.

    Parameters
    ----------
    images : LabelledImages
        All labelled images.

    text : ndarray of shape (n_samples, n_classes) or None
        Logits of the text head for them.

    text_rows : ndarray of shape (n_classes, n_features) or None
        Text embeddings.

    n_classes : int
        Number of classes.

    Attributes
    ----------
    folds : list of ndarray of int
        Images that are left out together.

    rows : ndarray of int
        Images that are scored, fold after fold; each several times if the similarity to its own
        class is predicted.

    own_similarity : ndarray or None
        Predicted similarity of each of ``rows`` to itself, at the quantiles of its error.

    hidden : float
        Fraction of classes without an image to leave out.
    """

    def __init__(
        self,
        images: LabelledImages,
        text: Array | None,
        text_rows: NDArray[Any] | None,
        n_classes: int,
    ) -> None:
        self.folds = left_out_folds(images.codes, images.weight, n_classes)
        self.rows = np.concatenate([*self.folds, np.zeros(0, dtype=np.intp)])
        self.own_similarity: Array | None = None
        if not self.folds and len(images.X) > 1:
            X = images.X.astype(np.float64)
            means = np.zeros(X.shape) if text_rows is None else text_rows[images.codes]
            predicted = own_similarity(X, means.astype(np.float64))
            quantiles = ndtri((np.arange(N_QUANTILES) + 0.5) / N_QUANTILES)
            at = np.minimum(predicted.mean + predicted.deviation * quantiles, 1)
            self.rows = np.tile(np.arange(len(X)), N_QUANTILES)
            self.own_similarity = np.repeat(at, len(X))
        self.codes = images.codes[self.rows]
        counts = np.bincount(images.codes, images.weight, n_classes)
        # every class counts alike, however many images it has
        self.weight = images.weight[self.rows] / counts[self.codes]
        self.weight *= len(images.X) / max(self.weight.sum(), 1e-300)
        self.text = None if text is None else text[self.rows]
        self.known = np.broadcast_to(counts > 0, (len(self.rows), n_classes))
        self.hidden = 1 - len(np.unique(self.codes)) / n_classes

    def weigh(self, part: Array, *, start: Weights | None = None) -> tuple[Weights, float]:
        """Return the best weights of text and part, and the slope of the part on the text."""
        text, scores, codes, weight, slope = self._rows_of(part)
        return weigh_left_out(text, scores, codes, weight, start=start), slope

    def loss(self, part: Array, weight: float) -> tuple[Weights, float]:
        """Return the given weight of the part beside the text as it is, with its loss."""
        text, scores, codes, mass, slope = self._rows_of(part)
        logits = weight * scores if text is None else text + weight * scores
        return Weights(1.0, weight, label_loss(logits, codes, mass)), slope

    def _rows_of(
        self, part: Array
    ) -> tuple[Array | None, Array, NDArray[np.integer], Array, float]:
        """Return logits of the text, scores of the part, labels and weights; and the slope."""
        if self.text is None or not self.hidden:
            return self.text, part, self.codes, self.weight, 0.0
        slope = slope_on_text(part, self.known, self.text, self.weight)
        others = self.known.copy()
        others[np.arange(len(part)), self.codes] = False
        parts = [fill_by_text(part, known, self.text, slope) for known in (self.known, others)]
        weights = [self.weight * (1 - self.hidden), self.weight * self.hidden]
        text, codes = np.tile(self.text, (2, 1)), np.tile(self.codes, 2)
        return text, np.concatenate(parts), codes, np.concatenate(weights), slope


class TextAdapterBase(ScoreClassifierMixin, BaseEstimator):
    r"""Score by text and an image part.

    .. math:: \mathrm{score}_c(x) = b_0\, t_c \cdot x + \tfrac{b_1}{s} f_c(x)

    A subclass fits :math:`f` in ``_fit_part`` and evaluates it in ``_part``.
    """

    text_head_: TextHead | None
    text_weight_: float
    _part_weight: float
    _slope: float
    _known: NDArray[np.bool_]

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "classes": ["array-like", None],
        "logit_scale": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    }

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Store the labelled images and choose their mixing weight.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings; zero rows are ignored.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every row: 2 is the row twice, 0 is the row left out.

        Returns
        -------
        self : estimator
            The fitted head.
        """
        images = take_images(self, X, y, sample_weight)
        self._known = np.bincount(images.codes, minlength=len(self.classes_)) > 0
        text, own_scale, self.logit_bias_ = None, 1.0, None
        if self.text_head_ is not None:
            own_scale, self.logit_bias_ = self.text_head_.logit_scale, self.text_head_.logit_bias
            text = own_scale * self.text_head_.scores(images.X).astype(np.float64)
        self._scale = float(own_scale)
        self.logit_scale_ = self._scale if self.logit_scale == "auto" else float(self.logit_scale)
        self._fit_part(images, text, self._judge(images, text))
        return self

    def _judge(self, images: LabelledImages, text: Array | None) -> LeftOutJudge:
        text_rows = None if self.text_head_ is None else self.text_head_.weights
        return LeftOutJudge(images, text, text_rows, len(self.classes_))

    def _fit_part(self, images: LabelledImages, text: Array | None, judge: LeftOutJudge) -> None:
        """Set ``text_weight_``, ``_part_weight``, ``_slope`` and what ``_part`` needs."""
        raise NotImplementedError

    def _part(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the image part's scores of unit rows: ``(n, C)``."""
        raise NotImplementedError

    def _believe(self, weights: Weights, slope: float) -> None:
        self.text_weight_ = weights.text if self.text_head_ is not None else 0.0
        self._part_weight, self._slope = weights.part, slope

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        X = unit_rows(X)
        part = self._part(X)
        if self.text_head_ is None:
            # a class without images has nothing that speaks for it
            scores: NDArray[Any] = np.where(self._known, self._part_weight * part, -np.inf)
            return scores
        cosines = self.text_head_.scores(X)
        if not self._known.all():
            known = np.broadcast_to(self._known, part.shape)
            part = fill_by_text(part, known, self._scale * cosines, self._slope).astype(X.dtype)
        text_weight, part_weight = self.text_weight_, self._part_weight / self._scale
        mixed: NDArray[Any] = text_weight * cosines + part_weight * part
        return mixed
