import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import check_grad
from scipy.special import log_softmax

from skclip.heads._adapters import _affinity
from skclip.heads._adapters._affinity import affinities, left_out_affinities, train_keys
from tests.heads.adapters.data import task

X, Y, TEXT = task()
CODES = np.unique(Y, return_inverse=True)[1]
WEIGHT = np.linspace(0.5, 2, len(Y))


def test_affinities_are_the_published_sums():
    onehot = np.eye(4)[CODES] * WEIGHT[:, None]
    expected = np.exp(-3.0 * (1 - X[:5] @ X.T)) @ onehot
    assert_allclose(affinities(X[:5], X, CODES, WEIGHT, 4, 3.0), expected)


def test_a_class_without_keys_has_no_affinity():
    kept = CODES != 2
    sums = affinities(X, X[kept], CODES[kept], WEIGHT[kept], 4, 3.0)
    assert (sums[:, 2] == 0).all()
    assert (sums[:, [0, 1, 3]] > 0).all()


def test_left_out_affinities_are_those_of_the_other_keys_at_the_size_of_all():
    rows = np.array([0, 7, 23])
    left_out = left_out_affinities(X[rows] @ X.T, rows, CODES, WEIGHT, 4, 3.0)
    total = np.bincount(CODES, WEIGHT)
    for row, found in zip(rows, left_out, strict=True):
        others = np.arange(len(X)) != row
        expected = affinities(X[[row]], X[others], CODES[others], WEIGHT[others], 4, 3.0)[0]
        own = CODES[row]
        expected[own] *= total[own] / (total[own] - WEIGHT[row])
        assert_allclose(found, expected)


def test_a_predicted_similarity_stands_in_for_that_to_the_own_key():
    rows, own = np.array([0, 7]), np.array([0.4, 0.6])
    similarity = X[rows] @ X.T
    found = left_out_affinities(similarity, rows, CODES, WEIGHT, 4, 3.0, own)
    similarity[np.arange(2), rows] = own
    expected = (np.exp(3.0 * (similarity - 1)) * WEIGHT) @ np.eye(4)[CODES]
    assert_allclose(found, expected)


def left_out_loss(keys, alpha, beta):
    """Return the log loss of images scored by all keys but their own."""
    kernel = np.exp(beta * (X @ keys.T - 1)) * WEIGHT
    np.fill_diagonal(kernel, 0)
    logits = 20 * X @ np.stack(list(TEXT.values())).T + alpha * kernel @ np.eye(4)[CODES]
    own = log_softmax(logits, axis=1)[np.arange(len(X)), CODES]
    return -(WEIGHT @ own) / WEIGHT.sum()


def test_training_makes_the_labels_of_left_out_images_likelier():
    text = 20 * X @ np.stack(list(TEXT.values())).T
    trained = train_keys(X, CODES, WEIGHT, text, alpha=2.0, beta=4.0)
    assert left_out_loss(trained, 2.0, 4.0) < left_out_loss(X, 2.0, 4.0) - 0.01
    assert np.linalg.norm(trained - X, axis=1).mean() < 3 * _affinity.REACH


def test_the_gradient_of_training_is_that_of_its_loss(monkeypatch):
    seen = {}

    def look(loss, start, **options):
        seen["loss"], seen["start"] = loss, start
        return type("Found", (), {"x": start})

    monkeypatch.setattr(_affinity, "minimize", look)
    text = 20 * X @ np.stack(list(TEXT.values())).T
    train_keys(X, CODES, WEIGHT, text, alpha=2.0, beta=4.0)
    at = seen["start"] + 0.05 * np.random.default_rng(0).standard_normal(seen["start"].shape)
    error = check_grad(lambda x: seen["loss"](x)[0], lambda x: seen["loss"](x)[1], at)
    assert error < 1e-5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(dtype):
    rows = X.astype(dtype)
    assert affinities(rows, rows, CODES, WEIGHT, 4, 1.0).dtype == dtype
    trained = train_keys(rows, CODES, WEIGHT, np.zeros((len(X), 4)), alpha=1.0, beta=1.0)
    assert trained.dtype == dtype
