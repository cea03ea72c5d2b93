"""Heads on arrays of other libraries, in a process with SCIPY_ARRAY_API=1: test_array_api.py."""

import array_api_strict
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import (
    check_array_api_input,
    check_array_api_mixed_inputs,
    check_array_api_same_namespace,
)

from skclip import (
    GaussianDiscriminantClassifier,
    MixedHeadClassifier,
    NearestClassMean,
    OnlineAdaptedClassifier,
    PrimedNCMClassifier,
    PrimingPool,
    PriorShiftAdapter,
    StackedHeadClassifier,
    StatAClassifier,
    ZeroShotClassifier,
    _linalg as linalg,
)
from skclip._array_api import to_numpy

PLACES = [
    (array_api_strict, array_api_strict.Device("CPU_DEVICE")),
    (array_api_strict, array_api_strict.Device("device1")),
    (torch, "cpu"),
    *([(torch, "cuda:0")] if torch.cuda.is_available() else []),
]
# text at random agrees with labels by chance
pytestmark = pytest.mark.filterwarnings("ignore::skclip.exceptions.TextDisagreementWarning")
RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6))
X[7] = 0
Y = RNG.integers(0, 3, 40)
NAMES = np.array(["cat", "dog", "yak"])[Y]
TEXT = dict(enumerate(RNG.standard_normal((3, 6))))
POOL = PrimingPool(
    np.arange(30) % 3,
    np.array([TEXT[code % 3] for code in range(30)]) + RNG.standard_normal((30, 6)) / 3,
)
HEADS = [
    GaussianDiscriminantClassifier(),
    GaussianDiscriminantClassifier(zero_shot=TEXT),
    GaussianDiscriminantClassifier("loo", priors="empirical"),
    NearestClassMean(),
    NearestClassMean("euclidean"),
    NearestClassMean(zero_shot=TEXT),
    ZeroShotClassifier(TEXT),
    ZeroShotClassifier(TEXT, logit_scale=3.0, logit_bias=-1.0),
    PrimedNCMClassifier(TEXT, retriever=POOL),
    PrimedNCMClassifier(TEXT, alpha="exponential"),
    StackedHeadClassifier(TEXT, retriever=POOL),
    StackedHeadClassifier(TEXT, [("tree", DecisionTreeClassifier(max_depth=2, random_state=0))]),
    MixedHeadClassifier(TEXT),
    MixedHeadClassifier(TEXT, LinearDiscriminantAnalysis(), space="weights", alpha=0.5),
    MixedHeadClassifier(TEXT, LinearDiscriminantAnalysis(), space="proba", alpha=0.5),
    MixedHeadClassifier(TEXT, NearestCentroid(), space="proba", alpha=0.5),  # in numpy
    MixedHeadClassifier(TEXT, RidgeClassifier()),
    StatAClassifier(TEXT),
    OnlineAdaptedClassifier(TEXT),
    PriorShiftAdapter(ZeroShotClassifier(TEXT, logit_scale=5.0), prior="labels"),
    PriorShiftAdapter(StackedHeadClassifier(TEXT)),
]
# a text head cannot be given to scikit-learn's checks, which choose the labels
CHECKABLE = [
    GaussianDiscriminantClassifier(),
    NearestClassMean(),
    NearestClassMean("euclidean"),
    ZeroShotClassifier(),
    PrimedNCMClassifier(),
    StackedHeadClassifier(),
    MixedHeadClassifier(),
    MixedHeadClassifier(space="weights"),
]
OUTPUTS = ["predict", "decision_function", "predict_proba", "predict_log_proba"]

ignore_no_text = pytest.mark.filterwarnings("ignore::skclip.exceptions.NoEvidenceWarning")


def type_name(head):
    return type(head).__name__


@pytest.fixture(autouse=True)
def _dispatch():
    with config_context(array_api_dispatch=True):
        yield


@pytest.fixture(params=PLACES, ids=lambda place: f"{place[0].__name__}-{place[1]}")
def put(request):
    """Return a function that moves a numpy array to one of the places."""
    xp, device = request.param
    return lambda array: xp.asarray(array, device=device)


def assert_same_place(array, X):
    assert type(array) is type(X)
    assert array.device == X.device


@pytest.mark.parametrize("head", HEADS, ids=type_name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_are_those_of_numpy_and_lie_where_rows_lie(head, dtype, put):
    rows = X.astype(dtype)
    ours, there = clone(head).fit(rows, Y), clone(head).fit(put(rows), put(Y))
    arrays = [name for name, value in vars(ours).items() if isinstance(value, np.ndarray)]
    assert {"classes_"} < set(arrays)
    for name in arrays:
        assert_same_place(getattr(there, name), put(rows))
        assert_allclose(to_numpy(getattr(there, name)), getattr(ours, name), rtol=1e-5, atol=1e-6)
    for method in OUTPUTS:
        expected, result = getattr(ours, method)(rows), getattr(there, method)(put(rows))
        assert_same_place(result, put(rows))
        assert to_numpy(result).dtype == expected.dtype
        assert_allclose(to_numpy(result), expected, rtol=1e-4, atol=1e-5)


@ignore_no_text
@pytest.mark.parametrize("head", CHECKABLE, ids=type_name)
@pytest.mark.parametrize(
    ("namespace", "device", "dtype"),
    [
        ("numpy", None, None),
        ("array_api_strict", "CPU_DEVICE", "float64"),
        ("array_api_strict", "device1", "float32"),
        ("torch", "cpu", "float64"),
        ("torch", "cpu", "float32"),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learn_checks(head, namespace, device, dtype, weighted):
    assert get_tags(head).array_api_support
    check_array_api_input(
        type_name(head), head, namespace, device, dtype, check_sample_weight=weighted
    )


@ignore_no_text
@pytest.mark.parametrize("head", CHECKABLE, ids=type_name)
@pytest.mark.parametrize("namespaces", [("numpy", "torch"), ("torch", "array_api_strict")])
def test_scikit_learn_checks_of_labels_elsewhere(head, namespaces):
    from sklearn.utils._array_api import NamespaceAndDevice

    rows, others = (NamespaceAndDevice(name, None) for name in namespaces)
    check_array_api_mixed_inputs(
        type_name(head), head, other_ns_and_device=others, X_ns_and_device=rows
    )


@ignore_no_text
@pytest.mark.parametrize("head", CHECKABLE, ids=type_name)
def test_rows_elsewhere_than_those_of_fit_are_refused(head):
    check_array_api_same_namespace(type_name(head), head, "array_api_strict")


@pytest.mark.parametrize("y", [NAMES, NAMES.tolist(), NAMES.astype(object), pd.Series(NAMES)])
def test_text_labels_stay_in_numpy(y, put):
    head = NearestClassMean().fit(put(X), y)
    labels = head.predict(put(X))
    assert isinstance(labels, np.ndarray)
    assert_array_equal(labels, NearestClassMean().fit(X, y).predict(X))
    text = {name: TEXT[code] for code, name in enumerate(["cat", "dog", "yak"])}
    assert set(ZeroShotClassifier(text).fit(put(X), y).predict(put(X))) <= set(NAMES)


def test_boolean_labels(put):
    head = NearestClassMean().fit(put(X), put(Y == 1))
    assert_array_equal(to_numpy(head.predict(put(X))), NearestClassMean().fit(X, Y == 1).predict(X))


def test_names_alone_put_the_text_head_into_numpy():
    head = ZeroShotClassifier(TEXT).fit()
    assert isinstance(head.coef_, np.ndarray)
    with pytest.raises(ValueError, match="must use the same namespace and the same device"):
        head.predict(torch.asarray(X))
    assert_same_place(head.fit(torch.asarray(X)).coef_, torch.asarray(X))


def test_batches_give_what_all_rows_give(put):
    whole = NearestClassMean().fit(put(X), put(Y))
    parts = NearestClassMean().partial_fit(put(X[:15]), put(Y[:15]))
    parts.partial_fit(put(X[15:]), put(Y[15:]), classes=put(np.arange(3)))
    other = NearestClassMean().fit(put(X[20:]), put(Y[20:]))
    merged = NearestClassMean().fit(put(X[:20]), put(Y[:20])).merge(other)
    for head in parts, merged:
        assert_same_place(head.class_sum_, put(X))
        assert_allclose(to_numpy(head.coef_), to_numpy(whole.coef_), atol=1e-12)


def test_rows_and_classes_are_forgotten(put):
    head = NearestClassMean().fit(put(X), put(Y)).forget(put(X[:5]), put(Y[:5]))
    expected = NearestClassMean().fit(X[5:], Y[5:])
    assert_allclose(to_numpy(head.coef_), expected.coef_, atol=1e-12)
    assert_array_equal(to_numpy(head.class_count_), expected.class_count_)
    assert_array_equal(to_numpy(head.forget_class(1).classes_), [0, 2])
    assert_same_place(head.classes_, put(X))


@pytest.mark.parametrize("update", ["partial_fit", "forget"])
def test_updates_elsewhere_than_fit_are_refused(update, put):
    head = NearestClassMean().fit(put(X), put(Y))
    with pytest.raises(ValueError, match="must use the same namespace and the same device"):
        getattr(head, update)(X[:3], Y[:3])


def test_weights_may_lie_elsewhere(put):
    weight = RNG.uniform(0, 2, len(X))
    expected = NearestClassMean().fit(X, Y, weight)
    for given in weight, put(weight):
        head = NearestClassMean().fit(put(X), put(Y), given)
        assert_allclose(to_numpy(head.coef_), expected.coef_, atol=1e-12)


def test_blocks_change_nothing(put, monkeypatch):
    rows, labels = RNG.standard_normal((700, 4)), RNG.integers(0, 5, 700)
    expected = NearestClassMean().fit(rows, labels)
    monkeypatch.setattr(linalg, "BLOCK_ELEMENTS", 1)
    head = NearestClassMean().fit(put(rows), put(labels))
    assert_allclose(to_numpy(head.coef_), expected.coef_, atol=1e-12)
    assert_array_equal(to_numpy(head.predict(put(rows))), expected.predict(rows))


def test_lengths_that_over_or_underflow_keep_their_direction(put):
    rows = np.array([[3e30, 4e30], [3e-30, 4e-30], [0, 0], [0.6, 0.8]], np.float32)
    unit = to_numpy(linalg.unit_rows(put(rows)))
    assert_allclose(unit, [[0.6, 0.8], [0.6, 0.8], [0, 0], [0.6, 0.8]], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_refused(bad, put):
    rows = X.copy()
    rows[3, 2] = bad
    with pytest.raises(ValueError, match="Input X contains"):
        NearestClassMean().fit(put(rows), put(Y))
    with pytest.raises(ValueError, match="Input X contains"):
        NearestClassMean().fit(put(X), put(Y)).predict(put(rows))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_single(half):
    head = NearestClassMean().fit(torch.asarray(X).to(half), torch.asarray(Y))
    assert head.coef_.dtype == torch.float32
    assert head.predict_proba(torch.asarray(X).to(half)).dtype == torch.float32


def test_without_dispatch_tensors_become_numpy():
    with config_context(array_api_dispatch=False):
        head = NearestClassMean().fit(torch.asarray(X), torch.asarray(Y))
        assert isinstance(head.predict(torch.asarray(X)), np.ndarray)


def test_names_and_labels_that_are_text(put):
    text = {name: TEXT[code] for code, name in enumerate(["cat", "dog", "yak"])}
    near = np.array([text[name] for name in NAMES]) + RNG.standard_normal((40, 6)) / 3
    pool = PrimingPool(NAMES, near)
    for head in PrimedNCMClassifier(text, retriever=pool), MixedHeadClassifier(text):
        assert_array_equal(
            clone(head).fit(put(X), NAMES).predict(put(X)), head.fit(X, NAMES).predict(X)
        )


def test_rows_without_labels_say_where_a_primed_head_lies(put):
    head = PrimedNCMClassifier(TEXT, retriever=POOL)
    there = clone(head).fit(put(X))
    assert_same_place(there.coef_, put(X))
    assert_array_equal(to_numpy(there.predict(put(X))), head.fit().predict(X))
    assert_array_equal(to_numpy(there.prime(put(X[:2])).primed_), head.prime(X[:2]).primed_)


def test_unlabelled_rows_say_where_a_wrapped_text_head_lies(put):
    head = PriorShiftAdapter(ZeroShotClassifier(TEXT, logit_scale=5.0), prior=[1, 2, 3])
    there = clone(head).fit(X_unlabeled=put(X))
    assert_same_place(there.weight_, put(X))
    assert_allclose(to_numpy(there.predict_proba(put(X))), head.fit(X).predict_proba(X), atol=1e-9)


def test_targets_lie_where_labelled_rows_lie(put):
    y = np.where(np.arange(40) < 30, Y, -1)
    head = PrimedNCMClassifier(TEXT, retriever=POOL, unlabeled=-1, n_neighbors=2)
    there = clone(head).fit(put(X), put(y))
    assert_array_equal(to_numpy(there.primed_), head.fit(X, y).primed_)
    assert_allclose(to_numpy(there.coef_), head.coef_, atol=1e-12)
    with pytest.raises(ValueError, match="score only labelled"):
        there.score(put(X), put(y))


@pytest.mark.parametrize("Head", [PrimedNCMClassifier, StackedHeadClassifier])
def test_primed_heads_are_updated_where_they_lie(Head, put):
    head = Head(TEXT).fit(put(X[:30]), put(Y[:30])).partial_fit(put(X[30:]), put(Y[30:]))
    expected = Head(TEXT).fit(X[:30], Y[:30]).partial_fit(X[30:], Y[30:])
    assert_same_place(head.coef_, put(X))
    assert_allclose(to_numpy(head.coef_), expected.coef_, atol=1e-12)
    head.forget(put(X[:5]), put(Y[:5])), expected.forget(X[:5], Y[:5])
    assert_allclose(to_numpy(head.coef_), expected.coef_, atol=1e-12)
    with pytest.raises(ValueError, match="must use the same namespace and the same device"):
        head.partial_fit(X[:3], Y[:3])


def test_classes_that_the_image_head_lacks(put):
    some = Y > 0
    for space in "weights", "logits":
        head = MixedHeadClassifier(TEXT, space=space)
        there = clone(head).fit(put(X[some]), put(Y[some]))
        head.fit(X[some], Y[some])
        assert_allclose(
            to_numpy(there.decision_function(put(X))), head.decision_function(X), atol=1e-6
        )


def test_a_text_head_that_lies_elsewhere(put):
    text = ZeroShotClassifier(TEXT).fit(put(X), put(Y))
    vectors = {code: put(row) for code, row in TEXT.items()}
    expected = PrimedNCMClassifier(TEXT).fit(X, Y)
    for given in FrozenEstimator(text), vectors:
        head = PrimedNCMClassifier(given).fit(put(X), put(Y))
        assert_allclose(to_numpy(head.coef_), expected.coef_, atol=1e-12)
