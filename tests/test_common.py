"""scikit-learn's own checks on every estimator; all that apply to it pass."""

import inspect
import pickle
import sys
from email.message import Message

import pytest
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skclip import NearestClassMean
from skclip._compat import _documentation
from tests._instances import ARGUMENTS, instances, public_estimators

# scikit-learn has checks for estimators of tables of numbers only
OF_TABLES = [e for e in instances() if get_tags(e).input_tags.two_d_array]


# they give one label per image; tests/heads/test_multi_label.py has the same for several
OF_ONE_LABEL = dict.fromkeys(
    [
        "check_estimators_dtypes",
        "check_classifier_data_not_an_array",
        "check_classifiers_classes",
        "check_classifiers_train",
        "check_classifiers_regression_target",
        "check_decision_proba_consistency",
        "check_classifier_not_supporting_multiclass",
        "check_fit2d_1feature",
        "check_sample_weights_pandas_series",
        "check_sample_weights_not_an_array",
        "check_sample_weights_shape",
        "check_sample_weights_not_overwritten",
    ],
    "one label per image",
)


def not_applicable(estimator):
    return OF_ONE_LABEL if not get_tags(estimator).target_tags.single_output else {}


def type_name(estimator):
    return type(estimator).__name__


def test_every_public_estimator_is_checked():
    assert set(ARGUMENTS) == public_estimators()


# without a text head, which no check can give, some say that class means stand in for it
@pytest.mark.filterwarnings("ignore::skclip.exceptions.NoEvidenceWarning")
@parametrize_with_checks(OF_TABLES, expected_failed_checks=not_applicable)
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


@pytest.mark.parametrize("estimator", [cls(**args[0]) for cls, args in ARGUMENTS.items()])
def test_html_links_to_the_documentation(estimator, monkeypatch):
    monkeypatch.setattr("skclip._compat._documentation", lambda: "")
    assert "generated/" not in estimator._repr_html_()
    monkeypatch.setattr("skclip._compat._documentation", lambda: "https://docs.test/skclip")
    link = estimator._get_doc_link()
    assert f'href="{link}"' in estimator._repr_html_()
    name = link.removeprefix("https://docs.test/skclip/generated/").removesuffix(".html")
    package, _, kind = name.rpartition(".")
    assert kind in sys.modules[package].__all__
    assert getattr(sys.modules[package], kind) is type(estimator)


def test_subclasses_of_others_have_no_link(monkeypatch):
    monkeypatch.setattr("skclip._compat._documentation", lambda: "https://docs.test/skclip")
    kind = type("Mine", (NearestClassMean,), {})
    assert kind()._get_doc_link() == ""


def test_address_of_the_documentation_is_that_of_the_package(monkeypatch):
    package = Message()
    package["Project-URL"] = "Source, https://source.test"
    package["Project-URL"] = "Documentation, https://docs.test/skclip/"
    monkeypatch.setattr("skclip._compat.metadata", lambda name: package)
    assert inspect.unwrap(_documentation)() == "https://docs.test/skclip"
