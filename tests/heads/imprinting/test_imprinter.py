"""MultiProxyImprinter as an estimator: the contract, the invariants, bad input."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize
from sklearn.utils.estimator_checks import parametrize_with_checks

from skclip._compat import SUPPORTS_ARRAY_API
from skclip.heads import MultiProxyImprinter, NearestClassMean
from skclip.heads._imprinting._normalization import quantile_reference

RAW = {"normalize_inputs": None, "normalize_proxies": None, "normalize_queries": None}
GENERATIONS = [
    "mean",
    "kmeans",
    "kmedoids",
    "farthest",
    "covariance",
    "random",
    "all",
    "least_squares",
    "kmeans_least_squares",
]
METRICS = ["inner_product", "cosine", "euclidean", "manhattan", "chebyshev", "mahalanobis"]


@parametrize_with_checks(
    [
        MultiProxyImprinter(),
        MultiProxyImprinter("mean"),
        MultiProxyImprinter("all", aggregation="nearest", weights="distance", metric="euclidean"),
        MultiProxyImprinter("kmedoids", k=3, aggregation="logsumexp", metric="manhattan"),
        MultiProxyImprinter("least_squares", **RAW),
        MultiProxyImprinter("kmeans_least_squares", k=2, aggregation="mean"),
        MultiProxyImprinter("farthest", k=4, metric="mahalanobis", random_state=0, **RAW),
    ]
)
def test_sklearn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def blobs():
    """Three classes of two well separated modes each, in five dimensions."""
    rng = np.random.default_rng(0)
    modes = rng.standard_normal((6, 5)) * 4
    X = np.repeat(modes, 12, axis=0) + rng.standard_normal((72, 5))
    y = np.repeat(np.array(["ant", "bee", "cat"]), 24)
    order = rng.permutation(72)
    return X[order], y[order]


def test_one_proxy_by_mean_is_nearest_class_mean(blobs):
    X, y = blobs
    one = MultiProxyImprinter("mean").fit(X, y)
    mean = NearestClassMean().fit(X, y)
    np.testing.assert_allclose(one.proxies_, mean.coef_, rtol=1e-12)
    np.testing.assert_allclose(one.decision_function(X), mean.decision_function(X), rtol=1e-12)


def test_k_not_less_than_rows_is_one_nearest_neighbour(blobs):
    X, y = blobs
    rng = np.random.default_rng(1)
    queries = rng.standard_normal((200, 5))
    neighbor = KNeighborsClassifier(1).fit(normalize(X), y)
    expected = neighbor.predict(normalize(queries))
    found = MultiProxyImprinter(k=24).fit(X, y)
    assert len(found.proxies_) == len(X)
    np.testing.assert_array_equal(found.predict(queries), expected)


def test_scores_are_the_best_inner_product(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter(k=3, random_state=0).fit(X, y)
    similarity = normalize(X) @ imprinter.proxies_.T
    expected = np.stack(
        [similarity[:, imprinter.proxy_classes_ == c].max(axis=1) for c in imprinter.classes_],
        axis=1,
    )
    np.testing.assert_allclose(imprinter.decision_function(X), expected, rtol=1e-12)


def test_proxies_of_k_means_are_means_of_their_rows(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter(k=2, normalize_proxies=None, random_state=0).fit(X, y)
    for label in imprinter.classes_:
        rows = normalize(X[y == label])
        proxies = imprinter.proxies_[imprinter.proxy_classes_ == label]
        nearest = np.linalg.norm(rows[:, None] - proxies, axis=2).argmin(axis=1)
        for proxy in range(2):
            np.testing.assert_allclose(
                proxies[proxy], rows[nearest == proxy].mean(axis=0), rtol=1e-10, atol=1e-12
            )


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    n_rows=st.integers(2, 30),
    n_features=st.integers(1, 6),
    k=st.integers(1, 8),
    generation=st.sampled_from(GENERATIONS),
)
def test_weight_is_repetition_and_order_is_irrelevant(seed, n_rows, n_features, k, generation):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features))
    y = rng.integers(0, 3, n_rows)
    weight = rng.integers(0, 4, n_rows)
    if not weight.any():
        weight[0] = 1
    weight[[np.flatnonzero(y == c)[0] for c in np.unique(y)]] += 1  # every class keeps a row
    order = rng.permutation(int(weight.sum()))
    imprinter = MultiProxyImprinter(generation, k=k, random_state=seed)
    weighted = imprinter.fit(X, y, sample_weight=weight).proxies_
    repeated = imprinter.fit(X.repeat(weight, 0)[order], y.repeat(weight)[order]).proxies_
    np.testing.assert_allclose(weighted, repeated, rtol=1e-7, atol=1e-9)


def test_proxies_of_a_class_do_not_depend_on_the_others(blobs):
    X, y = blobs
    together = MultiProxyImprinter(k=4, random_state=0).fit(X, y)
    alone = MultiProxyImprinter(k=4, random_state=0).fit(X[y == "bee"], y[y == "bee"])
    np.testing.assert_allclose(
        together.proxies_[together.proxy_classes_ == "bee"], alone.proxies_, rtol=1e-9
    )


def test_zero_rows_carry_no_evidence(blobs):
    X, y = blobs
    padded = np.concatenate([X, np.zeros((5, 5))])
    imprinter = MultiProxyImprinter(k=3, random_state=0)
    expected = imprinter.fit(X, y).proxies_
    found = imprinter.fit(padded, np.append(y, ["ant"] * 5)).proxies_
    np.testing.assert_array_equal(found, expected)


def test_class_of_zero_rows_only_is_never_predicted(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter(k=3, random_state=0)
    imprinter.fit(np.concatenate([X, np.zeros((2, 5))]), np.append(y, ["zebra"] * 2))
    assert list(imprinter.classes_) == ["ant", "bee", "cat", "zebra"]
    assert np.all(imprinter.decision_function(X)[:, 3] == -np.inf)
    assert np.all(imprinter.predict_proba(X)[:, 3] == 0)


def test_all_rows_zero_is_refused():
    with pytest.raises(ValueError, match="No row carries evidence"):
        MultiProxyImprinter().fit(np.zeros((3, 2)), [0, 1, 1])


def test_float16_is_widened_to_float32(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter(k=3, random_state=0).fit(X.astype(np.float16), y)
    assert imprinter.proxies_.dtype == np.float32


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("aggregation", ["max", "logsumexp", "mean", "nearest"])
def test_every_generation_gives_scores_to_every_aggregation(blobs, generation, aggregation):
    X, y = blobs
    imprinter = MultiProxyImprinter(generation, k=4, aggregation=aggregation, random_state=0)
    imprinter.fit(X, y)
    assert imprinter.decision_function(X).shape == (72, 3)
    proba = imprinter.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-10)
    np.testing.assert_array_equal(imprinter.classes_[proba.argmax(axis=1)], imprinter.predict(X))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("aggregation", ["max", "nearest"])
def test_every_metric_separates_the_blobs(blobs, metric, aggregation):
    X, y = blobs
    imprinter = MultiProxyImprinter(k=2, metric=metric, aggregation=aggregation, n_neighbors=1)
    imprinter.set_params(random_state=0, **RAW if metric != "inner_product" else {})
    assert imprinter.fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("metric", METRICS[1:])
def test_one_neighbour_and_maximum_agree(blobs, metric):
    X, y = blobs
    imprinter = MultiProxyImprinter(k=5, metric=metric, random_state=0).fit(X, y)
    labels = imprinter.predict(X)
    voting = clone(imprinter).set_params(aggregation="nearest", n_neighbors=1).fit(X, y)
    np.testing.assert_array_equal(voting.predict(X), labels)


@pytest.mark.parametrize("generation", ["mean", "all", "least_squares"])
def test_rotation_changes_no_score(blobs, generation):
    X, y = blobs
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]
    imprinter = MultiProxyImprinter(generation)
    expected = imprinter.fit(X, y).decision_function(X)
    rotated = imprinter.fit(X @ rotation, y).decision_function(X @ rotation)
    np.testing.assert_allclose(rotated, expected, rtol=1e-7, atol=1e-9)


def test_class_names_and_their_order_change_nothing_but_order(blobs):
    X, y = blobs
    renamed = np.array(["z" + label if label == "ant" else label for label in y])
    imprinter = MultiProxyImprinter(k=3, normalize_proxies="quantile", random_state=0)
    scores = imprinter.fit(X, y).decision_function(X)
    np.testing.assert_allclose(
        imprinter.fit(X, renamed).decision_function(X), scores[:, [1, 2, 0]], rtol=1e-10
    )


def test_published_quantile_depends_on_the_order_of_classes(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter("mean", **{**RAW, "normalize_proxies": "quantile_in_order"})
    first = X[y == "ant"].mean(axis=0)
    np.testing.assert_allclose(imprinter.fit(X, y).proxies_[0], first)
    np.testing.assert_allclose(np.sort(imprinter.proxies_[1]), quantile_reference(first, 5))


def test_quantile_reference_may_be_given(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter("mean", normalize_queries="quantile", quantile_reference=[0, 1])
    imprinter.set_params(normalize_inputs="quantile", normalize_proxies="quantile").fit(X, y)
    expected = np.quantile([0.0, 1.0], (np.arange(5) + 0.5) / 5)
    np.testing.assert_allclose(np.sort(imprinter.proxies_, axis=1), np.tile(expected, (3, 1)))


def test_k_may_be_given_a_class(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter(k={"ant": 1, "bee": 3, "cat": 2}, random_state=0).fit(X, y)
    assert imprinter.proxy_classes_.tolist() == ["ant"] + ["bee"] * 3 + ["cat"] * 2
    with pytest.raises(ValueError, match="k has no number of proxies for: 'bee', 'cat'"):
        MultiProxyImprinter(k={"ant": 1}).fit(X, y)


def test_k_chosen_by_cross_validation_finds_the_modes():
    rng = np.random.default_rng(0)
    modes = np.repeat(np.arange(8), 30)
    X = rng.standard_normal((8, 6))[modes] + 0.15 * rng.standard_normal((240, 6))
    y = modes % 2
    imprinter = MultiProxyImprinter(k="auto", random_state=0).fit(X, y)
    assert imprinter.k_ > 2  # four modes a class
    assert list(imprinter.k_scores_) == [1, 2, 3, 5, 10, 20]
    assert imprinter.neural_collapse_score_ > 0
    assert len(imprinter.proxies_) == 2 * imprinter.k_
    fixed = imprinter.set_params(k=2).fit(X, y)
    assert not hasattr(fixed, "k_scores_")


def test_k_is_tuned_by_grid_search(blobs):
    X, y = blobs
    search = GridSearchCV(MultiProxyImprinter(random_state=0), {"k": [1, 2]}, cv=3).fit(X, y)
    assert search.best_params_["k"] in (1, 2)
    search = GridSearchCV(
        MultiProxyImprinter(KMeans(random_state=0)), {"generation__n_clusters": [1, 2]}, cv=3
    ).fit(X, y)
    assert search.best_score_ > 0.8


def test_transform_is_the_similarity_to_every_proxy(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter(k=2, random_state=0).fit(X, y)
    np.testing.assert_allclose(imprinter.transform(X), normalize(X) @ imprinter.proxies_.T)
    names = imprinter.get_feature_names_out()
    assert names.tolist() == ["ant_0", "ant_1", "bee_0", "bee_1", "cat_0", "cat_1"]
    frame = imprinter.set_output(transform="pandas").transform(X)
    assert frame.columns.tolist() == names.tolist()


def test_probabilities_of_votes_are_their_shares(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter("all", aggregation="nearest", n_neighbors=7).fit(X, y)
    neighbors = KNeighborsClassifier(7).fit(normalize(X), y)
    np.testing.assert_allclose(imprinter.predict_proba(X), neighbors.predict_proba(normalize(X)))


def test_distance_weights_need_a_distance(blobs):
    imprinter = MultiProxyImprinter(aggregation="nearest", weights="distance")
    with pytest.raises(ValueError, match="metric='inner_product' has none"):
        imprinter.fit(*blobs)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("generation", "nearest"), ("k", 0), ("k", "many"), ("metric", "dot"), ("temperature", 0)],
)
def test_wrong_parameter_is_named(blobs, parameter, value):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of MultiProxyImprinter"):
        MultiProxyImprinter(**{parameter: value}).fit(*blobs)


def test_refit_forgets_the_past(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter("least_squares").fit(X, y)
    other = clone(imprinter).fit(2 * X[:, :3], y == "ant")
    imprinter.fit(2 * X[:, :3], y == "ant")
    np.testing.assert_array_equal(imprinter.proxies_, other.proxies_)
    assert imprinter.n_features_in_ == 3


def test_unfitted_says_so():
    with pytest.raises(NotFittedError):
        MultiProxyImprinter().transform([[1.0, 2.0]])


class Listener:
    """Takes down what it is told, and asks for an end at every turn."""

    def __init__(self):
        self.begun, self.ended, self.expected, self.score = [], [], None, None

    def setup(self, estimator, context):
        self.begun.append("setup")

    def teardown(self, estimator, context):
        self.ended.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)
        if context.task_name == "fit":
            self.expected = context.max_subtasks

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.ended.append(context.task_name)
        if context.task_name == "fit":
            self.score = fitted_estimator.score(X, y, **metadata)
        return True


hears = pytest.mark.skipif(not SUPPORTS_ARRAY_API, reason="callbacks came with scikit-learn 1.9")


@hears
@pytest.mark.parametrize(
    ("generation", "k", "n_tasks"),
    [
        *[("kmeans", k, 3) for k in (2, 24, {"ant": 2, "bee": 3, "cat": 50}, "auto")],
        ("kmeans_least_squares", 2, 3),
        ("kmedoids", 2, 3),
        ("all", 2, 3),
        (KMeans(2), 2, 3),
        ("mean", 2, 0),
        ("least_squares", 2, 0),
    ],
    ids=str,
)
def test_callbacks_hear_of_every_class(blobs, generation, k, n_tasks):
    X, y = blobs
    weight = np.linspace(1, 2, len(y))
    imprinter = MultiProxyImprinter(generation, k=k, random_state=0)
    unheard = clone(imprinter).fit(X, y, weight)
    heard = imprinter.set_callbacks(listener := Listener()).fit(X, y, weight)
    assert listener.begun == ["setup", "fit", *["class"] * n_tasks]
    assert listener.ended == [*["class"] * n_tasks, "fit", "teardown"]
    assert listener.expected == n_tasks
    assert listener.score == heard.score(X, y, weight)
    np.testing.assert_array_equal(heard.proxies_, unheard.proxies_)


@hears
def test_callbacks_hear_of_no_class_without_evidence(blobs):
    X, y = blobs
    listener = Listener()
    MultiProxyImprinter("random", k=2).set_callbacks(listener).fit(X * (y != "bee")[:, None], y)
    assert listener.expected == listener.begun.count("class") == 2


@hears
def test_callbacks_hear_nothing_of_partial_fit(blobs):
    listener = Listener()
    MultiProxyImprinter(k=2).set_callbacks(listener).partial_fit(*blobs)
    assert listener.begun == listener.ended == []
