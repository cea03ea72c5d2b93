"""matplotlib without windows."""

import pytest


@pytest.fixture
def pyplot():
    pytest.importorskip("matplotlib", reason="needs the extra `plot`")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")
