"""PrimingPool: aligned rows, selection, and a pool as its own retriever."""

import dataclasses
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skclip import PrimedNCMClassifier
from skclip.exceptions import UnreadableImageWarning
from skclip.recall import PrimingPool


@pytest.fixture
def pool():
    return PrimingPool(
        labels=["cat", "dog", "cat"],
        embeddings=np.eye(3, dtype=np.float32),
        ids=[10, 11, 12],
        captions=["a cat", "a dog", "two cats"],
        images=[b"x", "y.jpg", np.zeros((2, 2, 3), np.uint8)],
        sample_weight=[1, 0.5, 2],
        model_id="m/p@1",
    )


def test_only_labels_are_required():
    pool = PrimingPool(labels=["a", "b"])
    assert len(pool) == 2
    assert pool.embeddings is None
    assert pool.sample_weight is None


@pytest.mark.parametrize("field", ["embeddings", "ids", "captions", "images", "sample_weight"])
def test_every_column_must_have_one_row_a_label(field):
    value = np.zeros((3, 2)) if field == "embeddings" else [1, 2, 3]
    with pytest.raises(ValueError, match=f"{field} has 3 rows but labels has 2"):
        PrimingPool(labels=["a", "b"], **{field: value})


def test_labels_must_be_one_dimensional():
    with pytest.raises(ValueError, match=r"labels must have one class name per row.*\(1, 2\)"):
        PrimingPool(labels=[["a", "b"]])


def test_embeddings_must_be_a_matrix():
    with pytest.raises(ValueError, match=r"shape \(n_samples, n_features\); got shape \(2,\)"):
        PrimingPool(labels=["a", "b"], embeddings=[1.0, 2.0])


@pytest.mark.parametrize("weights", [[1, -1], [1, np.nan], [np.inf, 1]])
def test_weights_must_be_finite_and_not_negative(weights):
    with pytest.raises(ValueError, match="sample_weight must be finite and not negative, got"):
        PrimingPool(labels=["a", "b"], sample_weight=weights)


@pytest.mark.parametrize(
    ("given", "stored"),
    [(np.float16, np.float32), (np.float32, np.float32), (np.float64, np.float64)],
)
def test_stored_halves_become_singles_and_other_floats_stay(given, stored):
    assert PrimingPool(labels=["a"], embeddings=np.ones((1, 2), given)).embeddings.dtype == stored


def test_a_mask_selects_rows_of_every_column(pool):
    cats = pool[pool.labels == "cat"]
    assert cats.labels.tolist() == ["cat", "cat"]
    assert cats.ids.tolist() == [10, 12]
    assert cats.captions.tolist() == ["a cat", "two cats"]
    assert cats.images[1].shape == (2, 2, 3)
    assert cats.sample_weight.tolist() == [1, 2]
    assert cats.model_id == "m/p@1"
    np.testing.assert_array_equal(cats.embeddings, np.eye(3, dtype=np.float32)[[0, 2]])


@pytest.mark.parametrize(
    ("selection", "ids"),
    [([2, 0], [12, 10]), (slice(1, None), [11, 12]), ([], []), (1, [11]), ([False] * 3, [])],
)
def test_indices_and_slices_select_rows(pool, selection, ids):
    assert pool[selection].ids.tolist() == ids


def test_recall_returns_the_rows_of_the_given_classes(pool):
    assert pool.recall(["dog", "horse"]).ids.tolist() == [11]
    assert len(pool.recall(["horse"])) == 0


def test_recall_labels_rows_as_the_names_were_given():
    recalled = PrimingPool(labels=["1", "2", "1"]).recall([1])
    assert recalled.labels.tolist() == [1, 1]


def test_recall_refuses_duplicate_names(pool):
    with pytest.raises(ValueError, match="names holds duplicates: 'cat'"):
        pool.recall(["cat", "cat"])


def test_the_columns_make_a_frame(pool):
    frame = pool.to_frame()
    assert frame.columns.tolist() == ["label", "id", "caption", "image", "sample_weight"]
    assert frame["caption"].tolist() == ["a cat", "a dog", "two cats"]


def test_a_pool_is_frozen_and_shared_by_clones(pool):
    assert clone(pool) is pool
    with pytest.raises(dataclasses.FrozenInstanceError):
        pool.labels = []


def test_a_pool_survives_pickling(pool):
    copy = pickle.loads(pickle.dumps(pool))
    assert copy.labels.tolist() == pool.labels.tolist()
    np.testing.assert_array_equal(copy.embeddings, pool.embeddings)


def test_the_repr_is_short():
    pool = PrimingPool(labels=list("abcdef"), embeddings=np.ones((6, 2)))
    assert repr(pool) == (
        "PrimingPool(n_samples=6, classes=['a', 'b', 'c' and 3 more], n_features=2)"
    )


@pytest.mark.parametrize("field", ["labels", "embeddings", "ids", "captions", "images"])
def test_a_pool_cannot_be_written_to(pool, field):
    for made in (pool, pool[[0, 2]], pool.recall(["cat"]), pickle.loads(pickle.dumps(pool))):
        with pytest.raises(ValueError, match="read-only"):
            getattr(made, field)[:] = getattr(made, field)


def test_what_a_pool_was_made_of_may_change():
    X = np.eye(2)
    pool = PrimingPool(["a", "b"], X)
    X[:] = 7
    np.testing.assert_array_equal(pool.embeddings, np.eye(2))


def test_what_cannot_be_written_to_is_not_copied():
    X = np.eye(2)
    X.flags.writeable = False
    assert PrimingPool(["a", "b"], X).embeddings is X


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_unreadable_images(dtype, value):
    X = np.ones((4, 2), dtype)
    X[1, 0] = value
    with pytest.warns(UnreadableImageWarning, match=r"infinity in 1 of 4 rows \(1\)"):
        pool = PrimingPool(list("abca"), X)
    again = pool[[1, 2]].recall(["b"])  # named once: this does not warn
    assert pool.embeddings.tolist() == [[1, 1], [0, 0], [1, 1], [1, 1]]
    assert again.embeddings.tolist() == [[0, 0]]
    assert np.isnan(X[1, 0]) or np.isinf(X[1, 0])  # what is given stays as it is


def test_numbers_beyond_single_precision_are_unreadable_images():
    with pytest.warns(UnreadableImageWarning, match="1 of 2 rows"):
        pool = PrimingPool(["a", "b"], [[1e300, 0.0], [1.0, 0.0]])
    assert pool.embeddings.tolist() == [[0, 0], [1, 0]]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_labels_must_not_be_missing(missing):
    with pytest.raises(ValueError, match=r"labels has missing values in 1 of 2 rows \(1\)"):
        PrimingPool(np.array(["a", missing], dtype=object))


def test_columns_of_other_libraries_are_values():
    columns = {"ids": pa.array([1, 2]), "captions": pd.DataFrame({"caption": ["a", "b"]})}
    pool = PrimingPool(["a", "b"], images=pl.Series(["x", "y"]), **columns)
    assert (pool.ids.tolist(), pool.captions.tolist()) == ([1, 2], ["a", "b"])
    assert pool.images.tolist() == ["x", "y"]
    with pytest.raises(ValueError, match=r"ids must have one value per row, got a table of shape"):
        PrimingPool(["a", "b"], ids=pd.DataFrame({"a": [1, 2], "b": [3, 4]}))


def test_a_search_over_the_parameters_of_a_pool_says_what_to_give(pool):
    search = GridSearchCV(PrimedNCMClassifier(retriever=pool), {"retriever__k": [1, 2]}, cv=2)
    with pytest.raises(ValueError, match=r"PrimingPool has no parameter 'k'.*CaptionRetriever"):
        search.fit(np.eye(4, 3), ["cat", "dog", "cat", "dog"])
