"""What is measured of a fitted head on test images."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip._array_api import to_numpy
from skclip.metrics import reliability_curve

__all__ = ["Measured", "measure"]

N_BINS = 15
# Probabilities below count as this one.
LEAST_PROBABILITY = 1e-12


class Measured(NamedTuple):
    """Correctness of each test image, mean log loss and calibration error.

    The last two are NaN if the head gives no probabilities, or does not know all classes of the
    test images.
    """

    right: NDArray[np.bool_]
    nll: float
    ece: float


def measure(head: Any, X: NDArray[Any], y: NDArray[Any]) -> Measured:
    """Measure a fitted head on test images.

    Parameters
    ----------
    head : classifier
        Fitted. Without ``predict_proba`` log loss and calibration error are NaN.

    X : ndarray of shape (n_test, n_features)
        Test embeddings.

    y : ndarray of shape (n_test,)
        Their labels.

    Returns
    -------
    measured : Measured
        One truth value per image, and two numbers.
    """
    right = to_numpy(head.predict(X)) == y
    if not hasattr(head, "predict_proba"):
        return Measured(right, np.nan, np.nan)
    proba, nll = to_numpy(head.predict_proba(X)).astype(np.float64), np.nan
    at = {label: code for code, label in enumerate(to_numpy(head.classes_).tolist())}
    codes = np.array([at.get(label, -1) for label in y.tolist()])
    if (codes >= 0).all():
        own = proba[np.arange(len(y)), codes]
        nll = -float(np.log(np.maximum(own, LEAST_PROBABILITY)).mean())
    curve = reliability_curve(right, proba.max(axis=1), n_bins=N_BINS)
    return Measured(right, nll, curve.calibration_error)
