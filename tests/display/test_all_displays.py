"""What all displays have in common: scikit-learn's contract, and names as they are."""

import subprocess
import sys

import numpy as np
import pytest

from skclip import display
from skclip.display import (
    AccuracyOverShotsDisplay,
    ClassSimilarityDisplay,
    ComparisonDisplay,
    LeftOutMarginsDisplay,
    MixingWeightsDisplay,
    NeuralCollapseDisplay,
    PoolCompositionDisplay,
    PoolDisplay,
    ProxyCountDisplay,
    ReliabilityDisplay,
    TrainingCurvesDisplay,
)
from skclip.metrics import reliability_curve

NAME = "Ba$$in $x_1$"
CURVES = [[0.5, 0.6], [0.7, 0.8]]
MAKERS = {
    "AccuracyOverShotsDisplay": lambda: AccuracyOverShotsDisplay(
        shots=[1, 2], scores={NAME: CURVES}, baseline=0.4
    ),
    "ClassSimilarityDisplay": lambda: ClassSimilarityDisplay(
        names=[NAME, "b"], text=np.eye(2), image=np.eye(2)
    ),
    "ComparisonDisplay": lambda: ComparisonDisplay(
        shots=["1", "2"], accuracy={NAME: np.array([[60.0, 4.0], [70.0, 2.0]])}
    ),
    "LeftOutMarginsDisplay": lambda: LeftOutMarginsDisplay(margins=[0.1, -0.1], name=NAME),
    "MixingWeightsDisplay": lambda: MixingWeightsDisplay(shots=[1, 2], weights={NAME: CURVES}),
    "NeuralCollapseDisplay": lambda: NeuralCollapseDisplay(collapse={NAME: 0.5}, best_k={NAME: 2}),
    "PoolCompositionDisplay": lambda: PoolCompositionDisplay(names=[NAME], counts={"kept": [3]}),
    "PoolDisplay": lambda: PoolDisplay(thumbnails={NAME: np.zeros((1, 8, 8, 3), np.uint8)}),
    "ProxyCountDisplay": lambda: ProxyCountDisplay(k_values=[1, 2], scores=CURVES, name=NAME),
    "ReliabilityDisplay": lambda: ReliabilityDisplay(
        curve=reliability_curve([True, False], [0.9, 0.6]), name=NAME
    ),
    "TrainingCurvesDisplay": lambda: TrainingCurvesDisplay(
        log=[{"step": n, "loss": 2.0, "clip": 2.0, "nn": 1.0} for n in (1, 2)], name=NAME
    ),
}


def test_all_are_here():
    assert sorted(MAKERS) == display.__all__


@pytest.mark.parametrize("name", MAKERS)
def test_plot_returns_itself_with_axes_and_figure(name, pyplot):
    one = MAKERS[name]()
    assert one.plot() is one
    assert one.figure_ is one.ax_.figure


@pytest.mark.parametrize("name", sorted(set(MAKERS) - {"TrainingCurvesDisplay"}))
def test_plot_draws_on_given_axes(name, pyplot):
    _, axes = pyplot.subplots()
    assert MAKERS[name]().plot(ax=axes).ax_ is axes
    assert axes.has_data()


@pytest.mark.parametrize("name", MAKERS)
def test_names_are_no_formulas(name, pyplot):
    figure = MAKERS[name]().plot().figure_
    figure.canvas.draw()
    texts = figure.findobj(match=lambda artist: hasattr(artist, "get_parse_math"))
    shown = [text for text in texts if NAME in text.get_text() and text.get_visible()]
    assert shown
    assert not any(text.get_parse_math() for text in shown)


def test_matplotlib_is_not_imported_before_it_is_used():
    code = "import sys, skclip.display, skclip.report; assert 'matplotlib' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_matplotlib_one_line_says_how_to_get_it(monkeypatch):
    for name in ("matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError) as error:
        NeuralCollapseDisplay(collapse={}, best_k={}).plot()
    assert str(error.value) == (
        "NeuralCollapseDisplay.plot needs matplotlib: pip install 'skclip[plot]'."
    )
