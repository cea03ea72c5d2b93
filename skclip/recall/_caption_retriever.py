"""CaptionRetriever: from class names to images whose captions name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, Self

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags, check_random_state

from skclip._class_names import check_class_names
from skclip._compat import (
    DocumentedMixin,
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    validate_parameters,
)
from skclip.captions import Disambiguator, Matches, Spellings, warn_of_shared
from skclip.corpus import (
    CaptionStore,
    Corpus,
    Embedder,
    Engine,
    MemoryStore,
    current_engine,
    open_collection,
)
from skclip.recall._given_captions import as_list, check_single_values, memory_shard
from skclip.recall._matches import find_candidates, find_matches
from skclip.recall._names import CaptionMatch, NamesMixin, as_caption_match
from skclip.recall._pool import PrimingPool
from skclip.recall._pool_of_matches import BY_SIMILARITY, recall_pool, warn_about
from skclip.recall._resample import append_pool, as_given, check_labelled
from skclip.recall._step import STEP_CONSTRAINT, shows_one_half
from skclip.recall._vectors import check_same_model, text_rows

__all__ = ["CaptionRetriever"]


@shows_one_half
class CaptionRetriever(DocumentedMixin, NamesMixin, TransformerMixin, BaseEstimator):
    """Recall images whose caption names a class.

    By default a caption names a class if it contains the words of the name, or of a synonym, in
    sequence. Case and accents do not matter. Only whole words match: ``cat`` is not found in
    ``concatenate``.

    Parameters
    ----------
    corpus : path-like or Corpus, default=None
        Collection to recall from; no fitting is needed. With ``method="scan"``, also any source
        that :meth:`skclip.Corpus.build` reads: a table of captions, a folder, archives. None
        recalls from the captions given to :meth:`fit`.

    k : int or None, default=100
        Maximum number of images per class; None means all matches. Several captions of one image
        count as one image.

    select : {"first", "random", "best", "caption"}, default="first"
        Which matches to take if a class has more than ``k``: the first ones in the collection, a
        random choice that depends only on ``random_state`` and the class name, those whose image
        is most similar to the class's text embedding (``"best"``), or those whose caption is
        (``"caption"``). ``"caption"`` needs embeddings of the captions
        (:meth:`skclip.Corpus.embed_captions`) and takes only captions with a positive cosine.

    match : CaptionMatch or {"phrase", "substring", "all"}, default="phrase"
        When a caption names a class: a :class:`CaptionMatch`, or its ``kind`` alone. A caption must
        contain the words of the name in sequence, its letters anywhere (``star`` in
        ``starfish``), or all its words in any order.

    method : {"index", "scan"}, default="index"
        Whether to use the caption index, or to read all captions once for all names. The results
        are the same. Scanning needs pyahocorasick (``pip install 'skclip[scan]'``).

    synonyms : mapping, default=None
        More names for each class: ``{class: [name, ...]}``. Keys that are not recalled classes
        are ignored, with a warning if they differ from one in capital letters only.

    plural : bool, default=False
        Whether regular English plurals of the names also match.

    deduplicate : float, "content" or None, default=None
        How to drop duplicates of earlier images of the class: a number is the minimum cosine of
        duplicates, ``"content"`` compares the bytes of the files. None keeps duplicates.

    exclude_images : sequence of images or ndarray of shape (n_images, n_features), default=None
        Images that must not be recalled, such as test images. They are compared by file content
        (URLs by address). With an ``embedder``, or if embeddings are given, images with a cosine
        of at least ``deduplicate`` (0.97 if that is not a number) are also excluded.

    decisions : path-like, data frame or list of dict, default=None
        What a person decided about recalled images: :meth:`recall` and whatever is fitted on it
        gives the pool as :meth:`PrimingPool.apply_decisions` corrects it.

    zero_shot : mapping or classifier, default=None
        Text embeddings for ``select="best"`` and ``"caption"``: ``{class name: vector}`` or a
        zero-shot classifier. Give it the synonyms too: it averages their prompts. For
        ``"caption"`` they must be of the model that embedded the captions.

    embedder : transformer, default=None
        Embeds the recalled images if the collection has no embeddings. It must be the model of
        the collection's embeddings if it has some.

    step : {"transform", "resample"}, default="transform"
        Whether pipelines use the estimator as a transformer of names into matches, or as a
        sampler that appends recalled images. imbalanced-learn rejects steps that are both.

    random_state : int, RandomState instance or None, default=None
        Seed of ``select="random"``.

    Attributes
    ----------
    store_ : CaptionStore
        The captions given to :meth:`fit`, or the corpus.

    See Also
    --------
    CaptionMatch : When a caption names a class.
    NeighborRetriever : Recall by image, without captions.
    ZeroShotFilter : Keep the recalled images that the zero-shot classifier agrees with.
    PrimingPool : Result of :meth:`recall`.

    Notes
    -----
    This is the caption search of Neural Priming [1]_. Quotation marks and search operators in a
    name have no special meaning. Shards are searched in parallel within a
    :func:`joblib.parallel_config` context.

    References
    ----------
    .. [1] Wallingford et al., "Neural Priming for Sample-Efficient Adaptation", 2023,
       `arXiv 2306.10191 <https://arxiv.org/abs/2306.10191>`_.

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
        "select": [StrOptions({"first", "random", "best", "caption"})],
        "match": [StrOptions({"phrase", "substring", "all"}), CaptionMatch],
        "method": [StrOptions({"index", "scan"})],
        "synonyms": [Mapping, None],
        "plural": ["boolean"],
        "deduplicate": [Interval(Real, 0, 1, closed="right"), StrOptions({"content"}), None],
        "exclude_images": ["array-like", list, tuple, None],
        "decisions": [object],
        "zero_shot": [Mapping, HasMethods(["fit"]), None],
        "embedder": [HasMethods(["transform"]), None],
        "step": STEP_CONSTRAINT,
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        corpus: Corpus | str | PathLike[str] | None = None,
        *,
        k: int | None = 100,
        select: str = "first",
        match: CaptionMatch | str = "phrase",
        method: str = "index",
        synonyms: Spellings | None = None,
        plural: bool = False,
        deduplicate: float | str | None = None,
        exclude_images: Any = None,
        decisions: Any = None,
        zero_shot: Any = None,
        embedder: Embedder | None = None,
        step: str = "transform",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.corpus = corpus
        self.k = k
        self.select = select
        self.match = match
        self.method = method
        self.synonyms = synonyms
        self.plural = plural
        self.deduplicate = deduplicate
        self.exclude_images = exclude_images
        self.decisions = decisions
        self.zero_shot = zero_shot
        self.embedder = embedder
        self.step = step
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        captions: Any = None,
        y: Any = None,
        *,
        embeddings: ArrayLike | None = None,
        caption_embeddings: ArrayLike | None = None,
        ids: Sequence[Any] | None = None,
        images: Sequence[Any] | None = None,
    ) -> Self:
        """Index captions in memory. Does nothing if ``corpus`` is given.

        Parameters
        ----------
        captions : sequence of str, or data frame
            Captions to recall from. Ignored if ``corpus`` is given. The columns of captions,
            images and ids of a data frame are found by their usual names.

        y : None
            Ignored.

        embeddings, caption_embeddings : array-like of shape (n_captions, n_features), default=None
            Embeddings of the images, and of the captions for ``select="caption"``.

        ids : sequence of length n_captions, default=None
            Identifier of each row; None means its number.

        images : sequence of length n_captions, default=None
            The images: paths, bytes, or anything the embedder accepts.

        Returns
        -------
        self : CaptionRetriever
            The fitted retriever.
        """
        if self.corpus is not None:
            self.store_: CaptionStore = self._store()
            return self
        shard = memory_shard(
            captions, embeddings, ids, images, caption_embeddings=caption_embeddings
        )
        self.store_ = MemoryStore([shard])
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        captions: Any,
        y: Any = None,
        *,
        embeddings: ArrayLike | None = None,
        caption_embeddings: ArrayLike | None = None,
        ids: Sequence[Any] | None = None,
        images: Sequence[Any] | None = None,
    ) -> Self:
        """Add captions to those in memory.

        Parameters
        ----------
        captions : sequence of str, or data frame
            Captions to add.

        y : None
            Ignored.

        embeddings, caption_embeddings, ids, images : array-like or sequence, default=None
            As for :meth:`fit`.

        Returns
        -------
        self : CaptionRetriever
            The fitted retriever.
        """
        if self.corpus is not None:
            raise ValueError(
                f"corpus={self.corpus!r} is given: add to it with Corpus(path).append(source)."
            )
        earlier = self.store_.shards if hasattr(self, "store_") else []
        first_row = sum(shard.n_rows for shard in earlier)
        shard = memory_shard(
            captions,
            embeddings,
            ids,
            images,
            caption_embeddings=caption_embeddings,
            first_row=first_row,
        )
        self.store_ = MemoryStore([*earlier, shard])  # type: ignore[list-item]
        return self

    def transform(self, names: Iterable[Any]) -> sparse.csr_matrix:
        """Return which captions match which names, without the limit ``k``.

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
        names = check_single_values(as_list(names))
        store = self._store()
        # a repeated name is still one class
        distinct = list(dict.fromkeys(map(str, names)))
        at = {name: i for i, name in enumerate(distinct)}
        matches = self._find(store, self._rules(distinct)).rows
        rows = [matches[at[str(name)]] for name in names]
        indptr = np.cumsum([0, *map(len, rows)])
        columns = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
        shape = (len(names), len(store))
        return sparse.csr_matrix((np.ones(len(columns)), columns, indptr), shape=shape)

    def fit_transform(self, captions: Any, y: Any = None, **fit_params: Any) -> sparse.csr_matrix:
        """Fit, then transform the captions themselves.

        Parameters
        ----------
        captions : sequence of str
            Captions to recall from, also used as names.

        y : None
            Ignored.

        **fit_params : dict
            As for :meth:`fit`.

        Returns
        -------
        matches : CSR matrix of shape (n_captions, n_captions)
            1 where the caption of the column contains the caption of the row.
        """
        self.fit(captions, y, **fit_params)
        return self.transform(captions if self.corpus is not None else self.store_.captions())

    def recall(self, names: Iterable[Any]) -> PrimingPool:
        """Recall at most ``k`` images per class.

        Repeated recalls from the same collection are cached.

        Parameters
        ----------
        names : iterable
            Distinct class names. Captions are searched for ``str(name)``; labels are the names as
            given.

        Returns
        -------
        pool : PrimingPool
            Rows grouped by class, in the order of ``names``. An image recalled for several
            classes appears once for each.

        Warns
        -----
        NoMatchWarning, SharedNameWarning, OtherSenseWarning
            If no caption names a class, several classes have the same name, or most matches are
            more similar to the text of another class (``select="best"`` and ``"caption"``).
        """
        store, names = self._ready(names)
        check_same_model(store, self.embedder)
        key = self._cache_key(names)
        if key is None:
            pool = self._recall(store, names)
        else:
            pool = store.recalled.get_or_make(key, lambda: self._recall(store, names))
        warn_about(pool.report())
        return pool if self.decisions is None else pool.apply_decisions(self.decisions)

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
        X_resampled : ndarray or data frame of shape (n_samples + n_recalled, n_features)
            The given rows first.

        y_resampled : ndarray or series of shape (n_samples + n_recalled,)
            Class names.
        """
        rows, labels = check_labelled(X, y)
        more = append_pool(rows, labels, self.recall(np.unique(labels).tolist()))
        return as_given(more[0], X), as_given(more[1], y)

    def _ready(self, names: Iterable[Any]) -> tuple[CaptionStore, list[Any]]:
        validate_parameters(self)
        if not isinstance(names, str):
            names = check_single_values(as_list(names))
        checked = check_class_names(names)
        return self._store(), checked

    def _store(self) -> CaptionStore:
        if self.corpus is not None:
            return open_collection(self.corpus, scan=self.method == "scan")
        if not hasattr(self, "store_"):
            raise NotFittedError(
                "This CaptionRetriever has nothing to recall from: give corpus=, or call fit with "
                "captions first. Inside another estimator give FrozenEstimator(retriever) or "
                "retriever.recall(names), because clones are not fitted."
            )
        return self.store_

    def _rules(self, names: Sequence[Any]) -> Disambiguator:
        return as_caption_match(self.match).disambiguator(
            names, synonyms=self.synonyms, plural=self.plural
        )

    def _find(self, store: CaptionStore, rules: Disambiguator) -> Matches:
        return find_matches(store, rules, method=self.method, n_jobs=None)

    def _recall(self, store: CaptionStore, names: list[Any]) -> PrimingPool:
        if self.select in BY_SIMILARITY and self.zero_shot is None:
            what = "images" if self.select == "best" else "captions"
            raise ValueError(f"select={self.select!r} compares {what} with text: give zero_shot.")
        seed = None
        if self.select == "random":
            seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        rules = self._rules(names)
        warn_of_shared(names, rules.queries)
        options: dict[str, Any] = {
            "k": self.k,
            "seed": seed,
            "select": self.select,
            "zero_shot": self.zero_shot,
            "deduplicate": self.deduplicate,
            "exclude_images": self.exclude_images,
            "embedder": self.embedder,
        }
        engine = current_engine()
        if engine is not None and isinstance(store, Corpus):
            return self._recall_by(engine, store, names, rules, options)
        return recall_pool(store, names, self._find(store, rules), **options)

    def _recall_by(
        self,
        engine: Engine,
        corpus: Corpus,
        names: list[Any],
        rules: Disambiguator,
        options: dict[str, Any],
    ) -> PrimingPool:
        """Recall with shards searched elsewhere, each of which returns its best matches."""
        text = None
        if self.select == "best" and corpus.has_embeddings:
            text, _ = text_rows(self.zero_shot, names)
            options |= {"select": "first", "zero_shot": None}
        # other orders and computed embeddings need all matches
        k = self.k if self.select == "first" or text is not None else None
        n = None if k is None else 2 * k
        while True:
            candidates = find_candidates(corpus, rules, engine, method=self.method, text=text, n=n)
            pool = recall_pool(corpus, names, candidates, **options)
            kept = pool.report().counts["kept"]
            if k is None or n is None or not (candidates.cut & (kept < k)).any():
                return pool
            n *= 8  # too many of them were duplicates, excluded or unreadable

    def _cache_key(self, names: list[Any]) -> str | None:
        """Return a key of names and parameters; None if the recall is random without a seed."""
        if self.select == "random" and not isinstance(self.random_state, Integral):
            return None
        parameters = self.get_params(deep=False)
        for name in ("corpus", "decisions", "step"):
            del parameters[name]
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
