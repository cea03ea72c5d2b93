"""NearestClassMean: golden values, exact updates, bad input."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import NearestCentroid

from skclip import NearestClassMean
from skclip.heads._class_sums import class_sums
from tests.heads.strategies import labelled_rows

X = np.array([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
Y = np.array(["b", "b", "a", "a"])


def brute_force_means(X, y, weight=None):
    """Return normalised sums of normalised rows, class by class."""
    weight = np.ones(len(y)) if weight is None else weight
    rows = [x / np.linalg.norm(x) if np.any(x) else x for x in X.astype(np.float64)]
    means = []
    for label in np.unique(y):
        total = sum(w * row for row, w, own in zip(rows, weight, y, strict=True) if own == label)
        norm = np.linalg.norm(total)
        means.append(total / norm if norm else total)
    return np.array(means)


def test_golden_means_and_counts():
    head = NearestClassMean().fit(X, Y)
    assert_array_equal(head.classes_, ["a", "b"])
    # a: (0, 1); b: (0.6, 0.8) + (1, 0) = (1.6, 0.8), over its norm 0.8 sqrt(5)
    assert_allclose(head.coef_, [[0, 1], [2 / 5**0.5, 1 / 5**0.5]])
    assert_array_equal(head.class_count_, [1, 2])  # the zero row does not count


def test_golden_scores():
    head = NearestClassMean(logit_scale=2.0).fit(X, Y)
    # x = (1, 0): cosines 0 and 2/sqrt(5); the margin is scaled by 2 in the probabilities
    assert_allclose(head.decision_function([[5.0, 0.0]]), [2 / 5**0.5])
    assert_allclose(head.predict_proba([[5.0, 0.0]])[:, 1], 1 / (1 + np.exp(-4 / 5**0.5)))


def test_euclidean_equals_nearest_centroid():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 5)), rng.integers(0, 4, 60)
    ours = NearestClassMean("euclidean").fit(X, y)
    theirs = NearestCentroid().fit(X, y)
    assert_allclose(ours.coef_, theirs.centroids_)
    assert_array_equal(ours.predict(X), theirs.predict(X))


@given(labelled_rows())
def test_means_equal_brute_force(data):
    X, y = data
    tolerance = 1e-5 if X.dtype == np.float32 else 1e-12
    head = NearestClassMean().fit(X, y)
    assert head.coef_.dtype == X.dtype
    assert_allclose(head.coef_, brute_force_means(X, y), atol=tolerance)


@given(labelled_rows(), st.data())
def test_weight_two_is_the_row_twice_and_weight_zero_the_row_left_out(data, draw):
    X, y = data
    weight = np.array(
        draw.draw(st.lists(st.sampled_from([0, 1, 2]), min_size=len(y), max_size=len(y)))
    )
    # every class keeps its first row, so that both heads know the same classes
    weight[np.unique(y, return_index=True)[1]] = 1
    weighted = NearestClassMean().fit(X, y, sample_weight=weight)
    repeated = NearestClassMean().fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert_allclose(weighted.class_sum_, repeated.class_sum_, atol=1e-5)
    assert_allclose(weighted.class_count_, repeated.class_count_)


@given(labelled_rows(), st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(data, random):
    X, y = data
    order = list(range(len(y)))
    random.shuffle(order)
    assert_allclose(
        NearestClassMean().fit(X[order], y[order]).class_sum_,
        NearestClassMean().fit(X, y).class_sum_,
        atol=1e-5,
    )


@given(labelled_rows(zero_rows=False), st.integers(1, 23))
def test_partial_fit_over_any_split_equals_fit(data, split):
    X, y = data
    split = min(split, len(y) - 1)
    whole = NearestClassMean().fit(X, y)
    parts = NearestClassMean().partial_fit(X[:split], y[:split]).partial_fit(X[split:], y[split:])
    assert_array_equal(parts.classes_, whole.classes_)
    assert_allclose(parts.class_sum_, whole.class_sum_, atol=1e-5)
    assert_allclose(parts.class_count_, whole.class_count_)


@given(labelled_rows(zero_rows=False, min_samples=6), st.integers(0, 23))
def test_fit_then_forget_is_never_seen(data, split):
    X, y = data
    split = min(len(np.unique(y)) + split, len(y) - 1)  # the part that stays holds every class
    forgotten = NearestClassMean().fit(X, y).forget(X[split:], y[split:])
    never_seen = NearestClassMean().fit(X[:split], y[:split])
    assert_allclose(forgotten.class_sum_, never_seen.class_sum_, atol=1e-5)
    assert_allclose(forgotten.class_count_, never_seen.class_count_)


@given(labelled_rows(zero_rows=False), st.integers(1, 23))
def test_merge_equals_fitting_all_rows(data, split):
    X, y = data
    split = min(split, len(y) - 1)
    merged = NearestClassMean().fit(X[:split], y[:split])
    merged.merge(NearestClassMean().fit(X[split:], y[split:]))
    whole = NearestClassMean().fit(X, y)
    assert_array_equal(merged.classes_, whole.classes_)
    assert_allclose(merged.coef_, whole.coef_, atol=1e-4)


def test_blocks_do_not_change_sums(monkeypatch):
    rng = np.random.default_rng(0)
    X, codes = rng.standard_normal((50, 3)), rng.integers(0, 4, 50).astype(np.int32)
    expected = class_sums(X, codes, 4, np.ones(50))
    monkeypatch.setattr("skclip.heads._class_sums.N_ROWS_PER_BLOCK", 7)
    for ours, reference in zip(class_sums(X, codes, 4, np.ones(50)), expected, strict=True):
        assert_allclose(ours, reference)


def test_rows_of_extreme_length_keep_their_direction():
    X = np.array([[3e25, 4e25], [3e-25, 4e-25]], dtype=np.float32)
    assert_allclose(NearestClassMean().fit(X, [0, 0]).class_sum_, [[1.2, 1.6]], rtol=1e-6)


def test_new_class_in_partial_fit():
    head = NearestClassMean().fit(X, Y).partial_fit([[-1.0, 0.0]], ["c"])
    assert_array_equal(head.predict([[-1.0, 0.1], [0.0, 1.0]]), ["c", "a"])


def test_declared_class_without_rows_is_never_predicted():
    head = NearestClassMean().partial_fit(-X, Y, classes=["a", "b", "never"])
    assert_array_equal(head.predict(X), ["a", "a", "b", "a"])  # all scores are negative or zero
    assert_array_equal(head.predict_proba(X)[:, 2], 0)


def test_class_can_come_back_after_its_last_row_was_forgotten():
    head = NearestClassMean().fit(X, Y).forget(X[2:3], ["a"])
    assert_array_equal(head.predict(X[:3]), ["b", "b", "b"])
    assert_array_equal(head.partial_fit(X[2:3], ["a"]).predict(X[:3]), ["b", "b", "a"])


def test_forget_class():
    head = NearestClassMean().fit(X, Y).forget_class("a")
    assert_array_equal(head.classes_, ["b"])


def test_float16_embeddings_stay_single_precision():
    assert NearestClassMean().fit(X.astype(np.float16), Y).coef_.dtype == np.float32


def test_pandas_names_are_kept_and_compared():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["clip0", "clip1"])
    head = NearestClassMean().fit(frame, pandas.Series(Y))
    assert_array_equal(head.feature_names_in_, ["clip0", "clip1"])
    with pytest.raises(ValueError, match="feature names should match"):
        head.predict(frame[["clip1", "clip0"]])


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([[1.0, np.nan]], [0], "Input X contains NaN"),
        ([[1.0, np.inf]], [0], "Input X contains infinity"),
        ([1.0, 2.0], [0, 1], "Expected 2D array, got 1D array"),
        (np.empty((0, 2)), [], "Found array with 0 sample"),
        ([[0.0, 0.0]], [0], "No row carries evidence"),
        ([[1.0, 0.0]], [0.5], "Unknown label type"),
        ([[1.0, 0.0]], [0, 1], "inconsistent numbers of samples"),
    ],
)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_bad_input(X, y, message, metric):
    with pytest.raises(ValueError, match=message):
        NearestClassMean(metric).fit(X, y)


def test_all_weights_zero():
    with pytest.raises(ValueError, match="zero"):
        NearestClassMean().fit(X, Y, sample_weight=np.zeros(4))


def test_negative_weight():
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        NearestClassMean().fit(X, Y, sample_weight=[1, -1, 1, 1])


def test_forgetting_more_than_was_seen():
    head = NearestClassMean().fit(X, Y)
    with pytest.raises(ValueError, match=r"Cannot forget more rows .* classes 'a'"):
        head.forget(X[[2, 2]], ["a", "a"])


def test_forgetting_an_unknown_class():
    head = NearestClassMean().fit(X, Y)
    with pytest.raises(ValueError, match="does not know: 'zebra'"):
        head.forget(X[:1], ["zebra"])
    with pytest.raises(ValueError, match="does not know: 'zebra'"):
        head.forget_class("zebra")


def test_forgetting_every_class():
    with pytest.raises(ValueError, match="every class"):
        NearestClassMean().fit(X, Y).forget_class(["a", "b"])


def test_merging_another_metric_or_width():
    head = NearestClassMean().fit(X, Y)
    with pytest.raises(ValueError, match="metric='euclidean'"):
        head.merge(NearestClassMean("euclidean").fit(X, Y))
    with pytest.raises(ValueError, match="of 1 features into one of 2"):
        head.merge(NearestClassMean().fit(X[:3, 1:], Y[:3]))


def test_unknown_metric():
    with pytest.raises(ValueError, match="The 'metric' parameter of NearestClassMean must be"):
        NearestClassMean("manhattan").fit(X, Y)


TEXT = {"a": [0.0, 1.0], "b": [1.0, 0.0], "c": [0.0, -3.0]}


def test_text_counts_as_images():
    head = NearestClassMean(zero_shot=TEXT, shrinkage=2.0).fit(X, Y)
    # b: (0.6, 0.8) + (1, 0) + 2 (1, 0); a and c lie on their text
    assert_allclose(head.coef_, [[0, 1], np.array([3.6, 0.8]) / np.hypot(3.6, 0.8), [0, -1]])
    assert_array_equal(head.class_count_, [1, 2, 0])
    euclidean = NearestClassMean("euclidean", zero_shot=TEXT, shrinkage=2.0).fit(X, Y)
    assert_allclose(euclidean.coef_[1], (X[0] + X[1] + [2, 0]) / 4)


def test_class_without_images_is_its_text():
    head = NearestClassMean(zero_shot=TEXT).fit(X, Y)
    assert_array_equal(head.predict([[0.1, -5.0]]), ["c"])


@given(labelled_rows(), st.floats(0.01, 100))
def test_means_shrunk_to_text_by_brute_force(data, shrinkage):
    X, y = data
    rng = np.random.default_rng(0)
    text = {label: rng.standard_normal(X.shape[1]) for label in np.unique(y)}
    head = NearestClassMean(zero_shot=text, shrinkage=shrinkage).fit(X, y)
    rows = np.concatenate([X.astype(np.float64), np.stack(list(text.values()))])
    labels, weight = np.append(y, list(text)), np.append(np.ones(len(y)), [shrinkage] * len(text))
    tolerance = 1e-4 if X.dtype == np.float32 else 1e-9
    assert_allclose(head.coef_, brute_force_means(rows, labels, weight), atol=tolerance)


def test_updates_of_means_shrunk_to_text_are_exact():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 2)), rng.choice(["a", "b"], 30)
    whole = NearestClassMean(zero_shot=TEXT, shrinkage=3.0).fit(X, y)
    parts = NearestClassMean(zero_shot=TEXT, shrinkage=3.0)
    for rows in np.array_split(np.arange(30), 4):
        parts.partial_fit(X[rows], y[rows])
    assert_allclose(parts.coef_, whole.coef_)
    half = NearestClassMean(zero_shot=TEXT, shrinkage=3.0).fit(X[:15], y[:15])
    assert_allclose(parts.forget(X[15:], y[15:]).coef_, half.coef_)
    assert_allclose(half.merge(NearestClassMean().fit(X[15:], y[15:])).coef_, whole.coef_)


def test_forgotten_class_takes_its_text_along():
    head = NearestClassMean(zero_shot=TEXT).fit(X, Y).forget_class("c")
    assert_array_equal(head.classes_, ["a", "b"])
    assert_array_equal(head.partial_fit(X, Y).classes_, ["a", "b"])


def test_label_without_text():
    head = NearestClassMean(zero_shot=TEXT)
    with pytest.raises(ValueError, match="labels without a text embedding: 'zebra'"):
        head.fit(X, ["a", "b", "a", "zebra"])
    with pytest.raises(ValueError, match="labels without a text embedding: 'zebra'"):
        head.fit(X, Y).partial_fit(X[:1], ["zebra"])


def test_text_of_another_width():
    with pytest.raises(ValueError, match="X has 2 features, but the text head has 3"):
        NearestClassMean(zero_shot={"a": [1.0, 0, 0], "b": [0, 1.0, 0]}).fit(X, Y)


@pytest.mark.parametrize("stranger", [1, None])
def test_labels_without_a_common_order_are_refused(stranger):
    with pytest.raises(TypeError, match=rf"of the types \['{type(stranger).__name__}', 'str'\]"):
        NearestClassMean().fit(X, np.array([*Y[:3].tolist(), stranger], dtype=object))
