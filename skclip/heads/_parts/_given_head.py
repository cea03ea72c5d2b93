"""A given classifier as a part: by its name if left-out scores have a closed form, else fitted."""

from typing import Any

from numpy.typing import NDArray

from skclip._array_api import to_numpy
from skclip._validation import encode_known
from skclip.heads._class_mean import NearestClassMean
from skclip.heads._discriminant import GaussianDiscriminantClassifier
from skclip.heads._parts._distinct_images import Images
from skclip.heads._parts._outside_head import FittedHead, fit_on
from skclip.heads._parts._weighed import DISCRIMINANT, MEANS

__all__ = ["in_closed_form", "part_of"]


def part_of(
    head: Any,
    images: Images,
    classes: NDArray[Any],
    *,
    fitted: Any = None,
    must_weigh: bool = False,
) -> str | FittedHead:
    """Return the name of a part with left-out scores in closed form, or the fitted head."""
    if (name := in_closed_form(head)) is not None:
        return name
    if not hasattr(head, "decision_function") and not hasattr(head, "predict_proba"):
        raise ValueError(
            f"A head needs decision_function or predict_proba, got {head!r}: wrap it in "
            "CalibratedClassifierCV, or leave it out."
        )
    if fitted is None:
        X, codes, weight = images
        fitted = fit_on(head, X, classes[codes], weight, must_weigh=must_weigh)
    codes = encode_known(to_numpy(fitted.classes_), classes, source=f"The head {head!r}")
    return FittedHead(head, fitted, codes)


def in_closed_form(head: Any) -> str | None:
    """Return the name of a part with left-out scores in closed form; None for other heads."""
    if type(head) is NearestClassMean and head.metric == "cosine" and head.zero_shot is None:
        return MEANS
    if type(head) is GaussianDiscriminantClassifier and (
        head.ridge == "feature" and head.priors is None and head.zero_shot is None
    ):
        return DISCRIMINANT
    return None
