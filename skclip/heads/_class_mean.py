"""Nearest class mean: the image half of Neural Priming (arXiv 2306.10191).

The state is a sum and a count per class, so rows can be added, removed and merged exactly.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skclip._array_api import to_numpy
from skclip._base import linear_scores
from skclip._compat import Interval, StrOptions
from skclip._linalg import unit_rows
from skclip.heads._class_sums import ClassSums
from skclip.heads._exact_updates import ExactUpdatesMixin, check_evidence

__all__ = ["NearestClassMean"]


class NearestClassMean(ExactUpdatesMixin, BaseEstimator):
    r"""Classify by the nearest class mean of unit embeddings.

    .. math:: \mu_c = \mathrm{normalize}\Big(\sum_{i: y_i = c} w_i x_i\Big), \qquad
              \hat y(x) = \arg\max_c\; x \cdot \mu_c

    The state is the sum and the weight of every class. Therefore updates are exact:
    :meth:`partial_fit` over any split of the rows equals :meth:`fit` on all of them,
    :meth:`forget` equals a fit without the rows, and :meth:`merge` equals a fit on the rows of both
    heads.

    Parameters
    ----------
    metric : {"cosine", "euclidean"}, default="cosine"
        ``"cosine"`` normalises rows and means. ``"euclidean"`` does not, and scores
        :math:`x \cdot \mu_c - \lVert \mu_c \rVert^2 / 2`, which orders classes by distance.

    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        Text head towards which the means are shrunk. All its classes are known; the mean of a
        class without images is its text row.

    shrinkage : float, default=1.0
        Number of images :math:`\sigma` that the text row of a class counts as. The mean is

        .. math:: \frac{\sigma t_c + \sum_i w_i x_i}{\sigma + n_c},

        the posterior mean under a prior about :math:`t_c`. :class:`PrimedNCMClassifier` estimates
        mixing weights instead. Ignored without ``zero_shot``.

    logit_scale : float, default=100.0
        Scale :math:`s` of the probabilities :math:`\mathrm{softmax}(s \cdot \mathrm{score})`;
        100 is CLIP's. It does not change predicted labels.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    class_sum_ : ndarray of shape (n_classes, n_features)
        Weighted sum of the rows of each class, float64.

    class_count_ : ndarray of shape (n_classes,)
        Sum of the weights of the rows of each class, without zero rows.

    text_head_ : TextHead or None
        Text weights aligned with ``classes_``.

    coef_ : ndarray of shape (n_classes, n_features)
        Class means, unit rows for ``metric="cosine"``. Two rows for
        two classes.

    intercept_ : ndarray of shape (n_classes,)
        :math:`-\lVert \mu_c \rVert^2 / 2` for ``metric="euclidean"``, else 0; :math:`-\infty`
        for a class without evidence, which is never predicted.

    logit_scale_ : float
        Scale of the probabilities.

    n_features_in_ : int
        Number of features seen in :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` has string column names.

    See Also
    --------
    PrimedNCMClassifier : Class means of recalled and labelled images mixed with the text head.
    MixedHeadClassifier : Any classifier mixed with the text head.
    MultiProxyImprinter : Several proxies per class.
    sklearn.neighbors.NearestCentroid : Euclidean, without weights and updates.

    Notes
    -----
    ``fit`` processes ``X`` block by block; it needs memory for the blocks and the sums.

    A zero row gets the scores ``intercept_``.

    With ``sklearn.set_config(array_api_dispatch=True)`` embeddings may be arrays of other
    libraries, such as torch tensors on any device. Fitted arrays, scores and predictions are then
    on the device of ``X``. Text labels stay in numpy.

    References
    ----------
    .. [1] Wallingford et al., "Neural Priming for Sample-Efficient Adaptation",
       `arXiv 2306.10191 <https://arxiv.org/abs/2306.10191>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip import NearestClassMean
    >>> X = np.array([[1.0, 0.1], [0.9, 0.0], [0.1, 1.0]])
    >>> head = NearestClassMean().fit(X, ["cat", "cat", "dog"])
    >>> head.predict([[2.0, 0.5]])
    array(['cat'], dtype='<U3')

    Add a new class, and remove a row:

    >>> head.partial_fit([[-1.0, 0.0]], ["fox"]).classes_
    array(['cat', 'dog', 'fox'], dtype='<U3')
    >>> head.forget(X[:1], ["cat"]).class_count_
    array([1., 1., 1.])

    A class without images is predicted by its text:

    >>> text = {"cat": [1.0, 0.0], "dog": [0.0, 1.0], "fox": [-1.0, 0.0]}
    >>> NearestClassMean(zero_shot=text).fit(X, ["cat", "cat", "dog"]).predict([[-0.8, 0.1]])
    array(['fox'], dtype='<U3')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ExactUpdatesMixin._parameter_constraints,
        "metric": [StrOptions({"cosine", "euclidean"})],
        "logit_scale": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        metric: str = "cosine",
        *,
        zero_shot: Any = None,
        shrinkage: float = 1.0,
        logit_scale: float = 100.0,
    ) -> None:
        self.metric = metric
        self.zero_shot = zero_shot
        self.shrinkage = shrinkage
        self.logit_scale = logit_scale

    def forget_class(self, labels: Any) -> Self:
        """Remove whole classes.

        Parameters
        ----------
        labels : label or array-like of labels
            Classes to remove.

        Returns
        -------
        self : NearestClassMean
            The updated head.
        """
        check_is_fitted(self)
        state = self._state().without(np.atleast_1d(to_numpy(labels)))
        if self.text_head_ is not None:
            self.text_head_ = self.text_head_.restricted(state.classes)
        return self._store(state, self.coef_, self.classes_)

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        if self.metric == "cosine":
            X = unit_rows(X)
        return linear_scores(X, self.coef_, self.intercept_)

    def _sums_of(
        self, X: Any, codes: NDArray[Any], classes: NDArray[Any], weight: Any
    ) -> ClassSums:
        return ClassSums.of_rows(X, codes, classes, weight, unit=self.metric == "cosine")

    def _before_merge(self, other: Self) -> None:
        if other.metric != self.metric:
            raise ValueError(
                f"Cannot merge a head with metric={other.metric!r} into one with "
                f"metric={self.metric!r}: fit both with the same metric."
            )

    def _linear_head(self, state: ClassSums, X: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        if (text := self.text_head_) is not None:
            # each text row counts as `shrinkage` images
            evidence = np.full(len(text.classes), float(self.shrinkage))
            state += ClassSums(text.classes, self.shrinkage * text.weights, evidence)
        check_evidence(state.known)
        self.logit_scale_ = float(self.logit_scale)
        if self.metric == "cosine":
            means, intercept = unit_rows(state.sums), np.zeros(len(state.classes))
        else:
            means = state.means
            intercept = -0.5 * np.einsum("ij,ij->i", means, means)
        return means, np.where(state.known, intercept, -np.inf)
