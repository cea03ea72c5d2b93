"""PrimedNCMClassifier: the published form, defects of the published code, limits, bad input."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skclip import (
    CaptionRetriever,
    NearestClassMean,
    PrimedNCMClassifier,
    PrimingPool,
    ZeroShotClassifier,
    ZeroShotFilter,
)
from skclip.exceptions import ModelMismatchError
from tests.heads.strategies import labelled_rows, text_heads

TEXT = {"cat": [1.0, 0.2, 0.0], "dog": [0.2, 1.0, 0.0], "fox": [0.0, 0.2, 1.0]}
POOL = PrimingPool(
    labels=["cat", "cat", "cat", "dog"],
    embeddings=[[2.0, 0.2, 0.2], [0.8, 0.0, 0.5], [0.0, 1.0, 0.1], [0.1, 0.9, 0.4]],
)

# text at random agrees with labels by chance
pytestmark = pytest.mark.filterwarnings("ignore::skclip.exceptions.TextDisagreementWarning")


def unit(rows):
    rows = np.asarray(rows, dtype=float)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_published_form_by_hand():
    head = PrimedNCMClassifier(TEXT, retriever=POOL, alpha=0.7).fit()
    text = unit([TEXT["cat"], TEXT["dog"], TEXT["fox"]])
    rows = unit(POOL.embeddings)
    means = unit([rows[0] + rows[1], rows[3]])  # row 2 looks like a dog: filtered
    assert_allclose(head.coef_[:2], 0.7 * text[:2] + 0.3 * means, atol=1e-6)
    assert_allclose(head.coef_[2], text[2], atol=1e-6)
    assert_array_equal(head.class_count_, [2, 1, 0])


def test_shots_and_pool_weigh_the_same_in_the_published_form():
    shots = np.array([[0.5, 0.5, 0.0]])
    head = PrimedNCMClassifier(TEXT, retriever=POOL, alpha=0.0).fit(shots, ["dog"])
    rows = unit(POOL.embeddings)
    assert_allclose(head.class_mean_[1], unit(unit(shots[0]) + rows[3]), atol=1e-6)


@st.composite
def primings(draw):
    X, y = draw(labelled_rows(zero_rows=False))
    labels = np.unique(y)
    text = draw(text_heads(labels, X.shape[1]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    pool = PrimingPool(rng.choice(labels, 10), rng.standard_normal((10, X.shape[1])))
    return X, y, text, pool


@given(data=primings())
def test_alpha_one_is_the_text_head(data):
    X, y, text, pool = data
    head = PrimedNCMClassifier(text, retriever=pool, alpha=1.0).fit(X, y)
    assert_array_equal(head.predict(X), ZeroShotClassifier(text).fit().predict(X))


@given(data=primings())
def test_alpha_zero_is_the_class_means(data):
    X, y, text, _ = data
    head = PrimedNCMClassifier(text, alpha=0.0).fit(X, y)
    means = NearestClassMean().fit(X, y)
    assert_allclose(head.class_mean_, means.coef_, atol=1e-5)
    margins = np.sort(means._validated_scores(X), axis=1)
    clear = margins[:, -1] - margins[:, -2] > 1e-4
    assert_array_equal(head.predict(X)[clear], means.predict(X)[clear])


@given(primings(), st.randoms(use_true_random=False))
def test_order_of_rows_text_and_pool_changes_nothing(data, random):
    X, y, text, pool = data
    rows, pool_rows, names = list(range(len(y))), list(range(len(pool))), list(text)
    for order in (rows, pool_rows, names):
        random.shuffle(order)
    ours = PrimedNCMClassifier(text, retriever=pool, alpha="shrinkage").fit(X, y)
    shuffled = clone(ours).set_params(
        zero_shot={n: text[n] for n in names}, retriever=pool[pool_rows]
    )
    shuffled.fit(X[rows], y[rows])
    assert_array_equal(shuffled.classes_, ours.classes_)
    assert_allclose(shuffled.alpha_, ours.alpha_, rtol=1e-3)
    assert_allclose(shuffled.coef_, ours.coef_, rtol=1e-2, atol=1e-4 * np.abs(ours.coef_).max())


@given(primings())
def test_weight_two_is_the_row_twice(data):
    X, y, text, pool = data
    weight = 1 + np.arange(len(y)) % 2
    head = PrimedNCMClassifier(text, retriever=pool, alpha="shrinkage")
    weighted = clone(head).fit(X, y, weight)
    repeated = clone(head).fit(X.repeat(weight, 0), y.repeat(weight))
    assert_allclose(weighted.shot_sum_, repeated.shot_sum_, atol=1e-5)
    assert_allclose(weighted.alpha_, repeated.alpha_, rtol=1e-3)


def test_pool_weights_count():
    pool = PrimingPool(["cat", "dog"], np.eye(2, 3), sample_weight=[0.5, 2.0])
    head = PrimedNCMClassifier(TEXT, retriever=pool).fit()
    assert_allclose(head.pool_count_, [0.5, 2.0, 0.0])


def test_filter_may_have_a_text_head_of_its_own():
    everything_is_a_dog = {"cat": [0.0, 0.0, 1.0], "dog": [1.0, 1.0, 0.0], "fox": [0.0, 0.0, -1.0]}
    head = PrimedNCMClassifier(TEXT, retriever=POOL, filter=ZeroShotFilter(everything_is_a_dog))
    assert_array_equal(head.fit().pool_.labels, ["dog"])


def test_passthrough_keeps_all():
    head = PrimedNCMClassifier(TEXT, retriever=POOL, filter="passthrough").fit()
    assert len(head.pool_) == len(POOL)


def test_retriever_over_captions_in_memory():
    from sklearn.frozen import FrozenEstimator

    retriever = CaptionRetriever().fit(
        ["a cat", "two dogs", "the dog and the cat"], embeddings=np.eye(3)
    )
    head = PrimedNCMClassifier(TEXT, retriever=FrozenEstimator(retriever), filter="passthrough")
    with pytest.warns(UserWarning, match="fox"):
        head.fit()
    assert_array_equal(head.pool_count_, [2, 1, 0])


def test_clone_shares_the_pool():
    assert clone(PrimedNCMClassifier(TEXT, retriever=POOL)).retriever is POOL


# -- defects of the published code, by their number in the method notes


def test_defect_1_empty_class_keeps_its_text_and_can_be_predicted():
    head = PrimedNCMClassifier(TEXT, retriever=POOL, alpha=0.9).fit()
    assert head.alpha_[2] == 1
    assert_allclose(head.coef_[2], unit(TEXT["fox"]), atol=1e-7)
    assert_array_equal(head.predict([[0.1, 0.1, 1.0]]), ["fox"])
    assert np.isfinite(head.coef_).all()


def test_defect_1_empty_class_is_predicted_by_its_text_when_parts_are_weighed():
    head = PrimedNCMClassifier(TEXT, retriever=POOL).fit()
    assert_array_equal(head.predict([[0.1, 0.1, 1.0]]), ["fox"])
    assert np.isfinite(head.coef_).all()


def test_defect_2_last_class_without_images_keeps_its_row():
    head = PrimedNCMClassifier(TEXT).fit([[1.0, 0.0, 0.0]], ["cat"])
    assert head.coef_.shape == (3, 3)


@pytest.mark.parametrize("labels", [["Zebra", "ant"], ["b", "A"], [10, 9]])
def test_defects_3_to_5_labels_map_by_name_not_by_position(labels):
    rows = np.eye(2)
    text = dict(zip(labels, rows, strict=True))
    pool = PrimingPool(labels, rows)
    head = PrimedNCMClassifier(text, retriever=pool).fit()
    assert_array_equal(head.predict(rows), labels)


def test_defect_10_unreadable_image_as_zero_row_moves_no_mean():
    pool = PrimingPool([*POOL.labels, "cat"], np.vstack([POOL.embeddings, np.zeros(3)]))
    with_zero = PrimedNCMClassifier(TEXT, retriever=pool).fit()
    without = PrimedNCMClassifier(TEXT, retriever=POOL).fit()
    assert_allclose(with_zero.coef_, without.coef_, atol=1e-6)
    assert_array_equal(with_zero.pool_count_, without.pool_count_)


def test_defect_12_probabilities():
    proba = PrimedNCMClassifier(TEXT, retriever=POOL).fit().predict_proba(np.eye(3))
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    assert_array_equal(proba.argmax(axis=1), [0, 1, 2])


# -- class names


def test_names_alone_are_enough():
    head = PrimedNCMClassifier(TEXT, retriever=POOL, classes=["dog", "cat"]).fit()
    assert_array_equal(head.classes_, ["cat", "dog"])


def test_text_head_names_the_classes():
    zero_shot = ZeroShotClassifier(list(TEXT.values()), classes=list(TEXT))
    assert_array_equal(PrimedNCMClassifier(zero_shot).fit().classes_, ["cat", "dog", "fox"])


def test_text_alone_is_zero_shot():
    X = np.random.default_rng(0).standard_normal((20, 3))
    head, text = PrimedNCMClassifier(TEXT).fit(), ZeroShotClassifier(TEXT).fit()
    assert_allclose(head.decision_function(X), text.decision_function(X), atol=1e-6)


def test_pool_alone_is_nearest_class_mean():
    head = PrimedNCMClassifier(retriever=POOL, classes=["cat", "dog"]).fit()
    assert_allclose(
        head.coef_, NearestClassMean().fit(POOL.embeddings, POOL.labels).coef_, atol=1e-6
    )


@pytest.mark.parametrize(
    ("params", "args", "error", "message"),
    [
        ({}, (), ValueError, "requires y to be passed, but the target y is None"),
        ({"classes": ["a", "b"]}, (), ValueError, "neither a text head nor an image"),
        (
            {"zero_shot": TEXT},
            ([[1.0, 0, 0]], ["owl"]),
            ValueError,
            "without a text embedding: 'owl'",
        ),
        ({"zero_shot": TEXT, "classes": ["cat"]}, ([[1.0, 0, 0]], ["dog"]), ValueError, "'dog'"),
        ({"zero_shot": TEXT}, ([[1.0, 0.0]], ["cat"]), ValueError, "X has 2 features"),
        ({"zero_shot": TEXT}, ([[np.nan, 0, 0]], ["cat"]), ValueError, "Input X contains NaN"),
        (
            {"zero_shot": TEXT, "retriever": POOL, "corpus": "c"},
            (),
            ValueError,
            "both `corpus`",
        ),
        ({"zero_shot": TEXT, "classes": ["cat", "cat"]}, (), ValueError, "duplicates"),
        ({"zero_shot": TEXT, "retriever": PrimingPool(["cat"])}, (), ValueError, "no embeddings"),
        (
            {"zero_shot": TEXT, "retriever": PrimingPool(["cat"], [[1.0, 0.0]])},
            (),
            ValueError,
            "X has 2 features|2 features",
        ),
        ({"zero_shot": TEXT, "alpha": "variance"}, (), ValueError, "The 'alpha' parameter"),
        ({"zero_shot": TEXT, "retriever": "corpus"}, (), ValueError, "The 'retriever' parameter"),
        ({"zero_shot": TEXT, "corpus": "no/such/place"}, (), FileNotFoundError, "no/such/place"),
    ],
)
def test_bad_input(params, args, error, message):
    with pytest.raises(error, match=message):
        PrimedNCMClassifier(**params).fit(*args)


def test_pool_of_another_model_is_refused():
    class Letters(ZeroShotClassifier):
        def fit(self, X=None, y=None):
            super().fit(X, y)
            self.model_id_ = "one/model@1"
            return self

    pool = PrimingPool(["cat"], [[1.0, 0.0, 0.0]], model_id="other/model@2")
    with pytest.raises(
        ModelMismatchError, match="'other/model@2', the class names by 'one/model@1'"
    ):
        PrimedNCMClassifier(Letters(TEXT), retriever=pool).fit()


# -- updates


@given(primings(), st.integers(1, 23))
def test_partial_fit_over_any_split_equals_fit(data, split):
    X, y, text, pool = data
    split = min(split, len(y) - 1)
    whole = PrimedNCMClassifier(text, retriever=pool, alpha="shrinkage").fit(X, y)
    parts = clone(whole)
    parts.partial_fit(X[:split], y[:split]).partial_fit(X[split:], y[split:])
    assert_allclose(parts.shot_sum_, whole.shot_sum_, atol=1e-5)
    assert_allclose(parts.alpha_, whole.alpha_, rtol=1e-3)


@given(primings(), st.integers(0, 22))
def test_fit_then_forget_is_never_seen(data, split):
    X, y, text, pool = data
    split = min(split, len(y) - 1) + 1
    never_seen = PrimedNCMClassifier(text, retriever=pool).fit(X[:split], y[:split])
    forgotten = PrimedNCMClassifier(text, retriever=pool).fit(X[:split], y[:split])
    forgotten.partial_fit(X, y).forget(X, y)
    assert_allclose(forgotten.shot_sum_, never_seen.shot_sum_, atol=1e-5)
    assert_allclose(forgotten.shot_count_, never_seen.shot_count_)


def test_classes_may_be_declared_in_the_first_partial_fit():
    head = PrimedNCMClassifier().partial_fit(np.eye(2)[:1], ["a"], classes=["a", "b"])
    assert_array_equal(head.partial_fit(np.eye(2)[1:], ["b"]).predict(np.eye(2)), ["a", "b"])


def test_forgetting_all_leaves_text_and_pool():
    X, y = [[0.9, 0.2, 0.0], [0.1, 0.1, 0.8]], ["cat", "fox"]
    head = PrimedNCMClassifier(TEXT, retriever=POOL).fit(X, y).forget(X, y)
    assert_allclose(head.coef_, PrimedNCMClassifier(TEXT, retriever=POOL).fit().coef_, atol=1e-6)


def test_forgetting_what_was_never_seen():
    head = PrimedNCMClassifier(TEXT).fit([[1.0, 0.0, 0.0]], ["cat"])
    with pytest.raises(ValueError, match=r"Cannot forget more rows .* classes 'dog'"):
        head.forget([[1.0, 0.0, 0.0]], ["dog"])


def test_adding_an_unknown_class():
    head = PrimedNCMClassifier(TEXT).fit([[1.0, 0.0, 0.0]], ["cat"])
    with pytest.raises(ValueError, match="not among the classes: 'owl'"):
        head.partial_fit([[1.0, 0.0, 0.0]], ["owl"])


# -- transductive priming


def brute_force_near(pool, targets, n_neighbors):
    near = set()
    for target in targets:
        cosines = unit(pool) @ unit(target)
        near |= set(np.argsort(-cosines)[:n_neighbors].tolist())
    return sorted(near)


def test_targets_choose_their_neighbours():
    rng = np.random.default_rng(0)
    pool = PrimingPool(rng.choice(list(TEXT), 40), rng.standard_normal((40, 3)))
    targets = rng.standard_normal((4, 3))
    head = PrimedNCMClassifier(TEXT, retriever=pool, filter="passthrough", n_neighbors=3).fit()
    head.prime(targets)
    assert_array_equal(np.flatnonzero(head.primed_), brute_force_near(pool.embeddings, targets, 3))
    reference = PrimedNCMClassifier(TEXT, retriever=pool[head.primed_], filter="passthrough").fit()
    assert_allclose(head.coef_, reference.coef_)


def test_priming_again_chooses_anew():
    head = PrimedNCMClassifier(TEXT, retriever=POOL, filter="passthrough", n_neighbors=1).fit()
    once = head.prime(np.eye(3)[:1]).coef_
    head.prime(np.eye(3)[1:2]).prime(np.eye(3)[:1])
    assert_array_equal(head.coef_, once)


def test_rows_marked_as_unlabeled_are_targets():
    X = np.vstack([[0.5, 0.6, 0.1], np.eye(3)[:1]])
    marked = PrimedNCMClassifier(TEXT, retriever=POOL, unlabeled="?", n_neighbors=1)
    marked.fit(X, ["dog", "?"])
    separate = PrimedNCMClassifier(TEXT, retriever=POOL, n_neighbors=1).fit(X[:1], ["dog"])
    assert_array_equal(marked.coef_, separate.prime(X[1:]).coef_)


def test_scoring_unlabeled_rows_is_refused():
    head = PrimedNCMClassifier({0: [1.0, 0.0], 1: [0.0, 1.0]}, unlabeled=-1).fit([[1.0, 0.2]], [0])
    assert head.score([[1.0, 0.1]], [0]) == 1
    with pytest.raises(ValueError, match="y holds -1, the mark of unlabelled rows"):
        head.score(np.eye(2), [0, -1])


def test_targets_need_something_recalled():
    with pytest.raises(ValueError, match="nothing was recalled"):
        PrimedNCMClassifier(TEXT).fit().prime(np.eye(3))


def test_names_without_rows_are_the_classes():
    head = PrimedNCMClassifier(TEXT).fit(y=sorted(TEXT)[:2])
    assert_array_equal(head.predict_proba(np.eye(head.n_features_in_)).sum(axis=1).round(5), 1)
    with pytest.raises(ValueError, match="labels without a text embedding"):
        PrimedNCMClassifier(TEXT).fit(y=["nobody knows this"])


def test_rows_without_labels_are_checked():
    width = len(next(iter(TEXT.values())))
    bare = PrimedNCMClassifier(TEXT).fit()
    head = PrimedNCMClassifier(TEXT).fit(np.ones((2, width)))
    assert_allclose(head.coef_, bare.coef_, atol=1e-6)
    with pytest.raises(ValueError, match=f"X has {width + 1} features"):
        PrimedNCMClassifier(TEXT).fit(np.ones((2, width + 1)))
