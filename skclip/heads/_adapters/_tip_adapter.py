"""Tip-Adapter: text plus affinities to labelled images, training-free or with trained keys."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._compat import Interval, StrOptions
from skclip.heads._adapters._affinity import affinities, left_out_affinities, train_keys
from skclip.heads._adapters._beside_text import LabelledImages, LeftOutJudge, TextAdapterBase
from skclip.heads._adapters._left_out_weights import Weights

__all__ = ["TipAdapterClassifier"]

Array = NDArray[np.float64]

# What the official search begins with on ImageNet.
PUBLISHED_ALPHA, PUBLISHED_BETA = 1.17, 1.0
# Sharpness to choose from; the official search goes up to 13.
BETAS = np.geomspace(0.5, 32, 10)


class TipAdapterClassifier(TextAdapterBase):
    r"""Classify by text and by affinity to labelled images (Tip-Adapter).

    .. math:: \mathrm{score}_c(x) = b\, t_c \cdot x + \frac{\alpha}{s}
              \sum_{i: y_i = c} w_i\, e^{-\beta (1 - x \cdot f_i)}

    with the text embedding :math:`t_c` of the class name, one key :math:`f_i` per labelled image,
    and the logit scale :math:`s`. The published form has :math:`b = 1`. Every key is kept:
    prediction takes time and memory in proportion to the labelled images.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. Without one the affinities stand alone.

    alpha : {"loo", "published"} or float, default="loo"
        Weight :math:`\alpha` of the affinities.

        - ``"loo"``: :math:`\alpha` and the text's :math:`b` of the best leave-one-out likelihood;
        - ``"published"``: 1.17, with which the official search begins on ImageNet; :math:`b` is 1;
        - a number, not negative; :math:`b` is 1.

    beta : {"loo", "published"} or float, default="loo"
        Sharpness :math:`\beta`. ``"loo"`` is the one of the best leave-one-out likelihood among
        ten from 0.5 to 32, ``"published"`` is 1.

    keys : {"images", "trained"}, default="images"
        What the keys are: the labelled images, or ``"trained"`` rows. Training starts at the images
        and minimises the log loss by L-BFGS. Every image is scored by all keys but its own, and the
        keys have a normal prior of deviation 0.2 about the images. Weights and sharpness are chosen
        before.

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
        One row per distinct labelled image, ordered by class.

    key_weight_ : ndarray of shape (n_keys,)
        Their weights.

    text_weight_ : float
        Weight :math:`b` of the text; 0 without a text head.

    alpha_ : float
        Weight of the affinities.

    beta_ : float
        Sharpness.

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
    KernelTextClassifier : The same kernel by regression: images that are alike do not count twice.
    StackedHeadClassifier : Text, class means and a discriminant, weighed the same way.

    Notes
    -----
    A left-out image is scored by all keys but its own and its equal copies. The sum over its own
    class is multiplied by :math:`n_c / (n_c - w_i)`, to be as large as that of a new image. All
    classes have the same weight in the likelihood. The weights have normal priors, so that a few
    images do not outweigh the text: 1 ± 2 for :math:`b`, and for :math:`\alpha` zero with 0.7 times
    the deviation at which affinities spread as the logits of the text do. If every class has one
    image, no image can be left out. Each is then scored as a new image of its class: its
    similarities to the others are its own, and its similarity to its own class is the expected one
    of two images of a class, predicted from the similarities of images and texts of different
    classes. A single image gives the published constants.

    Sums favour the classes that have more images; this is the published form. A class without
    images gets the affinity that the text predicts for it; the weights are chosen with hidden
    classes, too. Without a text head it is never predicted. If classes have very different numbers
    of images, :class:`StackedHeadClassifier` is the better choice.

    The official programs search :math:`\alpha` and :math:`\beta` on a labelled validation set, and
    select the epoch of the trained keys on test images. Here no test images are used.

    References
    ----------
    .. [1] Zhang et al., "Tip-Adapter: Training-free Adaption of CLIP for Few-shot
       Classification", `arXiv 2207.09519 <https://arxiv.org/abs/2207.09519>`_.

    Examples
    --------
    >>> from skclip import TipAdapterClassifier
    >>> text = {"cat": [1.0, 0.0, 0.1], "dog": [0.0, 1.0, 0.1], "fox": [0.6, 0.6, -0.5]}
    >>> X = [[0.9, 0.1, 0.6], [0.8, 0.3, 0.5], [0.3, 0.8, 0.5], [0.1, 0.9, 0.6]]
    >>> head = TipAdapterClassifier(text).fit(X, ["cat", "cat", "dog", "dog"])
    >>> head.predict([[0.9, 0.2, 0.5], [0.6, 0.5, -0.6]])
    array(['cat', 'fox'], dtype='<U3')
    >>> published = TipAdapterClassifier(text, alpha="published", beta="published")
    >>> published.fit(X, ["cat", "cat", "dog", "dog"]).alpha_
    1.17
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TextAdapterBase._parameter_constraints,
        "alpha": [StrOptions({"loo", "published"}), Interval(Real, 0, None, closed="left")],
        "beta": [StrOptions({"loo", "published"}), Interval(Real, 0, None, closed="neither")],
        "keys": [StrOptions({"images", "trained"})],
    }

    def __init__(
        self,
        zero_shot: Any = None,
        *,
        alpha: str | float = "loo",
        beta: str | float = "loo",
        keys: str = "images",
        classes: ArrayLike | None = None,
        logit_scale: str | float = "auto",
    ) -> None:
        self.zero_shot = zero_shot
        self.alpha = alpha
        self.beta = beta
        self.keys = keys
        self.classes = classes
        self.logit_scale = logit_scale

    def _fit_part(self, images: LabelledImages, text: Array | None, judge: LeftOutJudge) -> None:
        self._key_codes, self.key_weight_ = images.codes, images.weight
        self.beta_, weights, slope = self._choose(images, judge)
        self._believe(weights, slope)
        self.alpha_ = weights.part
        self.keys_ = images.X
        if self.keys == "trained":
            of_text = np.zeros((len(images.X), len(self.classes_))) if text is None else text
            self.keys_ = train_keys(
                images.X,
                images.codes,
                images.weight,
                self.text_weight_ * of_text,
                alpha=self.alpha_,
                beta=self.beta_,
            )

    def _choose(self, images: LabelledImages, judge: LeftOutJudge) -> tuple[float, Weights, float]:
        """Return the sharpness, the weights, and the slope of affinities on the text."""
        given = None if isinstance(self.alpha, str) else float(self.alpha)
        if self.alpha == "published":
            given = PUBLISHED_ALPHA
        betas = [PUBLISHED_BETA] if isinstance(self.beta, str) else [float(self.beta)]
        # nothing to choose, or nothing to choose by
        settled = given is not None and self.beta != "loo" and self._known.all()
        if settled or not len(judge.rows):
            weight = PUBLISHED_ALPHA if given is None else given
            return betas[0], Weights(1.0, weight, np.nan), 0.0
        if self.beta == "loo":
            betas = BETAS.tolist()
        similarity = images.X[judge.rows] @ images.X.T
        codes, mass, n_classes = images.codes, images.weight, len(self.classes_)
        found: list[tuple[float, Weights, float]] = []
        for beta in betas:
            part = left_out_affinities(
                similarity, judge.rows, codes, mass, n_classes, beta, judge.own_similarity
            )
            if given is None:
                found.append((beta, *judge.weigh(part)))
            else:
                found.append((beta, *judge.loss(part, given)))
        return min(found, key=lambda setting: setting[1].loss)

    def _part(self, X: NDArray[Any]) -> NDArray[Any]:
        codes, weight, n_classes = self._key_codes, self.key_weight_, len(self.classes_)
        return affinities(X, self.keys_, codes, weight, n_classes, self.beta_)
