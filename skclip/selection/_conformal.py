"""Sets of classes that hold the right one with a stated confidence."""

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from skclip._array_api import to_numpy
from skclip._compat import HasMethods, Interval, StrOptions, fit_context
from skclip._linalg import nonzero_rows
from skclip._validation import check_labelled_embeddings, encode_known, encode_labels
from skclip.selection._left_out import is_frozen, least_score, left_out
from skclip.selection._wrapped_head import WrappedHead

__all__ = ["ConformalHead"]

Array = NDArray[np.float64]


class ConformalHead(WrappedHead):
    r"""Predict sets of classes that hold the right one with a stated confidence.

    .. math:: C(x) = \{c : p_c(x) \ge \tau\}

    with the threshold at which so many labelled images, none seen by its head, have their own class
    in the set. Sets are small where the head is sure.

    Parameters
    ----------
    head : classifier
        With ``predict_proba``. One that was frozen has to be fitted on other images: then all
        rows given to ``fit`` calibrate.

    confidence : float, default=0.9
        How often the right class has to be in the set.

    calibration : "left_out" or float, default="left_out"
        - ``"left_out"``: every image is scored by a head fitted without a fifth of the images. No
          image is lost for the head. The confidence is kept approximately;
        - a number in (0, 1): this part of the images calibrates and is not fitted. The confidence
          is guaranteed, on average over draws of images like those that were labelled.

    random_state : int, RandomState or None, default=None
        Which images calibrate, if a part of them.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    head_ : classifier
        The fitted head.

    threshold_ : float
        Least probability of a class in a set.

    n_calibration_ : int
        Images that the threshold comes from.

    is_guaranteed_ : bool
        Whether none of them was fitted.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    OpenSetClassifier : Images of no class.

    Notes
    -----
    The confidence is that of all images together: it is larger for easy classes and smaller for
    hard ones. It holds for images like the labelled ones; an image of no class has a set as well.

    References
    ----------
    .. [1] Sadinle et al., "Least Ambiguous Set-Valued Classifiers With Bounded Error Levels",
       Journal of the American Statistical Association 114 (2019).

    Examples
    --------
    >>> from skclip import StackedHeadClassifier
    >>> from skclip.selection import ConformalHead
    >>> text = {"cat": [1.0, 0.0, 0.2], "dog": [0.0, 1.0, 0.2]}
    >>> X = [[0.9, 0.1, 0.3], [0.8, 0.3, 0.1], [0.3, 0.8, 0.2], [0.1, 0.9, 0.4]]
    >>> head = ConformalHead(StackedHeadClassifier(text, logit_scale=5.0), confidence=0.8)
    >>> head = head.fit(X, ["cat", "cat", "dog", "dog"])
    >>> head.predict_set([[0.9, 0.2, 0.1], [0.5, 0.5, 0.1]])
    array([[ True, False],
           [ True, False]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "head": [HasMethods(["fit", "predict"])],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "calibration": [StrOptions({"left_out"}), Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        head: Any,
        *,
        confidence: float = 0.9,
        calibration: str | float = "left_out",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.head = head
        self.confidence = confidence
        self.calibration = calibration
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit the head, and the threshold on images that it has not seen.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings of labelled images; zero rows do not calibrate.

        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        self : ConformalHead
            The fitted classifier.

        Raises
        ------
        ValueError
            If the head has no ``predict_proba``, or no image is left to calibrate with.

        Warns
        -----
        NoEvidenceWarning
            If the images are too few for the confidence: every set then holds all classes.
        """
        if not hasattr(self.head, "predict_proba"):
            raise ValueError(
                f"ConformalHead needs a head with predict_proba, got {self.head!r}: wrap it in "
                "CalibratedClassifierCV."
            )
        X, y = check_labelled_embeddings(self, X, y)
        codes = encode_labels(y)[1]
        rows, labels = to_numpy(X), to_numpy(y)
        known, calibrating = np.arange(len(rows)), np.arange(len(rows))
        if self.calibration != "left_out" and not is_frozen(self.head):
            known, calibrating = self._split(codes)
        self.is_guaranteed_ = self.calibration != "left_out" or is_frozen(self.head)
        self.head_ = clone(self.head).fit(rows[known], labels[known])
        self.classes_ = to_numpy(self.head_.classes_)
        calibrating = calibrating[nonzero_rows(rows[calibrating])]
        if self.is_guaranteed_:
            own = self._own_proba(self.head_, rows[calibrating], labels[calibrating])
        else:
            proba, told = left_out(self.head, rows[calibrating], labels[calibrating], self._tell)
            own = proba[np.arange(len(told)), self._codes(labels[calibrating][told])]
        self.n_calibration_ = len(own)
        self.threshold_ = max(
            0.0, least_score(own, 1 - self.confidence, "every set holds all classes")
        )
        return self

    def predict_set(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Predict which classes may be right.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        sets : ndarray of shape (n_samples, n_classes) of bool
            Columns follow ``classes_``. The likeliest class is always in the set.
        """
        proba = to_numpy(self.predict_proba(X))
        sets: NDArray[np.bool_] = proba >= self.threshold_
        sets[np.arange(len(proba)), proba.argmax(axis=1)] = True
        return sets

    def _split(self, codes: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return rows to fit and rows to calibrate, every class in both where that is possible."""
        counts = np.bincount(codes)
        can_stratify = counts.min() > 1 and len(counts) <= len(codes) * min(
            float(self.calibration), 1 - float(self.calibration)
        )
        known, calibrating = train_test_split(
            np.arange(len(codes)),
            test_size=float(self.calibration),
            stratify=codes if can_stratify else None,
            random_state=self.random_state,
        )
        return known, calibrating

    def _tell(self, head: Any, X: Any, y: Any, X_new: NDArray[Any]) -> Array:
        """Return probabilities over all classes, zero for those that a fold does not know."""
        proba = np.zeros((len(X_new), len(self.classes_)))
        proba[:, self._codes(head.classes_)] = to_numpy(head.predict_proba(X_new))
        return proba

    def _own_proba(self, head: Any, X: NDArray[Any], y: NDArray[Any]) -> Array:
        """Return the probability of each row's own class, zero where the head does not know it."""
        own, known = np.zeros(len(y)), np.isin(y, self.classes_)
        proba = self._tell(head, None, None, X[known]) if known.any() else np.zeros((0, 1))
        own[known] = proba[np.arange(len(proba)), self._codes(y[known])]
        return own

    def _codes(self, labels: Any) -> NDArray[np.int32]:
        return encode_known(to_numpy(labels), self.classes_)
