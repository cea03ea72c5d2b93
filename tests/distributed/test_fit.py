"""Heads fitted on the shards of a corpus are those fitted in memory."""

import numpy as np
import pytest
from sklearn.base import clone

from skclip import GaussianDiscriminantClassifier, NearestClassMean, StackedHeadClassifier
from skclip.corpus import Corpus
from skclip.distributed import _fit, fit_corpus
from tests.distributed.animals import TEXT

HEADS = {
    "discriminant": GaussianDiscriminantClassifier(),
    "ridge": GaussianDiscriminantClassifier(ridge="loo", priors="empirical"),
    "with text": GaussianDiscriminantClassifier(zero_shot=TEXT),
    "stacked": StackedHeadClassifier(TEXT),
    "images": StackedHeadClassifier(),
}


def fitted_in_memory(name, animals):
    X, y = Corpus(animals[0]).embeddings(), animals[1]
    return clone(HEADS[name]).fit(X, y)


def assert_same_head(one, other):
    assert one.classes_.tolist() == other.classes_.tolist()
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(one.intercept_, other.intercept_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(one.logit_scale_, other.logit_scale_, rtol=1e-5)


@pytest.mark.parametrize("name", HEADS)
def test_the_head_is_that_of_all_rows_in_memory(name, animals):
    head = fit_corpus(clone(HEADS[name]), animals[0], animals[1])
    assert_same_head(fitted_in_memory(name, animals), head)
    assert head.predict(Corpus(animals[0]).embeddings([3])).shape == (1,)


def test_the_order_in_which_shards_are_finished_changes_no_bit(animals, backwards):
    """`fit_corpus` names its engine; what adds up is the same."""
    shards = _fit.labelled_shards(Corpus(animals[0]), animals[1])
    total, counts = _fit._added(shards)
    X, codes = _fit._sample(shards, total, counts)
    head = GaussianDiscriminantClassifier()._fit_sums(total, X, codes)
    other = fit_corpus(GaussianDiscriminantClassifier(), animals[0], animals[1])
    np.testing.assert_array_equal(head.coef_, other.coef_)


def test_shards_are_summed_by_ray(cluster, animals):
    local, by_ray = (
        fit_corpus(StackedHeadClassifier(TEXT), animals[0], animals[1], engine=engine)
        for engine in ("local", "ray")
    )
    np.testing.assert_array_equal(local.coef_, by_ray.coef_)
    assert local.head_weights_ == by_ray.head_weights_


def test_labels_in_a_file_and_in_a_column(animals, tmp_path):
    np.save(tmp_path / "labels.npy", animals[1])
    head = fit_corpus(GaussianDiscriminantClassifier(), animals[0], tmp_path / "labels.npy")
    assert_same_head(fitted_in_memory("discriminant", animals), head)
    X, y = Corpus(animals[0]).embeddings()[60:], animals[1][60:]
    corpus = Corpus.build(y.tolist(), tmp_path / "corpus", embeddings=X, shard_size=40)
    in_memory = GaussianDiscriminantClassifier().fit(X, y)
    assert_same_head(in_memory, fit_corpus(GaussianDiscriminantClassifier(), corpus, "caption"))


def test_rows_without_a_label_are_left_out(animals):
    labels = animals[1].astype(object)
    labels[::3], labels[1] = None, ""
    kept = np.array([bool(label) for label in labels])
    X = Corpus(animals[0]).embeddings()
    in_memory = GaussianDiscriminantClassifier().fit(X[kept], animals[1][kept])
    assert_same_head(in_memory, fit_corpus(GaussianDiscriminantClassifier(), animals[0], labels))


def test_a_sample_gives_nearly_the_same_weights(animals, monkeypatch):
    monkeypatch.setattr(_fit, "MAX_SAMPLE", 60)
    head = fit_corpus(StackedHeadClassifier(TEXT), animals[0], animals[1])
    assert 50 < len(head._shots.X) <= 60
    in_memory = fitted_in_memory("stacked", animals)
    assert list(head.head_weights_) == list(in_memory.head_weights_)
    X = Corpus(animals[0]).embeddings()
    assert np.mean(head.predict(X) == in_memory.predict(X)) > 0.95


def test_a_head_fitted_on_a_corpus_takes_no_further_rows(animals):
    head = fit_corpus(StackedHeadClassifier(TEXT), animals[0], animals[1])
    for method in (head.partial_fit, head.forget):
        with pytest.raises(ValueError, match="needs all labelled images"):
            method(np.ones((1, 24)), ["cat"])


@pytest.mark.parametrize(
    ("head", "labels", "message"),
    [
        (NearestClassMean(), "caption", "fit_corpus fits a GaussianDiscriminantClassifier or"),
        (GaussianDiscriminantClassifier(), "colour", "neither a column of the corpus"),
        (GaussianDiscriminantClassifier(), ["cat"], "labels has 1 entries, and the corpus has 120"),
        (GaussianDiscriminantClassifier(), [None] * 120, "has both a label and an embedding"),
        (
            StackedHeadClassifier(heads=[("ridge", GaussianDiscriminantClassifier(ridge="loo"))]),
            "caption",
            "with heads that need no rows, but 'ridge'",
        ),
    ],
)
def test_what_cannot_be_fitted_is_told(head, labels, message, animals):
    with pytest.raises(ValueError, match=message):
        fit_corpus(head, animals[0], labels)


@pytest.mark.parametrize("missing", ["", None, np.nan])
@pytest.mark.parametrize("as_array", [list, np.array])
def test_missing_labels_are_left_out_of_any_array(tmp_path, missing, as_array):
    corpus = Corpus.build(list("abcdef"), tmp_path / "c", embeddings=np.eye(6), shard_size=2)
    labels = [1.0, 2.0, 1.0, 2.0, 2.0] if missing != "" else ["1", "2", "1", "2", "2"]
    head = fit_corpus(GaussianDiscriminantClassifier(), corpus, as_array([missing, *labels]))
    assert head.classes_.tolist() == sorted({*labels})
    assert head.class_count_.tolist() == [2, 3]


@pytest.mark.parametrize("as_array", [list, lambda x: np.array(x, dtype=object)])
@pytest.mark.parametrize("labels", [[1, 1, "a", "a"], [1, "a", 1, "a"], [True, True, "a", None]])
def test_labels_of_several_types_are_refused_as_by_fit(tmp_path, labels, as_array):
    corpus = Corpus.build(list("abcd"), tmp_path / "c", embeddings=np.eye(4), shard_size=2)
    with pytest.raises(TypeError, match="labels holds labels that cannot be ordered"):
        fit_corpus(GaussianDiscriminantClassifier(), corpus, as_array(labels))


@pytest.mark.parametrize("labels", [[1, 2, 1, 2], ["1", "2", "1", "2"], [True, False] * 2])
def test_labels_keep_their_type_where_some_are_missing(tmp_path, labels):
    corpus = Corpus.build(list("abcde"), tmp_path / "c", embeddings=np.eye(5), shard_size=2)
    head = fit_corpus(GaussianDiscriminantClassifier(), corpus, [*labels, None])
    expected = GaussianDiscriminantClassifier().fit(np.eye(5)[:4], labels)
    assert head.classes_.dtype == expected.classes_.dtype
    assert head.classes_.tolist() == expected.classes_.tolist()


def test_labels_are_one_per_row_and_not_pickled(tmp_path):
    corpus = Corpus.build(["a", "b"], tmp_path / "c", embeddings=np.eye(2))
    with pytest.raises(ValueError, match=r"labels has the shape \(2, 2\), and the corpus has 2"):
        fit_corpus(GaussianDiscriminantClassifier(), corpus, np.eye(2))
    with pytest.raises(ValueError, match=r"labels has the shape \(\), and the corpus has 2"):
        fit_corpus(GaussianDiscriminantClassifier(), corpus, None)
    np.save(tmp_path / "labels.npy", np.array(["a", "b"], dtype=object))
    with pytest.raises(ValueError, match=r"cannot be read in parts .*save an array of numbers or"):
        fit_corpus(GaussianDiscriminantClassifier(), corpus, tmp_path / "labels.npy")
