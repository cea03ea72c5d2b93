"""Text and a Gaussian discriminant over the surest images of a stream."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from skclip._array_api import like, take_labels, to_numpy
from skclip._base import CosineLinearMixin
from skclip._compat import (
    ArrayAPIMixin,
    HasMethods,
    check_same_namespace,
    fit_context,
)
from skclip._linalg import nonzero_rows
from skclip._text_head import TextHead, check_same_width, resolve_classes
from skclip._validation import encode_known
from skclip.heads import GaussianDiscriminantClassifier
from skclip.transduction._bank import OF_A_LABEL, Bank, bank_weight, surest
from skclip.transduction._targets import Targets, read_targets

__all__ = ["OnlineAdaptedClassifier"]

# Most images per class in the bank.
BANK_SIZE = 16
# Rows whose posteriors are held at once.
ROW_BLOCK = 8192


class OnlineAdaptedClassifier(ArrayAPIMixin, CosineLinearMixin, BaseEstimator):
    r"""Classify a stream of images by the text and by the surest images so far.

    .. math:: \mathrm{score}_c(x) = s\, t_c \cdot x + w\, s' g_c(x)

    with the text embedding :math:`t_c`, the scale :math:`s` of the text and the scores :math:`g`
    of a :class:`~skclip.GaussianDiscriminantClassifier` with its scale :math:`s'`. It is fitted on
    a bank of at most 16 images per class, those of which the text is surest, and shrinks the means
    of classes with few of them to the text. The weight :math:`w` is zero for an empty bank, and
    grows with the number of images that the bank really holds.

    Predict a few images, then learn from them with :meth:`partial_fit`. Memory is bounded, whatever
    the length of the stream.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. Without one the class means of the labelled images in the first call stand
        in for it.

    classes : array-like of shape (n_classes,), default=None
        Classes to know. By default those of the text head where it names them, else the labels
        in ``y``.

    unlabeled : label, default=None
        Label that marks rows of ``X`` without one, for instance -1. Where labels are text the
        mark is text.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    coef_ : ndarray of shape (n_classes, n_features)
        Weights of unit rows, of text and discriminant together.

    intercept_ : ndarray of shape (n_classes,)
        Intercepts.

    bank_embeddings_ : ndarray of shape (n_bank, n_features)
        Unit rows of the bank.

    bank_labels_ : ndarray of shape (n_bank,)
        Their labels, by the text where none was given.

    bank_entropy_ : ndarray of shape (n_bank,)
        Entropies of their text posteriors in nats; -1 for a labelled image, which comes before all
        others.

    bank_weight_ : float
        The weight :math:`w`.

    text_head_ : TextHead
        Text rows, aligned with ``classes_``.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    StatAClassifier : The whole batch at once.
    skclip.heads.GaussianDiscriminantClassifier : Labelled images, with exact updates.

    Notes
    -----
    The weight is not published. With :math:`n_c` images of each of the :math:`C` classes in the
    bank, their text probabilities :math:`\hat y_i`, the mean :math:`\bar y` of these and entropies
    :math:`H`,

    .. math::
        w = \frac{1}{C} \sum_c \frac{m_c}{m_c + 8}, \qquad
        m_c = n_c \Big(1 - \frac{\overline{H(\hat y_i)}}{H(\bar y)}\Big)

    A class that has not come yet has :math:`m_c = 0`: a stream may bring its classes one by one.

    All that is kept is the bank. Therefore the result does not depend on how a stream of unlabelled
    images is split into calls, nor, but for images of equal entropy, on its order. Equal rows are
    one image. Images that are nearly alike, such as frames of a film, are not: they fill the bank.

    Labelled images come before all others, and the first 16 of a class stay: for more use
    :class:`~skclip.StackedHeadClassifier`. One that found no place is forgotten, with its label.

    The discriminant is fitted again whenever the bank changes, on at most 16 images per class.

    With ``sklearn.set_config(array_api_dispatch=True)`` embeddings may be arrays of other
    libraries, such as torch tensors on any device. Begin with images then: a fit without any is in
    numpy.

    References
    ----------
    .. [1] Wang et al., "A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation",
       `arXiv 2402.04087 <https://arxiv.org/abs/2402.04087>`_: the discriminant.

    .. [2] Karmanov et al., "Efficient Test-Time Adaptation of Vision-Language Models",
       `arXiv 2403.18293 <https://arxiv.org/abs/2403.18293>`_: images of low entropy are kept.

    Examples
    --------
    >>> from skclip.transduction import OnlineAdaptedClassifier
    >>> text = {"cat": [1.0, 0.0, 0.2], "dog": [0.0, 1.0, 0.2]}
    >>> head = OnlineAdaptedClassifier(text).fit()  # nothing seen yet
    >>> head.predict([[0.9, 0.1, 0.3]])
    array(['cat'], dtype='<U3')
    >>> head = head.partial_fit(X_unlabeled=[[0.9, 0.1, 0.3], [0.3, 0.8, 0.2]])
    >>> head.bank_labels_
    array(['cat', 'dog'], dtype='<U3')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "classes": ["array-like", None],
        "unlabeled": [object],
    }

    def __init__(
        self,
        zero_shot: Any = None,
        *,
        classes: ArrayLike | None = None,
        unlabeled: Any = None,
    ) -> None:
        self.zero_shot = zero_shot
        self.classes = classes
        self.unlabeled = unlabeled

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        X_unlabeled: ArrayLike | None = None,
    ) -> Self:
        """Begin anew, with the images given or with none.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Embeddings of images; all are unlabelled where ``y`` is left out. Zero rows are
            ignored.

        y : array-like of shape (n_samples,), default=None
            Class labels, or ``unlabeled`` for rows without one.

        X_unlabeled : array-like of shape (n_unlabelled, n_features), default=None
            Embeddings of further unlabelled images.

        Returns
        -------
        self : OnlineAdaptedClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If nothing names the classes, a label has no text embedding, images and text differ in
            their number of features, or a cross-validation has split ``X_unlabeled``.
        """
        if X is None and y is None and X_unlabeled is None:
            resolved = resolve_classes(
                self.zero_shot, self.classes, None, estimator=type(self).__name__
            )
            if resolved.text_head is None:
                raise ValueError(
                    f"{type(self).__name__} has neither text nor images: give `zero_shot`, or X "
                    "and y."
                )
            text = resolved.text_head
            self.n_features_in_ = text.weights.shape[1]
            none = Bank.labelled(text.weights[:0], np.zeros(0, dtype=np.intp))
            self._set_bank(none, text, None, None)
            return self
        targets = read_targets(self, X, y, X_unlabeled)
        return self._add(targets, [], X if X is not None else X_unlabeled, y)

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        *,
        X_unlabeled: ArrayLike | None = None,
    ) -> Self:
        """Learn from further images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            As for :meth:`fit`.

        y : array-like of shape (n_samples,), default=None
            As for :meth:`fit`. Labels are among ``classes_`` after the first call.

        classes : array-like of shape (n_classes,), default=None
            Accepted since scikit-learn's protocol has it; the classes are those of the first call.

        X_unlabeled : array-like of shape (n_unlabelled, n_features), default=None
            Embeddings of unlabelled images.

        Returns
        -------
        self : OnlineAdaptedClassifier
            The updated classifier.

        Raises
        ------
        ValueError
            As for :meth:`fit`; if there are no images; or if ``classes`` holds a class that is not
            known.
        """
        first = not hasattr(self, "text_head_")
        place: Any = X if X is not None else X_unlabeled
        if not first and place is not None:
            check_same_namespace(place, self, attribute="coef_", method="partial_fit")
        known = None if first else self.text_head_
        # the first images tell the names of the features
        reset = first or not len(self.bank_embeddings_)
        if known is not None and reset and np.ndim(place) == 2:  # before a width is stored
            check_same_width(np.shape(place)[1], known)
        targets = read_targets(self, X, y, X_unlabeled, known=known, reset=reset)
        if classes is not None:
            encode_known(classes, targets.classes, source="classes")
        before = [] if reset else [self._bank()]
        return self._add(targets, before, place, self.classes_ if y is None and not first else y)

    def _add(self, targets: Targets, before: list[Bank], place: Any, labels: Any) -> Self:
        seen = targets.unlabelled[nonzero_rows(targets.unlabelled)]
        if len(targets.labelled):  # a labelled image needs no label from the text
            both = np.concatenate([targets.labelled, seen])
            first = np.sort(np.unique(both, axis=0, return_index=True)[1])
            seen = both[first[first >= len(targets.labelled)]]
        text = targets.text._replace(weights=to_numpy(targets.text.weights))
        bank = surest([*before, Bank.labelled(targets.labelled, targets.codes)], BANK_SIZE)
        for start in range(0, len(seen), ROW_BLOCK):
            rows = seen[start : start + ROW_BLOCK]
            # in float64, since the surest posteriors differ by less than float32 tells
            new = Bank.unlabelled(rows, text.proba(rows.astype(np.float64)))
            bank = surest([bank, new], BANK_SIZE)
        if before and all(map(np.array_equal, bank, before[0])):
            return self  # no new image is among the surest
        self._set_bank(bank, text, place, labels)
        return self

    def _bank(self) -> Bank:
        codes = encode_known(self.bank_labels_, to_numpy(self.text_head_.classes))
        return Bank(to_numpy(self.bank_embeddings_), codes, to_numpy(self.bank_entropy_))

    def _set_bank(self, bank: Bank, text: TextHead, place: Any, labels: Any) -> None:
        """Store a bank, and the weights that follow from it."""
        coef = text.logit_scale * text.weights.astype(np.float64)
        intercept, weight = np.zeros(len(coef)), 0.0
        if len(bank.rows):
            posterior = text.proba(bank.rows)
            of_label = bank.entropy == OF_A_LABEL
            posterior[of_label] = np.eye(len(coef))[bank.codes[of_label]]
            weight = bank_weight(bank.codes, posterior)
        if weight > 0:
            # class means that stand in for text say nothing that the bank does not
            rows = None if self.zero_shot is None else dict(enumerate(text.weights))
            head = GaussianDiscriminantClassifier(zero_shot=rows)
            head.fit(bank.rows, bank.codes)
            coef += weight * head.logit_scale_ * head.coef_
            intercept += weight * head.logit_scale_ * head.intercept_
        self.text_head_, self.bank_weight_ = text, weight
        self.classes_ = like(text.classes, labels)
        self.bank_labels_ = take_labels(text.classes, bank.codes, labels)
        self.bank_entropy_ = like(bank.entropy, place)
        dtype = bank.rows.dtype.name
        self.bank_embeddings_ = like(bank.rows, place, dtype)
        self.coef_ = like(coef, place, dtype)
        self.intercept_ = like(intercept, place, dtype)
