import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV

from skclip import TipAdapterClassifier, ZeroShotClassifier
from skclip.heads._adapters._tip_adapter import BETAS
from tests.heads.adapters.data import NAMES, task
from tests.heads.strategies import labelled_rows

X, Y, TEXT = task()
ROWS = np.stack(list(TEXT.values()))
NEW = task(seed=1)[0]


def test_given_constants_are_the_published_formula():
    head = TipAdapterClassifier(TEXT, alpha=1.5, beta=5.5).fit(X, Y)
    onehot = np.eye(4)[np.unique(Y, return_inverse=True)[1]]
    logits = 100 * NEW @ ROWS.T + 1.5 * np.exp(-5.5 * (1 - NEW @ X.T)) @ onehot
    assert_allclose(100 * head.decision_function(NEW), logits)
    assert (head.alpha_, head.beta_, head.text_weight_) == (1.5, 5.5, 1.0)


def test_published_constants():
    head = TipAdapterClassifier(TEXT, alpha="published", beta="published").fit(X, Y)
    assert (head.alpha_, head.beta_, head.text_weight_) == (1.17, 1.0, 1.0)


def test_without_weight_it_is_zero_shot():
    head = TipAdapterClassifier(TEXT, alpha=0.0, beta=5.0).fit(X, Y)
    expected = ZeroShotClassifier(TEXT).fit()
    assert_allclose(head.predict_proba(NEW), expected.predict_proba(NEW), atol=1e-12)


def test_very_sharp_and_alone_it_is_the_nearest_neighbour():
    head = TipAdapterClassifier(alpha=1.0, beta=300.0).fit(X, Y)
    assert_array_equal(head.predict(NEW), Y[(NEW @ X.T).argmax(axis=1)])


def test_hardly_sharp_and_alone_it_is_the_class_sums():
    head = TipAdapterClassifier(alpha=1.0, beta=1e-4).fit(X, Y)
    sums = np.stack([X[name == Y].sum(axis=0) for name in NAMES])
    assert_array_equal(head.predict(NEW), np.array(NAMES)[(NEW @ sums.T).argmax(axis=1)])


def test_the_choice_is_better_than_published_constants():
    rows, labels, text = task(30)
    X, Y, new, y = rows[::2], labels[::2], rows[1::2], labels[1::2]
    chosen = TipAdapterClassifier(text).fit(X, Y)
    published = TipAdapterClassifier(text, alpha="published", beta="published").fit(X, Y)
    losses = [log_loss(y, head.predict_proba(new)) for head in (chosen, published)]
    assert losses[0] < losses[1]


def test_a_given_alpha_leaves_the_text_as_it_is():
    head = TipAdapterClassifier(TEXT, alpha=3.0).fit(X, Y)
    assert (head.alpha_, head.text_weight_) == (3.0, 1.0)
    assert head.beta_ in BETAS


def test_a_single_image_takes_the_published_constants():
    head = TipAdapterClassifier(TEXT).fit(X[:1], Y[:1])
    assert (head.alpha_, head.beta_, head.text_weight_) == (1.17, 1.0, 1.0)


def test_one_image_per_class_is_believed_where_the_text_is_wrong():
    wrong = dict(zip(NAMES, ROWS[[1, 2, 3, 0]], strict=True))
    rows, labels, _ = task(1, noise=0.4)
    head = TipAdapterClassifier(wrong).fit(rows, labels)
    assert head.score(*task(10, noise=0.4)[:2]) > 0.8


def test_copies_are_left_out_together():
    once = TipAdapterClassifier(TEXT).fit(X, Y)
    twice = TipAdapterClassifier(TEXT).fit(np.repeat(X, 2, axis=0), np.repeat(Y, 2))
    assert twice.beta_ == once.beta_
    assert_array_equal(twice.keys_, once.keys_)
    assert_array_equal(twice.key_weight_, 2 * once.key_weight_)


def test_a_class_without_images_is_predicted_by_its_text():
    kept = Y != "cat"
    head = TipAdapterClassifier(TEXT).fit(X[kept], Y[kept])
    assert head.classes_.tolist() == NAMES
    assert head.predict(ROWS)[2] == "cat"


def test_a_class_without_images_and_text_is_never_predicted():
    head = TipAdapterClassifier(classes=[*NAMES, "eel"]).fit(X, Y)
    assert "eel" not in head.predict(NEW)
    assert_allclose(head.predict_proba(NEW)[:, 4], 0)


def test_trained_keys_move_and_help_where_text_is_weak():
    images = TipAdapterClassifier(TEXT, beta=4.0).fit(X, Y)
    trained = TipAdapterClassifier(TEXT, beta=4.0, keys="trained").fit(X, Y)
    assert trained.alpha_ == images.alpha_
    assert np.linalg.norm(trained.keys_ - images.keys_) > 0.01


def test_constants_can_be_searched():
    search = GridSearchCV(TipAdapterClassifier(TEXT), {"alpha": [0.5, 5.0], "beta": [1.0, 8.0]})
    assert search.fit(X, Y).best_params_.keys() == {"alpha", "beta"}


def test_zero_rows_alone_are_refused():
    with pytest.raises(ValueError, match="TipAdapterClassifier carries evidence"):
        TipAdapterClassifier(TEXT).fit(np.zeros((4, 12)), NAMES)


def test_text_of_another_width_is_refused():
    with pytest.raises(ValueError, match="X has 5 features, but the text head has 12"):
        TipAdapterClassifier(TEXT).fit(X[:, :5], Y)


@pytest.mark.parametrize(
    "wrong", [{"alpha": -1.0}, {"beta": 0.0}, {"alpha": "auto"}, {"keys": "mean"}]
)
def test_wrong_parameters_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TipAdapterClassifier(**wrong).fit(X, Y)


@given(labelled_rows(zero_rows=True), st.integers(0, 2**32 - 1))
def test_the_order_of_rows_means_nothing(data, seed):
    rows, labels = data
    order = np.random.default_rng(seed).permutation(len(rows))
    head = TipAdapterClassifier().fit(rows, labels)
    other = TipAdapterClassifier().fit(rows[order], labels[order])
    assert_allclose(other.predict_proba(rows), head.predict_proba(rows), atol=1e-5)
