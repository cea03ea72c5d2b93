"""NeighborRetriever: images in, their neighbours out, by exact and by approximate search."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from imblearn.pipeline import Pipeline as SamplingPipeline
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.estimator_checks import parametrize_with_checks

from skclip.corpus import Corpus
from skclip.exceptions import (
    CorpusError,
    NoMatchWarning,
    SearchFallbackWarning,
    UnreadableImageWarning,
)
from skclip.recall import CaptionRetriever, NeighborRetriever, PrimingPool

METHODS = ["exact", "hnsw", "faiss"]


@pytest.fixture(params=METHODS)
def method(request):
    """Every search there is."""
    if request.param != "exact":
        pytest.importorskip({"hnsw": "hnswlib"}.get(request.param, request.param))
    return request.param


@pytest.fixture
def pool():
    """Three classes around three axes, ten rows each, and one row without evidence."""
    rng = np.random.default_rng(0)
    X = np.repeat(np.eye(3), 10, axis=0) + 0.1 * rng.normal(size=(30, 3))
    return PrimingPool(
        [*np.repeat(["cat", "dog", "fox"], 10), "cat"],
        np.r_[X, np.zeros((1, 3))],
        ids=np.arange(31).astype(object),
        captions=[f"caption {i}" for i in range(31)],
    )


@parametrize_with_checks([NeighborRetriever(), NeighborRetriever(restrict_to_class=True)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_neighbours_are_those_of_scikit_learn(pool, method):
    X = pool.embeddings[:-1]
    Q = np.random.default_rng(1).normal(size=(20, 3))
    expected = NearestNeighbors(n_neighbors=4, metric="cosine").fit(X).kneighbors(Q)
    distances, rows = NeighborRetriever(method=method, k=4).fit(pool.embeddings).kneighbors(Q)
    np.testing.assert_allclose(distances, expected[0], atol=1e-6)
    np.testing.assert_array_equal(rows, expected[1])


def test_fewer_rows_than_neighbours(method):
    X = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    distances, rows = NeighborRetriever(method=method).fit(X).kneighbors([[2.0, 1.0]])
    assert rows.tolist() == [[0, 2, -1]]
    assert np.isinf(distances[0]).tolist() == [False, False, True]


def test_an_empty_collection_has_no_neighbours(method):
    pool = PrimingPool([], np.empty((0, 3)))
    distances, rows = NeighborRetriever(pool, method=method).kneighbors(np.eye(3))
    assert distances.shape == rows.shape == (3, 0)


@pytest.mark.parametrize(
    ("n_neighbors", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError)]
)
def test_the_number_of_neighbours_is_checked(pool, n_neighbors, error):
    with pytest.raises(error, match="n_neighbors"):
        NeighborRetriever(pool).kneighbors(np.eye(3), n_neighbors)


def test_transform_gives_similarities(pool, method):
    retriever = NeighborRetriever(pool, k=3, method=method)
    S = retriever.transform(pool.embeddings[:2])
    assert S.shape == (2, 31)
    assert S.getnnz(axis=1).tolist() == [3, 3]
    cosines = cosine_similarity(pool.embeddings[:2], pool.embeddings)
    np.testing.assert_allclose(S.toarray()[S.toarray() > 0], cosines[S.toarray() > 0], atol=1e-6)


def test_zero_rows_are_nobodys_neighbours(pool, method):
    assert NeighborRetriever(pool, k=31, method=method).transform(np.eye(3)).nnz == 90


# -- the union over queries


def test_recall_is_the_union_of_neighbours_with_their_own_labels(pool, method):
    recalled = NeighborRetriever(pool, k=4, method=method).recall([[1, 0, 0], [1, 0.05, 0]])
    expected = set()
    for q in ([1, 0, 0], [1, 0.05, 0]):
        expected |= set(np.argsort(-cosine_similarity([q], pool.embeddings[:-1])[0])[:4].tolist())
    assert recalled.ids.tolist() == sorted(expected)
    assert set(recalled.labels) == {"cat"}
    assert recalled.captions.tolist() == [f"caption {i}" for i in sorted(expected)]


def test_without_labels_a_row_gets_that_of_the_nearest_query():
    X = np.array([[1.0, 0.1], [0.8, 0.6], [0.1, 1.0]])
    recalled = NeighborRetriever(k=2).fit(X).recall(np.eye(2), ["east", "north"])
    assert recalled.ids is None
    assert recalled.labels.tolist() == ["east", "east", "north"]


def test_without_any_labels_recall_asks_for_some():
    with pytest.raises(ValueError, match=r"recall needs y, .* the collection has no labels"):
        NeighborRetriever().fit(np.eye(2)).recall(np.eye(2))
    with pytest.raises(ValueError, match=r"recall needs y, .* searches within these classes"):
        NeighborRetriever(restrict_to_class=True).fit(np.eye(2), [0, 1]).recall(np.eye(2))


def test_neighbours_can_be_restricted_to_the_class(pool, method):
    retriever = NeighborRetriever(pool, k=3, restrict_to_class=True, method=method)
    recalled = retriever.recall(np.eye(3)[:2], ["dog", "cat"])
    assert recalled.labels.tolist() == ["cat"] * 3 + ["dog"] * 3
    for name, axis in (("dog", 0), ("cat", 1)):
        own = np.flatnonzero(pool.labels == name)[:10]
        best = own[np.argsort(-cosine_similarity([np.eye(3)[axis]], pool.embeddings[own])[0])[:3]]
        assert sorted(best.tolist()) == recalled[recalled.labels == name].ids.tolist()


def test_a_class_without_rows_recalls_nothing(pool):
    retriever = NeighborRetriever(pool, restrict_to_class=True)
    with pytest.warns(NoMatchWarning, match="no rows of"):
        assert len(retriever.recall(np.eye(3), ["ant", "bee", "ape"])) == 0


def test_restricting_needs_classes():
    retriever = NeighborRetriever(restrict_to_class=True).fit(np.eye(2))
    with pytest.raises(ValueError, match="needs the class of every row: give y to fit"):
        retriever.recall(np.eye(2), ["a", "b"])


# -- from a corpus


def test_a_corpus_has_no_labels_but_captions(embedded_corpus, method):
    red = embedded_corpus.embeddings([3])
    recalled = NeighborRetriever(embedded_corpus, k=2, method=method).recall(red, ["scarlet"])
    assert recalled.ids.tolist() == ["pink.png", "red.png"]
    assert recalled.labels.tolist() == ["scarlet"] * 2
    assert recalled.model_id == embedded_corpus.model_id
    restricted = NeighborRetriever(str(embedded_corpus.path), restrict_to_class=True, k=1)
    assert restricted.recall(red, ["green"]).ids.tolist() == ["teal.png"]


def test_a_corpus_without_embeddings_says_so(corpus):
    with pytest.raises(CorpusError, match=r"no embeddings to find neighbours in: build it"):
        NeighborRetriever(corpus).recall(np.eye(4), list("abcd"))


def test_a_pool_without_embeddings_says_so(corpus):
    pool = CaptionRetriever(corpus).recall(["red"])
    with pytest.raises(ValueError, match="pool has no embeddings to find neighbours in"):
        NeighborRetriever(pool).recall(np.eye(4))


def test_targets_turn_a_pool_towards_them(embedded_corpus):
    pool = CaptionRetriever(embedded_corpus).recall(["red", "green", "blue"])
    recalled = NeighborRetriever(pool, k=1).recall(embedded_corpus.embeddings([3]))
    assert recalled.ids.tolist() == ["red.png"]
    assert recalled.labels.tolist() == ["red"]


def test_an_index_is_built_once_for_all_clones(pool, monkeypatch):
    pytest.importorskip("faiss")
    import skclip.recall._neighbor_retriever as module

    built = []
    build = module.build_index
    monkeypatch.setattr(module, "build_index", lambda *args: (built.append(1), build(*args))[1])
    for _ in range(3):
        clone(NeighborRetriever(pool, method="faiss")).recall(np.eye(3))
    assert len(built) == 1


def test_a_retriever_pickles_without_its_index(pool, method):
    retriever = NeighborRetriever(k=2, method=method).fit(pool.embeddings, pool.labels)
    expected = retriever.recall(np.eye(3))
    copy = pickle.loads(pickle.dumps(retriever))
    np.testing.assert_array_equal(copy.recall(np.eye(3)).embeddings, expected.embeddings)


def test_what_a_library_cannot_do_is_done_exactly(pool, monkeypatch):
    pytest.importorskip("hnswlib")
    import skclip.neighbors._approximate as module

    def fail(*args):
        raise RuntimeError("Cannot return the results in a contiguous 2D array")

    monkeypatch.setattr(module._Hnsw, "search", fail)
    retriever = NeighborRetriever(pool, k=2, method="hnsw")
    with pytest.warns(
        SearchFallbackWarning, match=r"2 neighbours failed \(Cannot return"
    ) as caught:
        _, rows = retriever.kneighbors(np.eye(3))
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(rows, NeighborRetriever(pool, k=2).kneighbors(np.eye(3))[1])


def test_a_missing_library_names_its_extra(pool, monkeypatch):
    for module, method in (("hnswlib", "hnsw"), ("faiss", "faiss")):
        monkeypatch.setitem(__import__("sys").modules, module, None)
        with pytest.raises(ImportError, match=rf"method='{method}' needs {module}: .*\[{method}\]"):
            NeighborRetriever(pool, method=method).kneighbors(np.eye(3))


@pytest.mark.parametrize("approximate", ["hnsw", "faiss"])
def test_approximate_search_finds_most_neighbours(approximate):
    pytest.importorskip({"hnsw": "hnswlib"}.get(approximate, approximate))
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(50, 16))
    X = (centers[rng.integers(50, size=12_000)] + 0.5 * rng.normal(size=(12_000, 16))).astype("f4")
    X[::100] = 0
    Q = X[1:200] + 0.01
    exact = NeighborRetriever(k=10).fit(X).kneighbors(Q)[1]
    found = NeighborRetriever(k=10, method=approximate).fit(X).kneighbors(Q)[1]
    assert not np.isin(found, np.arange(0, 12_000, 100)).any()
    recalled = np.mean([np.isin(e, f).mean() for e, f in zip(exact, found, strict=True)])
    assert recalled > 0.95


# -- as a sampler


def test_resampling_appends_neighbours_of_known_classes(pool):
    sampler = NeighborRetriever(pool, k=10, step="resample")
    X, y = sampler.fit_resample(np.eye(3)[:2], ["cat", "dog"])
    assert len(X) == len(y) == 22
    assert sorted(set(y)) == ["cat", "dog"]
    np.testing.assert_array_equal(X[:2], np.eye(3)[:2])
    turned = NeighborRetriever(pool, k=20, step="resample").fit_resample(np.eye(3)[:1], ["cat"])
    assert set(turned[1]) == {"cat"}


def test_a_sampling_pipeline_takes_it_as_a_step(pool):
    pipeline = SamplingPipeline(
        [
            ("more", NeighborRetriever(pool, restrict_to_class=True, step="resample")),
            ("head", LogisticRegression()),
        ]
    )
    assert pipeline.fit(np.eye(3), ["cat", "dog", "fox"]).predict(np.eye(3)).tolist() == [
        "cat",
        "dog",
        "fox",
    ]


# -- bad input


def test_without_a_collection_there_is_nothing_to_recall_from():
    with pytest.raises(NotFittedError, match="nothing to recall from: give corpus=, or call fit"):
        NeighborRetriever().recall(np.eye(2))


def test_widths_must_agree(pool):
    with pytest.raises(ValueError, match="X has 2 features, but the collection has 3: embed both"):
        NeighborRetriever(pool).kneighbors(np.eye(2))


@pytest.mark.parametrize("parameter", [{"k": 0}, {"method": "best"}, {"restrict_to_class": 3}])
def test_parameters_are_checked(pool, parameter):
    with pytest.raises(ValueError, match=f"The '{next(iter(parameter))}' parameter of Neighbor"):
        NeighborRetriever(pool, **parameter).kneighbors(np.eye(3))


@pytest.mark.parametrize("X", [[[np.nan] * 3], [1, 2, 3], np.empty((0, 3))])
def test_bad_queries_are_refused(pool, X):
    with pytest.raises(ValueError, match=r"NaN|1D array|minimum of 1 is required"):
        NeighborRetriever(pool).kneighbors(X)


def test_classes_and_images_must_have_equal_length(pool):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        NeighborRetriever(pool, restrict_to_class=True).recall(np.eye(3), ["cat"])


def test_an_unmatched_class_in_a_corpus_recalls_nothing(tmp_path, photos, mean_color):
    corpus = Corpus.build(photos, tmp_path / "c", embedder=mean_color)
    with pytest.warns(NoMatchWarning):
        CaptionRetriever(corpus).recall(["zebra"])
    retriever = NeighborRetriever(corpus, restrict_to_class=True)
    with pytest.warns(NoMatchWarning, match="no rows of 'zebra'"):
        assert len(retriever.recall(np.eye(4), ["zebra"] * 4)) == 0


@pytest.mark.parametrize("n_rows", [600, 10_500])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_nobodys_neighbours(method, n_rows, value):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 8)).astype(np.float32)
    X[::50, 3] = value
    with pytest.warns(UnreadableImageWarning, match=f"{n_rows // 50} of {n_rows} rows"):
        pool = PrimingPool(["a"] * n_rows, X)
    distances, rows = NeighborRetriever(pool, k=5, method=method).kneighbors(X[1:9])
    assert np.isfinite(distances).all()
    assert not (rows % 50 == 0).any()
    assert (rows[:, 0] == np.arange(1, 9)).mean() > 0.8


def test_few_readable_rows_of_many_are_searched(method):
    X = np.zeros((10_500, 4), np.float32)
    X[[3, 9_000]] = np.eye(4)[:2]
    assert NeighborRetriever(method=method, k=3).fit(X).kneighbors(X[[3]])[1].tolist() == [
        [3, 9_000, -1]
    ]


@pytest.mark.parametrize("library", [pd, pl])
def test_a_sampler_keeps_data_frames(pool, library):
    frame = library.DataFrame({"u": [1.0], "v": [0.0], "w": [0.0]})
    sampler = NeighborRetriever(pool, k=1, step="resample")
    X, y = sampler.fit_resample(
        frame, library.Series("label", ["cat"]) if library is pl else ["cat"]
    )
    assert type(X) is type(frame)
    assert list(X.columns) == ["u", "v", "w"]
    assert len(X) == len(y) == 2
    assert isinstance(y, pl.Series if library is pl else np.ndarray)


def test_a_fitted_retriever_in_another_estimator_is_told_to_be_frozen():
    with pytest.raises(NotFittedError, match=r"give FrozenEstimator\(retriever\)"):
        clone(NeighborRetriever().fit(np.eye(2))).kneighbors(np.eye(2))


def test_labels_that_a_pool_lacks_are_named(pool):
    retriever = NeighborRetriever(pool, restrict_to_class=True)
    with pytest.warns(NoMatchWarning, match=r"no rows of 'zebra' \(1 of 2 classes of y\)"):
        assert set(retriever.recall(np.eye(3)[:2], ["zebra", "cat"]).labels) == {"cat"}


def test_recall_of_names_says_that_it_recalls_by_image(pool):
    with pytest.raises(ValueError, match="recalls by image, not by class name"):
        NeighborRetriever(pool).recall(["cat", "dog"])
