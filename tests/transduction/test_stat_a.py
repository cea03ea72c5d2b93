import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm

from skclip._linalg import softmax, unit_rows
from skclip.transduction import _stat_a
from skclip.transduction._neighbor_graph import neighbor_graph
from skclip.transduction._stat_a import (
    ClassGaussians,
    adapt_gaussians,
    batch_weight,
    log_density,
    text_gaussians,
)


def unit(rng, *shape):
    return unit_rows(rng.normal(size=shape))


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return unit(rng, 30, 5), unit(rng, 4, 5)


def plain(X, text, posterior, W, labelled):
    """Write the formulas down as they stand, one row and one class at a time."""
    n, n_classes = posterior.shape
    k = max(1, int((W > 0).sum(axis=1).max(initial=0)))
    sigma0 = (
        sum(posterior[i, c] * (X[i] - text[c]) ** 2 for i in range(n) for c in range(n_classes))
        / posterior.sum()
    )
    mean = posterior.mean(axis=0)
    entropy = -sum(p * np.log(p) for p in posterior.ravel() if p > 0) / n
    of_mean = -sum(p * np.log(p) for p in mean)
    told_apart = n / np.exp(of_mean) * (1 - entropy / of_mean)
    w = told_apart / (told_apart + 8)
    z, mu, sigma = posterior.copy(), text.copy(), np.tile(sigma0, (n_classes, 1))
    for step in range(11):
        if step:
            counts = np.bincount(z.argmax(axis=1), minlength=n_classes)
            for c in range(n_classes):
                beta = counts[c] / (counts[c] + 1)
                mean = z[:, c] @ X
                mu[c] = beta * mean / np.linalg.norm(mean) + (1 - beta) * text[c]
                mu[c] /= np.linalg.norm(mu[c])
                within = z[:, c] @ (X - mu[c]) ** 2 / z[:, c].sum()
                sigma[c] = beta * within + (1 - beta) * (sigma0 + (text[c] - mu[c]) ** 2)
        likelihood = np.stack(
            [norm.logpdf(X, mu[c], np.sqrt(sigma[c])).sum(axis=1) for c in range(n_classes)], axis=1
        )
        for _ in range(5):
            vote = 50 / (2 * k) * (W @ z + W.T @ z)
            inner = w * (likelihood + vote) / 50
            new = posterior * np.exp(inner - inner.max(axis=1, keepdims=True))
            new /= new.sum(axis=1, keepdims=True)
            z = np.where(labelled[:, None], posterior, new)
    return z, mu, sigma


@pytest.mark.parametrize("n_labelled", [0, 6])
def test_equals_the_formulas(rows, n_labelled):
    X, text = rows
    posterior = softmax(5 * X @ text.T)
    labelled = np.arange(len(X)) < n_labelled
    posterior[labelled] = np.eye(4)[np.arange(n_labelled) % 4]
    graph = neighbor_graph(X, 3)
    z, mean, variance = plain(X, text, posterior, graph.toarray(), labelled)
    adapted = adapt_gaussians(X, text, posterior, graph, labelled)
    assert_allclose(adapted.posterior, z, atol=1e-5)
    assert_allclose(adapted.gaussians.mean, mean, atol=1e-5)
    assert_allclose(adapted.gaussians.variance, variance, rtol=1e-4)


@pytest.mark.parametrize("n", [1, 9])
def test_copies_of_one_image_weigh_nothing(n):
    assert batch_weight(np.tile([0.7, 0.2, 0.1], (n, 1))) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "posterior", [np.full((50, 2), 0.5), np.ones((50, 1)), np.tile([1.0, 0.0], (50, 1))]
)
def test_images_that_the_text_does_not_tell_apart_weigh_nothing(posterior):
    assert batch_weight(posterior) == pytest.approx(0, abs=1e-12)


def test_weight_of_a_batch_of_certain_classes_is_that_of_images_per_class():
    of_three = np.tile(np.eye(5)[:3], (4, 1))  # four images of each of three classes
    assert batch_weight(of_three) == pytest.approx(4 / (4 + 8))


@given(st.integers(0, 1000))
def test_more_of_the_same_images_weigh_more(seed):
    posterior = np.random.default_rng(seed).dirichlet([0.5] * 4, 6)
    once, twice = batch_weight(posterior), batch_weight(np.tile(posterior, (2, 1)))
    assert 0 <= once < twice < 1


def test_log_density_is_that_of_a_normal_distribution_but_for_a_constant(rows):
    X, text = rows
    variance = np.random.default_rng(1).uniform(0.1, 2, text.shape)
    expected = norm.logpdf(X[:, None], text, np.sqrt(variance)).sum(axis=2)
    difference = log_density(X, ClassGaussians(text, variance)) - expected
    assert_allclose(difference, difference[0, 0])


def test_one_variance_before_any_move(rows):
    X, text = rows
    gaussians = text_gaussians(X, text, softmax(X @ text.T))
    assert_allclose(gaussians.variance, np.tile(gaussians.variance[0], (4, 1)))


def test_blocks_change_nothing(rows, monkeypatch):
    X, text = rows
    arguments = X, text, softmax(5 * X @ text.T), neighbor_graph(X, 3), np.zeros(30, bool)
    whole = adapt_gaussians(*arguments)
    monkeypatch.setattr(
        _stat_a, "gen_row_blocks", lambda n, _: [slice(i, i + 7) for i in range(0, n, 7)]
    )
    assert_allclose(adapt_gaussians(*arguments).posterior, whole.posterior, atol=1e-10)


def test_constant_features_give_no_nan():
    X = np.ones((6, 3)) / np.sqrt(3)
    text = np.eye(3)[:2]
    adapted = adapt_gaussians(
        X, text, np.full((6, 2), 0.5), neighbor_graph(X, 3), np.zeros(6, dtype=bool)
    )
    assert np.isfinite(adapted.posterior).all()
    assert (adapted.gaussians.variance > 0).all()
