"""Sums of the rows of every class.

:class:`ClassSums` is the state of :class:`~skclip.NearestClassMean`, of
:class:`~skclip.GaussianDiscriminantClassifier` and of :class:`~skclip.PrimedNCMClassifier`. Sums
can be added, subtracted and merged exactly, in any order of the rows.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from joblib import cpu_count
from numpy.typing import NDArray

from skclip._array_api import cast, is_elsewhere, like, to_numpy
from skclip._compat import get_namespace_and_device
from skclip._linalg import gen_row_blocks, nonzero_rows, row_norms, unit_rows, widened
from skclip._validation import encode_known, sample_of, union_classes, unknown_labels

__all__ = ["ClassSums", "class_sums", "second_moment"]

# Rows summed in their own precision before the sum is added in float64.
N_ROWS_PER_BLOCK = 1 << 15


@dataclass(frozen=True)
class ClassSums:
    r"""Sums and counts of every class, in numpy and float64.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted class labels.

    sums : ndarray of shape (n_classes, n_features)
        :math:`S_c = \sum_{i: y_i = c} w_i x_i`.

    counts : ndarray of shape (n_classes,)
        :math:`n_c = \sum_{i: y_i = c,\, x_i \ne 0} w_i`.

    second : ndarray of shape (n_features, n_features), default=None
        :math:`\sum_i w_i x_i x_i^\top` over all classes, for heads with a covariance.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._class_sums import ClassSums
    >>> X, codes = np.array([[3.0, 4.0], [0.0, 2.0]]), np.array([0, 1])
    >>> known = ClassSums.of_rows(X, codes, np.array(["cat", "dog"]), np.ones(2))
    >>> known.sums
    array([[0.6, 0.8],
           [0. , 1. ]])
    >>> (known + known).counts
    array([2., 2.])
    >>> (known + known - known).counts
    array([1., 1.])
    """

    classes: NDArray[Any]
    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    second: NDArray[np.float64] | None = None

    @classmethod
    def empty(
        cls, classes: NDArray[Any], n_features: int, *, with_second: bool = False
    ) -> "ClassSums":
        """Return sums over classes without rows."""
        second = np.zeros((n_features, n_features)) if with_second else None
        sums = np.zeros((len(classes), n_features))
        return cls(classes, sums, np.zeros(len(classes)), second)

    @classmethod
    def of_rows(
        cls,
        X: NDArray[Any],
        codes: NDArray[Any],
        classes: NDArray[Any],
        weight: NDArray[Any],
        *,
        unit: bool = True,
        with_second: bool = False,
    ) -> "ClassSums":
        """Sum rows on their device; see :func:`class_sums` for the arguments."""
        sums, counts = class_sums(X, codes, len(classes), weight, unit=unit)
        second = second_moment(X, weight, unit=unit) if with_second else None
        return cls(classes, sums, counts, second)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Classes that have rows."""
        known: NDArray[np.bool_] = self.counts > 0
        return known

    @property
    def means(self) -> NDArray[np.float64]:
        """Class means, not normalised: zero for a class without rows."""
        means: NDArray[np.float64] = self.sums / np.where(self.known, self.counts, 1)[:, None]
        return means

    def over(self, classes: NDArray[Any]) -> "ClassSums":
        """Return the sums over ``classes``, a sorted superset of ``self.classes``."""
        if np.array_equal(classes, self.classes):
            return self
        at = encode_known(self.classes, classes)
        wide = ClassSums.empty(classes, self.sums.shape[1])
        wide.sums[at], wide.counts[at] = self.sums, self.counts
        return replace(wide, second=self.second)

    def __add__(self, other: "ClassSums") -> "ClassSums":
        """Return the sums of the rows of both, over the classes of both."""
        classes = union_classes(self.classes, other.classes)
        a, b = self.over(classes), other.over(classes)
        second = None if a.second is None or b.second is None else a.second + b.second
        return ClassSums(classes, a.sums + b.sums, a.counts + b.counts, second)

    def __sub__(self, other: "ClassSums") -> "ClassSums":
        """Return the sums without the rows of ``other``.

        Raises
        ------
        ValueError
            If ``other`` has unknown classes, or more rows than were added.
        """
        unknown = unknown_labels(other.classes, self.classes)
        if unknown:
            raise ValueError(
                f"y holds classes this head does not know: {sample_of(unknown)}. "
                "Forget only rows that were fitted."
            )
        rest = self + replace(
            other,
            sums=-other.sums,
            counts=-other.counts,
            second=None if other.second is None else -other.second,
        )
        # what rounding leaves of a weight counts as zero
        rest.counts[np.abs(rest.counts) <= 1e-9 * np.maximum(1, self.counts)] = 0
        if (rest.counts < 0).any():
            raise ValueError(
                "Cannot forget more rows than were fitted, of the classes "
                f"{sample_of(rest.classes[rest.counts < 0])}. Forget each row at most once."
            )
        rest.sums[rest.counts == 0] = 0
        return rest

    def without(self, labels: NDArray[Any]) -> "ClassSums":
        """Return the sums without whole classes.

        Not possible with a second moment, which is one sum over all classes.

        Raises
        ------
        ValueError
            If a label is unknown, no class would remain, or there is a second moment.
        """
        unknown = unknown_labels(labels, self.classes)
        if unknown:
            raise ValueError(
                f"labels holds classes this head does not know: {sample_of(unknown)}. "
                f"It knows {sample_of(self.classes)}."
            )
        gone = np.zeros(len(self.classes), dtype=bool)
        gone[encode_known(labels, self.classes)] = True
        if gone.all():
            raise ValueError("labels holds every class of this head: at least one must remain.")
        if self.second is not None:
            raise ValueError(
                "This head has one covariance for all classes: a class cannot be removed without "
                "its rows. Use forget(X, y) with the rows of the class, or fit again without "
                "them."
            )
        return ClassSums(self.classes[~gone], self.sums[~gone], self.counts[~gone])


def second_moment(
    X: NDArray[Any], weight: NDArray[Any], *, unit: bool = True
) -> NDArray[np.float64]:
    r"""Return :math:`\sum_i w_i x_i x_i^\top` in float64, block by block.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows, of any array library.

    weight : ndarray of shape (n_samples,)
        Weight of every row.

    unit : bool, default=True
        Whether rows are normalised first.

    Returns
    -------
    second : ndarray of shape (n_features, n_features)
        Symmetric.
    """
    xp, _, _ = get_namespace_and_device(X)
    second = np.zeros((X.shape[1], X.shape[1]))
    for rows in gen_row_blocks(X.shape[0], X.shape[1]):
        block = unit_rows(X[rows, :]) if unit else widened(X[rows, :])
        weighted = block * cast(weight[rows], block.dtype)[:, None]
        if not is_elsewhere(X):  # float64 for exact updates, which not every device has
            block, weighted = cast(block, xp.float64), cast(weighted, xp.float64)
        second += to_numpy(weighted.T @ block)
    return second


def class_sums(
    X: NDArray[Any],
    codes: NDArray[Any],
    n_classes: int,
    weight: NDArray[Any],
    *,
    unit: bool = True,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Sum the rows of every class in one pass.

    .. math:: S_c = \sum_{i: y_i = c} w_i x_i / \lVert x_i \rVert, \qquad
              n_c = \sum_{i: y_i = c,\, x_i \ne 0} w_i

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        float16, float32 or float64 rows. Zero rows are not counted.

    codes : ndarray of shape (n_samples,)
        Class index of every row, in ``[0, n_classes)``.

    n_classes : int
        Number of classes.

    weight : ndarray of shape (n_samples,)
        Weight of every row.

    unit : bool, default=True
        Whether rows are normalised first.

    Returns
    -------
    sums : ndarray of shape (n_classes, n_features)
        NaN where ``X`` is not finite.

    counts : ndarray of shape (n_classes,)
        Sum of the weights of the rows that are not zero.

    Raises
    ------
    ValueError
        If a code is outside ``[0, n_classes)``.
    """
    if len(codes) and not 0 <= codes.min() <= codes.max() < n_classes:
        raise ValueError(
            f"codes must be class indices in [0, {n_classes}), got {codes.min()} to {codes.max()}."
        )
    if is_elsewhere(X):
        return _class_sums_elsewhere(X, codes, n_classes, weight, unit=unit)
    sums, counts = np.zeros((n_classes, X.shape[1])), np.zeros(n_classes)
    # every thread holds a block of half precision as float32
    step = N_ROWS_PER_BLOCK // 8 or 1 if X.dtype == np.float16 else N_ROWS_PER_BLOCK
    blocks = [slice(start, start + step) for start in range(0, len(X), step)]

    def of_block(rows: slice) -> tuple[NDArray[Any], NDArray[Any]]:
        return _block_sums(widened(X[rows]), codes[rows], n_classes, weight[rows], unit=unit)

    # the loops over rows release the interpreter's lock; blocks are added in order
    with ThreadPoolExecutor(max(1, min(cpu_count(), len(blocks)))) as threads:
        for block_sums, block_counts in threads.map(of_block, blocks):
            sums += block_sums
            counts += block_counts
    return sums, counts


def _block_sums(
    block: NDArray[Any],
    codes: NDArray[Any],
    n_classes: int,
    weight: NDArray[Any],
    *,
    unit: bool,
) -> tuple[NDArray[Any], NDArray[Any]]:
    if unit:
        norms = row_norms(block)
        if not np.all((norms > 1e-15) & (norms < 1e15)):
            # overflowing or underflowing squares, NaN and zeros
            block = unit_rows(block)
            norms = nonzero_rows(block).astype(block.dtype)
    else:
        norms = nonzero_rows(block).astype(block.dtype)
    is_evidence = norms > 0
    row_scale = weight / np.where(is_evidence, norms, 1)
    # one column per row of X: the product reads X once, in order
    membership = sp.csc_array(
        (row_scale, codes, np.arange(len(block) + 1, dtype=np.int32)),
        shape=(n_classes, len(block)),
    )
    return membership @ block, np.bincount(codes, weight * is_evidence, minlength=n_classes)


def _class_sums_elsewhere(
    X: Any, codes: NDArray[Any], n_classes: int, weight: Any, *, unit: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum by products with one-hot rows, for any array library."""
    xp, _, device = get_namespace_and_device(X)
    columns = xp.arange(n_classes, dtype=xp.int32, device=device)
    codes = like(codes, X)
    sums, counts = np.zeros((n_classes, X.shape[1])), np.zeros(n_classes)
    for rows in gen_row_blocks(X.shape[0], max(n_classes, X.shape[1])):
        block = unit_rows(X[rows, :]) if unit else X[rows, :]
        membership = cast(codes[rows][:, None] == columns[None, :], X.dtype) * weight[rows][:, None]
        evident = cast(xp.any(block != 0, axis=1), X.dtype)
        sums += to_numpy(membership.T @ block)
        counts += to_numpy(membership.T @ evident)
    return sums, counts
