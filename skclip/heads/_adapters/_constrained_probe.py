"""A linear probe that starts at the text and is held near it (CLAP, arXiv 2312.12730)."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator

from skclip._base import CosineLinearMixin
from skclip._compat import HasMethods, Interval, StrOptions, fit_context
from skclip._linalg import unit_rows
from skclip._text_head import TextHead
from skclip.heads._adapters._beside_text import LabelledImages, take_images
from skclip.heads._adapters._left_out_weights import label_loss

__all__ = ["ConstrainedProbeClassifier"]

Array = NDArray[np.float64]

PUBLISHED_PENALTY = 1.0
# Penalties that "folds" chooses among; of equal ones the first.
PENALTIES = (1.0, 0.1, 10.0)
MAX_FOLDS = 3


def own_confidence(images: LabelledImages, start: Array, logit_scale: float) -> Array:
    r"""Return the mean probability of the label for each class at the start; 1 without images.

    .. math:: a_c = \frac{\sum_{i: y_i = c} w_i\, \mathrm{softmax}(s\, x_i T^\top)_c}
                         {\sum_{i: y_i = c} w_i}

    Parameters
    ----------
    images : LabelledImages
        Labelled images.

    start : ndarray of shape (n_classes, n_features)
        Text rows :math:`T`.

    logit_scale : float
        Scale :math:`s`.

    Returns
    -------
    confidence : ndarray of shape (n_classes,)
        From 0 to 1.
    """
    proba = softmax(logit_scale * (images.X @ start.T), axis=1)
    own = proba[np.arange(len(proba)), images.codes]
    counts = np.bincount(images.codes, images.weight, len(start))
    sums = np.bincount(images.codes, images.weight * own, len(start))
    return np.where(counts > 0, sums / np.maximum(counts, 1e-300), 1.0)


def constrained_rows(
    images: LabelledImages, start: Array, hold: Array, logit_scale: float, max_iter: int
) -> tuple[Array, int]:
    r"""Return the weight rows of least loss, by L-BFGS from ``start``.

    .. math:: \min_W \sum_i \bar w_i\, \mathrm{CE}(\mathrm{softmax}(s\, x_i W^\top), y_i)
              + \tfrac{1}{C} \sum_c h_c \lVert w_c - t_c \rVert^2

    The rows :math:`w_c` are not normalised, which makes the problem convex.

    Parameters
    ----------
    images : LabelledImages
        Labelled images; their weights are divided by their sum.

    start : ndarray of shape (n_classes, n_features)
        Text rows :math:`t_c`.

    hold : ndarray of shape (n_classes,)
        Penalty :math:`h_c` on leaving the text row.

    logit_scale : float
        Scale :math:`s`.

    max_iter : int
        Largest number of steps.

    Returns
    -------
    rows : ndarray of shape (n_classes, n_features)
        Weight rows.

    n_iter : int
        Number of steps.
    """
    at = (np.arange(len(images.X)), images.codes)
    weight = images.weight / images.weight.sum()
    hold = hold[:, None] / len(start)

    def loss(flat: Array) -> tuple[float, Array]:
        W = flat.reshape(start.shape)
        log_proba = log_softmax(logit_scale * (images.X @ W.T), axis=1)
        away = W - start
        value = float(-(weight @ log_proba[at]) + np.sum(hold * away**2))
        error = np.exp(log_proba)
        error[at] -= 1
        gradient = logit_scale * ((weight[:, None] * error).T @ images.X) + 2 * hold * away
        return value, gradient.ravel()

    options = {"maxiter": max_iter, "maxfun": 10 * max_iter}
    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(start.shape), int(found.nit)


class ConstrainedProbeClassifier(CosineLinearMixin, BaseEstimator):
    r"""Linear probe that starts at the text and is held near it (CLAP).

    .. math:: \min_W \operatorname{mean}_i \mathrm{CE}(\mathrm{softmax}(s\, x_i W^\top), y_i)
              + \lambda \operatorname{mean}_c a_c \lVert w_c - t_c \rVert^2

    :math:`t_c` is the text row of a class, and :math:`a_c` the mean probability of the right class
    by the text, over the images of the class. The more accurate a text row is, the larger is its
    penalty. The problem is convex and solved by L-BFGS. It is CLAP [1]_ without the outer step on
    the multipliers.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. Without one, the class means of the images replace it.

    penalty : "folds" or float, default=1.0
        Factor :math:`\lambda`; 1 is published. 0 is a probe that starts at the text and stops after
        ``max_iter`` steps (ZS-LP). ``"folds"`` takes the best of 0.1, 1 and 10 by the likelihood
        of up to three left-out folds, and takes up to ten times as long; with one image per class
        it is 1. It improves accuracy most if the text is good and the numbers of images are uneven.

    cross_modal : bool, default=False
        Whether each text row also counts as one labelled image [2]_.

    max_iter : int, default=200
        Largest number of steps of L-BFGS. With a penalty it converges in fewer.

    classes : array-like of shape (n_classes,), default=None
        All classes, including those without images. None takes those of the text head, or the
        labels.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    text_head_ : TextHead or None
        Text weights aligned with ``classes_``.

    coef_ : ndarray of shape (n_classes, n_features)
        Weight rows, not normalised. Two rows for two classes.

    intercept_ : ndarray of shape (n_classes,)
        Zeros; :math:`-\infty` for a class with neither images nor text, which is never predicted.

    penalty_ : float
        Penalty that is used.

    n_iter_ : int
        Number of steps of L-BFGS.

    logit_scale_ : float
        Scale :math:`s` of the text head; 100 without one.

    n_features_in_ : int
        Number of features seen in :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` has string column names.

    See Also
    --------
    StackedHeadClassifier : More accurate if some classes have few images or none.
    KernelTextClassifier : Closed form, with a correction to the text that need not be linear.

    Notes
    -----
    With one to four images per class, this head is more accurate than
    :class:`StackedHeadClassifier` on some sets, by 1 to 4 points. If some classes have many images
    and others none, it is less accurate than the text, by 24 points on CIFAR-10. The guide page
    *Rivals, compared* has the tables.

    References
    ----------
    .. [1] Silva-Rodríguez et al., "A Closer Look at the Few-Shot Adaptation of Large
       Vision-Language Models", `arXiv 2312.12730 <https://arxiv.org/abs/2312.12730>`_.

    .. [2] Lin et al., "Multimodality Helps Unimodality: Cross-Modal Few-Shot Learning with
       Multimodal Models", `arXiv 2301.06267 <https://arxiv.org/abs/2301.06267>`_.

    Examples
    --------
    >>> from skclip import ConstrainedProbeClassifier
    >>> text = {"cat": [1.0, 0.0, 0.1], "dog": [0.0, 1.0, 0.1], "fox": [0.6, 0.6, -0.5]}
    >>> X = [[0.9, 0.1, 0.6], [0.8, 0.3, 0.5], [0.3, 0.8, 0.5], [0.1, 0.9, 0.6]]
    >>> head = ConstrainedProbeClassifier(text).fit(X, ["cat", "cat", "dog", "dog"])
    >>> head.predict([[0.9, 0.2, 0.5], [0.6, 0.5, -0.6]])
    array(['cat', 'fox'], dtype='<U3')
    """

    text_head_: TextHead | None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "penalty": [StrOptions({"folds"}), Interval(Real, 0, None, closed="left")],
        "cross_modal": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "classes": ["array-like", None],
    }

    def __init__(
        self,
        zero_shot: Any = None,
        *,
        penalty: str | float = PUBLISHED_PENALTY,
        cross_modal: bool = False,
        max_iter: int = 200,
        classes: ArrayLike | None = None,
    ) -> None:
        self.zero_shot = zero_shot
        self.penalty = penalty
        self.cross_modal = cross_modal
        self.max_iter = max_iter
        self.classes = classes

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Find the weight rows.

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
        self : ConstrainedProbeClassifier
            The fitted head.
        """
        images = take_images(self, X, y, sample_weight)
        dtype, n_classes = images.X.dtype, len(self.classes_)
        images = images._replace(X=images.X.astype(np.float64))
        known = np.ones(n_classes, dtype=np.bool_)
        if self.text_head_ is None:
            self.logit_scale_ = 100.0
            sums = np.zeros((n_classes, images.X.shape[1]))
            np.add.at(sums, images.codes, images.weight[:, None] * images.X)
            text, known = unit_rows(sums), np.any(sums != 0, axis=1)
        else:
            self.logit_scale_ = float(self.text_head_.logit_scale)
            text = self.text_head_.weights.astype(np.float64)
        self.penalty_ = self._settled_penalty(images, text, known)
        rows, self.n_iter_ = self._rows(images, text, known, self.penalty_)
        self.coef_ = rows.astype(dtype)
        self.intercept_ = np.where(known, 0, -np.inf).astype(dtype)
        return self

    def _rows(
        self, images: LabelledImages, text: Array, known: NDArray[np.bool_], penalty: float
    ) -> tuple[Array, int]:
        """Return the rows of all classes, zero where nothing is known; and the number of steps."""
        codes = (np.cumsum(known) - 1)[images.codes]
        images, start = images._replace(codes=codes), text[known]
        hold = penalty * own_confidence(images, start, self.logit_scale_)
        if self.cross_modal and self.text_head_ is not None:
            images = LabelledImages(
                np.concatenate([images.X, start]),
                np.concatenate([codes, np.arange(len(start))]),
                np.concatenate([images.weight, np.ones(len(start))]),
            )
        rows = np.zeros_like(text)
        rows[known], n_iter = constrained_rows(
            images, start, hold, self.logit_scale_, self.max_iter
        )
        return rows, n_iter

    def _settled_penalty(
        self, images: LabelledImages, text: Array, known: NDArray[np.bool_]
    ) -> float:
        """Return the penalty as given, or the one of the least left-out loss.

        Folds leave out the same number of images of every class that has enough.
        """
        if not isinstance(self.penalty, str):
            return float(self.penalty)
        rank = np.arange(len(images.codes)) - np.searchsorted(images.codes, images.codes)
        n_folds = min(MAX_FOLDS, int(rank.max()) + 1)
        if n_folds < 2:
            return PUBLISHED_PENALTY
        losses = []
        for penalty in PENALTIES:
            loss = 0.0
            for fold in range(n_folds):
                out = rank % n_folds == fold
                rest, left = (LabelledImages(*(part[m] for part in images)) for m in (~out, out))
                rows, _ = self._rows(rest, text, known, penalty)
                logits = np.where(known, self.logit_scale_ * (left.X @ rows.T), -np.inf)
                loss += label_loss(logits, left.codes, left.weight) * left.weight.sum()
            losses.append(loss)
        return PENALTIES[int(np.argmin(losses))]
