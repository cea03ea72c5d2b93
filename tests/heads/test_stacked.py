"""StackedHeadClassifier: parts by name, nested parameters, heads that join, updates, bad input."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from skclip import (
    AggregatedPromptClassifier,
    GaussianDiscriminantClassifier,
    MultiProxyImprinter,
    NearestClassMean,
    NeighborRetriever,
    PrimedNCMClassifier,
    PrimingPool,
    StackedHeadClassifier,
    ZeroShotClassifier,
)
from skclip.exceptions import TextDisagreementWarning

NAMES = np.array(["ant", "bee", "cat", "dog"])


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def images(n_per_class, seed=0, noise=0.5, width=8):
    """Images about class directions that the text knows roughly."""
    rng = np.random.default_rng(7)
    true = unit(rng.standard_normal((4, width)))
    text = unit(true + 0.6 * unit(rng.standard_normal((4, width))))
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(4), n_per_class)
    X = unit(true[codes] + noise * rng.standard_normal((len(codes), width)) / np.sqrt(width))
    return X, NAMES[codes], dict(zip(NAMES, text, strict=True))


X, Y, TEXT = images(8)
X_TEST, Y_TEST, _ = images(100, seed=1)
PROMPTS = {name: [row] for name, row in TEXT.items()}


def test_class_means_and_discriminant_join_by_default():
    head = StackedHeadClassifier(TEXT).fit(X, Y)
    assert list(head.head_weights_) == ["text", "means", "discriminant"]
    assert head.heads_ == []
    assert head.score(X_TEST, Y_TEST) > ZeroShotClassifier(TEXT).fit().score(X_TEST, Y_TEST)


def test_without_degrees_of_freedom_there_is_no_discriminant():
    few = np.flatnonzero(np.arange(len(Y)) % 8 < 2)
    head = StackedHeadClassifier(TEXT).fit(X[few], Y[few])
    assert list(head.head_weights_) == ["text", "means"]


def test_class_means_alone_are_the_primed_head():
    pool = PrimingPool(Y_TEST[::5], X_TEST[::5])
    stacked = StackedHeadClassifier(TEXT, [("labelled", NearestClassMean())], retriever=pool)
    primed = PrimedNCMClassifier(TEXT, retriever=pool).fit(X, Y)
    assert stacked.fit(X, Y).head_weights_ == primed.head_weights_
    assert_allclose(stacked.coef_, primed.coef_, atol=1e-6)
    assert_allclose(stacked.intercept_, primed.intercept_, atol=1e-6)


def test_names_alone_give_the_prior_weights():
    pool = PrimingPool(Y, X)
    head = StackedHeadClassifier(TEXT, retriever=pool).fit()
    assert head.head_weights_ == {"text": 1.0, "recalled": 0.1}
    assert_array_equal(head.classes_, NAMES)


@pytest.mark.parametrize(
    "head",
    [
        LogisticRegression(),
        SVC(kernel="linear"),
        GaussianNB(),
        KNeighborsClassifier(3),
        GaussianDiscriminantClassifier("published"),
        MultiProxyImprinter(k=2, random_state=0),
        AggregatedPromptClassifier(
            TEXT, prompts={name: [row] for name, row in TEXT.items()}, max_epochs=2, random_state=0
        ),
    ],
    ids=lambda head: type(head).__name__,
)
def test_any_head_joins(head):
    stacked = StackedHeadClassifier(TEXT, [("means", NearestClassMean()), ("new", head)])
    stacked.fit(X, Y)
    assert stacked.head_weights_["new"] >= 0
    assert stacked.score(X_TEST, Y_TEST) > 0.7
    assert_allclose(stacked.predict_proba(X_TEST).sum(axis=1), 1, rtol=1e-6)


def test_a_linear_head_becomes_part_of_the_weights():
    linear = StackedHeadClassifier(TEXT, [("new", LogisticRegression())]).fit(X, Y)
    assert linear.heads_ == []
    apart = StackedHeadClassifier(TEXT, [("new", _Unfolded())]).fit(X, Y)
    assert len(apart.heads_) == 1
    assert linear.head_weights_ == apart.head_weights_
    ours, theirs = linear.decision_function(X_TEST), apart.decision_function(X_TEST)
    assert_allclose(
        ours - ours.mean(axis=1)[:, None], theirs - theirs.mean(axis=1)[:, None], atol=1e-9
    )


class _Unfolded(ClassifierMixin, BaseEstimator):
    """A linear head that does not show its weights."""

    def fit(self, X, y, sample_weight=None):
        self.inner_ = LogisticRegression().fit(X, y, sample_weight)
        self.classes_ = self.inner_.classes_
        return self

    def decision_function(self, X):
        return self.inner_.decision_function(X)

    def predict(self, X):
        return self.inner_.predict(X)


def test_classes_that_a_head_has_not_seen_can_be_predicted():
    seen = Y != "dog"
    for head in (NearestClassMean(), LogisticRegression(), GaussianNB()):
        stacked = StackedHeadClassifier(TEXT, [("new", head)]).fit(X[seen], Y[seen])
        assert "dog" in stacked.predict(X_TEST)


def test_a_frozen_head_is_used_as_it_is():
    fitted = NearestClassMean().fit(X_TEST, Y_TEST)
    stacked = StackedHeadClassifier(TEXT, [("new", FrozenEstimator(fitted))]).fit(X, Y)
    assert stacked.head_weights_["new"] > 0


@pytest.mark.usefixtures("own_workers")
def test_nested_parameters():
    heads = [("means", NearestClassMean()), ("logistic", LogisticRegression())]
    stacked = StackedHeadClassifier(TEXT, heads).set_params(logistic__C=3.0)
    assert stacked.get_params()["logistic__C"] == 3.0
    assert clone(stacked).get_params()["logistic"].C == 3.0
    search = GridSearchCV(stacked, {"logistic__C": [0.1, 10.0]}, cv=2, n_jobs=2).fit(X, Y)
    assert search.best_score_ > 0.5


def test_rows_in_parts_and_rows_taken_away():
    half = np.arange(len(Y)) % 2 == 0
    whole = StackedHeadClassifier(TEXT).fit(X, Y)
    parts = (
        StackedHeadClassifier(TEXT).partial_fit(X[half], Y[half]).partial_fit(X[~half], Y[~half])
    )
    assert_allclose(parts.coef_, whole.coef_, atol=1e-6)
    never_seen = StackedHeadClassifier(TEXT).fit(X[half], Y[half])
    assert_allclose(whole.forget(X[~half], Y[~half]).coef_, never_seen.coef_, atol=1e-6)


def test_forgetting_all_leaves_the_text():
    head = StackedHeadClassifier(TEXT).fit(X, Y).forget(X, Y)
    assert head.head_weights_ == {"text": 1.0}


def test_sigmoid_of_the_text_head_carries_over():
    zero_shot = ZeroShotClassifier(TEXT, logit_scale=10.0, logit_bias=-5.0)
    head = StackedHeadClassifier(zero_shot).fit(X, Y)
    assert (head.logit_scale_, head.logit_bias_) == (10.0, -5.0)


def test_html_says_what_was_believed_and_repr_does_not():
    head = StackedHeadClassifier(TEXT).fit(X, Y)
    assert f"text {head.head_weights_['text']:.2f}" in head._repr_html_()
    assert "Mixing weights" in head._repr_mimebundle_()["text/html"]
    assert "0." not in repr(StackedHeadClassifier().fit(X, Y))


@pytest.mark.parametrize(
    ("params", "args", "message"),
    [
        ({"heads": "means"}, (X, Y), "The 'heads' parameter of StackedHeadClassifier"),
        ({"heads": [("text", NearestClassMean())]}, (X, Y), "holds the name 'text'"),
        ({"heads": [("a", NearestClassMean())] * 2}, (X, Y), "not unique"),
        ({"heads": [("a__b", NearestClassMean())]}, (X, Y), "must not contain __"),
        ({"zero_shot": TEXT}, (X, ["owl", *Y[1:]]), "without a text embedding: 'owl'"),
        ({"zero_shot": TEXT}, (X[:, :3], Y), "X has 3 features, but the text head has 8"),
        ({}, (), "StackedHeadClassifier requires y to be passed"),
        ({}, (np.zeros((2, 3)), ["a", "b"]), "neither a text head nor an image"),
        (
            {"heads": [("near", KNeighborsClassifier())]},
            (X, Y, np.arange(len(Y))),
            "sample_weight was given, but fit of the head",
        ),
    ],
)
def test_bad_input(params, args, message):
    with pytest.raises(ValueError, match=message):
        StackedHeadClassifier(**params).fit(*args)


@pytest.mark.parametrize("labels", [["ant", "owl"], ["ant", 3]])
def test_a_pool_of_other_classes_is_refused(labels):
    class Hostile:
        def recall(self, names):
            return PrimingPool(np.array(labels, dtype=object), X[:2])

    with pytest.raises((ValueError, TypeError), match="pool"):
        StackedHeadClassifier(TEXT, retriever=Hostile()).fit()


class Recalling:
    """A third party's retriever."""

    def __init__(self, result):
        self.result = result

    def recall(self, names):
        return self.result


class Rows:
    def __init__(self, labels, embeddings):
        self.labels, self.embeddings = labels, embeddings


@pytest.mark.parametrize(
    "result", [None, (NAMES, X), Rows(NAMES[:1], X[:2]), Rows(NAMES[:1], X[0])]
)
def test_what_a_third_party_recalls_is_checked(result):
    with pytest.raises((TypeError, ValueError), match=r"recall|rows|embeddings"):
        StackedHeadClassifier(TEXT, retriever=Recalling(result)).fit()


def test_rows_in_lists_will_do():
    recalled = Recalling(Rows(Y.tolist(), X.tolist()))
    assert StackedHeadClassifier(TEXT, retriever=recalled).fit().head_weights_["recalled"] == 0.1


def test_a_retriever_of_images_is_refused():
    retriever = NeighborRetriever(PrimingPool(Y, X), k=1)
    with pytest.raises(ValueError, match="recalls by class name, but NeighborRetriever"):
        StackedHeadClassifier(TEXT, retriever=retriever).fit()


def test_labels_that_belong_to_other_images_are_told():
    shifted = np.roll(NAMES, 1)[np.searchsorted(NAMES, Y)]
    with pytest.warns(TextDisagreementWarning, match="labelled images, no more than by chance"):
        StackedHeadClassifier(TEXT).fit(X, shifted)


def test_a_pool_of_other_images_is_told_though_nothing_is_filtered():
    pool = PrimingPool(np.roll(NAMES, 1)[np.searchsorted(NAMES, Y)], X)
    with pytest.warns(TextDisagreementWarning, match="recalled images, no more than by chance"):
        StackedHeadClassifier(TEXT, retriever=pool, filter="passthrough").fit()
