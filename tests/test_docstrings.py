"""What is public is documented: exactly its parameters, its fitted attributes, an example."""

import inspect
import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_blobs

import skclip
from tests._instances import instances

SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)
ENTRY = re.compile(r"^([*\w][*\w, ]*?) ?(?::.*)?$", re.MULTILINE)


def sections(doc: str) -> dict[str, str]:
    """Split a numpydoc docstring into its sections."""
    parts = SECTION.split(doc)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented(doc: str, section: str) -> list[str]:
    """Return the names that a section lists."""
    text = re.sub(r"\\\n *", "", sections(doc).get(section, ""))  # continued lines
    entries = ENTRY.findall(text)
    return [name.lstrip("*") for entry in entries for name in re.split(r", *", entry)]


def public_objects() -> dict[str, Any]:
    """Every class and function that a subpackage exports, errors and protocols aside."""
    found = {}
    for package in skclip._SUBPACKAGES:
        module = import_module(f"skclip.{package}")
        for name in module.__all__:
            thing = getattr(module, name)
            is_class = inspect.isclass(thing)
            if is_class and (issubclass(thing, Exception) or getattr(thing, "_is_protocol", False)):
                continue
            if is_class or inspect.isfunction(thing):
                found[f"{package}.{name}"] = thing
    return found


def public_methods() -> dict[str, Any]:
    """Every method that a public class defines or takes from another module of skclip."""
    return {
        f"{name}.{attribute}": method
        for name, cls in PUBLIC.items()
        if inspect.isclass(cls)
        for attribute in dir(cls)
        if not attribute.startswith("_")
        and callable(method := inspect.unwrap(_plain(inspect.getattr_static(cls, attribute))))
        and (getattr(method, "__module__", None) or "").startswith("skclip")
        and inspect.isfunction(method)
    }


def _plain(attribute: Any) -> Any:
    """Return the function behind a class method or a method that hides itself."""
    return getattr(attribute, "fn", getattr(attribute, "__func__", attribute))


def parameters_of(function: Any) -> list[str]:
    names = list(inspect.signature(function).parameters)
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


PUBLIC = public_objects()
METHODS = public_methods()


@pytest.mark.parametrize("name", PUBLIC)
def test_public_objects_document_exactly_their_parameters(name):
    thing = PUBLIC[name]
    if inspect.isclass(thing) and thing.__init__ is object.__init__:
        return
    doc = inspect.getdoc(thing) or ""
    assert documented(doc, "Parameters") == parameters_of(thing)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_objects_have_an_example(name):
    assert ">>> " in sections(inspect.getdoc(PUBLIC[name]) or "").get("Examples", "")


@pytest.mark.parametrize("name", METHODS)
def test_methods_document_exactly_their_parameters(name):
    doc = inspect.getdoc(METHODS[name])
    assert doc, "no docstring"
    assert documented(doc, "Parameters") == parameters_of(METHODS[name])


@pytest.mark.filterwarnings("ignore::skclip.exceptions.NoEvidenceWarning")
@pytest.mark.parametrize(
    "estimator",
    [e for e in instances() if e.__sklearn_tags__().input_tags.two_d_array],
    ids=lambda estimator: type(estimator).__name__,
)
def test_fitted_attributes_are_documented(estimator):
    X, y = make_blobs(30, centers=3, random_state=0)
    is_of_one_label = estimator.__sklearn_tags__().target_tags.single_output
    fitted = estimator.fit(X, np.array(["a", "b", "c"])[y] if is_of_one_label else np.eye(3)[y])
    learned = {
        name for name in vars(fitted) if name.endswith("_") and not name.startswith(("_", "__"))
    }
    assert learned <= set(documented(inspect.getdoc(estimator), "Attributes"))
