"""Aggregated prompts (AAPE, arXiv 2410.23698): classify with several descriptions per class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from skclip._compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    with_callbacks,
)
from skclip._linalg import unit_rows
from skclip._text_head import TextHead, check_same_width
from skclip._validation import check_optional_embeddings
from skclip._warn import warn_caller
from skclip.exceptions import NoEvidenceWarning
from skclip.heads._prompting._attention import ClassPrompts, mean_weights, prompt_scores
from skclip.heads._prompting._class_text import class_text, mean_image_head
from skclip.heads._prompting._generator import Generator
from skclip.heads._prompting._learning import PromptGeneratorMixin, as_attributes, evident_rows
from skclip.heads._prompting._prompt_loss import LabelledRows

__all__ = ["AggregatedPromptClassifier"]


class AggregatedPromptClassifier(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackSupportMixin,
    PromptGeneratorMixin,
    BaseEstimator,
):
    r"""Classify by class names and descriptions of each class (AAPE).

    Every class has a template row :math:`t_c` and reference prompts :math:`p_{cj}`: descriptions
    written by people or language models, or captions recalled from a collection. Attention
    aggregates the prompts of a class into a summary for the image. From labelled images, a
    generator learns to predict the summary of the right class from the image. With all rows
    normalised,

    .. math:: p(x) &= \mathrm{normalize}(x + h(x)), \qquad
              \bar p_c(x) = \mathrm{normalize}\Big(\sum_j
              \operatorname{softmax}_j\big(p(x) \cdot p_{cj} / \tau\big)\, p_{cj}\Big) \\
              \mathrm{score}_c(x) &= \mathrm{normalize}(x + \gamma\, p(x)) \cdot
              \mathrm{normalize}(t_c + \gamma\, \bar p_c(x))

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The template rows. None uses the mean of the prompts of each class.

    prompts : mapping or "recall", default=None
        Reference prompts: ``{class: [text, ...]}``, ``{class: matrix}`` with one embedding per
        prompt, or ``"recall"`` for the captions that ``retriever`` finds for each class. A class
        without prompts uses its template only, with a warning. Repeated prompts count once, and
        their order does not matter.

    embedder : CLIPEmbedder or transformer, default=None
        Encodes prompts: ``transform(list of str)`` gives one row per text. None takes the embedder
        of ``zero_shot``.

    retriever : CaptionRetriever, default=None
        Retriever for ``prompts="recall"``. It is cloned; wrap a retriever that was fitted on
        captions in :class:`~sklearn.frozen.FrozenEstimator`.

    classes : array-like of shape (n_classes,), default=None
        All classes, including those without labelled images. None takes the classes that
        ``zero_shot`` or ``class_names`` names, else the labels in ``y``, else the keys of
        ``prompts``.

    class_names : mapping of label to str, default=None
        The name of each class, for labels that are not names: ``{0: "cat", 1: "dog"}``. Captions
        are recalled by these names, and they may be the keys of ``prompts``. None takes those of
        ``zero_shot``, else the labels.

    aggregation : {"generator", "attention", "max", "mean"}, default="generator"
        How the prompts of a class are aggregated.

        - ``"generator"``: as above, trained on labelled images. Without labelled images it falls
          back to ``"attention"``, with a warning;
        - ``"attention"``: without generator (:math:`h = 0`);
        - ``"max"``: the prompt nearest to the image (:math:`h = 0`, :math:`\tau = 0`);
        - ``"mean"``: the mean of the prompts (:math:`\tau = \infty`), a linear head with ``coef_``.

    scored : {"mixture", "image"}, default="mixture"
        What is compared with the class weights if there is a generator: the image mixed with its
        generated prompt, as above, or the image :math:`x` alone.

    gamma : float, default=0.5
        Weight :math:`\gamma` of the prompts; the template has weight 1. 0 is the template head.

    temperature : "auto" or float, default="auto"
        :math:`\tau` of the attention; ``"auto"`` is 1 / logit scale.

    distillation : float, default=0.3
        Weight :math:`\lambda` of the distance between generated prompts and summaries.

    reward : float, default=0.1
        Weight :math:`\rho` of the similarity of summaries to their images.

    hidden_size : int, default=64
        Width of the generator's hidden layer and of the aggregator's projections.

    learning_rate : float, default=0.001
        Step size of AdamW.

    weight_decay : float, default=0.01
        Weight decay of AdamW.

    batch_size : int, default=128
        Images per step.

    max_epochs : int, default=50
        Maximum number of epochs. An epoch is one pass over the images, and at least ten steps.

    early_stopping : bool, default=False
        Whether to hold out a fifth of the images of each class, rounded down, stop after 10 epochs
        without a better score on them, and keep the weights of the best epoch. If no class has
        five images, all epochs run.

    device : str, default="cpu"
        Torch device for training; ``"auto"`` takes the accelerator if there is one. Prediction
        always uses numpy.

    logit_scale : "auto" or float, default="auto"
        Scale of the probabilities and of the task loss; ``"auto"`` is that of the text head, or
        100 without one.

    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the order of the images and the validation part.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    class_names_ : mapping of label to str, or None
        The name of each class; None if labels are names.

    aggregation_ : str
        The aggregation used: ``aggregation``, or its fallback.

    text_head_ : TextHead
        Template rows, aligned with ``classes_``.

    prompts_ : ndarray of shape (n_prompts, n_features)
        Distinct reference prompts, unit rows, class after class.

    prompt_classes_ : ndarray of shape (n_prompts,)
        Class of each prompt.

    coefs_ : list of two ndarrays
        Weight matrices of the generator, ``(n_features, hidden_size)`` and
        ``(hidden_size, n_features)``. Like the following attributes, only with a trained generator.

    intercepts_ : list of two ndarrays
        Biases of the generator.

    loss_curve_ : ndarray of shape (`n_epochs_`,)
        Training loss after every epoch.

    distillation_curve_ : ndarray of shape (`n_epochs_`,)
        Mean cosine distance of generated prompts to the summaries after every epoch.

    validation_scores_ : ndarray of shape (`n_epochs_`,) or None
        Mean log-probability of the classes of the validation images; None without them.

    n_epochs_ : int
        Epochs that ran.

    best_epoch_ : int
        Epoch, from 1, whose weights are kept.

    coef_ : ndarray of shape (n_classes, n_features)
        Class weights, unit rows; two rows for two classes. Like ``intercept_``, only with
        ``aggregation_ == "mean"``.

    intercept_ : ndarray of shape (n_classes,)
        Zeros.

    temperature_ : float
        Temperature of the attention.

    logit_scale_ : float
        Scale of the probabilities.

    logit_bias_ : float or None
        Logit bias of the text head, if it has one and there is no trained generator.

    model_id_ : str or None
        Identity of the model that encoded the text, if known.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    ZeroShotClassifier : Templates only.
    MixedHeadClassifier : Mixes a text head, such as
        ``AggregatedPromptClassifier(aggregation="mean")``, with a head trained on images.
    skclip.metrics.retrieval_recall : Measures generated prompts in retrieval.

    Notes
    -----
    The loss of an image :math:`x` of class :math:`y` is

    .. math:: \mathrm{CE}(s \cdot \mathrm{score}(x), y) + \lambda\,(1 - p(x) \cdot p^a(x, y))
              - \rho\, x \cdot p^a(x, y), \qquad
              p^a(x, y) = \mathrm{normalize}\Big(\sum_j \operatorname{softmax}_j\big((x W_q) \cdot
              (p_{yj} W_k) / \tau\big)\, p_{yj}\Big)

    with an aggregator :math:`W_q, W_k` that is trained together with the generator :math:`h` and
    not kept. The cross-entropy is over the classes with labelled images. The equations of the paper
    are not public. This form has the same parts, and in addition mixes the generated prompt with
    the image; the user guide compares it with ``scored="image"``.

    Classes without labelled images are predicted by their text. Zero rows of ``X`` are ignored in
    ``fit``; in ``predict``, a zero row scores 0 for every class unless there is a trained
    generator. There is no ``partial_fit``.

    References
    ----------
    .. [1] "Aggregate-and-Adapt Natural Language Prompts for Downstream Generalization of CLIP",
       NeurIPS 2024, `arXiv 2410.23698 <https://arxiv.org/abs/2410.23698>`_.

    Examples
    --------
    >>> from skclip import AggregatedPromptClassifier
    >>> text = {"cat": [0.8, 0.6], "dog": [0.6, 0.8]}
    >>> prompts = {"cat": [[1.0, 0.0], [0.7, 0.7]], "dog": [[0.0, 1.0], [0.5, 0.9]]}

    Without labelled images:

    >>> head = AggregatedPromptClassifier(text, prompts=prompts, aggregation="attention").fit()
    >>> head.predict([[0.9, 0.5], [0.3, 0.8]])
    array(['cat', 'dog'], dtype='<U3')

    With labelled images, a generator is trained, which maps images to prompts:

    >>> X, y = [[0.9, 0.5], [1.0, 0.3], [0.5, 0.6], [0.3, 0.8]], ["cat", "cat", "dog", "dog"]
    >>> head = AggregatedPromptClassifier(text, prompts=prompts, random_state=0).fit(X, y)
    >>> head.predict([[0.6, 0.6]])
    array(['dog'], dtype='<U3')
    >>> head.transform([[0.6, 0.6]]).shape
    (1, 2)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "prompts": [Mapping, StrOptions({"recall"}), None],
        "embedder": [HasMethods(["transform"]), None],
        "retriever": [HasMethods(["recall"]), None],
        "classes": ["array-like", None],
        "class_names": [Mapping, None],
        "aggregation": [StrOptions({"generator", "attention", "max", "mean"})],
        "scored": [StrOptions({"mixture", "image"})],
        "gamma": [Interval(Real, 0, None, closed="left")],
        "temperature": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "distillation": [Interval(Real, 0, None, closed="left")],
        "reward": [Interval(Real, 0, None, closed="left")],
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "device": [str],
        "logit_scale": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        zero_shot: Any = None,
        *,
        prompts: Mapping[Any, Any] | str | None = None,
        embedder: Any = None,
        retriever: Any = None,
        classes: ArrayLike | None = None,
        class_names: Mapping[Any, str] | None = None,
        aggregation: str = "generator",
        scored: str = "mixture",
        gamma: float = 0.5,
        temperature: str | float = "auto",
        distillation: float = 0.3,
        reward: float = 0.1,
        hidden_size: int = 64,
        learning_rate: float = 0.001,
        weight_decay: float = 0.01,
        batch_size: int = 128,
        max_epochs: int = 50,
        early_stopping: bool = False,
        device: str = "cpu",
        logit_scale: str | float = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.zero_shot = zero_shot
        self.prompts = prompts
        self.embedder = embedder
        self.retriever = retriever
        self.classes = classes
        self.class_names = class_names
        self.aggregation = aggregation
        self.scored = scored
        self.gamma = gamma
        self.temperature = temperature
        self.distillation = distillation
        self.reward = reward
        self.hidden_size = hidden_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.device = device
        self.logit_scale = logit_scale
        self.random_state = random_state

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Encode the prompts and, with labelled images, train the generator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Embeddings of labelled images; zero rows are ignored. Not needed if the class names
            are known.

        y : array-like of shape (n_samples,), default=None
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every image in the loss. Images of weight 0 are ignored.

        Returns
        -------
        self : AggregatedPromptClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are neither labels nor class names, a class has no text, or images, class
            names and prompts differ in their number of features.
        """
        self._forget_generator()
        X, y = check_optional_embeddings(self, X, y)
        names, text_head, rows, counts, codes = class_text(
            self.zero_shot,
            self.prompts,
            self.classes,
            y,
            class_names=self.class_names,
            embedder=self.embedder,
            retriever=self.retriever,
        )
        shots = evident_rows(X, codes, sample_weight)
        if text_head is None:
            if shots is None:
                raise ValueError(
                    "AggregatedPromptClassifier has no text: give `prompts`, `zero_shot`, or both."
                )
            text_head = mean_image_head(names, shots)
        if X is not None:
            check_same_width(X.shape[1], text_head)
        self._set_text(text_head, rows, counts)
        self.aggregation_ = self._usable_aggregation(shots)
        context = self._init_callback_context(
            max_subtasks=self.max_epochs if self.aggregation_ == "generator" else 0
        )
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        context.call_on_fit_task_begin(estimator=self, X=X, y=y, metadata=metadata)
        if self.aggregation_ == "generator" and shots is not None:

            def after_epoch(_: int, generator: Callable[[], Generator]) -> bool:
                task = context.subcontext(task_name="epoch")
                task.call_on_fit_task_begin(estimator=self, X=X, y=y, metadata=metadata)
                return bool(
                    task.call_on_fit_task_end(
                        estimator=self,
                        X=X,
                        y=y,
                        metadata=metadata,
                        reconstruction_attributes=lambda: as_attributes(generator()),
                    )
                )

            self._train(shots, self._text(np.float32), after_epoch)
        elif self.aggregation_ == "mean":
            self.coef_ = mean_weights(self._text(self._dtype), self.gamma)
            self.intercept_ = np.zeros(len(names), dtype=self._dtype)
        context.call_on_fit_task_end(
            estimator=self, X=X, y=y, metadata=metadata, reconstruction_attributes={}
        )
        return self

    def _set_text(self, text_head: TextHead, rows: NDArray[Any], counts: NDArray[np.intp]) -> None:
        self.text_head_, self.classes_ = text_head, text_head.classes
        self.class_names_ = text_head.class_names
        self.prompts_, self._prompt_counts = rows, counts
        self.prompt_classes_ = np.repeat(self.classes_, counts)
        self.n_features_in_ = int(text_head.weights.shape[1])
        self.model_id_ = text_head.model_id
        self.logit_bias_ = text_head.logit_bias
        self.logit_scale_ = float(
            text_head.logit_scale if self.logit_scale == "auto" else self.logit_scale
        )
        self.temperature_ = float(
            1 / self.logit_scale_ if self.temperature == "auto" else self.temperature
        )
        self._dtype = np.result_type(text_head.weights, rows).name

    def _usable_aggregation(self, shots: LabelledRows | None) -> str:
        """Return the aggregation, or its fallback for the given prompts and images."""
        if self.gamma == 0 or not len(self.prompts_):
            return "mean"
        if self.aggregation == "generator" and shots is None:
            warn_caller(
                "The generator learns from labelled images, and there are none: using "
                "aggregation='attention'.",
                NoEvidenceWarning,
            )
            return "attention"
        return self.aggregation

    def _text(self, dtype: Any) -> ClassPrompts:
        return ClassPrompts(
            self.text_head_.weights.astype(dtype, copy=False),
            self.prompts_.astype(dtype, copy=False),
            self._prompt_counts,
        )

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Generate a prompt embedding for every image, for image-to-text retrieval.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        prompts : ndarray of shape (n_samples, n_features)
            Unit rows :math:`p(x)`; without a trained generator, the unit rows of ``X``.
        """
        return self._generated(unit_rows(self._validated(X, "transform")))

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        X = unit_rows(X)
        if self.aggregation_ == "mean":
            linear: NDArray[Any] = X @ self.coef_.astype(X.dtype, copy=False).T
            return linear
        generated = self._generated(X)
        is_mixed = generated is not X and self.scored == "mixture"
        return prompt_scores(
            unit_rows(X + self.gamma * generated) if is_mixed else X,
            generated,
            self._text(X.dtype),
            gamma=self.gamma,
            temperature=0.0 if self.aggregation_ == "max" else self.temperature_,
        )

    @property
    def _n_features_out(self) -> int:
        return self.n_features_in_
