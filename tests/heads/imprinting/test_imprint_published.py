"""The rows of the published comparison, and its two findings: modes and neural collapse."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skclip.heads import MultiProxyImprinter
from skclip.metrics import neural_collapse_score

RAW = {"normalize_inputs": None, "normalize_proxies": None, "normalize_queries": None}
QI = MultiProxyImprinter("mean")
HOSODA = MultiProxyImprinter("mean", **{**RAW, "normalize_proxies": "quantile"})
HOSODA_IN_ORDER = MultiProxyImprinter("mean", **{**RAW, "normalize_proxies": "quantile_in_order"})
JANSON = MultiProxyImprinter("mean", metric="euclidean", **RAW)
BEST = MultiProxyImprinter("kmeans", k=20, random_state=0)
LEAST_SQUARES = MultiProxyImprinter("least_squares", **RAW)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)


@pytest.mark.parametrize(
    ("imprinter", "accuracy"),
    [
        pytest.param(QI, 0.9019, id="Qi"),
        pytest.param(HOSODA, 0.9000, id="Hosoda"),
        pytest.param(HOSODA_IN_ORDER, 0.8981, id="Hosoda in order"),
        pytest.param(JANSON, 0.9037, id="Janson"),
        pytest.param(BEST, 0.9815, id="best"),
        pytest.param(LEAST_SQUARES, 0.9426, id="least squares"),
    ],
)
def test_rows_on_digits(digits, imprinter, accuracy):
    X, X_test, y, y_test = digits
    # two of 540 rows: other BLAS libraries may round a close call the other way
    assert imprinter.fit(X, y).score(X_test, y_test) == pytest.approx(accuracy, abs=0.004)


@pytest.mark.parametrize(
    ("imprinter", "accuracy"),
    [
        pytest.param(QI, 0.8185, id="Qi"),
        pytest.param(HOSODA, 0.8245, id="Hosoda"),
        pytest.param(JANSON, 0.8160, id="Janson"),
        pytest.param(BEST, 0.8370, id="best"),
    ],
)
def test_rows_on_real_features(shared_data, imprinter, accuracy):
    with np.load(shared_data / "cifar10_resnet50.npz") as data:
        X, y, test = data["feats"], data["y"], data["test"]
    score = imprinter.fit(X[~test], y[~test]).score(X[test], y[test])
    assert score == pytest.approx(accuracy, abs=0.005)


def draw_mixtures(n_modes, seed, n_rows):
    """Five classes of ``n_modes`` modes each: labels merged from that many classes."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((5 * n_modes, 32))
    centers *= 3.5 / np.linalg.norm(centers, axis=1, keepdims=True)
    y = np.repeat(np.arange(5), n_rows)
    mode = n_modes * y + np.tile(np.arange(n_rows) % n_modes, 5)
    return centers[mode] + rng.standard_normal((len(y), 32)), y


@pytest.mark.parametrize("n_modes", [1, 2, 3, 5, 7])
def test_accuracy_peaks_at_the_number_of_modes(n_modes):
    train = np.tile(np.arange(800) < 400, 5)
    tried = range(max(1, n_modes - 2), n_modes + 4)
    scores = np.zeros((len(tried), 3))
    for seed in range(3):
        X, y = draw_mixtures(n_modes, seed, 800)
        for i, k in enumerate(tried):
            imprinter = MultiProxyImprinter(k=k, random_state=0).fit(X[train], y[train])
            scores[i, seed] = imprinter.score(X[~train], y[~train])
    assert tried[scores.mean(axis=1).argmax()] == n_modes


def test_gain_of_several_proxies_grows_with_the_neural_collapse_score():
    gains, scores = [], []
    for n_modes in (1, 2, 3, 4):
        X, y = draw_mixtures(n_modes, 0, 200)
        one, some = (
            MultiProxyImprinter(k=k, random_state=0).fit(X, y).score(X, y) for k in (1, n_modes)
        )
        gains.append(some - one)
        scores.append(neural_collapse_score(X, y))
    assert scores == sorted(scores)
    assert gains == sorted(gains)
