"""Neural Priming (arXiv 2306.10191): class means of recalled images, mixed with the text head."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

from numpy.typing import ArrayLike

from skclip._compat import HasMethods, Interval, StrOptions
from skclip.heads._mixing import CALIBRATIONS, COUNTS, SCHEDULES, Alpha
from skclip.heads._priming import BasePrimedNCM

__all__ = ["PrimedNCMClassifier"]


class PrimedNCMClassifier(BasePrimedNCM):
    r"""Classify by text and by the mean of recalled and labelled images (Neural Priming).

    For every class, images whose captions name it are recalled from a captioned collection; those
    that the zero-shot classifier agrees with join the labelled images, if there are any; their
    mean direction is mixed with the text embedding of the class name:

    .. math:: \mu_c = \mathrm{normalize}\Big(\sum_{i: y_i = c} w_i x_i\Big), \qquad
              W_c = \alpha_c t_c + (1 - \alpha_c) \mu_c, \qquad
              \hat y(x) = \arg\max_c\; x \cdot W_c

    No label is needed: ``PrimedNCMClassifier(zero_shot, corpus=..., classes=names).fit()``.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. Without one the class means stand alone.

    corpus : path or Corpus, default=None
        Captioned collection to recall from, with a default
        :class:`~skclip.recall.CaptionRetriever`. Give this or ``retriever``.

    retriever : object with ``recall``, default=None
        Anything whose ``recall(names)`` returns a :class:`~skclip.recall.PrimingPool`, for
        instance a ``CaptionRetriever`` with its own ``k`` and ``synonyms``, or a pool itself. It
        is cloned; wrap one that was fitted on captions in
        :class:`~sklearn.frozen.FrozenEstimator`. Without ``corpus`` and ``retriever`` there are
        the labelled images only.

    filter : ZeroShotFilter or "passthrough", default=None
        Which recalled images stay. None is ``ZeroShotFilter()``: those whose zero-shot label is
        the class they were recalled for. The filter uses this classifier's text head unless it
        has its own. ``"passthrough"`` keeps all.

    classes : array-like of shape (n_classes,), default=None
        Classes to know, whether labelled images of them are given or not. By default those of
        the text head where it names them, else the labels in ``y``.

    alpha : float, {"variance", "shrinkage", "exponential"} or callable, default="variance"
        Share of the text head: a number in [0, 1]; a schedule of the class counts :math:`n`; or
        a function of the counts that returns shares. A class without images has share 1.

        - ``"variance"``: :math:`\sigma v / (\sigma v + n \delta^2)` with the variance :math:`v`
          of images about their class mean and :math:`\delta^2` of class means about their text,
          both estimated from the images: the text's share in the posterior mean;
        - ``"shrinkage"``: :math:`\sigma / (\sigma + n)`;
        - ``"exponential"``: :math:`e^{-n^2/\sigma}`, the paper's.

    sigma : float, default=None
        Constant :math:`\sigma` of the schedule. None is 1 for ``"variance"``, 5 images for
        ``"shrinkage"`` and 100 images squared for ``"exponential"``.

    count : {"per_class", "mean", "total", "shots"}, default="per_class"
        What :math:`n` counts: each class's images, their mean over classes, all, or each class's
        labelled images alone. The paper's :math:`|P|` leaves this open.

    pool_weight : float, default=1.0
        Weight of a recalled image.

    pool_limit : float, default=1.0
        How many labelled images the recalled images of a class can be worth together: :math:`n`
        of them count as :math:`n / (1 + n / \kappa)`. Recalled images show a class as the
        collection does, a bias that does not average out; without a limit a thousand of them
        drown the labelled ones. None sets no limit, as in the paper.

    calibration : {"none", "center", "zscore", "regression"}, default="regression"
        How the class means are put on the text head's scale before the two are mixed: not at all
        (the paper); by the mean over classes; by mean and spread; or by mean and the slope of
        class means on text rows, which leaves a text head without a voice where it says nothing
        about the images. ``alpha=0.9, calibration="none", pool_limit=None`` is the published
        method to the letter; with it, a class that has no images is never predicted where others
        have, since image-image cosines are larger than image-text cosines.

    logit_scale : "auto" or float, default="auto"
        Scale of the probabilities; ``"auto"`` is the text head's, 100 without one.

    unlabeled : label, default=None
        Label that marks rows without one, for instance -1. They are targets: images to be
        classified that choose which recalled images take part, see :meth:`prime`.

    n_neighbors : int, default=10
        Recalled images that every target chooses.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class names, sorted.

    coef_ : ndarray of shape (n_classes, n_features)
        Mixed weights :math:`W`, not normalised. One row a class, also for two.

    intercept_ : ndarray of shape (n_classes,)
        Zeros; :math:`-\infty` for a class without text and images.

    alpha_ : ndarray of shape (n_classes,)
        Share of the text head.

    class_mean_ : ndarray of shape (n_classes, n_features)
        Class means :math:`\mu`, unit rows; zero for a class without images.

    class_count_ : ndarray of shape (n_classes,)
        Weight of each class's images: labelled, and recalled up to ``pool_limit``.

    shot_count_, pool_count_ : ndarray of shape (n_classes,)
        Weight of each class's labelled, and of its recalled images.

    shot_sum_, pool_sum_ : ndarray of shape (n_classes, n_features)
        Weighted sums of their unit rows, float64.

    pool_ : PrimingPool or None
        The recalled images that the filter kept.

    primed_ : ndarray of shape (n_pool,) of bool
        Those of them that take part: all, unless targets chose.

    text_head_ : TextHead or None
        Text weights, aligned with ``classes_``.

    logit_scale_ : float
        Scale of the probabilities.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    MixedHeadClassifier : Any head beside the text head.
    NearestClassMean : The image part alone.
    skclip.recall.CaptionRetriever : Recall by exact phrase search on captions.
    skclip.recall.ZeroShotFilter : The filter.

    Notes
    -----
    The pool is recalled once in ``fit`` and is never split by cross-validation: folds divide the
    labelled images only. Recall is kept per collection, so the clones of a grid search that
    differ in ``alpha`` or ``sigma`` do not search again.

    With ``sklearn.set_config(array_api_dispatch=True)`` embeddings may be arrays of other
    libraries, such as torch tensors on any device: rows are summed and scored where they lie, and
    fitted arrays lie there too. Recalled images stay in numpy. A head without labels lies where the
    ``X`` of ``fit(X)`` lies, in numpy without one.

    References
    ----------
    .. [1] Wallingford et al., "Neural Priming for Sample-Efficient Adaptation",
       `arXiv 2306.10191 <https://arxiv.org/abs/2306.10191>`_.

    Examples
    --------
    >>> from skclip import PrimedNCMClassifier
    >>> from skclip.recall import PrimingPool
    >>> text = {"cat": [0.8, 0.6], "dog": [0.6, 0.8]}
    >>> pool = PrimingPool(["cat", "cat", "dog"], [[1.0, 0.0], [0.0, 1.0], [0.2, 1.0]])

    Names only; the second "cat" looks like a dog and is filtered out:

    >>> head = PrimedNCMClassifier(text, retriever=pool).fit()
    >>> head.pool_count_
    array([1., 1.])
    >>> head.predict([[0.9, 0.3]])
    array(['cat'], dtype='<U3')

    With labelled images; the recalled one counts for half an image beside them:

    >>> head.fit([[0.3, 0.9], [0.4, 0.8]], ["dog", "dog"]).class_count_
    array([0.5, 2.5])

    The published form:

    >>> paper = PrimedNCMClassifier(
    ...     text, retriever=pool, alpha=0.9, calibration="none", pool_limit=None
    ... ).fit()
    >>> paper.coef_.round(2)
    array([[0.82, 0.54],
           [0.56, 0.82]], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "corpus": [object],
        "retriever": [HasMethods(["recall"]), None],
        "filter": [HasMethods(["support"]), StrOptions({"passthrough"}), None],
        "classes": ["array-like", None],
        "alpha": [Interval(Real, 0, 1, closed="both"), StrOptions(set(SCHEDULES)), callable],
        "sigma": [Interval(Real, 0, None, closed="neither"), None],
        "count": [StrOptions(COUNTS)],
        "pool_weight": [Interval(Real, 0, None, closed="left")],
        "pool_limit": [Interval(Real, 0, None, closed="neither"), None],
        "calibration": [StrOptions(CALIBRATIONS)],
        "logit_scale": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "unlabeled": [object],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        zero_shot: Any = None,
        *,
        corpus: Any = None,
        retriever: Any = None,
        filter: Any = None,
        classes: ArrayLike | None = None,
        alpha: Alpha = "variance",
        sigma: float | None = None,
        count: str = "per_class",
        pool_weight: float = 1.0,
        pool_limit: float | None = 1.0,
        calibration: str = "regression",
        logit_scale: str | float = "auto",
        unlabeled: Any = None,
        n_neighbors: int = 10,
    ) -> None:
        self.zero_shot = zero_shot
        self.corpus = corpus
        self.retriever = retriever
        self.filter = filter
        self.classes = classes
        self.alpha = alpha
        self.sigma = sigma
        self.count = count
        self.pool_weight = pool_weight
        self.pool_limit = pool_limit
        self.calibration = calibration
        self.logit_scale = logit_scale
        self.unlabeled = unlabeled
        self.n_neighbors = n_neighbors

    def _share(self) -> tuple[Alpha, float | None]:
        return self.alpha, self.sigma
