"""Several labels per image."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.optimize import check_grad
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer, Normalizer

from skclip import MultiLabelTextClassifier, PrimingPool, ZeroShotClassifier
from skclip._compat import SUPPORTS_ARRAY_API
from skclip.exceptions import TextDisagreementWarning
from skclip.export import save_head
from skclip.heads import _label_weights
from skclip.heads._label_weights import LabelledRows, fit_label_weights, left_out_ridge

NAMES = ["ball", "cat", "dog", "fox"]
N_FEATURES = 12


def images(n, seed=0):
    """Text rows, and images that are near the texts of their classes, a quarter of them each."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(100).normal(size=(len(NAMES), N_FEATURES))
    Y = (rng.random((n, len(NAMES))) < 0.3).astype(int)
    X = Y @ centers + 0.5 + 0.7 * rng.normal(size=(n, N_FEATURES))
    return {name: row + 0.3 for name, row in zip(NAMES, centers, strict=True)}, X, Y


@pytest.fixture(scope="module")
def fitted():
    text, X, Y = images(80)
    return MultiLabelTextClassifier(text).fit(X, Y)


def test_labels_help(fitted):
    text, X, Y = images(300, seed=1)
    alone = MultiLabelTextClassifier(text).fit()
    assert fitted.score(X, Y) > alone.score(X, Y) > 1 / 16


def test_prediction_is_a_probability_above_one_half(fitted):
    X = images(50, seed=2)[1]
    scores, proba = fitted.decision_function(X), fitted.predict_proba(X)
    assert scores.shape == proba.shape == (50, 4)
    np.testing.assert_allclose(proba, 1 / (1 + np.exp(-scores)))
    np.testing.assert_array_equal(fitted.predict(X), proba > 0.5)
    np.testing.assert_array_equal(fitted.predict(X), scores > 0)


def test_scores_are_linear_in_unit_rows(fitted):
    X = images(5, seed=2)[1]
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_allclose(
        fitted.decision_function(X), unit @ fitted.coef_.T + fitted.intercept_
    )


def test_text_alone_is_compared_with_the_mean_of_all_texts():
    text, X, _ = images(10)
    head = MultiLabelTextClassifier(ZeroShotClassifier(text, logit_scale=20.0)).fit()
    rows = np.stack([text[name] / np.linalg.norm(text[name]) for name in NAMES])
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    expected = 20 * unit @ (rows - rows.mean(axis=0)).T - np.log(3)
    np.testing.assert_allclose(head.decision_function(X), expected, atol=1e-4)
    assert head.head_weights_ == {"text": 1.0}


@pytest.mark.parametrize("weighted", [False, True])
def test_regression_leaves_rows_out_as_brute_force_does(weighted):
    _, X, Y = images(15)
    weight = np.random.default_rng(1).uniform(0.2, 3, 15) if weighted else np.ones(15)
    left_out, scores = left_out_ridge(LabelledRows(X, Y, weight))
    found = []
    for ridge in _label_weights.RIDGES:
        each = [
            Ridge(ridge)
            .fit(*(np.delete(part, i, axis=0) for part in (X, Y, weight)))
            .predict(X[[i]])[0]
            for i in range(len(X))
        ]
        error = float(np.sum(weight @ (Y - np.array(each)) ** 2))
        found.append((error, ridge, np.array(each)))
    _, ridge, expected = min(found, key=lambda one: one[0])
    np.testing.assert_allclose(left_out, 10 * expected, atol=1e-9)
    np.testing.assert_allclose(
        scores.of(X), 10 * Ridge(ridge).fit(X, Y, weight).predict(X), atol=1e-9
    )


def test_weights_maximise_the_penalised_likelihood(monkeypatch):
    text, X, Y = images(30)
    rows = LabelledRows(X, Y, np.random.default_rng(1).uniform(0.2, 3, 30))
    features = [X @ np.stack(list(text.values())).T, left_out_ridge(rows)[0]]
    seen = {}
    minimize = _label_weights.minimize

    def spy(objective, start, **options):
        seen.update(objective=objective, start=start)
        return minimize(objective, start, **options)

    monkeypatch.setattr(_label_weights, "minimize", spy)
    weights, intercepts = fit_label_weights(features, Y, rows.weight, [1.0, 0.5], -1.0)
    objective = seen["objective"]
    off = check_grad(lambda at: objective(at)[0], lambda at: objective(at)[1], seen["start"])
    assert off < 1e-3
    mean = intercepts.mean()
    best = np.concatenate([weights, [mean], intercepts - mean])
    for step in np.random.default_rng(0).normal(size=(20, len(best))) * 0.1:
        moved = np.concatenate([np.maximum(best[:2] + step[:2], 0), best[2:] + step[2:]])
        assert objective(moved)[0] >= objective(best)[0]


def test_order_of_rows_and_of_texts_does_not_matter(fitted):
    text, X, Y = images(80)
    order = np.random.default_rng(0).permutation(80)
    turned = {name: text[name] for name in reversed(NAMES)}
    other = MultiLabelTextClassifier(turned).fit(X[order], Y[order])
    np.testing.assert_allclose(other.coef_, fitted.coef_, atol=1e-3)


def test_zero_rows_change_nothing(fitted):
    text, X, Y = images(80)
    more = np.concatenate([X, np.zeros((3, N_FEATURES))])
    head = MultiLabelTextClassifier(text).fit(more, np.concatenate([Y, np.ones((3, 4), int)]))
    np.testing.assert_array_equal(head.coef_, fitted.coef_)
    np.testing.assert_array_equal(head.decision_function(more[-1:])[0], head.intercept_)


def test_a_weight_is_a_number_of_rows():
    text, X, Y = images(40)
    Y[1] = 1 - Y[0]
    X[1] = X[0]  # copies whose labels differ
    times = np.random.default_rng(0).integers(0, 4, 40)
    times[:2] = 1, 2
    weighted = MultiLabelTextClassifier(text).fit(X, Y, sample_weight=times)
    at = np.random.default_rng(1).permutation(np.repeat(np.arange(40), times))
    repeated = MultiLabelTextClassifier(text).fit(X[at], Y[at])
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, rtol=1e-6, atol=1e-6)
    without = MultiLabelTextClassifier(text).fit(X, Y)
    assert np.abs(without.coef_ - weighted.coef_).max() > 1e-3


def test_copies_of_images_are_left_out_together():
    text, X, Y = images(30)
    once = MultiLabelTextClassifier(text).fit(X, Y).head_weights_
    twice = MultiLabelTextClassifier(text).fit(np.tile(X, (2, 1)), np.tile(Y, (2, 1))).head_weights_
    # a regression that saw the copy of an image would get most of the weight
    assert twice["labelled"] < 1.5 * once["labelled"]


def test_copies_need_not_be_equal_to_the_bit():
    text, X, Y = images(30)
    equal = MultiLabelTextClassifier(text).fit(np.tile(X, (2, 1)), np.tile(Y, (2, 1)))
    rounded = MultiLabelTextClassifier(text).fit(np.r_[X, X * (1 + 1e-7)], np.tile(Y, (2, 1)))
    np.testing.assert_allclose(rounded.predict_proba(X), equal.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("kind", [list, tuple, pd.Series, np.float32, np.int64])
def test_weights_of_other_forms(kind):
    text, X, Y = images(20)
    given = np.arange(1, 21)
    before = given.copy()
    head = MultiLabelTextClassifier(text).fit(X, Y, sample_weight=kind(given))
    np.testing.assert_array_equal(given, before)
    expected = MultiLabelTextClassifier(text).fit(X, Y, sample_weight=given.astype(float))
    np.testing.assert_array_equal(head.coef_, expected.coef_)


def test_bad_weights():
    text, X, Y = images(5)
    head = MultiLabelTextClassifier(text)
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        head.fit(X, Y, sample_weight=[1, 1, -1, 1, 1])
    with pytest.raises(ValueError, match="sample_weight"):
        head.fit(X, Y, sample_weight=[1, 1])
    with pytest.raises(ValueError, match="Sample weights must be 1D"):
        head.fit(X, Y, sample_weight=np.ones((5, 2)))
    with pytest.raises(ValueError, match=r"all zero|at least one non-zero"):
        head.fit(X, Y, sample_weight=np.zeros(5))


def test_columns_of_a_data_frame_are_matched_by_name(fitted):
    text, X, Y = images(80)
    table = pd.DataFrame(Y, columns=NAMES)[["fox", "ball", "dog", "cat"]]
    rows = pd.DataFrame(X, columns=[f"x{i}" for i in range(N_FEATURES)])
    head = MultiLabelTextClassifier(text).fit(rows, table)
    np.testing.assert_array_equal(head.coef_, fitted.coef_)
    assert head.feature_names_in_[0] == "x0"
    without_text = MultiLabelTextClassifier().fit(X, table)
    assert without_text.classes_.tolist() == NAMES


@pytest.mark.parametrize("kind", [sp.csr_array, np.ndarray.tolist, np.asfortranarray])
def test_labels_of_other_forms(fitted, kind):
    text, X, Y = images(80)
    np.testing.assert_array_equal(
        MultiLabelTextClassifier(text).fit(X, kind(Y)).coef_, fitted.coef_
    )


def test_columns_are_those_of_the_binarizer(fitted):
    text, X, Y = images(80)
    lists = [[name for name, shown in zip(NAMES, row, strict=True) if shown] for row in Y]
    binarizer = MultiLabelBinarizer()
    columns = binarizer.fit_transform(lists)
    assert binarizer.classes_.tolist() == fitted.classes_.tolist()
    np.testing.assert_array_equal(
        MultiLabelTextClassifier(text).fit(X, columns).coef_, fitted.coef_
    )


def pool_of(X, Y):
    row, column = np.nonzero(Y)
    return PrimingPool([NAMES[c] for c in column], X[row])


def test_recalled_images_need_no_labels():
    text, X, Y = images(200)
    head = MultiLabelTextClassifier(text, retriever=pool_of(X, Y)).fit()
    _, X_test, Y_test = images(300, seed=1)
    assert set(head.head_weights_) == {"text", "recalled"}
    assert head.score(X_test, Y_test) > MultiLabelTextClassifier(text).fit().score(X_test, Y_test)


def test_image_recalled_for_two_classes_has_both():
    text, X, Y = images(60)
    Y[Y.sum(axis=1) == 0, 0] = 1
    recalled = MultiLabelTextClassifier(text, retriever=pool_of(X, Y)).fit()
    labelled = MultiLabelTextClassifier(text).fit(X.astype(np.float32), Y)
    np.testing.assert_allclose(recalled.coef_, labelled.coef_, rtol=1e-3, atol=1e-2)


def test_class_that_nobody_recalled_keeps_its_text():
    text, X, Y = images(60)
    Y[:, 3] = 0
    head = MultiLabelTextClassifier(text, retriever=pool_of(X, Y)).fit()
    alone = MultiLabelTextClassifier(text).fit()
    np.testing.assert_allclose(head.coef_[3], alone.coef_[3], rtol=1e-6)
    np.testing.assert_allclose(head.intercept_[3], -np.log(3), rtol=1e-6)
    assert abs(head.intercept_[0] + np.log(3)) > 0.01


def test_class_without_labelled_images_can_be_predicted():
    text, X, Y = images(80)
    kept = Y[:, 3] == 0
    head = MultiLabelTextClassifier(text).fit(X[kept], Y[kept])
    _, X_test, Y_test = images(300, seed=1)
    proba = head.predict_proba(X_test)[:, 3]
    assert proba[Y_test[:, 3] == 1].mean() > proba[Y_test[:, 3] == 0].mean()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows(n):
    text, X, Y = images(n)
    assert np.isfinite(MultiLabelTextClassifier(text).fit(X, Y).decision_function(X)).all()


def test_pickle_and_clone(fitted):
    X = images(20, seed=3)[1]
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.decision_function(X), fitted.decision_function(X))
    _, X, Y = images(80)
    np.testing.assert_array_equal(clone(fitted).fit(X, Y).coef_, fitted.coef_)


def test_file_of_one_label_per_image_is_refused(fitted, tmp_path):
    with pytest.raises(ValueError, match=r"MultiLabelTextClassifier .* keep this one with skops"):
        save_head(fitted, tmp_path / "head.skclip")


def test_searches_and_pipelines():
    text, X, Y = images(80)
    pipeline = make_pipeline(Normalizer(), MultiLabelTextClassifier(text))
    zero_shot = [ZeroShotClassifier(text, logit_scale=scale) for scale in (5.0, 50.0)]
    grid = {"multilabeltextclassifier__zero_shot": zero_shot}
    search = GridSearchCV(pipeline, grid, scoring="f1_macro", cv=2).fit(X, Y)
    assert 0.5 < search.best_score_ <= 1


@pytest.mark.skipif(not SUPPORTS_ARRAY_API, reason="scikit-learn 1.7 looks for a class named 1")
@pytest.mark.parametrize("scoring", ["average_precision", "roc_auc"])
def test_scores_of_rankings(scoring):
    text, X, Y = images(80)
    head = MultiLabelTextClassifier(text)
    assert cross_val_score(head, X, Y, scoring=scoring, cv=2).min() > 0.5


def test_wrong_order_of_columns_warns():
    text, X, Y = images(120)
    with pytest.warns(TextDisagreementWarning, match="labelled images"):
        MultiLabelTextClassifier(text).fit(X, Y[:, [1, 2, 3, 0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda Y: Y[:, 0], r"shape \(20,\).*use StackedHeadClassifier"),
        (lambda Y: ["cat"] * len(Y), "StackedHeadClassifier; lists of labels.*MultiLabelBinarizer"),
        (lambda Y: [["cat"], ["cat", "dog"]] * 10, "MultiLabelBinarizer"),
        (lambda Y: [["cat", "dog"]] * 20, "MultiLabelBinarizer"),
        (lambda Y: Y[:, :3], "y has 3 columns, but there are 4 classes .'ball', 'cat', 'dog' and"),
        (lambda Y: Y + 1, "must hold zeros and ones .*, got 2, 2"),
        (lambda Y: Y * 0.5, "must hold zeros and ones .*, got 0.5"),
        (lambda Y: Y + np.nan, "Input y contains NaN"),
        (lambda Y: np.where(Y, "yes", "no").astype(object), "must hold zeros and ones .*'yes'"),
        (lambda Y: pd.DataFrame(Y, columns=["ball", "cat", "dog", "owl"]), "columns of y .*'owl'"),
        (lambda Y: pd.DataFrame(Y, columns=["ball", "cat", "cat", "dog"]), "occur twice"),
        (lambda Y: Y[:10], "inconsistent numbers of samples"),
    ],
)
def test_bad_labels(change, message):
    text, X, Y = images(20)
    with pytest.raises(ValueError, match=message):
        MultiLabelTextClassifier(text).fit(X, change(Y))


def test_bad_input():
    text, X, Y = images(20)
    with pytest.raises(ValueError, match="one class, 'cat': name further things"):
        MultiLabelTextClassifier({"cat": [1.0, 0.0]}).fit()
    with pytest.raises(ValueError, match="got y without X"):
        MultiLabelTextClassifier(text).fit(None, Y)
    with pytest.raises(ValueError, match="neither `classes` nor a text head"):
        MultiLabelTextClassifier().fit(X)
    with pytest.raises(ValueError, match="nothing to tell classes by"):
        MultiLabelTextClassifier(classes=NAMES).fit(X)
    with pytest.raises(ValueError, match="the text head has 12"):
        MultiLabelTextClassifier(text).fit(X[:, :5], Y)
