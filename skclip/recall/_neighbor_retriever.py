"""NeighborRetriever: from images to the most similar images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags, check_scalar
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from skclip._compat import DocumentedMixin, Interval, StrOptions, fit_context, validate_parameters
from skclip._validation import check_embeddings, sample_of
from skclip._warn import warn_caller
from skclip.corpus import Corpus, open_corpus
from skclip.exceptions import NoMatchWarning
from skclip.neighbors import NeighborIndex, build_index, nearest_rows, search_or_fall_back
from skclip.recall._collection import CorpusCollection, PoolCollection
from skclip.recall._pool import PrimingPool
from skclip.recall._resample import append_pool, as_given, check_labelled
from skclip.recall._step import STEP_CONSTRAINT, shows_one_half

__all__ = ["NeighborRetriever"]


@shows_one_half
class NeighborRetriever(DocumentedMixin, TransformerMixin, BaseEstimator):
    r"""Recall the images with the largest cosine to given images.

    There are two uses. Neighbours of labelled shots within their class add training data
    (``restrict_to_class=True``). Neighbours of the unlabelled images to be classified adapt a pool
    to these images, without their labels.

    Parameters
    ----------
    corpus : path-like, Corpus or PrimingPool, default=None
        Embedded collection to recall from; no fitting is needed. Rows recalled from a pool keep
        their labels. None recalls from the rows given to :meth:`fit`.

    k : int, default=10
        Number of neighbours per image.

    restrict_to_class : bool, default=False
        Whether neighbours must have the image's class: by label in a pool, by caption in a
        corpus.

    method : {"exact", "hnsw", "faiss"}, default="exact"
        Exact search in blocks, or an approximate index of hnswlib (``skclip[hnsw]``) or faiss
        (``skclip[faiss]``), built once per process. If the library fails, exact search is used,
        with a warning. Search within a class is always exact.

    step : {"transform", "resample"}, default="transform"
        Whether pipelines use the estimator as a transformer of images into similarities, or as a
        sampler that appends recalled images. imbalanced-learn rejects steps that are both.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen in :meth:`fit`.

    See Also
    --------
    CaptionRetriever : Recall by class name.
    sklearn.neighbors.KNeighborsTransformer : Neighbours among the training rows.

    Notes
    -----
    The :math:`k` rows of largest :math:`q \cdot x / \|q\| \|x\|` are found for every query
    :math:`q`. Their union over queries is recalled, each row once [1]_. Zero rows carry no evidence
    and are never recalled.

    References
    ----------
    .. [1] Wallingford et al., "Neural Priming for Sample-Efficient Adaptation", 2023,
       `arXiv 2306.10191 <https://arxiv.org/abs/2306.10191>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.recall import NeighborRetriever, PrimingPool
    >>> pool = PrimingPool(["cat", "cat", "dog"], [[1.0, 0.1], [0.9, 0.5], [0.1, 1.0]])
    >>> retriever = NeighborRetriever(pool, k=1)
    >>> retriever.recall(np.array([[1.0, 0.0]]))
    PrimingPool(n_samples=1, classes=['cat'], n_features=2)
    >>> distances, rows = retriever.kneighbors(np.array([[1.0, 0.0]]), n_neighbors=2)
    >>> rows
    array([[0, 1]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "corpus": [str, PathLike, Corpus, PrimingPool, None],
        "k": [Interval(Integral, 1, None, closed="left")],
        "restrict_to_class": ["boolean"],
        "method": [StrOptions({"exact", "hnsw", "faiss"})],
        "step": STEP_CONSTRAINT,
    }

    def __init__(
        self,
        corpus: Corpus | PrimingPool | str | PathLike[str] | None = None,
        *,
        k: int = 10,
        restrict_to_class: bool = False,
        method: str = "exact",
        step: str = "transform",
    ) -> None:
        self.corpus = corpus
        self.k = k
        self.restrict_to_class = restrict_to_class
        self.method = method
        self.step = step

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        ids: Sequence[Any] | None = None,
        captions: Sequence[str] | None = None,
        images: Sequence[Any] | None = None,
    ) -> Self:
        """Store the rows to recall from. Does nothing if ``corpus`` is given.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,), default=None
            Class names, which recalled rows keep.

        ids, captions, images : sequence of length n_samples, default=None
            Columns of the recalled pool.

        Returns
        -------
        self : NeighborRetriever
            The fitted retriever.
        """
        X = check_embeddings(self, X, reset=True)
        if self.corpus is not None:
            return self
        labels = np.zeros(len(X), dtype=int) if y is None else column_or_1d(y)
        check_consistent_length(X, labels)
        columns: Any = {"ids": ids, "captions": captions, "images": images}
        self._fitted = PoolCollection(PrimingPool(labels, X, **columns), labelled=y is not None)
        return self

    def kneighbors(
        self, X: ArrayLike, n_neighbors: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the nearest rows of the collection.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)
            Embeddings.

        n_neighbors : int, default=None
            Number of neighbours; None means ``k``. A smaller collection returns fewer.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors)
            1 - cosine, ascending; infinite if there are too few nonzero rows.

        rows : ndarray of shape (n_queries, n_neighbors)
            Row numbers in the collection; -1 if there are too few nonzero rows.
        """
        collection = self._collection()
        Q = self._check_queries(X, collection)
        if n_neighbors is None:
            n_neighbors = self.k
        check_scalar(n_neighbors, "n_neighbors", Integral, min_val=1)
        similarities, rows = self._search(collection, Q, n_neighbors)
        return 1 - similarities, rows

    def transform(self, X: ArrayLike) -> sparse.csr_matrix:
        """Return the similarities of the nearest rows.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)
            Embeddings.

        Returns
        -------
        similarities : CSR matrix of shape (n_queries, n_rows)
            Cosine with each of the ``k`` nearest rows of the collection.
        """
        collection = self._collection()
        similarities, rows = self._search(collection, self._check_queries(X, collection), self.k)
        found = rows >= 0
        indptr = np.cumsum([0, *found.sum(axis=1)])
        shape = (len(rows), collection.n_rows)
        return sparse.csr_matrix((similarities[found], rows[found], indptr), shape=shape)

    def fit_transform(
        self, X: ArrayLike, y: ArrayLike | None = None, **fit_params: Any
    ) -> sparse.csr_matrix:
        """Fit, then return the nearest rows of the same rows, including themselves.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,), default=None
            Class names.

        **fit_params : dict
            As for :meth:`fit`.

        Returns
        -------
        similarities : CSR matrix of shape (n_samples, n_rows)
            Cosine with each of the ``k`` nearest rows.
        """
        return self.fit(X, y, **fit_params).transform(X)

    def recall(self, X: ArrayLike, y: ArrayLike | None = None) -> PrimingPool:
        """Recall the neighbours of all given images; each row is recalled once.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)
            Embeddings.

        y : array-like of shape (n_queries,), default=None
            Class names of the given images. Not needed if the collection has labels, unless
            ``restrict_to_class`` is true.

        Returns
        -------
        pool : PrimingPool
            Rows in the order of the collection. Their labels are those of the collection, or, if
            it has none, the label of the nearest given image.
        """
        _refuse_names(X)
        collection = self._collection()
        Q = self._check_queries(X, collection)
        given: NDArray[Any] | None = None if y is None else column_or_1d(y)
        if given is not None:
            check_consistent_length(Q, given)
        elif self.restrict_to_class or collection.labels is None:
            raise ValueError(
                "recall needs y, the classes of the given images: "
                + (
                    "restrict_to_class=True searches within these classes."
                    if self.restrict_to_class
                    else "the collection has no labels. Or recall from a PrimingPool."
                )
            )
        similarities, rows = (
            self._search_within_classes(collection, Q, given)
            if self.restrict_to_class
            else self._search(collection, Q, self.k)
        )
        recalled, first = _union(similarities, rows)
        if self.restrict_to_class or collection.labels is None:
            assert given is not None
            return collection.pool(recalled, given[first])
        return collection.pool(recalled, collection.labels[recalled])

    def fit_resample(self, X: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Append the neighbours of labelled images, without those of classes not in ``y``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings of labelled images.

        y : array-like of shape (n_samples,)
            Their class names.

        Returns
        -------
        X_resampled : ndarray or data frame of shape (n_samples + n_recalled, n_features)
            The given rows first.

        y_resampled : ndarray or series of shape (n_samples + n_recalled,)
            Class names.
        """
        rows, labels = check_labelled(X, y)
        pool = self.recall(rows, labels)
        more = append_pool(rows, labels, pool[np.isin(pool.labels, labels)])
        return as_given(more[0], X), as_given(more[1], y)

    def _collection(self) -> CorpusCollection | PoolCollection:
        validate_parameters(self)
        if isinstance(self.corpus, PrimingPool):
            return PoolCollection(self.corpus)
        if self.corpus is not None:
            return CorpusCollection(open_corpus(self.corpus))
        if not hasattr(self, "_fitted"):
            raise NotFittedError(
                "This NeighborRetriever has nothing to recall from: give corpus=, or call fit with "
                "embeddings first. Inside another estimator give FrozenEstimator(retriever), "
                "because clones are not fitted."
            )
        return self._fitted

    def _check_queries(
        self, X: ArrayLike, collection: CorpusCollection | PoolCollection
    ) -> NDArray[Any]:
        if hasattr(self, "n_features_in_"):
            Q = check_embeddings(self, X, reset=False)
        else:
            Q = check_array(X, dtype=[np.float64, np.float32])
        if Q.shape[1] != collection.n_features:
            raise ValueError(
                f"X has {Q.shape[1]} features, but the collection has {collection.n_features}: "
                "embed both with the same model."
            )
        return Q

    def _search(
        self, collection: CorpusCollection | PoolCollection, Q: NDArray[Any], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        k = min(k, collection.n_rows)

        def exact() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
            return nearest_rows(Q, collection.blocks(), k)

        if self.method == "exact" or not k:
            return exact()
        # built once per collection and shared
        index: NeighborIndex = collection.indexes.get_or_make(
            self.method, lambda: build_index(self.method, collection)
        )
        return search_or_fall_back(index, Q, k, exact)

    def _search_within_classes(
        self, collection: CorpusCollection | PoolCollection, Q: NDArray[Any], y: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        similarities = np.full((len(Q), self.k), -np.inf, dtype=np.float32)
        rows = np.full((len(Q), self.k), -1, dtype=np.int64)
        names, lacking = np.unique(y).tolist(), []
        for name in names:
            queries = np.flatnonzero(y == name)
            own = collection.rows_of(name)
            if not len(own):
                lacking.append(name)
            found, at = nearest_rows(Q[queries], [collection.embeddings(own)], self.k)
            similarities[queries] = found
            rows[queries] = np.where(at >= 0, own[at] if len(own) else -1, -1)
        if lacking:
            warn_caller(
                f"The collection has no rows of {sample_of(lacking)} ({len(lacking)} of "
                f"{len(names)} classes of y): nothing is recalled for their images.",
                NoMatchWarning,
            )
        return similarities, rows

    def __sklearn_is_fitted__(self) -> bool:
        return self.corpus is not None or hasattr(self, "_fitted")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.corpus is None
        tags.transformer_tags.preserves_dtype = []
        return tags


def _refuse_names(X: Any) -> None:
    """Raise for class names given in place of images."""
    is_column = isinstance(X, Iterable) and getattr(X, "ndim", 1) == 1
    names = [x for x in X if isinstance(x, str)] if is_column else []
    if names:
        raise ValueError(
            f"NeighborRetriever recalls by image, not by class name, but X holds {sample_of(names)}"
            ": give embeddings of images, or use CaptionRetriever to recall by name."
        )


def _union(
    similarities: NDArray[np.float32], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct rows, ascending, and the nearest query of each."""
    query = np.repeat(np.arange(len(rows)), rows.shape[1])
    order = np.lexsort((query, -similarities.ravel(), rows.ravel()))
    order = order[rows.ravel()[order] >= 0]
    recalled, first = np.unique(rows.ravel()[order], return_index=True)
    return recalled, query[order[first]]
