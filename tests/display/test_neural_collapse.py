import pytest
from sklearn.datasets import load_digits

from skclip import MultiProxyImprinter
from skclip.display import NeuralCollapseDisplay, ProxyCountDisplay
from skclip.metrics import neural_collapse_score


def test_points_are_score_and_best_number():
    X, y = load_digits(n_class=3, return_X_y=True)
    X, y = X[:120], y[:120]
    imprinter = MultiProxyImprinter(random_state=0)
    display = NeuralCollapseDisplay.from_estimator(
        imprinter, {"digits": (X, y)}, k_values=[1, 2], cv=2
    )
    assert display.collapse == {"digits": neural_collapse_score(X, y)}
    best = ProxyCountDisplay.from_estimator(imprinter, X, y, k_values=[1, 2], cv=2).best_k
    assert display.best_k == {"digits": best}


def test_both_must_be_of_the_same_data():
    with pytest.raises(ValueError, match="give both of the same data sets"):
        NeuralCollapseDisplay(collapse={"a": 0.1}, best_k={"b": 1})
