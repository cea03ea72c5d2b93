"""The priming pool: recalled images with the class each was recalled for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._bounded_cache import BoundedCache
from skclip._class_names import check_class_names
from skclip._finite import without_unreadable
from skclip._optional import import_optional
from skclip._validation import sample_of
from skclip._warn import warn_caller
from skclip.corpus import as_values, is_missing
from skclip.exceptions import UnusedDecisionWarning
from skclip.recall._decisions import decide, read_decisions
from skclip.recall._html import pool_html
from skclip.recall._report import RecallReport, count_labels

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PrimingPool", "label_array"]


@dataclass(frozen=True, eq=False, repr=False)
class PrimingPool:
    """Recalled images with the class each was recalled for.

    Retrievers return a pool from ``recall``, and primed classifiers add it to the labelled samples.
    A pool is also a retriever: ``pool.recall(names)`` returns the rows of these classes. Clones of
    an estimator share its pool, so the arrays of a pool are read-only; writable arrays are copied
    when the pool is made.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        Class name of each row, as passed to ``recall``.

    embeddings : array-like of shape (n_samples, n_features), default=None
        Image embeddings; a zero row carries no evidence. Rows with NaN or infinity are set to
        zero, with a warning that lists them.

    ids : array-like of shape (n_samples,), default=None
        Identifier of each row in the collection.

    captions : array-like of shape (n_samples,), default=None
        Caption of each row.

    images : sequence of length n_samples, default=None
        Image of each row: path, bytes, or any other form in the collection.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row; None means 1.

    model_id : str, default=None
        Identity of the model of the embeddings; None if unknown.

    recall_report : RecallReport, default=None
        Counts of the recall; see :meth:`report`.

    confirmed : array-like of shape (n_samples,) of bool, default=None
        Rows that a person has looked at and kept: filters of heads keep them too. None is none.

    corpus_id : str, default=None
        Identity of the collection behind the rows; None if it has none.

    See Also
    --------
    skclip.recall.CaptionRetriever : Recall pools by captions.
    skclip.recall.ZeroShotFilter : Keep the rows the zero-shot classifier agrees with.

    Examples
    --------
    >>> from skclip.recall import PrimingPool
    >>> pool = PrimingPool(
    ...     labels=["cat", "dog", "cat"],
    ...     embeddings=[[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]],
    ...     captions=["a cat", "a dog", "a cat and a dog"],
    ... )
    >>> pool
    PrimingPool(n_samples=3, classes=['cat', 'dog'], n_features=2)
    >>> pool[pool.labels == "cat"].captions.tolist()
    ['a cat', 'a cat and a dog']
    >>> pool.recall(["dog"]).embeddings
    array([[0., 1.]], dtype=float32)
    """

    labels: NDArray[Any]
    embeddings: NDArray[Any] | None = None
    ids: NDArray[Any] | None = None
    captions: NDArray[Any] | None = None
    images: NDArray[Any] | None = None
    sample_weight: NDArray[Any] | None = None
    model_id: str | None = None
    recall_report: RecallReport | None = None
    confirmed: NDArray[np.bool_] | None = None
    corpus_id: str | None = None

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if labels.ndim != 1:
            raise ValueError(
                f"labels must have one class name per row, got an array of shape {labels.shape}."
            )
        if labels.dtype.kind in "Of":
            missing = [i for i, label in enumerate(labels.tolist()) if is_missing(label)]
            if missing:
                raise ValueError(
                    f"labels has missing values in {len(missing)} of {len(labels)} rows "
                    f"({sample_of(missing)}): remove these rows."
                )
        self._set("labels", labels)
        if self.embeddings is not None:
            self._set("embeddings", as_embeddings(self.embeddings))
        for name in ("ids", "captions", "images"):
            value = getattr(self, name)
            if value is not None:
                self._set(name, _as_column(value, name))
        if self.sample_weight is not None:
            self._set("sample_weight", _as_weights(self.sample_weight))
        if self.confirmed is not None:
            self._set("confirmed", np.asarray(self.confirmed, dtype=bool))
        for name in _ROW_FIELDS:
            value = getattr(self, name)
            if value is not None and len(value) != len(labels):
                raise ValueError(
                    f"{name} has {len(value)} rows but labels has {len(labels)}: give one per row."
                )
            if value is not None:
                self._set(name, _unchangeable(value))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _ROW_FIELDS:  # pickle does not keep arrays read-only
            value = getattr(self, name)
            if value is not None:
                value.flags.writeable = False

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # the dataclass is frozen

    @property
    def classes(self) -> list[Any]:
        """Sorted classes with at least one row."""
        classes: list[Any] = np.unique(self.labels).tolist()
        return classes

    @cached_property
    def neighbor_indexes(self) -> BoundedCache:
        """Neighbour indexes of the embeddings, keyed by method."""
        return BoundedCache(max_size=2)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: ArrayLike | slice) -> PrimingPool:
        """Return the pool of the rows selected by a mask, indices or a slice."""
        selection: Any = rows if isinstance(rows, slice) else np.atleast_1d(np.asarray(rows))
        if not isinstance(rows, slice) and selection.size == 0:
            selection = selection.astype(np.intp)
        taken = {
            name: value[selection]
            for name in _ROW_FIELDS
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **taken)

    def __sklearn_clone__(self) -> PrimingPool:
        return self

    def set_params(self, **params: Any) -> PrimingPool:
        """Raise a ValueError: a pool has no parameters.

        Parameters
        ----------
        **params : dict
            Parameters that a search tries to set.
        """
        names = sample_of(params)
        raise ValueError(
            f"A PrimingPool has no parameter {names}: it is the result of a recall. To tune the "
            "recall, give a retriever instead, for instance CaptionRetriever(corpus)."
        )

    def __repr__(self) -> str:
        classes = self.classes
        shown = f"[{sample_of(classes)}]" if len(classes) > 3 else repr(classes)
        width = "" if self.embeddings is None else f", n_features={self.embeddings.shape[1]}"
        return f"PrimingPool(n_samples={len(self)}, classes={shown}{width})"

    def _repr_html_(self) -> str:
        return pool_html(self)

    def recall(self, names: Iterable[Any]) -> PrimingPool:
        """Return the rows of the given classes, so that a pool can be used as a retriever.

        Parameters
        ----------
        names : iterable
            Class names, compared as strings. Names without rows are ignored.

        Returns
        -------
        pool : PrimingPool
            Rows whose label is among ``names``, in the pool's order, with labels as in ``names``.
        """
        names = np.asarray(check_class_names(names))
        position = {str(name): i for i, name in enumerate(names.tolist())}
        unique, inverse = np.unique(self.labels, return_inverse=True)
        found = np.asarray([position.get(str(label), -1) for label in unique.tolist()], dtype=int)
        positions = found[inverse]
        kept = np.flatnonzero(positions >= 0)
        return replace(self[kept], labels=names[positions[kept]])

    def report(self) -> RecallReport:
        """Return the counts of the recall for each class; ``kept`` counts the rows of this pool.

        Returns
        -------
        report : RecallReport
            One row per class; prints as a table.
        """
        if self.recall_report is None:
            kept = count_labels(self.classes, self.labels)
            none = np.zeros_like(kept)
            return RecallReport(self.classes, {"matches": kept, "ambiguous": none, "kept": kept})
        report = self.recall_report
        kept = count_labels(report.names, self.labels)
        return replace(report, counts={**report.counts, "kept": kept})

    def apply_decisions(self, decisions: Any) -> PrimingPool:
        """Return the pool as a person has corrected it.

        Rejected images leave the pool, relabelled ones change their class. Those that were kept or
        relabelled are ``confirmed``: a head that is fitted on the new pool uses them whatever its
        filter says. An image that is decided to be unsure stays as it was.

        Parameters
        ----------
        decisions : path-like, data frame or list of dict
            What a report of :func:`skclip.report.pool_page` has exported: a file that ends in
            ``.csv`` or ``.json`` with the columns ``corpus_id``, ``row``, ``id``, ``class``,
            ``decision`` (``keep``, ``reject``, ``relabel`` or ``unsure``), ``new_class`` and
            ``note``; or such rows. An image is found by ``row`` where ``id`` and ``class`` agree
            with it, else by these two, so that decisions hold after another recall.

        Returns
        -------
        pool : PrimingPool
            A new one; this one stays as it is.

        Raises
        ------
        ValueError
            If a decision is unknown, contradicts another one, names a class that the pool does
            not know, or is about another collection.

        Warns
        -----
        UnusedDecisionWarning
            If decisions are about images that are not in the pool.

        Examples
        --------
        >>> from skclip.recall import PrimingPool
        >>> pool = PrimingPool(["cat", "cat", "dog"], ids=["a", "b", "c"])
        >>> corrected = pool.apply_decisions(
        ...     [
        ...         {"id": "a", "class": "cat", "decision": "relabel", "new_class": "dog"},
        ...         {"id": "b", "class": "cat", "decision": "reject"},
        ...     ]
        ... )
        >>> corrected.labels.tolist(), corrected.ids.tolist(), corrected.confirmed.tolist()
        (['dog', 'dog'], ['a', 'c'], [True, False])
        """
        report = self.report()
        names = [*dict.fromkeys([*report.names, *self.classes])]
        read = read_decisions(decisions)
        labels, ids = self.labels.tolist(), None if self.ids is None else self.ids.tolist()
        decided = decide(read, labels, ids, names, corpus_id=self.corpus_id)
        if decided.unused:
            warn_caller(
                f"{len(decided.unused)} of {len(read)} decisions are about images that are not in "
                f"the pool, and change nothing: {sample_of(d.id for d in decided.unused)}.",
                UnusedDecisionWarning,
            )
        confirmed = decided.confirmed
        if self.confirmed is not None:
            confirmed = confirmed | self.confirmed
        for row in np.flatnonzero(decided.classes >= 0):
            labels[row] = names[decided.classes[row]]
        rejected = count_labels(report.names, self.labels[~decided.kept])
        before = report.counts.get("rejected", 0)
        counts = {**report.counts, "rejected": rejected + before}
        pool = replace(
            self,
            labels=label_array(labels),
            confirmed=confirmed,
            recall_report=replace(report, counts=counts),
        )
        return pool[decided.kept]

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a pandas DataFrame, without the embeddings.

        Returns
        -------
        frame : DataFrame
            Column ``label``, and ``id``, ``caption``, ``image`` and ``sample_weight`` if the pool
            has them.
        """
        pandas: Any = import_optional("pandas", extra="pandas", purpose="PrimingPool.to_frame")
        columns = {"label": self.labels}
        for name in ("ids", "captions", "images", "sample_weight"):
            value = getattr(self, name)
            if value is not None:
                columns[name.removesuffix("s") if name != "sample_weight" else name] = value
        frame: pd.DataFrame = pandas.DataFrame(columns)
        return frame


_ROW_FIELDS = ("labels", "embeddings", "ids", "captions", "images", "sample_weight", "confirmed")


def label_array(labels: list[Any]) -> NDArray[Any]:
    """Return labels as an array that keeps their types."""
    array = np.asarray(labels)
    if array.ndim == 1 and array.tolist() == labels:
        return array
    return np.fromiter(labels, dtype=object, count=len(labels))


def _unchangeable(values: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only array; a writable array is copied."""
    if values.flags.writeable:
        values = values.copy()
        values.flags.writeable = False
    return values


def as_embeddings(values: ArrayLike, name: str = "embeddings") -> NDArray[Any]:
    """Return ``values`` as a float matrix; only stored and Python floats are converted."""
    embeddings = np.asarray(values)
    if embeddings.ndim != 2:
        raise ValueError(
            f"{name} must have one row per sample, shape (n_samples, n_features); "
            f"got shape {embeddings.shape}."
        )
    if not (isinstance(values, np.ndarray) and embeddings.dtype in (np.float32, np.float64)):
        with np.errstate(over="ignore"):
            embeddings = embeddings.astype(np.float32)
    return without_unreadable(embeddings, name)


def _as_column(values: Any, name: str) -> NDArray[Any]:
    """Return ``values`` as a 1-D object array."""
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype == object:
        return values
    if hasattr(values, "columns"):  # iterating over a data frame yields its header
        table = np.asarray(values, dtype=object)
        if table.shape[1] != 1:
            raise ValueError(
                f"{name} must have one value per row, got a table of shape {table.shape}."
            )
        return table[:, 0]
    values = as_values(values)
    return np.fromiter(values, dtype=object, count=len(values))


def _as_weights(values: ArrayLike) -> NDArray[Any]:
    """Return ``values`` as finite, nonnegative weights."""
    weights = np.asarray(values, dtype=np.float64)
    if weights.ndim != 1:
        raise ValueError(f"sample_weight must have one number per row, got shape {weights.shape}.")
    wrong = weights[~(np.isfinite(weights) & (weights >= 0))]
    if wrong.size:
        raise ValueError(f"sample_weight must be finite and not negative, got {sample_of(wrong)}.")
    return weights
