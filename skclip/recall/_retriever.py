"""CaptionRetriever: class names in, images whose captions name them out."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from os import PathLike
from typing import Any, ClassVar, Self

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags, check_random_state

from skclip._compat import HasMethods, Interval, StrOptions, fit_context, validate_parameters
from skclip._validation import check_class_names, sample_of
from skclip.corpus import Corpus, open_corpus
from skclip.corpus._embedding import Embedder
from skclip.corpus._memory import MemoryShard, MemoryStore
from skclip.corpus._store import CaptionStore
from skclip.exceptions import NoMatchWarning
from skclip.recall._pool import PrimingPool
from skclip.recall._report import RecallReport, count_labels
from skclip.recall._resample import append_pool, check_labelled
from skclip.recall._search import find_rows, make_queries
from skclip.recall._select import order_rows
from skclip.recall._step import STEP_CONSTRAINT, available_as
from skclip.recall._vectors import check_same_model, row_vectors

__all__ = ["CaptionRetriever"]


class CaptionRetriever(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg, misc]
    """Recall images by class name: those whose caption names the class.

    A caption names a class if the words of the name, or of one of its synonyms, follow each other
    in it; case and accents do not matter, and ``cat`` is not found in ``concatenate``.

    Parameters
    ----------
    corpus : path-like or Corpus, default=None
        Collection to recall from; there is then nothing to fit. None recalls from the captions
        given to :meth:`fit`.

    k : int or None, default=100
        Most images a class; None means all matches.

    select : {"first", "random"}, default="first"
        Which of a class's matches are taken when there are more than ``k``: the first ones in the
        collection, or a random choice that depends on ``random_state`` and the class's name only.

    synonyms : mapping, default=None
        Further names by class, ``{class: [name, ...]}``; classes that are not asked for are
        ignored.

    embedder : transformer, default=None
        Embeds the recalled images, and only these, of a collection without embeddings. It is
        refused for a collection that another model has embedded.

    step : {"transform", "resample"}, default="transform"
        Which half of the estimator pipelines see: a transformer of names into matches, or a
        sampler that appends recalled images. imbalanced-learn refuses steps that are both.

    random_state : int, RandomState instance or None, default=None
        Seed of ``select="random"``.

    n_jobs : int, default=None
        Number of shards searched at once; None means 1 unless in a
        :func:`joblib.parallel_config` context.

    Attributes
    ----------
    store_ : CaptionStore
        The captions given to :meth:`fit`, or the corpus.

    See Also
    --------
    NeighborRetriever : Recalls by image, without captions.
    ZeroShotFilter : Keeps the recalled images that the zero-shot classifier agrees with.
    PrimingPool : What :meth:`recall` returns.

    Notes
    -----
    This is the caption search of Neural Priming [1]_, with names as data: quotation marks and
    search operators in a name have no meaning.

    References
    ----------
    .. [1] Wallingford et al., "Neural Priming for Sample-Efficient Adaptation", 2023,
       https://arxiv.org/abs/2306.10191

    Examples
    --------
    >>> from skclip.recall import CaptionRetriever
    >>> captions = ["A cat on a mat", "a fire truck", "the cat, a dog", "truck on fire"]
    >>> retriever = CaptionRetriever(synonyms={"dog": ["puppy"]}).fit(captions)
    >>> pool = retriever.recall(["cat", "fire truck", "dog"])
    >>> pool.labels.tolist()
    ['cat', 'cat', 'fire truck', 'dog']
    >>> pool.captions.tolist()
    ['A cat on a mat', 'the cat, a dog', 'a fire truck', 'the cat, a dog']
    >>> retriever.transform(["cat", "truck"]).toarray()
    array([[1., 0., 1., 0.],
           [0., 1., 0., 1.]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "corpus": [str, PathLike, Corpus, None],
        "k": [Interval(Integral, 1, None, closed="left"), None],
        "select": [StrOptions({"first", "random"})],
        "synonyms": [Mapping, None],
        "embedder": [HasMethods(["transform"]), None],
        "step": STEP_CONSTRAINT,
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        corpus: Corpus | str | PathLike[str] | None = None,
        *,
        k: int | None = 100,
        select: str = "first",
        synonyms: Mapping[Any, Sequence[str] | str] | None = None,
        embedder: Embedder | None = None,
        step: str = "transform",
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.corpus = corpus
        self.k = k
        self.select = select
        self.synonyms = synonyms
        self.embedder = embedder
        self.step = step
        self.random_state = random_state
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        captions: Any = None,
        y: Any = None,
        *,
        embeddings: ArrayLike | None = None,
        ids: Sequence[Any] | None = None,
        images: Sequence[Any] | None = None,
    ) -> Self:
        """Index captions in memory; with ``corpus`` there is nothing to do.

        Parameters
        ----------
        captions : sequence of str
            Captions to recall from. Ignored if ``corpus`` is given.

        y : None
            Ignored.

        embeddings : array-like of shape (n_captions, n_features), default=None
            Embeddings of the images.

        ids : sequence of length n_captions, default=None
            What to call each row; None means its number.

        images : sequence of length n_captions, default=None
            The images: paths, bytes, or anything the embedder takes.

        Returns
        -------
        self : CaptionRetriever
            Ready to recall.
        """
        if self.corpus is not None:
            self.store_: CaptionStore = open_corpus(self.corpus)
            return self
        shard = _memory_shard(captions, embeddings, ids, images)
        self.store_ = MemoryStore([shard])
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        captions: Any,
        y: Any = None,
        *,
        embeddings: ArrayLike | None = None,
        ids: Sequence[Any] | None = None,
        images: Sequence[Any] | None = None,
    ) -> Self:
        """Add captions to those in memory.

        Parameters
        ----------
        captions : sequence of str
            Captions to add.

        y : None
            Ignored.

        embeddings : array-like of shape (n_captions, n_features), default=None
            Embeddings of the images.

        ids : sequence of length n_captions, default=None
            What to call each row; None means its number.

        images : sequence of length n_captions, default=None
            The images.

        Returns
        -------
        self : CaptionRetriever
            Ready to recall.
        """
        if self.corpus is not None:
            raise ValueError(
                f"corpus={self.corpus!r} is given: add to it by Corpus(path).append(source)."
            )
        earlier = self.store_.shards if hasattr(self, "store_") else []
        first_row = sum(shard.n_rows for shard in earlier)
        shard = _memory_shard(captions, embeddings, ids, images, first_row=first_row)
        self.store_ = MemoryStore([*earlier, shard])  # type: ignore[list-item]
        return self

    @available_as("transform")
    def transform(self, names: Iterable[Any]) -> sparse.csr_matrix:
        """Return which captions match which names, whatever ``k`` is.

        Parameters
        ----------
        names : iterable of length n_names
            Class names.

        Returns
        -------
        matches : CSR matrix of shape (n_names, n_captions)
            1 where the caption names the class.
        """
        validate_parameters(self)
        names = _as_names(names)
        store = self._store()
        rows = self._find(store, names)
        indptr = np.cumsum([0, *map(len, rows)])
        columns = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
        shape = (len(names), len(store))
        return sparse.csr_matrix((np.ones(len(columns)), columns, indptr), shape=shape)

    @available_as("transform")
    def fit_transform(self, captions: Any, y: Any = None, **fit_params: Any) -> sparse.csr_matrix:
        """Fit, then transform the captions themselves: which of them contain which.

        Parameters
        ----------
        captions : sequence of str
            Captions to recall from, and names to recall.

        y : None
            Ignored.

        **fit_params : dict
            As for :meth:`fit`.

        Returns
        -------
        matches : CSR matrix of shape (n_captions, n_captions)
            1 where the caption of the column contains that of the row.
        """
        return self.fit(captions, y, **fit_params).transform(captions)

    def recall(self, names: Iterable[Any]) -> PrimingPool:
        """Recall at most ``k`` images a class.

        The same recall from the same collection is answered from memory.

        Parameters
        ----------
        names : iterable
            Class names, each once. ``str(name)`` is searched for; labels are the names as given.

        Returns
        -------
        pool : PrimingPool
            Rows class by class in the order of ``names``. An image that several classes name
            appears for each of them. Names without a match are listed by a warning.
        """
        validate_parameters(self)
        names = check_class_names(names)
        store = self._store()
        check_same_model(store, self.embedder)
        key = self._memo_key(names)
        if key is None:
            pool = self._recall(store, names)
        else:
            pool = store.recalled.get_or_make(key, lambda: self._recall(store, names))
        _warn_unmatched(pool.report().unmatched, len(names))
        return pool

    @available_as("resample")
    def fit_resample(self, X: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Append the recalled embeddings of the classes in ``y``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings of labelled images.

        y : array-like of shape (n_samples,)
            Their class names.

        Returns
        -------
        X_resampled : ndarray of shape (n_samples + n_recalled, n_features)
            The given rows first.

        y_resampled : ndarray of shape (n_samples + n_recalled,)
            Class names.
        """
        X, y = check_labelled(X, y)
        return append_pool(X, y, self.recall(np.unique(y).tolist()))

    def _store(self) -> CaptionStore:
        if self.corpus is not None:
            return open_corpus(self.corpus)
        if not hasattr(self, "store_"):
            raise NotFittedError(
                "This CaptionRetriever has nothing to recall from: give corpus=, or call fit with "
                "captions first."
            )
        return self.store_

    def _find(self, store: CaptionStore, names: Sequence[Any]) -> list[NDArray[np.int64]]:
        return find_rows(store, make_queries(names, self.synonyms), n_jobs=self.n_jobs)

    def _recall(self, store: CaptionStore, names: list[Any]) -> PrimingPool:
        matches = self._find(store, names)
        seed = 0
        if self.select == "random":
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        taken = [
            np.sort(order_rows(rows, name, select=self.select, seed=seed)[: self.k])
            for name, rows in zip(names, matches, strict=True)
        ]
        rows = np.concatenate(taken)
        class_of = np.repeat(np.arange(len(names)), [len(t) for t in taken])
        embeddings = row_vectors(store, rows, self.embedder)
        if embeddings is not None:
            readable = embeddings.any(axis=1)
            rows, class_of, embeddings = rows[readable], class_of[readable], embeddings[readable]
        labels = _label_array(names)[class_of]
        counts = {
            "matches": np.asarray([len(m) for m in matches]),
            "kept": count_labels(names, labels),
        }
        model_id = (
            store.model_id if store.has_embeddings else getattr(self.embedder, "model_id", None)
        )
        return PrimingPool(
            labels,
            embeddings=embeddings,
            ids=store.ids(rows),
            captions=store.captions(rows),
            images=store.images(rows),
            model_id=model_id,
            recall_report=RecallReport(names, counts),
        )

    def _memo_key(self, names: list[Any]) -> str | None:
        """Return what a recall depends on besides the collection; None if on chance."""
        random = self.select == "random" and not isinstance(self.random_state, Integral)
        if random:
            return None
        parameters = self.get_params(deep=False)
        parameters["corpus"] = parameters["n_jobs"] = parameters["step"] = None
        parameters["embedder"] = getattr(self.embedder, "model_id", None)
        key: str = joblib.hash((names, parameters))
        return key

    def __sklearn_is_fitted__(self) -> bool:
        return self.corpus is not None or hasattr(self, "store_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = self.corpus is None
        tags.transformer_tags.preserves_dtype = []
        return tags


def _memory_shard(
    captions: Any,
    embeddings: Any,
    ids: Any,
    images: Any,
    *,
    first_row: int = 0,
) -> MemoryShard:
    """Check captions and what comes with them."""
    texts = _as_names(captions, parameter="captions")
    wrong = [text for text in texts if not isinstance(text, str)]
    if wrong:
        raise TypeError(
            f"captions must be strings, got {sample_of(wrong)} ({type(wrong[0]).__name__})."
        )
    if not texts:
        raise ValueError("captions is empty (0 samples): give at least one caption.")
    pool = PrimingPool(
        np.asarray(texts), embeddings=embeddings, ids=ids, images=images
    )  # checks lengths
    vectors = None if pool.embeddings is None else pool.embeddings.astype(np.float32, copy=False)
    own_ids = np.arange(first_row, first_row + len(texts)).astype(object)
    return MemoryShard(
        np.fromiter(texts, dtype=object, count=len(texts)),
        own_ids if pool.ids is None else pool.ids,
        pool.images,
        vectors,
    )


def _as_names(names: Any, *, parameter: str = "names") -> list[Any]:
    """Return names or captions as a list of Python objects."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ValueError(
            f"{parameter} must be a sequence of strings, got {names!r}: write [{names!r}]."
        )
    return [name.item() if isinstance(name, np.generic) else name for name in names]


def _label_array(names: list[Any]) -> NDArray[Any]:
    """Return names as an array that keeps their types."""
    labels = np.asarray(names)
    if labels.ndim == 1 and labels.tolist() == names:
        return labels
    return np.fromiter(names, dtype=object, count=len(names))


def _warn_unmatched(unmatched: list[Any], n_names: int) -> None:
    if unmatched:
        warnings.warn(
            f"No caption names {sample_of(unmatched)} ({len(unmatched)} of {n_names} classes): "
            "they get no recalled images. Other words for them can be given as synonyms.",
            NoMatchWarning,
            stacklevel=3,
        )
