"""Heads whose state is one :class:`ClassSums`: rows are added, removed and merged exactly."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import assert_all_finite, check_is_fitted

from skclip._array_api import like, to_numpy
from skclip._base import ScoreClassifierMixin
from skclip._compat import (
    ArrayAPIMixin,
    HasMethods,
    Interval,
    check_same_namespace,
    check_sample_weight,
    fit_context,
)
from skclip._linalg import working_dtype
from skclip._text_head import TextHead, check_labels_known, check_same_width, resolve_text_head
from skclip._validation import check_labelled_embeddings, encode_labels, union_classes
from skclip.heads._class_sums import ClassSums

__all__ = ["ExactUpdatesMixin", "check_evidence"]


class ExactUpdatesMixin(ArrayAPIMixin, ScoreClassifierMixin):
    """``fit`` and updates of a head that is a function of the sums of its rows.

    A subclass sums rows in ``_sums_of`` and turns sums into a linear head in ``_linear_head``.
    """

    zero_shot: Any
    text_head_: TextHead | None
    class_sum_: NDArray[np.float64]
    class_count_: NDArray[np.float64]
    coef_: NDArray[Any]
    intercept_: NDArray[Any]
    n_features_in_: int

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "shrinkage": [Interval(Real, 0, None, closed="neither")],
    }

    @abstractmethod
    def _sums_of(
        self, X: Any, codes: NDArray[Any], classes: NDArray[Any], weight: Any
    ) -> ClassSums:
        """Return the sums of rows, on any device."""

    @abstractmethod
    def _linear_head(self, state: ClassSums, X: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return weights and intercepts; set other attributes on the device of ``X``."""

    def _choose(
        self, state: ClassSums, rows: list[Any], classes: NDArray[Any], *, reset: bool
    ) -> None:
        """Make choices that need single rows: embeddings, codes of ``classes`` and weights."""

    def _before_merge(self, other: Self) -> None:
        """Check the parameters of a head to merge, and take over its choices."""

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Sum the rows of every class and compute the head.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings; zero rows are ignored.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every row: 2 counts as the row twice, 0 as no row.

        Returns
        -------
        self : estimator
            The fitted head.
        """
        return self._add(X, y, None, sample_weight, reset=True)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Add rows; classes may be new.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,)
            Class labels.

        classes : array-like of shape (n_classes,), default=None
            Further classes, with or without rows. Not needed for the labels in ``y``, which may
            be new in any call.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every row.

        Returns
        -------
        self : estimator
            The updated head.
        """
        first = not hasattr(self, "class_sum_")
        if not first:
            check_same_namespace(X, self, attribute="coef_", method="partial_fit")
        return self._add(X, y, classes, sample_weight, reset=first)

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
        self : estimator
            The updated head. A class that has lost its last row stays in ``classes_``. Without a
            text head it is not predicted until it gets new rows.

        Raises
        ------
        ValueError
            If the rows weigh more than the fitted rows of their class.
        """
        check_is_fitted(self)
        check_same_namespace(X, self, attribute="coef_", method="forget")
        gone = self._validated_sums(X, y, sample_weight, reset=False)[-1]
        return self._store(self._state() - gone, self.coef_, self.classes_)

    def merge(self, other: Self) -> Self:
        """Add the rows of another head; the result is as if fitted on the rows of both.

        Parameters
        ----------
        other : estimator
            A head of the same class and parameters, fitted on embeddings of the same model.

        Returns
        -------
        self : estimator
            The updated head.
        """
        check_is_fitted(self)
        check_is_fitted(other)
        if other.n_features_in_ != self.n_features_in_:
            raise ValueError(
                f"Cannot merge a head of {other.n_features_in_} features into one of "
                f"{self.n_features_in_}: fit both on embeddings of one model."
            )
        self._before_merge(other)
        return self._store(self._state() + other._state(), self.coef_, self.classes_)

    def _add(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None,
        sample_weight: ArrayLike | None,
        *,
        reset: bool,
    ) -> Self:
        *rows, new = self._validated_sums(X, y, sample_weight, reset=reset)
        named = new.classes if classes is None else encode_labels(classes)[0]
        return self._add_sums(new, rows, named, y if reset else self.classes_, reset=reset)

    def _add_sums(
        self, new: ClassSums, rows: list[Any], named: NDArray[Any], labels: Any, *, reset: bool
    ) -> Self:
        """Add sums, of which some or all rows are given with their codes and weights.

        ``named`` are further classes; labels are stored on the device of ``labels``.
        """
        state = new.over(union_classes(new.classes, named))
        if reset:
            self.text_head_ = resolve_text_head(self.zero_shot, state.classes)
            if self.text_head_ is not None:
                check_same_width(self.n_features_in_, self.text_head_)
        else:
            state = self._state() + state
        state = self._with_text_classes(state)
        self._choose(state, rows, new.classes, reset=reset)
        return self._store(state, rows[0], labels)

    def _validated_sums(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, *, reset: bool
    ) -> tuple[Any, NDArray[np.int32], Any, ClassSums]:
        """Return rows, their codes and weights, and their sums."""
        X, y = check_labelled_embeddings(
            self, X, y, reset=reset, ensure_all_finite=False, keep_half=True
        )
        classes, codes = encode_labels(y)
        weight = check_sample_weight(sample_weight, X, dtype=working_dtype(X))
        sums = self._sums_of(X, codes, classes, weight)
        if not np.isfinite(sums.sums).all():
            assert_all_finite(X, input_name="X", estimator_name=type(self).__name__)
        return X, codes, weight, sums

    def _with_text_classes(self, state: ClassSums) -> ClassSums:
        """Return the sums over all classes of the text head."""
        if self.text_head_ is None:
            return state
        check_labels_known(state.classes, self.text_head_.classes)
        return state.over(self.text_head_.classes)

    def _state(self) -> ClassSums:
        """Return the state as numpy arrays."""
        parts = [self.classes_, self.class_sum_, self.class_count_]
        if hasattr(self, "second_moment_"):
            parts.append(self.second_moment_)
        return ClassSums(*map(to_numpy, parts))

    def _store(self, state: ClassSums, X: Any, labels: Any) -> Self:
        """Store state and head on the device of ``X``, and labels on that of ``labels``."""
        state = self._with_text_classes(state)
        coef, intercept = self._linear_head(state, X)
        self.classes_ = like(state.classes, labels)
        self.class_sum_, self.class_count_ = like(state.sums, X), like(state.counts, X)
        if state.second is not None:
            self.second_moment_ = like(state.second, X)
        dtype = working_dtype(X)
        self.coef_, self.intercept_ = like(coef, X, dtype), like(intercept, X, dtype)
        return self


def check_evidence(evident: NDArray[np.bool_]) -> None:
    """Raise if no row or no class has evidence."""
    if not evident.any():
        raise ValueError(
            "No row carries evidence: every embedding is zero or has weight zero. "
            "Give at least one row that is not zero."
        )
