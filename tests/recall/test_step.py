"""One half of an estimator at a time."""

import pytest

from skclip.recall._step import available_as


class Both:
    def __init__(self, step):
        self.step = step

    @available_as("transform")
    def transform(self, X):
        return X

    @available_as("resample")
    def fit_resample(self, X, y):
        return X, y


@pytest.mark.parametrize(
    ("step", "shown", "hidden"),
    [("transform", "transform", "fit_resample"), ("resample", "fit_resample", "transform")],
)
def test_only_the_named_half_is_there(step, shown, hidden):
    both = Both(step)
    assert hasattr(both, shown)
    assert not hasattr(both, hidden)


def test_the_error_says_how_to_show_the_other_half():
    with pytest.raises(AttributeError, match="no attribute 'fit_resample'") as caught:
        _ = Both("transform").fit_resample
    assert "set step='resample' to use it as a sampler" in str(caught.value.__cause__)
