import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skclip.display import ProxyCountDisplay
from skclip.heads import MultiProxyImprinter

SCORES = {1: [0.5, 0.6], 2: [0.8, 0.9], 5: [0.9, 0.8], 10: [0.7, 0.7]}


@pytest.fixture(scope="module")
def digits():
    return load_digits(n_class=3, return_X_y=True)


def test_scores_are_those_of_cross_validation(digits):
    imprinter = MultiProxyImprinter(random_state=0)
    display = ProxyCountDisplay.from_estimator(imprinter, *digits, k_values=[1, 3], cv=3)
    for k, scores in zip([1, 3], display.scores, strict=True):
        expected = cross_val_score(MultiProxyImprinter(k=k, random_state=0), *digits, cv=3)
        np.testing.assert_allclose(scores, expected)


def test_number_inside_a_pipeline(digits):
    pipeline = make_pipeline(Normalizer(), MultiProxyImprinter(random_state=0))
    display = ProxyCountDisplay.from_estimator(
        pipeline, *digits, k_values=[1, 2], param_name="multiproxyimprinter__k", cv=2
    )
    assert display.scores.shape == (2, 2)


def test_an_imprinter_chooses_no_more_proxies_than_the_best_of_its_scores(digits):
    imprinter = MultiProxyImprinter(k="auto", random_state=0).fit(*digits)
    scores = imprinter.k_scores_
    best = ProxyCountDisplay.from_scores(scores).best_k
    # the smallest number within one standard error of the best
    short = scores[best] - scores[imprinter.k_]
    assert imprinter.k_ <= best
    assert short.mean() <= short.std(ddof=1) / np.sqrt(len(short))


def test_best_is_the_smallest_of_equals():
    assert ProxyCountDisplay.from_scores(SCORES).best_k == 2


def test_scores_must_match_the_numbers():
    with pytest.raises(ValueError, match=r"shape \(3, 1\) but there are 2 k_values"):
        ProxyCountDisplay(k_values=[1, 2], scores=[[1.0], [2.0], [3.0]])


def test_plot_sets_artists_and_returns_itself(pyplot):
    display = ProxyCountDisplay.from_scores(SCORES, name="mine")
    assert display.plot() is display
    np.testing.assert_allclose(display.line_.get_ydata(), [0.55, 0.85, 0.85, 0.7])
    assert display.best_.get_xdata().tolist() == [2]
    assert display.ax_.get_xlabel() == "Proxies per class (k)"
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["mine"]


def test_curves_share_axes(pyplot):
    first = ProxyCountDisplay.from_scores(SCORES).plot()
    second = ProxyCountDisplay.from_scores(SCORES).plot(ax=first.ax_, linestyle="--")
    assert second.figure_ is first.figure_
    assert second.line_.get_linestyle() == "--"
    assert first.ax_.get_legend() is None


def test_without_matplotlib_one_line_says_how_to_get_it(monkeypatch):
    for name in ("matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError) as error:
        ProxyCountDisplay.from_scores({1: [0.5]}).plot()
    assert str(error.value) == (
        "ProxyCountDisplay.plot needs matplotlib: pip install 'skclip[plot]'."
    )


def test_names_are_no_formulas(pyplot):
    display = ProxyCountDisplay(
        k_values=list(SCORES),
        scores=np.array(list(SCORES.values())),
        name="Ba$$in",
        score_name="$$",
    ).plot()
    display.figure_.canvas.draw()
    assert display.ax_.get_legend().get_texts()[0].get_text() == "Ba$$in"
