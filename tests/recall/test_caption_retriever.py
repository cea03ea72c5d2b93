"""CaptionRetriever: names in, matches or a pool out."""

import pickle
import tracemalloc
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imblearn.pipeline import Pipeline as SamplingPipeline
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from skclip import CLIPEmbedder, PrimedNCMClassifier
from skclip.corpus import Corpus
from skclip.exceptions import (
    CorpusError,
    CorpusNotFoundError,
    ModelMismatchError,
    NoMatchWarning,
    SharedNameWarning,
    UnreadableImageWarning,
)
from skclip.recall import CaptionMatch, CaptionRetriever

CAPTIONS = ["a red square", "a green square", "A RED circle", "red and green", "nothing"]


@pytest.fixture
def retriever():
    return CaptionRetriever().fit(CAPTIONS, embeddings=np.eye(5), ids=list("abcde"))


@pytest.mark.filterwarnings("ignore:Can't test estimator:sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize("step", ["transform", "resample"])
def test_scikit_learns_checks_for_string_input(corpus, step):
    check_estimator(CaptionRetriever(step=step))
    check_estimator(CaptionRetriever(corpus, step=step))


# -- names to matches


def test_transform_keeps_rows_and_marks_matches(retriever):
    matches = retriever.transform(["green", "red", "red green", "green"])
    assert sparse.issparse(matches)
    assert matches.format == "csr"
    assert matches.toarray().tolist() == [
        [0, 1, 0, 1, 0],
        [1, 0, 1, 1, 0],
        [0, 0, 0, 0, 0],
        [0, 1, 0, 1, 0],
    ]


def test_transform_ignores_k():
    retriever = CaptionRetriever(k=1).fit(CAPTIONS)
    assert retriever.transform(["red"]).nnz == 3


def test_captions_transform_into_those_that_contain_them():
    matches = CaptionRetriever().fit_transform(["cat", "a cat", "dog"])
    assert matches.toarray().tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    "container",
    [list, tuple, np.array, lambda s: np.array(s, dtype=object), pd.Series, pd.Index, iter],
)
def test_names_and_captions_come_in_any_container(container):
    retriever = CaptionRetriever().fit(container(CAPTIONS))
    assert (
        retriever.recall(container(["red", "green"])).labels.tolist() == ["red"] * 3 + ["green"] * 2
    )
    assert retriever.transform(container(["green"])).nnz == 2


# -- names to pools


def test_recall_gives_the_rows_of_each_class_in_turn(retriever):
    pool = retriever.recall(["green", "red"])
    assert pool.labels.tolist() == ["green", "green", "red", "red", "red"]
    assert pool.ids.tolist() == ["b", "d", "a", "c", "d"]
    assert pool.captions.tolist() == [CAPTIONS[i] for i in (1, 3, 0, 2, 3)]
    np.testing.assert_array_equal(pool.embeddings, np.eye(5)[[1, 3, 0, 2, 3]])


@pytest.mark.parametrize(("k", "n"), [(1, 2), (2, 4), (3, 5), (None, 5)])
def test_at_most_k_images_a_class(k, n):
    pool = CaptionRetriever(k=k).fit(CAPTIONS).recall(["red", "green"])
    assert len(pool) == n


def test_first_means_the_first_in_the_collection():
    pool = CaptionRetriever(k=2).fit(CAPTIONS).recall(["red"])
    assert pool.ids.tolist() == [0, 2]


@pytest.mark.usefixtures("own_workers")
def test_a_random_choice_depends_on_seed_and_name_only(tmp_path):
    captions = [f"{'cat' if i % 2 else 'dog'} {i}" for i in range(200)]
    coarse = Corpus.build(captions, tmp_path / "coarse")
    fine = Corpus.build(captions, tmp_path / "fine", shard_size=9)

    def chosen(corpus, names, seed=0, n_jobs=None):
        retriever = CaptionRetriever(corpus, k=5, select="random", random_state=seed)
        with joblib.parallel_config(n_jobs=n_jobs):
            return retriever.recall(names).recall(["cat"]).ids.tolist()

    expected = chosen(coarse, ["cat", "dog"])
    assert chosen(fine, ["dog", "cat"], n_jobs=2) == expected
    assert chosen(coarse, ["cat"]) == expected
    assert chosen(coarse, ["cat"], seed=1) != expected
    assert expected != [str(i) for i in (1, 3, 5, 7, 9)]


def test_synonyms_are_further_names():
    retriever = CaptionRetriever(synonyms={"crimson": ["red"], "other": ["green"]}).fit(CAPTIONS)
    assert retriever.recall(["crimson"]).ids.tolist() == [0, 2, 3]


def test_labels_are_the_names_as_given():
    captions = ["number 1", "number 2", "1 and 2"]
    pool = CaptionRetriever().fit(captions).recall(np.array([2, 1]))
    assert pool.labels.tolist() == [2, 2, 1, 1]
    assert pool.labels.dtype.kind == "i"


# -- names as data


@pytest.mark.parametrize("name", ['say "hi"', "cat*", "caption:cat", "-cat", "NEAR(a b)", "a OR b"])
def test_operators_in_names_are_data(name):
    captions = [f"x {name} y", "cat a b hi say cats"]
    assert CaptionRetriever().fit(captions).recall([name]).ids.tolist()[0] == 0


def test_quoted_names_match_only_themselves():
    captions = ["cats", "cat", "a b", "NEAR a b", "colt's foot", "colts foot"]
    retriever = CaptionRetriever().fit(captions)
    assert retriever.recall(["cat*"]).ids.tolist() == [1]
    assert retriever.recall(["NEAR(a b)"]).ids.tolist() == [3]
    assert retriever.recall(["colt's foot"]).ids.tolist() == [4]


@pytest.mark.parametrize("name", ["🦀", "...", "()", '"'])
def test_names_without_letters_match_nothing_and_are_reported(retriever, name):
    with pytest.warns(NoMatchWarning, match=r"No caption names .* \(1 of 2 classes\)"):
        pool = retriever.recall(["red", name])
    assert set(pool.labels) == {"red"}


def test_all_names_without_match_are_in_one_warning(retriever):
    with pytest.warns(NoMatchWarning) as caught:
        pool = retriever.recall(["red", "x", "y", "z", "w"])
    assert len(caught) == 1
    assert "'x', 'y', 'z' and 1 more (4 of 5 classes)" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert pool.report().unmatched == ["x", "y", "z", "w"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "names is empty"),
        (["red", " "], "names holds blank class names: ' ' .position 1."),
        (["red", ""], "blank"),
        (["red", "red"], "names holds duplicates: 'red'"),
        (["red", 1], "names mixes strings with other types .'red', 1."),
        ("red", r"must be a list of class names, got the single string 'red'"),
    ],
)
def test_bad_names_are_refused(retriever, names, message):
    with pytest.raises(ValueError, match=message):
        retriever.recall(names)


@pytest.mark.parametrize(
    ("captions", "error", "message"),
    [
        ([], ValueError, "captions is empty"),
        (["a", 3], TypeError, r"captions must be strings, got 3 \(int\)"),
        ("a cat", ValueError, "captions must be a sequence of strings"),
        (None, ValueError, "captions must be a sequence of strings"),
    ],
)
def test_bad_captions_are_refused(captions, error, message):
    with pytest.raises(error, match=message):
        CaptionRetriever().fit(captions)


@pytest.mark.parametrize("name", ["embeddings", "ids", "images"])
def test_what_comes_with_captions_must_have_their_length(name):
    value = np.eye(2) if name == "embeddings" else [1, 2]
    with pytest.raises(ValueError, match=f"{name} has 2 rows but captions has 3"):
        CaptionRetriever().fit(["a", "b", "c"], **{name: value})


@pytest.mark.parametrize("parameter", [{"k": 0}, {"k": 1.5}, {"select": "last"}, {"step": "both"}])
def test_parameters_are_checked(parameter):
    with pytest.raises(ValueError, match=f"The '{next(iter(parameter))}' parameter of Caption"):
        CaptionRetriever(**parameter).fit(CAPTIONS)


def test_without_captions_there_is_nothing_to_recall_from():
    with pytest.raises(NotFittedError, match="nothing to recall from: give corpus=, or call fit"):
        CaptionRetriever().recall(["red"])


# -- fitting


def test_captions_can_be_added(retriever):
    retriever.partial_fit(["one more red"], embeddings=np.ones((1, 5)), ids=["f"])
    assert retriever.recall(["red"]).ids.tolist() == ["a", "c", "d", "f"]
    assert retriever.transform(["red"]).shape == (1, 6)


def test_refitting_forgets(retriever):
    assert retriever.fit(["only red"]).recall(["red"]).ids.tolist() == [0]


def test_partial_fit_starts_from_nothing():
    assert CaptionRetriever().partial_fit(["red"]).recall(["red"]).ids.tolist() == [0]


def test_a_corpus_is_not_added_to_by_the_retriever(corpus):
    with pytest.raises(ValueError, match=r"Corpus\(path\)\.append\(source\)"):
        CaptionRetriever(corpus).partial_fit(["red"])


def test_a_fitted_retriever_survives_pickling(retriever):
    retriever.recall(["red"])
    copy = pickle.loads(pickle.dumps(retriever))
    assert copy.recall(["red"]).ids.tolist() == ["a", "c", "d"]


# -- from a corpus


def test_with_a_corpus_there_is_nothing_to_fit(corpus):
    for given in (corpus, corpus.path, str(corpus.path)):
        retriever = CaptionRetriever(given)
        assert retriever.recall(["red"]).ids.tolist() == ["pink.png", "red.png"]
        assert retriever.fit().recall(["red"]).ids.tolist() == ["pink.png", "red.png"]
        assert retriever.fit([[1.0], [2.0]], [0, 1]).transform(["red"]).shape == (1, 5)


def test_a_missing_corpus_is_named(tmp_path):
    with pytest.raises(CorpusNotFoundError, match="nowhere' does not exist"):
        CaptionRetriever(tmp_path / "nowhere").recall(["red"])


def test_a_retriever_of_a_corpus_pickles_as_its_path(embedded_corpus):
    retriever = CaptionRetriever(embedded_corpus).fit()
    retriever.recall(["red"])
    assert len(pickle.dumps(retriever)) < 3000


def test_stored_embeddings_come_with_the_model(embedded_corpus):
    pool = CaptionRetriever(embedded_corpus).recall(["green"])
    assert pool.model_id == "mean-color/none@1"
    np.testing.assert_array_equal(
        pool.embeddings, np.array([[0, 1, 0, 0.25], [0, 128 / 255, 128 / 255, 0.25]], np.float16)
    )


def test_without_embeddings_or_embedder_the_pool_has_images_only(corpus):
    pool = CaptionRetriever(corpus).recall(["red"])
    assert pool.embeddings is None
    assert pool.model_id is None
    assert [path.rpartition("/")[2] for path in pool.images] == ["pink.png", "red.png"]


def test_only_what_was_recalled_is_embedded(corpus, mean_color):
    pool = CaptionRetriever(corpus, k=1, embedder=mean_color).recall(["green", "red"])
    assert [path.rpartition("/")[2] for path in mean_color.seen] == ["green.png", "pink.png"]
    assert pool.model_id == "mean-color/none@1"
    np.testing.assert_array_equal(pool.embeddings[0], [0, 1, 0, 0.25])


def test_nothing_is_embedded_twice(corpus, mean_color):
    CaptionRetriever(str(corpus.path), k=1, embedder=mean_color).recall(["green", "red"])
    CaptionRetriever(str(corpus.path), embedder=mean_color).recall(["red", "blue"])
    assert len(mean_color.seen) == len(set(mean_color.seen)) == 5


def test_memory_can_be_embedded_on_recall(mean_color, photos):
    images = [photos / "red.png", (photos / "green.png").read_bytes()]
    retriever = CaptionRetriever(embedder=mean_color).fit(["red", "green"], images=images)
    np.testing.assert_array_equal(
        retriever.recall(["green", "red"]).embeddings, [[0, 1, 0, 0.25], [1, 0, 0, 0.25]]
    )


def test_a_corpus_of_another_model_is_refused_with_both_names(embedded_corpus, mean_color):
    same = CaptionRetriever(embedded_corpus, embedder=mean_color)
    assert len(same.recall(["red"])) == 2
    other = CaptionRetriever(embedded_corpus, embedder=type(mean_color)("other@2"))
    with pytest.raises(ModelMismatchError, match=r"mean-color/none@1, but embedder is other@2"):
        other.recall(["red"])


def test_broken_images_are_left_out_and_named(photos, corpus, mean_color):
    (photos / "red.png").write_bytes(b"broken")
    retriever = CaptionRetriever(corpus, embedder=mean_color)
    with pytest.warns(UnreadableImageWarning, match=r"1 recalled images .* 'red\.png: "):
        pool = retriever.recall(["red"])
    assert pool.ids.tolist() == ["pink.png"]
    assert pool.embeddings.any(axis=1).all()


def test_a_real_model_embeds_what_was_recalled(photos, tmp_path):
    (photos / "red.png").write_bytes(b"broken")
    corpus = Corpus.build(photos, tmp_path / "corpus")
    retriever = CaptionRetriever(corpus, embedder=CLIPEmbedder("skclip-tiny"))
    with pytest.warns(UnreadableImageWarning, match=r"red\.png: Cannot read image '.*reads\"\.$"):
        pool = retriever.recall(["red", "green"])
    assert pool.ids.tolist() == ["pink.png", "green.png", "teal.png"]
    np.testing.assert_allclose(np.linalg.norm(pool.embeddings, axis=1), 1, rtol=1e-5)
    assert pool.model_id == CLIPEmbedder("skclip-tiny").model_id


@pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")
def test_a_real_model_embeds_a_corpus(photos, tmp_path):
    (photos / "red.png").write_bytes(b"broken")
    corpus = Corpus.build(photos, tmp_path / "corpus", embedder=CLIPEmbedder("skclip-tiny"))
    (failure,) = corpus.failures().to_pylist()
    assert failure["id"] == "red.png"
    assert "red.png" in failure["reason"]
    pool = CaptionRetriever(corpus, embedder=CLIPEmbedder("skclip-tiny")).recall(["red"])
    assert pool.ids.tolist() == ["pink.png"]


def test_the_same_recall_is_answered_from_memory(corpus, monkeypatch):
    searches = []
    search = CaptionRetriever._find
    monkeypatch.setattr(
        CaptionRetriever, "_find", lambda *args: (searches.append(args[2]), search(*args))[1]
    )
    path = str(corpus.path)
    first = CaptionRetriever(path).recall(["red", "green"])
    assert CaptionRetriever(path).recall(["red", "green"]) is first
    assert CaptionRetriever(path, step="resample").recall(["red", "green"]) is first
    assert len(searches) == 1
    assert CaptionRetriever(path, k=1).recall(["red", "green"]) is not first
    assert CaptionRetriever(path).recall(["green", "red"]) is not first
    assert CaptionRetriever(path, synonyms={"red": ["x"]}).recall(["red", "green"]) is not first
    assert len(searches) == 4


def test_chance_is_not_remembered(corpus):
    retriever = CaptionRetriever(corpus, select="random", random_state=np.random.RandomState(0))
    assert retriever.recall(["red"]) is not retriever.recall(["red"])


def test_warnings_are_repeated_with_the_remembered_answer(corpus):
    retriever = CaptionRetriever(corpus)
    for _ in range(2):
        with pytest.warns(NoMatchWarning, match="'x'"):
            retriever.recall(["red", "x"])


# -- as a sampler


def test_resampling_appends_the_recalled_rows(embedded_corpus):
    sampler = CaptionRetriever(embedded_corpus, k=1, step="resample")
    X, y = sampler.fit_resample(np.zeros((3, 4)), ["red", "green", "red"])
    assert y.tolist() == ["red", "green", "red", "green", "red"]
    np.testing.assert_array_equal(X[:3], 0)
    np.testing.assert_array_equal(X[3], [0, 1, 0, 0.25])
    assert X.dtype == np.float64


def test_resampling_needs_embeddings_of_the_same_width(corpus, embedded_corpus):
    with pytest.raises(ValueError, match="no embeddings to append: build the corpus with embedder"):
        CaptionRetriever(corpus, step="resample").fit_resample(np.eye(2), ["red", "blue"])
    with pytest.raises(ValueError, match=r"X has 2 features but the recalled embeddings .* have 4"):
        CaptionRetriever(embedded_corpus, step="resample").fit_resample(np.eye(2), ["red", "blue"])


def test_resampling_without_a_match_changes_nothing(embedded_corpus):
    sampler = CaptionRetriever(embedded_corpus, step="resample")
    with pytest.warns(NoMatchWarning):
        X, y = sampler.fit_resample(np.eye(4), ["w", "x", "y", "z"])
    assert len(X) == len(y) == 4


@pytest.mark.parametrize(
    ("X", "y"), [([[np.nan]], ["a"]), ([1, 2], ["a", "b"]), ([[1]], ["a", "b"])]
)
def test_bad_labelled_rows_are_refused(embedded_corpus, X, y):
    with pytest.raises(ValueError, match=r"NaN|1D array|inconsistent numbers"):
        CaptionRetriever(embedded_corpus, step="resample").fit_resample(X, y)


def test_only_one_half_is_shown_at_a_time(corpus):
    transformer, sampler = CaptionRetriever(corpus), CaptionRetriever(corpus, step="resample")
    assert hasattr(transformer, "transform")
    assert hasattr(transformer, "fit_transform")
    assert not hasattr(transformer, "fit_resample")
    assert hasattr(sampler, "fit_resample")
    assert not hasattr(sampler, "transform")
    assert not hasattr(sampler, "fit_transform")


def test_a_sampling_pipeline_is_tuned_with_one_search_a_setting(embedded_corpus, monkeypatch):
    searches = []
    search = CaptionRetriever._find
    monkeypatch.setattr(
        CaptionRetriever, "_find", lambda *args: (searches.append(args[2]), search(*args))[1]
    )
    pipeline = SamplingPipeline(
        [
            ("recall", CaptionRetriever(str(embedded_corpus.path), step="resample")),
            ("head", LogisticRegression()),
        ]
    )
    X = np.tile(embedded_corpus.embeddings([3, 1]), (6, 1))
    y = ["red", "green"] * 6
    grid = {"recall__k": [1, 2], "head__C": [0.1, 1, 10]}
    tuned = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert tuned.score(X, y) == 1
    assert len(searches) == 2


def test_a_retriever_is_a_step_of_a_plain_pipeline(corpus):
    pipeline = Pipeline(
        [("recall", CaptionRetriever(corpus)), ("n", FunctionTransformer(lambda m: m.sum(axis=1)))]
    )
    assert np.asarray(pipeline.fit(["red", "x"]).transform(["red", "make"])).ravel().tolist() == [
        2,
        2,
    ]


def test_routes_come_from_signatures():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "embeddings" in str(CaptionRetriever().get_metadata_routing())


def test_a_scan_is_proposed_where_there_is_no_index(tmp_path):
    corpus = Corpus.build(["red"], tmp_path / "corpus", index=False)
    with pytest.raises(CorpusError, match="no caption index"):
        CaptionRetriever(corpus).recall(["red"])


# -- data frames and other containers


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_of_a_data_frame_the_columns_of_a_corpus_are_taken(library):
    frame = library({"n": [7, 8], "TEXT": ["a cat", None], "id": ["x", "y"], "url": ["u", "v"]})
    pool = CaptionRetriever().fit(frame).recall(["cat"])
    assert (pool.captions.tolist(), pool.ids.tolist()) == (["a cat"], ["x"])
    assert pool.images.tolist() == ["u"]
    assert CaptionRetriever().partial_fit(frame).partial_fit(frame).transform(["cat"]).nnz == 2


def test_a_data_frame_without_captions_is_refused():
    with pytest.raises(CorpusError, match=r"The data frame has no caption column"):
        CaptionRetriever().fit(pd.DataFrame({"a": ["a cat"]}))


def test_a_data_frame_transforms_into_its_captions():
    frame = pd.DataFrame({"caption": ["cat", "a cat"], "id": [1, 2]})
    assert CaptionRetriever().fit_transform(frame).toarray().tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize(
    "names",
    [
        pd.DataFrame({"class": ["red", "green"]}),
        pl.DataFrame({"class": ["red", "green"]}),
        pa.table({"class": ["red", "green"]}),
        pa.array(["red", "green"]),
        np.array([["red"], ["green"]]),
        {"red": 1, "green": 2}.keys(),
    ],
)
def test_names_come_from_the_only_column(retriever, names):
    assert set(retriever.recall(names).labels.tolist()) == {"red", "green"}
    assert retriever.transform(names).sum(axis=1).tolist() == [[3], [2]]


@pytest.mark.parametrize(
    "names",
    [
        pd.DataFrame({"class": ["red"], "other": ["green"]}),
        np.array([["red", "green"]]),
        [("red", "scarlet"), ("green", "lime")],
        [["red", "green"]],
        ["red", None],
        ["red", float("nan")],
        [b"red"],
        {"red": ["scarlet"]},
    ],
)
def test_names_that_are_several_values_or_none_are_refused(retriever, names):
    for method in (retriever.recall, retriever.transform):
        with pytest.raises((ValueError, TypeError), match="names"):
            method(names)


@pytest.mark.parametrize(
    "captions",
    [{"a cat": 1}, np.array([["a", "b"]]), (["a cat"], ["x.png"]), [b"a cat"]],
)
def test_captions_that_are_none_are_refused(captions):
    with pytest.raises((ValueError, TypeError), match="captions must be"):
        CaptionRetriever().fit(captions)


def test_a_sampler_keeps_data_frames(embedded_corpus):
    frame = pd.DataFrame(np.eye(1, 4), columns=list("abcd"))
    sampler = CaptionRetriever(embedded_corpus, step="resample")
    X, y = sampler.fit_resample(frame, pd.Series(["red"], name="label"))
    assert list(X.columns) == list("abcd")
    assert (y.name, y.tolist()) == ("label", ["red"] * 3)


# -- what is remembered, and rows that are not finite


def test_what_is_remembered_cannot_be_changed(retriever):
    first = retriever.recall(["red"])
    before = first.embeddings.copy()
    for array in (first.embeddings, first.labels, first.ids, first.captions):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = array
    np.testing.assert_array_equal(retriever.recall(["red"]).embeddings, before)


def test_what_a_retriever_was_fitted_on_may_change():
    X = np.eye(3, dtype=np.float32)
    retriever = CaptionRetriever().fit(["a cat", "a dog", "a fox"], embeddings=X)
    X[:] = 0
    assert retriever.recall(["dog"]).embeddings.tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_rows_that_are_not_finite_are_not_recalled(value):
    X = np.eye(3)
    X[1, 1] = value
    with pytest.warns(UnreadableImageWarning, match=r"NaN or infinity in 1 of 3 rows \(1\)"):
        retriever = CaptionRetriever().fit(["cat", "cat", "cat"], embeddings=X)
    pool = retriever.recall(["cat"])
    assert pool.ids.tolist() == [0, 2]
    assert pool.report().counts["unreadable"].tolist() == [1]


@pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")
def test_stored_rows_that_are_not_finite_are_not_recalled(tmp_path):
    for name in ("img_emb", "metadata"):
        (tmp_path / "inference" / name).mkdir(parents=True)
    X = np.eye(3, dtype="f2")
    X[1, 1] = np.inf
    np.save(tmp_path / "inference" / "img_emb" / "img_emb_0.npy", X)
    table = pa.table({"caption": ["cat"] * 3, "image_path": ["a", "b", "c"]})
    pq.write_table(table, tmp_path / "inference" / "metadata" / "metadata_0.parquet")
    corpus = Corpus.build(tmp_path / "inference", tmp_path / "c", model_id="m")
    assert CaptionRetriever(corpus).recall(["cat"]).ids.tolist() == ["a", "c"]
    assert corpus.embeddings().tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]


def test_a_fitted_retriever_is_nested_frozen_or_by_its_pool(retriever):
    text = {"red": [1.0, 0, 0, 0, 0], "green": [0, 1.0, 0, 0, 0]}
    with pytest.raises(NotFittedError, match=r"FrozenEstimator\(retriever\) or retriever\.recall"):
        PrimedNCMClassifier(text, retriever=retriever).fit()
    for given in (FrozenEstimator(retriever), retriever.recall(["red", "green"])):
        assert PrimedNCMClassifier(text, retriever=given).fit().classes_.tolist() == [
            "green",
            "red",
        ]


def test_a_long_caption_costs_its_own_length_alone():
    tracemalloc.start()
    CaptionRetriever().fit(["a cat"] * 5_000 + ["x" * 20_000])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000_000


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_missing_captions_are_empty(missing):
    for captions in (["a cat", missing], pd.Series(["a cat", missing], dtype=object)):
        retriever = CaptionRetriever().fit(captions)
        assert retriever.store_.captions().tolist() == ["a cat", ""]


def test_paths_of_tables_are_no_captions(tmp_path):
    paths = [str(tmp_path / f"x-{i}.csv") for i in range(2)]
    for path in paths:
        Path(path).write_text("caption\na cat\n")
    with pytest.raises(ValueError, match=r"has file paths .*Corpus\.build"):
        CaptionRetriever().fit(paths)


def test_embeddings_of_another_length_are_compared_with_captions():
    with pytest.raises(ValueError, match="embeddings has 2 rows but captions has 1"):
        CaptionRetriever().fit(["a cat"], embeddings=np.eye(2))


def test_names_that_several_classes_have_are_listed():
    retriever = CaptionRetriever(synonyms={"crane": ["bird"], "heron": ["Bird"]}, plural=True)
    retriever.fit(["a bird", "a crane"])
    message = r"same name or synonym: 'bird' \(of 'crane', 'heron'\); 'birds' .*\(require=\)"
    with pytest.warns(SharedNameWarning, match=message):
        pool = retriever.recall(["crane", "heron"])
    assert pool.labels.tolist() == ["crane", "crane", "heron"]


@pytest.mark.parametrize("names", [["café", "Cafe"], ["m²", "m2"]])
def test_names_that_captions_cannot_tell_apart_are_listed(names):
    with pytest.warns(SharedNameWarning, match=f"of {names[0]!r}, {names[1]!r}"):
        CaptionRetriever().fit(["a cafe of 9 m2"]).recall(names)


def test_further_words_are_required():
    captions = ["a forest", "an aerial photo of a forest", "a river"]
    retriever = CaptionRetriever(match=CaptionMatch(require={"forest": "aerial"})).fit(captions)
    assert retriever.recall(["forest", "river"]).captions.tolist() == captions[1:]
    assert retriever.transform(["forest"]).toarray().tolist() == [[0, 1, 0]]


def test_required_words_must_be_text():
    with pytest.raises(TypeError, match="require of 'forest' must be strings, got 1"):
        CaptionRetriever(match=CaptionMatch(require={"forest": [1]})).fit(["a forest"]).recall(
            ["forest"]
        )
