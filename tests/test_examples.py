import runpy
import warnings
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("plot_*.py"))


@pytest.fixture(autouse=True)
def figures(tmp_path, monkeypatch):
    """Draw into memory; whatever is written goes to a temporary folder."""
    matplotlib = pytest.importorskip("matplotlib", reason="needs the extra `plot`")
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    yield
    from matplotlib import pyplot

    pyplot.close("all")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(example):
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # an example may show a warning
        runpy.run_path(str(example), run_name="__main__")
