"""Neural collapse of embeddings: within-class relative to between-class covariance, from sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from skclip._compat import check_sample_weight
from skclip._linalg import gen_row_blocks, nonzero_rows, unit_rows
from skclip._validation import encode_known, encode_labels, sample_of, unknown_labels

__all__ = ["CollapseStatistics", "neural_collapse_score", "variability_collapse_index"]


class CollapseStatistics:
    r"""Covariances within and between classes of unit rows, computed in batches.

    .. math:: \Sigma_W = \frac{1}{C} \sum_c \frac{1}{n_c} \sum_{i: y_i = c}
              (x_i - \mu_c)(x_i - \mu_c)^\top, \qquad
              \Sigma_B = \frac{1}{C} \sum_c (\mu_c - \mu_G)(\mu_c - \mu_G)^\top

    with class means :math:`\mu_c` and the mean of all rows :math:`\mu_G`. Rows are normalised
    first; rows of zeros are ignored.

    Parameters
    ----------
    class_counts : mapping of label to float
        Total number of rows of each class, or the sum of their weights, without rows of zeros.
        With counts known in advance, one sum of outer products is enough for all classes.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Class labels, sorted.

    counts : ndarray of shape (n_classes,)
        Total number of rows of each class, as given.

    See Also
    --------
    neural_collapse_score : The same from arrays.
    variability_collapse_index : The same from arrays.

    Notes
    -----
    The state is one matrix of shape (n_features, n_features) and one sum per class, for any number
    of rows. An update takes :math:`O(n d^2)`, a score :math:`O(d^3)`.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.metrics import CollapseStatistics, neural_collapse_score
    >>> X = np.array([[1.0, 0.2], [1.0, -0.2], [0.1, 1.0], [-0.3, 1.0]])
    >>> y = np.array(["cat", "cat", "dog", "dog"])
    >>> statistics = CollapseStatistics({"cat": 2, "dog": 2})
    >>> for batch in (slice(0, 3), slice(3, 4)):
    ...     statistics = statistics.update(X[batch], y[batch])
    >>> bool(np.isclose(statistics.neural_collapse_score(), neural_collapse_score(X, y)))
    True
    """

    def __init__(self, class_counts: Mapping[Any, float]) -> None:
        self.classes, codes = encode_labels(list(class_counts))
        self.counts = np.asarray(list(class_counts.values()), dtype=np.float64)[np.argsort(codes)]
        if len(self.classes) < 2 or not (self.counts > 0).all():
            raise ValueError(
                "class_counts must hold at least two classes, each with a positive number of "
                f"rows, got {dict(class_counts)!r}. Count the rows that are not zero."
            )
        self._moment: NDArray[np.float64] | None = None

    def update(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Add rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every row: 2 counts as the row twice.

        Returns
        -------
        self : CollapseStatistics
            The updated statistics.
        """
        rows = check_array(X, dtype=[np.float64, np.float32, np.float16])
        labels = column_or_1d(y)
        check_consistent_length(rows, labels)
        weight = check_sample_weight(sample_weight, rows) * nonzero_rows(rows)
        unknown = unknown_labels(labels, self.classes)
        if unknown:
            raise ValueError(
                "y holds classes that class_counts does not: "
                f"{sample_of(sorted(set(unknown), key=str))}. Give every class and its number of "
                "rows."
            )
        codes = encode_known(labels, self.classes)
        n_features = rows.shape[1]
        if self._moment is None:
            self._moment = np.zeros((n_features, n_features))
            self._sums = np.zeros((len(self.classes), n_features))
            self._seen = np.zeros(len(self.classes))
        for block in gen_row_blocks(len(rows), n_features):
            unit = unit_rows(rows[block].astype(np.float64))
            w = weight[block]
            np.add.at(self._sums, codes[block], unit * w[:, None])
            unit *= np.sqrt(w / self.counts[codes[block]])[:, None]
            self._moment += unit.T @ unit
        self._seen += np.bincount(codes, weight, minlength=len(self.classes))
        return self

    def neural_collapse_score(self, *, legacy: bool = False) -> float:
        """Return NC1; see :func:`neural_collapse_score`.

        Parameters
        ----------
        legacy : bool, default=False
            Whether to compute the value of the published script.

        Returns
        -------
        score : float
            Not negative.
        """
        within, centered, grand_mean = self._covariances()
        if legacy:
            within = within + np.outer(grand_mean, grand_mean)
        axes, squares = _between_spectrum(centered)
        variances = np.einsum("rd,rd->r", axes @ within, axes)
        return float((variances / squares).sum() / len(self.classes))

    def variability_collapse_index(self) -> float:
        """Return VCI; see :func:`variability_collapse_index`.

        Returns
        -------
        index : float
            Between 0 (collapsed) and 1.
        """
        within, centered, _ = self._covariances()
        between = centered.T @ centered
        values, vectors = scipy.linalg.eigh(within + between)
        kept = values > len(values) * np.finfo(np.float64).eps * values[-1]
        projected = centered @ vectors[:, kept]
        trace = float((projected**2 / values[kept]).sum())
        return 1 - trace / len(_between_spectrum(centered)[1])

    def _covariances(
        self,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        r""":math:`\Sigma_W`, rows :math:`(\mu_c - \mu_G) / \sqrt C`, :math:`\mu_G`."""
        if self._moment is None or not np.allclose(self._seen, self.counts, rtol=1e-6):
            seen = np.zeros(len(self.classes)) if self._moment is None else self._seen
            c = int(np.argmax(np.abs(seen - self.counts)))
            raise ValueError(
                f"class_counts has {self.counts[c]:g} rows of class "
                f"{sample_of(self.classes[c : c + 1])}, but update got {seen[c]:g} that are not "
                "zero. Call update with all rows before computing a score."
            )
        means = self._sums / self.counts[:, None]
        grand_mean = self._sums.sum(axis=0) / self.counts.sum()
        within = (self._moment - means.T @ means) / len(means)
        return within, (means - grand_mean) / np.sqrt(len(means)), grand_mean


def _between_spectrum(
    centered: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Axes ``(r, d)`` and eigenvalues ``(r,)`` of the between-class covariance, rank ``r``."""
    _, singular, axes = scipy.linalg.svd(centered, full_matrices=False)
    squares = singular**2
    # the tolerance of numpy.linalg.pinv, and an absolute one, since rows have unit length
    kept = squares > max(1e-15 * squares[0], 1e-20)
    if not kept.any():
        raise ValueError(
            "The class means coincide: there is no variance between classes, so the score is not "
            "defined. Check that y belongs to X."
        )
    return axes[kept], squares[kept]


def neural_collapse_score(
    X: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    legacy: bool = False,
) -> float:
    r"""Within-class variability relative to between-class variability (NC1) of unit rows.

    .. math:: \mathrm{NC1} = \frac{1}{C} \mathrm{Tr}(\Sigma_W \Sigma_B^\dagger)

    0 is full collapse: all rows of a class are equal. Classes with several modes have a large
    score. Within a family of similar tasks, several proxies per class help more where the score is
    larger.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Embeddings. Rows are normalised first; rows of zeros are ignored.

    y : array-like of shape (n_samples,)
        Class labels, at least two classes.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of every row: 2 counts as the row twice.

    legacy : bool, default=False
        Whether to add :math:`\mu_G \mu_G^\top` to :math:`\Sigma_W`, as in the script of the
        published values, which centres class means but not rows.

    Returns
    -------
    score : float
        Not negative.

    See Also
    --------
    variability_collapse_index : Between 0 and 1, invariant to invertible linear maps.
    CollapseStatistics : The same from batches, and the definitions of the covariances.

    Notes
    -----
    With classes of different sizes :math:`\mu_G` is not the mean of the class means;
    :math:`\Sigma_B` then has one more eigenvalue, often tiny, and the score may become large for
    that reason alone. With ``sample_weight`` one over the size of the row's class, the score does
    not depend on class sizes.

    Do not choose the number of proxies by this score: across families of tasks, its published
    correlation with the gain is close to zero. Use ``MultiProxyImprinter(k="auto")``, which chooses
    by cross-validation and reports the score.

    References
    ----------
    .. [1] Papyan, Han and Donoho, "Prevalence of neural collapse during the terminal phase of
       deep learning training", PNAS 117(40), 2020.
    .. [2] Westerhoff et al., "Robust Weight Imprinting: Insights from Neural Collapse and
       Proxy-Based Aggregation", `arXiv 2503.14572 <https://arxiv.org/abs/2503.14572>`_.

    Examples
    --------
    >>> from skclip.metrics import neural_collapse_score
    >>> y = ["cat", "cat", "dog", "dog"]
    >>> collapsed = [[1.0, 0.1], [1.0, 0.2], [0.1, 1.0], [0.2, 1.0]]
    >>> round(neural_collapse_score(collapsed, y), 4)
    0.0022
    >>> spread = [[1.0, -0.4], [1.0, 0.6], [-0.4, 1.0], [0.6, 1.0]]
    >>> round(neural_collapse_score(spread, y), 4)
    0.1696
    """
    return _statistics(X, y, sample_weight).neural_collapse_score(legacy=legacy)


def variability_collapse_index(
    X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    r"""Variability collapse index (VCI) of unit rows.

    .. math:: \mathrm{VCI} = 1 - \frac{\mathrm{Tr}(\Sigma_B (\Sigma_W + \Sigma_B)^\dagger)}
              {\mathrm{rank}\, \Sigma_B}

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Embeddings. Rows are normalised first; rows of zeros are ignored.

    y : array-like of shape (n_samples,)
        Class labels, at least two classes.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of every row: 2 counts as the row twice.

    Returns
    -------
    index : float
        Between 0 (collapsed) and 1.

    See Also
    --------
    neural_collapse_score : Relative to the between-class covariance alone.
    CollapseStatistics : The same from batches, and the definitions of the covariances.

    References
    ----------
    .. [1] Xu and Liu, "Quantifying the variability collapse of neural networks", ICML 2023.

    Examples
    --------
    >>> from skclip.metrics import variability_collapse_index
    >>> X = [[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]]
    >>> round(variability_collapse_index(X, ["cat", "cat", "dog", "dog"]), 6)
    0.0
    """
    return _statistics(X, y, sample_weight).variability_collapse_index()


def _statistics(X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> CollapseStatistics:
    rows = check_array(X, dtype=[np.float64, np.float32, np.float16])
    labels = column_or_1d(y)
    check_consistent_length(rows, labels)
    weight = check_sample_weight(sample_weight, rows)
    kept = nonzero_rows(rows) & (weight > 0)
    classes, codes = encode_labels(labels[kept])
    if len(classes) < 2:
        raise ValueError(
            "y must hold at least two classes with a row that is not zero, got "
            f"{len(classes)}: {sample_of(classes)}."
        )
    counts = np.bincount(codes, weight[kept])
    return CollapseStatistics(dict(zip(classes, counts, strict=True))).update(
        rows[kept], labels[kept], weight[kept]
    )
