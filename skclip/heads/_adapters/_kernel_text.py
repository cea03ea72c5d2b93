"""Kernel ridge regression of what the text head leaves unexplained (ProKeR's form)."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._compat import Interval, StrOptions
from skclip.heads._adapters._beside_text import LabelledImages, LeftOutJudge, TextAdapterBase
from skclip.heads._adapters._kernel_ridge import (
    KernelRows,
    dual_of,
    kernel_of,
    kernel_rows,
    left_out_predictions,
)
from skclip.heads._adapters._left_out_weights import Weights

__all__ = ["KernelTextClassifier"]

Array = NDArray[np.float64]

# Published constants without a validation set, for 1, 2, 4, 8 and 16 images per class.
PUBLISHED_IMAGES = np.log2([1, 2, 4, 8, 16])
PUBLISHED_BANDWIDTH = [3.0, 2.6, 1.5, 1.66, 1.7]
PUBLISHED_RIDGE = [0.05, 0.05, 0.05, 0.07, 0.1]
# To choose from; the official grids are 0.1 to 10 and 0.001 to 10.
BANDWIDTHS = np.geomspace(0.25, 16, 5)
RIDGES = np.geomspace(0.01, 10, 7)
# So many distinct images stand for the kernel of more.
MAX_KEYS = 5000
# The bandwidth is chosen on so many images at most, or so many of each class, by these ridges.
BANDWIDTH_IMAGES, BANDWIDTH_SHOTS = 400, 3
BANDWIDTH_RIDGES = (0.03, 0.3, 3.0)


class KernelTextClassifier(TextAdapterBase):
    r"""Classify by text, corrected by kernel ridge regression on its residuals (ProKeR).

    .. math:: \mathrm{score}_c(x) = b\, t_c \cdot x + \omega\, k(x)^\top
              (K + \lambda D^{-1})^{-1} (Y - F T^\top)_c, \qquad
              k_i(x) = e^{-\beta (1 - x \cdot f_i)}

    with the labelled images :math:`F`, their labels :math:`Y` as zeros and ones, their weights
    :math:`D` and the text embeddings :math:`T`. The published form has :math:`b = 1` and
    :math:`\omega = \lambda`.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. Without one the labels themselves are regressed.

    bandwidth : {"loo", "published"} or float, default="loo"
        :math:`\beta` of the kernel. ``"loo"`` is the one of the best leave-one-out likelihood
        among five from 0.25 to 16; ``"published"`` is 3, 2.6, 1.5, 1.66, 1.7 for 1, 2, 4, 8, 16
        images per class, interpolated between them.

    ridge : {"loo", "published"} or float, default="loo"
        :math:`\lambda`. ``"loo"`` is the best among seven from 0.01 to 10; ``"published"`` is 0.05,
        0.05, 0.05, 0.07, 0.1.

    weight : {"loo", "published"} or float, default="loo"
        Weight :math:`\omega` of the correction. ``"loo"`` takes :math:`\omega` and the text's
        :math:`b` of the best leave-one-out likelihood; ``"published"`` is :math:`\lambda`. With it,
        and with a number, :math:`b` is 1.

    classes : array-like of shape (n_classes,), default=None
        All classes, including those without labelled images. None takes the classes of the text
        head if it names them, else the labels in ``y``.

    logit_scale : "auto" or float, default="auto"
        Scale of the probabilities; ``"auto"`` is the text head's, 1 without one.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    keys_ : ndarray of shape (n_keys, n_features)
        Distinct labelled images, unit rows.

    dual_coef_ : ndarray of shape (n_keys, n_classes)
        What each key adds to each class.

    text_weight_ : float
        Weight :math:`b` of the text; 0 without a text head.

    weight_ : float
        Weight :math:`\omega` of the correction.

    bandwidth_ : float
        :math:`\beta`.

    ridge_ : float
        :math:`\lambda`.

    text_head_ : TextHead or None
        Text weights, aligned with ``classes_``.

    logit_scale_ : float
        Scale of the probabilities.

    logit_bias_ : float or None
        Bias of the probabilities of a text head that was trained with a sigmoid per pair.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    TipAdapterClassifier : The same kernel, summed instead of regressed.
    StackedHeadClassifier : Text, class means and a discriminant, weighed the same way.

    Notes
    -----
    One image of every class is left out at a time: if one class alone lost an image, it would be at
    a disadvantage. The predictions for the left-out images :math:`B` are those of a refit,
    :math:`R_B - (G_{BB})^{-1} A_B` with :math:`G = (K + \lambda D^{-1})^{-1}` and :math:`A = G R`;
    each :math:`\lambda` takes one Cholesky decomposition, in double precision. The bandwidth is
    chosen on at most 400 images, or three per class; ridge and weights on all. Equal images count
    as one image with the sum of their weights. The weights have the priors of
    :class:`TipAdapterClassifier`, which also describes the case of one image per class.

    Of more than 5000 distinct images, 5000 that are spread over all classes stand for the kernel
    of all (Nyström). Every image still counts in the regression.

    The residuals of a row are centred over classes, which changes no label and no probability.
    Classes without images get the correction that the text predicts; without a text head they are
    never predicted. Where classes have very different numbers of images,
    :class:`StackedHeadClassifier` is the better choice.

    References
    ----------
    .. [1] Bendou et al., "ProKeR: A Kernel Perspective on Few-Shot Adaptation of Large
       Vision-Language Models", `arXiv 2501.11175 <https://arxiv.org/abs/2501.11175>`_.

    Examples
    --------
    >>> from skclip import KernelTextClassifier
    >>> text = {"cat": [1.0, 0.0, 0.1], "dog": [0.0, 1.0, 0.1], "fox": [0.6, 0.6, -0.5]}
    >>> X = [[0.9, 0.1, 0.6], [0.8, 0.3, 0.5], [0.3, 0.8, 0.5], [0.1, 0.9, 0.6]]
    >>> head = KernelTextClassifier(text).fit(X, ["cat", "cat", "dog", "dog"])
    >>> head.predict([[0.9, 0.2, 0.5], [0.6, 0.5, -0.6]])
    array(['cat', 'fox'], dtype='<U3')
    >>> head.set_params(bandwidth=2.0, ridge=0.1, weight=0.1)
    KernelTextClassifier(bandwidth=2.0, ridge=0.1, weight=0.1,
                         zero_shot={'cat': [1.0, 0.0, 0.1], 'dog': [0.0, 1.0, 0.1],
                                    'fox': [0.6, 0.6, -0.5]})
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TextAdapterBase._parameter_constraints,
        "bandwidth": [StrOptions({"loo", "published"}), Interval(Real, 0, None, closed="neither")],
        "ridge": [StrOptions({"loo", "published"}), Interval(Real, 0, None, closed="neither")],
        "weight": [StrOptions({"loo", "published"}), Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        zero_shot: Any = None,
        *,
        bandwidth: str | float = "loo",
        ridge: str | float = "loo",
        weight: str | float = "loo",
        classes: ArrayLike | None = None,
        logit_scale: str | float = "auto",
    ) -> None:
        self.zero_shot = zero_shot
        self.bandwidth = bandwidth
        self.ridge = ridge
        self.weight = weight
        self.classes = classes
        self.logit_scale = logit_scale

    def _fit_part(self, images: LabelledImages, text: Array | None, judge: LeftOutJudge) -> None:
        R = self._residuals(images, text)
        few_keys = len(images.X) > MAX_KEYS
        has_others = bool(len(judge.rows)) and not (few_keys and judge.own_similarity is not None)
        self.bandwidth_ = self._settled("bandwidth", images)
        if self.bandwidth == "loo" and has_others:
            self.bandwidth_ = self._choose_bandwidth(images, text, R)
        keys = None
        if few_keys:
            keys = images.X[_spread(len(images.X), MAX_KEYS)]
        rows = kernel_rows(images.X, images.weight, self.bandwidth_, keys)
        ridges = [self._settled("ridge", images)]
        if not has_others or ("loo" not in (self.ridge, self.weight) and self._known.all()):
            # nothing to choose by, or nothing to choose
            self.ridge_, slope = ridges[0], 0.0
            weights = Weights(1.0, self._given_weight(self.ridge_), np.nan)
        else:
            ridges = RIDGES.tolist() if self.ridge == "loo" else ridges
            bandwidth = self.bandwidth_
            self.ridge_, weights, slope = self._choose(images, R, rows, judge, bandwidth, ridges)
        self.keys_ = images.X if keys is None else keys
        self.dual_coef_ = dual_of(rows, R, self.ridge_).astype(images.X.dtype)
        self._believe(weights, slope)
        self.weight_ = weights.part / self._scale

    def _residuals(self, images: LabelledImages, text: Array | None) -> Array:
        """Return labels as zeros and ones less the cosines, centred over the known classes."""
        R = np.zeros((len(images.X), len(self.classes_)))
        R[np.arange(len(R)), images.codes] = 1
        if text is not None:
            R -= text / self._scale
        R -= R[:, self._known].mean(axis=1, keepdims=True)
        R[:, ~self._known] = 0
        return R

    def _settled(self, name: str, images: LabelledImages) -> float:
        """Return a constant as given or as published."""
        given = getattr(self, name)
        if not isinstance(given, str):
            return float(given)
        published = PUBLISHED_RIDGE if name == "ridge" else PUBLISHED_BANDWIDTH
        per_class = max(1.0, len(images.X) / int(self._known.sum()))
        return float(np.interp(np.log2(per_class), PUBLISHED_IMAGES, published))

    def _choose_bandwidth(
        self, images: LabelledImages, text: Array | None, R: NDArray[Any]
    ) -> float:
        """Return the bandwidth of the best left-out likelihood on some of the images."""
        most = max(BANDWIDTH_IMAGES, BANDWIDTH_SHOTS * len(self.classes_))
        at = _spread(len(images.X), most)
        some = LabelledImages(images.X[at], images.codes[at], images.weight[at])
        judge = self._judge(some, None if text is None else text[at])
        if judge.own_similarity is not None:  # of classes with few images, one was taken from each
            at, some, judge = np.arange(len(images.X)), images, self._judge(images, text)
        ridges = list(BANDWIDTH_RIDGES)
        if self.ridge != "loo":
            ridges = [self._settled("ridge", images)]
        losses = []
        for bandwidth in BANDWIDTHS:
            rows = kernel_rows(some.X, some.weight, bandwidth)
            losses.append(self._choose(some, R[at], rows, judge, bandwidth, ridges)[1].loss)
        return float(BANDWIDTHS[int(np.argmin(losses))])

    def _choose(
        self,
        images: LabelledImages,
        R: NDArray[Any],
        rows: KernelRows,
        judge: LeftOutJudge,
        bandwidth: float,
        ridges: list[float],
    ) -> tuple[float, Weights, float]:
        """Return the ridge, the weights, and the slope of the correction on the text."""
        found: list[tuple[float, Weights, float]] = []
        weights = None
        predictions = left_out_predictions(rows, R, ridges, judge.folds)
        if judge.own_similarity is not None:
            kernel = kernel_of(images.X, images.X, bandwidth)[judge.rows]
            own = np.exp(bandwidth * (judge.own_similarity - 1))
            kernel[np.arange(len(judge.rows)), judge.rows] = own
            predictions = (kernel @ dual_of(rows, R, ridge) for ridge in ridges)
        for ridge, part in zip(ridges, predictions, strict=True):
            if self.weight == "loo":
                weights, slope = judge.weigh(part, start=weights)
            else:
                weights, slope = judge.loss(part, self._given_weight(ridge))
            found.append((ridge, weights, slope))
        return min(found, key=lambda setting: setting[1].loss)

    def _given_weight(self, ridge: float) -> float:
        """Return the weight beside the text's logits, where likelihood does not choose it."""
        omega = ridge if isinstance(self.weight, str) else float(self.weight)
        return omega * self._scale

    def _part(self, X: NDArray[Any]) -> NDArray[Any]:
        part: NDArray[Any] = kernel_of(X, self.keys_, self.bandwidth_) @ self.dual_coef_
        return part


def _spread(n: int, most: int) -> NDArray[np.intp]:
    """Return at most so many positions, evenly spread."""
    if n <= most:
        return np.arange(n)
    chosen: NDArray[np.intp] = np.linspace(0, n - 1, most).round().astype(np.intp)
    return chosen
