"""Several labels per image: text, labelled images and recalled images, one threshold per class."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import assert_all_finite, check_consistent_length

from skclip._array_api import dtype_name, like, to_numpy
from skclip._base import CosineLinearMixin
from skclip._compat import (
    ArrayAPIMixin,
    HasMethods,
    check_sample_weight,
    fit_context,
    get_namespace_and_device,
)
from skclip._linalg import nonzero_rows, sigmoid, unit_rows, working_dtype
from skclip._text_head import TextHead, resolve_classes
from skclip._validation import check_embeddings, encode_known, encode_labels, sample_of
from skclip.heads._label_weights import (
    PRIOR_OF_IMAGES,
    PRIOR_OF_TEXT,
    LabelledRows,
    LinearScores,
    contrasted,
    distinct_rows,
    fit_label_weights,
    left_out_ridge,
    usual_intercept,
)
from skclip.heads._parts import common_width, recall_pool, warn_of_disagreement

__all__ = ["MultiLabelTextClassifier"]

Array = NDArray[np.float64]


class MultiLabelTextClassifier(ArrayAPIMixin, CosineLinearMixin, BaseEstimator):
    r"""Classify images that may show several classes, one class or none.

    .. math:: P(c \mid x) &= \sigma(z_c(x)), \\
              z_c(x) &= b_0\, s\, x \cdot (t_c - \bar t)
              + 10\, b_1\, r_c(x) + 10\, b_2\, q_c(x) + a_c

    with the text embeddings :math:`t_c`, their mean :math:`\bar t`, the logit scale :math:`s`, and
    ridge regressions :math:`r` on labelled and :math:`q` on recalled images. A class is predicted
    where its probability is above one half: the intercepts :math:`a_c` are the thresholds. All
    classes have the same weights :math:`b`, so that a class with one labelled image is safe.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head, with at least two classes: a text says nothing but in comparison with others.
        Without one the labelled images stand alone.

    classes : array-like of shape (n_classes,), default=None
        All classes. None takes those of the text head where it names them, else the columns of
        ``y``.

    retriever : object with ``recall``, default=None
        Gives recalled images of the classes: a :class:`~skclip.recall.PrimingPool`, or a
        :class:`~skclip.recall.CaptionRetriever` with its corpus. An image recalled for several
        classes has all of them; one recalled for others counts as an image without the class.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes, sorted: the order of all columns.

    coef_ : ndarray of shape (n_classes, n_features)
        Weights of unit rows.

    intercept_ : ndarray of shape (n_classes,)
        Intercepts.

    head_weights_ : dict of str to float
        Weights :math:`b` of ``"text"``, ``"labelled"`` and ``"recalled"`` images, without parts
        that are not used.

    text_head_ : TextHead or None
        Text rows, aligned with ``classes_``.

    pool_ : PrimingPool or None
        The recalled images.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    StackedHeadClassifier : One label per image.
    sklearn.preprocessing.MultiLabelBinarizer : Turns lists of labels to columns, sorted as here.

    Notes
    -----
    Weights and intercepts maximise the likelihood of all labels, with a normal prior on each, and
    with values of the regression :math:`r` that leave the image out: see
    ``skclip.heads._label_weights``. They are fitted on the labelled images; without any, on the
    recalled ones, where a class without recalled images keeps :math:`b_0 = 1` and
    :math:`a_c = -\log(C - 1)`; without both, all classes do. With these numbers an image that is
    like no text has one label on average.

    Labels have to be complete: a 0 says that the image does not show the class. A labelled set
    where classes are more frequent than elsewhere gives thresholds for such a set.

    Nothing is known of classes that exclude each other: for images that show one class each,
    :class:`~skclip.ZeroShotClassifier` and :class:`~skclip.StackedHeadClassifier` are far ahead.

    Two classes with text exclude each other where there are no labels, since each is compared with
    the mean of both. Name further things that images may show as classes of their own.

    Memory grows with rows times classes in ``fit``. A zero row is ignored there, and gets the
    scores ``intercept_``.

    Examples
    --------
    >>> from skclip import MultiLabelTextClassifier
    >>> text = {"ball": [0.0, 0.0, 1.0], "cat": [1.0, 0.0, 0.0], "dog": [0.0, 1.0, 0.0]}
    >>> head = MultiLabelTextClassifier(text).fit()
    >>> X = [[0.0, 0.8, 0.6], [1.0, 0.0, 0.0], [0.6, 0.6, 0.6]]
    >>> head.predict(X)
    array([[1, 0, 1],
           [0, 1, 0],
           [0, 0, 0]])
    >>> head.fit(X, [[1, 0, 1], [0, 1, 0], [1, 1, 1]]).predict(X)
    array([[1, 0, 1],
           [0, 1, 0],
           [1, 1, 1]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "classes": ["array-like", None],
        "retriever": [HasMethods(["recall"]), None],
    }

    def __init__(
        self, zero_shot: Any = None, *, classes: ArrayLike | None = None, retriever: Any = None
    ) -> None:
        self.zero_shot = zero_shot
        self.classes = classes
        self.retriever = retriever

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike | None = None,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Recall images, and fit weights and thresholds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Embeddings of labelled images. Without labels, only its number of features is used.

        y : array-like or sparse matrix of shape (n_samples, n_classes), default=None
            1 where an image shows a class, else 0. The columns of a data frame are matched by
            name; those of an array follow ``classes_``, which are sorted, as the columns of
            :class:`~sklearn.preprocessing.MultiLabelBinarizer` are.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the labelled images. A weight is a frequency: 2 counts as the row twice.

        Returns
        -------
        self : MultiLabelTextClassifier
            The fitted head.

        Raises
        ------
        ValueError
            If ``y`` is no such matrix, a weight is negative, nothing names the classes, there is
            one class with text, there is neither text nor images, or images and text differ in
            their number of features.
        """
        name = type(self).__name__
        if X is None and y is not None:
            raise ValueError(
                f"{name}.fit got y without X: labels need their images. Name the classes with "
                "`classes`, or by the text head."
            )
        rows = None
        if X is not None:
            X = check_embeddings(self, X, reset=True)
            rows = unit_rows(to_numpy(X)).astype(np.float64)
        if self.zero_shot is None and self.classes is None and y is not None:
            self.classes_, text = _columns(y), None
        else:
            resolved = resolve_classes(self.zero_shot, self.classes, None, estimator=name)
            self.classes_, text = resolved.names, resolved.text_head
        if text is not None and len(self.classes_) < 2:
            raise ValueError(
                f"{name} compares the text of each class with the mean of all, and got one class, "
                f"{sample_of(self.classes_)}: name further things that images may show."
            )
        labels = None if y is None else read_indicator(y, self.classes_, name)
        labelled = None
        if X is not None and rows is not None and labels is not None:
            check_consistent_length(rows, labels)
            weight = to_numpy(check_sample_weight(sample_weight, X, dtype=working_dtype(X)))
            labelled = distinct_rows(rows, labels, np.where(nonzero_rows(rows), weight, 0))
        self.text_head_ = text
        self.pool_ = recall_pool(
            None, self.retriever, "passthrough", text, self.classes_, estimator=name
        )
        pool = None if self.pool_ is None else _recalled_rows(self.pool_, self.classes_)
        widths = [part for part in (rows, None if pool is None else pool.X) if part is not None]
        width = common_width(widths, text)
        scores = self._fitted(labelled, pool, width)
        place = np.empty(0, dtype=np.float32) if X is None else X
        self.coef_ = like(scores.coef, place, dtype_name(place))
        self.intercept_ = like(scores.intercept, place, dtype_name(place))
        self.n_features_in_ = width
        return self

    def _fitted(
        self,
        labelled: LabelledRows | None,
        pool: LabelledRows | None,
        width: int,
    ) -> LinearScores:
        """Return the scores of all parts together."""
        n_classes = len(self.classes_)
        parts: dict[str, LinearScores] = {}
        prior = {"text": PRIOR_OF_TEXT, "labelled": PRIOR_OF_IMAGES, "recalled": PRIOR_OF_IMAGES}
        if self.text_head_ is not None:
            parts["text"] = contrasted(self.text_head_.weights, self.text_head_.logit_scale)
        of_rows: dict[str, Array] = {}  # values that leave the image out
        has_labels = labelled is not None and len(labelled.X) > 0
        known = labelled if has_labels else None
        if pool is not None and len(pool.X) > 1:
            left_out, parts["recalled"] = left_out_ridge(pool)
            if known is None:
                known, of_rows["recalled"] = pool, left_out
        if has_labels and labelled is not None and len(labelled.X) > 1:
            of_rows["labelled"], parts["labelled"] = left_out_ridge(labelled)
        if not parts:
            raise ValueError(
                f"{type(self).__name__} has nothing to tell classes by: give `zero_shot`, or at "
                "least two labelled or recalled images that differ and are not zero, got "
                f"n_samples = {0 if labelled is None else len(labelled.X)}."
            )
        usual = usual_intercept(n_classes)
        weights = np.array([prior[name] for name in parts])
        intercepts = np.full(n_classes, usual)
        total = LinearScores(np.zeros((n_classes, width)), intercepts)
        shown: NDArray[np.bool_] = np.zeros(n_classes, dtype=bool)
        if known is not None:
            if has_labels and self.text_head_ is not None:
                _warn_of_other_order(self.text_head_, known)
            # of recalled images, those of other classes say nothing about a class without any
            shown = np.asarray(known.Y.any(axis=0) | has_labels)
            values = [of_rows.get(name, part.of(known.X))[:, shown] for name, part in parts.items()]
            weights, intercepts[shown] = fit_label_weights(
                values, known.Y[:, shown], known.weight, weights.tolist(), usual
            )
        self.head_weights_ = dict(zip(parts, weights.tolist(), strict=True))
        for (name, part), weight in zip(parts.items(), weights, strict=True):
            alone = PRIOR_OF_TEXT if name == "text" else 0.0
            own = np.where(shown, weight, alone)
            total.coef[:] += own[:, None] * part.coef
            total.intercept[:] += own * part.intercept
        return total

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Return the logit of every class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes)
            Above 0 where the class is predicted.
        """
        return self._validated_scores(X)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict which classes every image shows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        y : ndarray of shape (n_samples, n_classes) of int
            1 where the probability is above one half, else 0. A row may have several or none.
        """
        scores = self._validated_scores(X, "predict")
        xp, _, _ = get_namespace_and_device(scores)
        labels: NDArray[Any] = xp.astype(scores > 0, xp.int64)
        return labels

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Predict for every class by itself the probability that the image shows it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Rows need not sum to one, as in :class:`~sklearn.multiclass.OneVsRestClassifier` on
            such labels.
        """
        return sigmoid(self._validated_scores(X, "predict_proba"))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.target_tags.single_output = False
        tags.target_tags.multi_output = True
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = True
        return tags


def _names_of_columns(y: Any) -> list[Any] | None:
    """Return the names of the columns of a data frame; None if they have none."""
    columns = list(getattr(y, "columns", []))
    return columns if columns and all(isinstance(name, str) for name in columns) else None


def _columns(y: Any) -> NDArray[Any]:
    """Return the classes that ``y`` itself names, or the numbers of its columns."""
    names = _names_of_columns(y)
    if names is not None:
        return encode_labels(names)[0]
    table = _table(y)
    return np.arange(table.shape[1] if table.ndim == 2 else 0)


def _table(y: Any) -> NDArray[Any]:
    """Return labels as an array; lists of several lengths become an array of lists."""
    if sp.issparse(y):
        return np.asarray(y.toarray())
    try:
        return to_numpy(y)
    except ValueError:  # lists of labels
        return np.fromiter(y, dtype=object, count=len(y))


def read_indicator(y: Any, classes: NDArray[Any], estimator: str) -> NDArray[np.int8]:
    """Return labels as an array of zeros and ones, with columns in the order of the classes.

    Parameters
    ----------
    y : array-like, data frame or sparse matrix of shape (n_samples, n_classes)
        Labels as users give them.

    classes : ndarray of shape (n_classes,)
        Sorted.

    estimator : str
        For messages.

    Returns
    -------
    labels : ndarray of shape (n_samples, n_classes)

    Raises
    ------
    ValueError
        If ``y`` is no such matrix, with what it is and what to give instead.
    """
    names = _names_of_columns(y)
    table = _table(y)
    if table.ndim != 2 or table.dtype.kind in "SU":
        raise ValueError(
            f"{estimator} needs one column of zeros and ones per class, got y of shape "
            f"{table.shape} ({sample_of(table.ravel().tolist())}). For one label per image use "
            "StackedHeadClassifier; lists of labels become columns by "
            "MultiLabelBinarizer().fit_transform(y)."
        )
    if table.shape[1] != len(classes):
        raise ValueError(
            f"y has {table.shape[1]} columns, but there are {len(classes)} classes "
            f"({sample_of(classes)}): give one column per class, in sorted order."
        )
    if table.dtype.kind == "O":
        table = _as_numbers(table, estimator)
    assert_all_finite(table, input_name="y", estimator_name=estimator)
    other = (table != 0) & (table != 1)
    if other.any():
        raise ValueError(
            f"y must hold zeros and ones for {estimator}, got {sample_of(table[other].tolist())}: "
            "1 where the image shows the class of the column, else 0."
        )
    labels: NDArray[np.int8] = table.astype(np.int8)
    if names is None:
        return labels
    at = encode_known(names, classes, source="The columns of y")
    if len(np.unique(at)) < len(at):
        raise ValueError(f"The columns of y have names that occur twice: {sample_of(names)}.")
    return labels[:, np.argsort(at)]


def _as_numbers(table: NDArray[Any], estimator: str) -> NDArray[np.float64]:
    try:
        return table.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"y must hold zeros and ones for {estimator}, got {sample_of(table.ravel().tolist())}."
        ) from error


def _recalled_rows(pool: Any, classes: NDArray[Any]) -> LabelledRows:
    """Return recalled images, each once, with all classes it was recalled for."""
    seen = np.flatnonzero(nonzero_rows(pool.embeddings))
    rows, at = np.unique(pool.embeddings[seen], axis=0, return_inverse=True)
    labels = np.zeros((len(rows), len(classes)))
    labels[at.ravel(), encode_known(pool.labels[seen], classes, source="The recalled pool")] = 1
    return LabelledRows(unit_rows(rows).astype(np.float64), labels, np.ones(len(rows)))


def _warn_of_other_order(text: TextHead, rows: LabelledRows) -> None:
    """Warn if the text of images with one label agrees with it by chance only."""
    single = (rows.Y.sum(axis=1) == 1) & (rows.Y.max(axis=1) == 1)
    if single.any():
        scores = text.scores(rows.X[single])
        codes = rows.Y[single].argmax(axis=1)
        warn_of_disagreement(scores, codes, "labelled images", n_errors=1)
