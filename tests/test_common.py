"""scikit-learn's own checks on every estimator; none is expected to fail."""

import pickle

import pytest
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests._instances import ARGUMENTS, instances, public_estimators

# scikit-learn has checks for estimators of tables of numbers only
OF_TABLES = [e for e in instances() if get_tags(e).input_tags.two_d_array]


def type_name(estimator):
    return type(estimator).__name__


def test_every_public_estimator_is_checked():
    assert set(ARGUMENTS) == public_estimators()


# without a text head, which no check can give, some say that class means stand in for it
@pytest.mark.filterwarnings("ignore::skclip.exceptions.NoEvidenceWarning")
@parametrize_with_checks(OF_TABLES)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", instances(), ids=type_name)
def test_clone_has_the_same_parameters(estimator):
    assert repr(clone(estimator)) == repr(estimator)


@pytest.mark.parametrize("estimator", instances(), ids=type_name)
def test_pickle_is_small(estimator):
    assert len(pickle.dumps(estimator)) < 100_000


@pytest.mark.parametrize("estimator", instances(), ids=type_name)
def test_html_shows_the_parameters(estimator):
    assert type(estimator).__name__ in estimator._repr_html_()
