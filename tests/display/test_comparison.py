import numpy as np
import pytest
from numpy.testing import assert_allclose

from skclip.display import ComparisonDisplay
from skclip.evaluation import LEFT_OUT, ORACLE, HeadComparison
from skclip.evaluation._comparison import Run


@pytest.fixture(scope="module")
def comparison():
    rng = np.random.default_rng(0)
    runs = tuple(
        Run(head, choice, shots, seed, rng.random(50) < 0.5)
        for head, choice in [("$a$", LEFT_OUT), ("b", LEFT_OUT), ("b", ORACLE)]
        for shots in ("1", "0/1/15")
        for seed in range(3)
    )
    return HeadComparison(runs, {"shots": ["1", "0/1/15"], "seeds": [0, 1, 2]}, {})


def test_lines_are_the_means_and_bands_the_deviations(comparison, pyplot):
    display = ComparisonDisplay.from_comparison(comparison).plot()
    assert list(display.lines_) == ["$a$", f"b, {LEFT_OUT}", f"b, {ORACLE}"]
    expected = [row.accuracy for row in comparison.summary() if row.head == "$a$"]
    assert_allclose(display.lines_["$a$"].get_ydata(), expected)
    assert [tick.get_text() for tick in display.ax_.get_xticklabels()] == ["1", "0/1/15"]
    display.figure_.canvas.draw()


def test_oracles_are_dotted_and_named(comparison, pyplot):
    display = ComparisonDisplay.from_comparison(comparison, heads=["b"]).plot()
    styles = {name: line.get_linestyle() for name, line in display.lines_.items()}
    assert styles == {f"b, {LEFT_OUT}": "-", f"b, {ORACLE}": ":"}


def test_an_unknown_head_is_refused(comparison):
    with pytest.raises(ValueError, match="heads holds 'c', which was not compared"):
        ComparisonDisplay.from_comparison(comparison, heads=["c"])


def test_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"accuracy of 'a' has shape \(1, 2\) for 2 shots"):
        ComparisonDisplay(shots=["1", "2"], accuracy={"a": np.zeros((1, 2))})
