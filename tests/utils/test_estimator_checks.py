"""The public checks: ours pass, a third party's passes, and each defect is found by its check."""

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer

from skclip import CLIPEmbedder
from skclip.utils.estimator_checks import (
    check_item_estimator,
    parametrize_with_item_checks,
    yield_item_checks,
)


class MeanColour(TransformerMixin, BaseEstimator):
    """As somebody else would write it: the mean colour of images from files or arrays."""

    def __init__(self, batch_size=4):
        self.batch_size = batch_size

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        if isinstance(X, str) or len(X) == 0:
            raise ValueError("expected a column of images, got one string or an empty column")
        return np.array([np.asarray(self.open(image)).mean(axis=(0, 1)) for image in X])

    def open(self, image):
        if isinstance(image, np.ndarray):
            return image
        try:
            return Image.open(image).convert("RGB")
        except OSError as error:
            raise OSError(f"{image}: {error}") from error

    def get_feature_names_out(self, input_features=None):
        return np.array(["red", "green", "blue"], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


TFIDF = {"check_output_as_data_frames": "its sparse output has no set_output"}


@parametrize_with_item_checks(
    [
        (CLIPEmbedder("skclip-tiny", device="cpu", batch_size=4), "image"),
        (CLIPEmbedder("skclip-tiny", device="cpu", modality="text"), "text"),
        (CLIPEmbedder("skclip-tiny", device="cpu", modality="text", dtype="bfloat16"), "text"),
        (MeanColour(), "image"),
        (TfidfVectorizer(), "text"),
    ],
    expected_failed_checks=lambda e: TFIDF if isinstance(e, TfidfVectorizer) else {},
)
def test_ours_and_others(estimator, check):
    check(estimator)


def broken(method, check):
    """Return a class with one defect, and the check that must find it."""
    return pytest.param(type("Broken", (MeanColour,), {method.__name__: method}), check, id=check)


def fit(self, X, y=None):
    return MeanColour()


def fit_sets_parameter(self, X, y=None):
    self.batch_size = 99
    return self


fit_sets_parameter.__name__ = "fit"


def transform_needing_fit(self, X):
    raise AttributeError("mean_")


transform_needing_fit.__name__ = "transform"


def make_transform(change):
    def transform(self, X):
        return change(self, X, MeanColour.transform)

    return transform


def drop_index(self, X, transform):
    return transform(self, [X[i] for i in range(len(X))])  # a Series has no row 0


def centre(self, X, transform):
    rows = transform(self, X)
    return rows - rows.mean(axis=0)


def per_batch(self, X, transform):
    return transform(self, X) + self.batch_size


def accept_empty(self, X, transform):
    return np.empty((0, 3)) if len(X) == 0 else transform(self, X)


def letters(self, X, transform):
    return transform(self, [X] if isinstance(X, str) else X)


def integers(self, X, transform):
    return transform(self, X).astype(int)


def hide_name(self, X, transform):
    try:
        return transform(self, X)
    except OSError:
        raise ValueError("some image is broken") from None


def strings_only(self, X, transform):
    return transform(self, [image if isinstance(image, np.ndarray) else image + "" for image in X])


def write_into(self, X, transform):
    for image in X:
        if isinstance(image, np.ndarray):
            image[0] = 0
    return transform(self, X)


def remember(self, X, transform):
    self.last_ = len(X)
    return transform(self, X)


def getstate(self):
    return {"batch_size": self.batch_size, "weights": bytes(2_000_000)}


getstate.__name__ = "__getstate__"


def get_feature_names_out(self, input_features=None):
    return np.array(["colour"], dtype=object)


@pytest.mark.parametrize(
    ("broken_class", "check"),
    [
        broken(fit, "check_fit_returns_self"),
        broken(fit_sets_parameter, "check_nothing_is_changed"),
        broken(make_transform(remember), "check_nothing_is_changed"),
        broken(transform_needing_fit, "check_transform_without_fit"),
        broken(make_transform(drop_index), "check_containers"),
        broken(make_transform(strings_only), "check_image_paths"),
        broken(make_transform(write_into), "check_read_only_image_pixels"),
        broken(make_transform(hide_name), "check_unreadable_image_is_named"),
        broken(make_transform(centre), "check_order_and_subset"),
        broken(make_transform(per_batch), "check_batch_size"),
        broken(make_transform(accept_empty), "check_empty_input_is_refused"),
        broken(make_transform(letters), "check_a_single_item_is_no_column"),
        broken(make_transform(integers), "check_output_is_floating"),
        broken(get_feature_names_out, "check_output_as_data_frames"),
        broken(getstate, "check_pickle"),
    ],
)
def test_every_defect_is_found_by_its_check(broken_class, check, monkeypatch):
    pytest.importorskip("pandas")
    broken_class.__module__, broken_class.__qualname__ = __name__, "Broken"
    monkeypatch.setitem(globals(), "Broken", broken_class)
    results = check_item_estimator(broken_class(), "image", on_fail=None)
    assert check in {r["check_name"] for r in results if r["status"] == "failed"}


def test_every_check_of_its_own_is_tested_above():
    tested = {p.id for p in test_every_defect_is_found_by_its_check.pytestmark[0].args[1]}
    own = {name for name, _ in yield_item_checks("image") if "_item_checks" in _.__module__}
    assert own <= tested


def test_construction_is_checked_by_scikit_learns_own_suite():
    class Eager(MeanColour):
        def __init__(self, batch_size=4):
            self.batch_size = batch_size
            self.model = object()

    results = check_item_estimator(Eager(), "image", on_fail=None)
    failed = {r["check_name"] for r in results if r["status"] == "failed"}
    assert "check_no_attributes_set_in_init" in failed


def test_results_and_expected_failures():
    with pytest.raises(AttributeError, match="set_output"):
        check_item_estimator(TfidfVectorizer(), "text")
    results = check_item_estimator(TfidfVectorizer(), "text", expected_failed_checks=TFIDF)
    by_status = {r["check_name"]: r["status"] for r in results}
    assert by_status["check_output_as_data_frames"] == "xfail"
    assert by_status["check_batch_size"] == "skipped"
    assert by_status["check_pickle"] == "passed"
    assert "check_image_paths" not in by_status
