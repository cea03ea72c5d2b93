"""State of MultiProxyImprinter, and how rows are forgotten."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skclip._array_api import to_numpy
from skclip._compat import check_sample_weight
from skclip._linalg import nonzero_rows
from skclip._validation import (
    check_labelled_embeddings,
    encode_known,
    encode_labels,
    sample_of,
    unknown_labels,
)
from skclip.heads._class_sums import ClassSums, second_moment
from skclip.heads._imprinting._generation import WeightedRows
from skclip.heads._imprinting._least_squares import least_squares_weights
from skclip.heads._imprinting._normalization import normalize_rows, whiten_rows
from skclip.heads._imprinting._proxies import means_of, sums_of
from skclip.heads._imprinting._scores import ProxyScoresMixin

__all__ = ["LEAST_SQUARES", "SUMS", "KeptProxiesMixin"]

# Generations whose proxies are functions of class sums, with exact updates.
SUMS = ("mean", "least_squares")
LEAST_SQUARES = ("least_squares", "kmeans_least_squares")


def _keeps_sums(imprinter: KeptProxiesMixin) -> bool:
    if imprinter.generation not in SUMS:
        raise AttributeError(
            f"forget needs generation in {SUMS}, where proxies are functions of class sums, got "
            f"generation={imprinter.generation!r}. Use forget_class, or fit again."
        )
    return True


class KeptProxiesMixin(ProxyScoresMixin):
    """Keep the proxies before their last normalisation, with the weight of their rows."""

    generation: Any
    logit_scale: float
    normalize_inputs: str | None
    proxy_classes_: NDArray[Any]
    proxy_weights_: NDArray[np.float64]
    regularization_: float
    _input_reference: NDArray[Any] | None
    _moment: NDArray[np.float64] | None  # sum of outer products, for least squares
    _raw_proxies: NDArray[Any]

    @available_if(_keeps_sums)
    def forget(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Remove fitted rows; the head is as if fitted without them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The embeddings to forget, as they were given.

        y : array-like of shape (n_samples,)
            Their labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Their weights, as they were given.

        Returns
        -------
        self : MultiProxyImprinter
            The updated head. A class that has lost its last row stays in ``classes_`` and is not
            predicted until it gets new rows.

        Raises
        ------
        ValueError
            If the rows weigh more than the fitted rows of their class.
        """
        check_is_fitted(self)
        X, y = check_labelled_embeddings(self, X, y, reset=False)
        arrived, codes = encode_labels(y)
        # a row of zeros was not counted, even if its normalised row is not zero
        weight = check_sample_weight(sample_weight, X) * nonzero_rows(X)
        rows = self._normalized(X)
        gone = ClassSums.of_rows(rows, codes, arrived, weight, unit=False)
        state = means_of(sums_of(self._state(), self.classes_) - gone)
        moment = self._moment
        if moment is not None:
            moment = moment - second_moment(rows, weight, unit=False)
        return self._set_state(self.classes_, state, moment, self.proxies_.dtype)

    def forget_class(self, labels: Any) -> Self:
        """Remove whole classes.

        Parameters
        ----------
        labels : label or array-like of labels
            Classes to remove.

        Returns
        -------
        self : MultiProxyImprinter
            The updated head.
        """
        check_is_fitted(self)
        labels = np.atleast_1d(to_numpy(labels))
        unknown = unknown_labels(labels, self.classes_)
        if unknown:
            raise ValueError(
                f"labels holds classes this head does not know: {sample_of(unknown)}. It knows "
                f"{sample_of(self.classes_)}."
            )
        if self.generation in LEAST_SQUARES:
            raise ValueError(
                f"generation={self.generation!r} has one matrix for all classes: a class cannot "
                "be removed without its rows. Use forget(X, y) with the rows of the class "
                "(generation='least_squares'), or fit again without them."
            )
        gone = np.zeros(len(self.classes_), dtype=bool)
        gone[encode_known(labels, self.classes_)] = True
        if gone.all():
            raise ValueError("labels holds every class of this head: at least one must remain.")
        kept = [one for one, out in zip(self._state(), gone, strict=True) if not out]
        return self._set_state(self.classes_[~gone], kept, None, self.proxies_.dtype)

    def _normalized(self, X: NDArray[Any]) -> NDArray[Any]:
        X = whiten_rows(X, self._whitener)
        return normalize_rows(X, self.normalize_inputs, self._input_reference)

    def _state(self) -> list[WeightedRows]:
        return [
            WeightedRows(self._raw_proxies[start:stop], self.proxy_weights_[start:stop])
            for start, stop in pairwise(self._bounds)
        ]

    def _set_state(
        self,
        classes: NDArray[Any],
        state: list[WeightedRows],
        moment: NDArray[np.float64] | None,
        dtype: Any,
    ) -> Self:
        counts = [len(one.rows) for one in state]
        if not any(counts):
            raise ValueError(
                "No row carries evidence any more: no class would have proxies. Keep at least one "
                "row."
            )
        self.classes_, self._moment = classes, moment
        self.proxy_classes_ = np.repeat(classes, counts)
        self.proxy_weights_ = np.concatenate([one.weight for one in state])
        self._bounds = np.concatenate([[0], np.cumsum(counts)])
        self._raw_proxies = proxies = np.concatenate([one.rows for one in state])
        if moment is not None:
            proxies = least_squares_weights(
                moment, proxies, self.proxy_weights_.sum(), self.regularization_
            )
        self._set_proxies(proxies.astype(dtype, copy=False))
        self.logit_scale_ = float(self.logit_scale)
        return self
