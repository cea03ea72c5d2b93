"""Aggregated prompts (AAPE, arXiv 2410.23698): learn from what is written about a class."""

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
from skclip._validation import check_embeddings, check_labelled_embeddings
from skclip._warn import warn_caller
from skclip.exceptions import NoEvidenceWarning
from skclip.heads._prompting._attention import ClassPrompts, mean_weights, prompt_scores
from skclip.heads._prompting._class_text import class_text, mean_image_head
from skclip.heads._prompting._generator import Generator, LabelledRows
from skclip.heads._prompting._learning import PromptGeneratorMixin, as_attributes, evident_rows

__all__ = ["AggregatedPromptClassifier"]


class AggregatedPromptClassifier(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackSupportMixin,
    PromptGeneratorMixin,
    BaseEstimator,
):
    r"""Classify by class names and by what is written about each class (AAPE).

    Every class has a template row :math:`t_c` and reference prompts :math:`p_{cj}`: descriptions
    by people or language models, or captions recalled from a collection. Attention aggregates the
    prompts of a class into a summary that is aligned with the image; a generator learns, from
    labelled images, to say what the summary of the right class says, and only the generator runs
    at prediction. With unit rows throughout,

    .. math:: p(x) &= \mathrm{normalize}(x + h(x)), \qquad
              \bar p_c(x) = \mathrm{normalize}\Big(\sum_j
              \operatorname{softmax}_j\big(p(x) \cdot p_{cj} / \tau\big)\, p_{cj}\Big) \\
              \mathrm{score}_c(x) &= \mathrm{normalize}(x + \gamma\, p(x)) \cdot
              \mathrm{normalize}(t_c + \gamma\, \bar p_c(x))

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The template rows. Without one the mean of each class's prompts is its template.

    prompts : mapping or "recall", default=None
        Reference prompts: ``{class: [text, ...]}``, ``{class: matrix}`` of embeddings with one row
        a prompt, or ``"recall"`` for the captions that ``retriever`` finds for each class. A
        class without prompts has its template alone, and a warning names it. Repeated prompts
        count once and their order does not matter.

    embedder : CLIPEmbedder or transformer, default=None
        Encodes prompts: ``transform(list of str)`` gives one row a text. None takes the embedder
        of ``zero_shot``.

    retriever : CaptionRetriever, default=None
        For ``prompts="recall"``. It is cloned; wrap one that was fitted on captions in
        :class:`~sklearn.frozen.FrozenEstimator`.

    classes : array-like of shape (n_classes,), default=None
        Classes to know, whether labelled images of them are given or not. By default those of
        ``zero_shot`` or ``class_names`` where they name them, else the labels in ``y``, else
        those of ``prompts``.

    class_names : mapping of label to str, default=None
        The name of each class, where labels are not names: ``{0: "cat", 1: "dog"}``. Captions are
        recalled by these names, and ``prompts`` may be keyed by them. None takes those of
        ``zero_shot``, else labels for names.

    aggregation : {"generator", "attention", "max", "mean"}, default="generator"
        How the prompts of a class become one. ``"generator"`` is trained on labelled images. The
        others need none: the image itself attends (:math:`h = 0`), the prompt nearest to the
        image has all the attention (:math:`\tau = 0`), or all prompts have the same
        (:math:`\tau = \infty`); the last is a linear head with ``coef_``. Without labelled images
        ``"generator"`` falls back to ``"attention"``, with a warning.

    scored : {"mixture", "image"}, default="mixture"
        What is compared with the class weights once there is a generator: the image mixed with
        its generated prompt as above, or the image :math:`x` alone.

    gamma : float, default=0.5
        Weight :math:`\gamma` of prompts beside the template. 0 is the template head.

    temperature : "auto" or float, default="auto"
        :math:`\tau` of the attention; ``"auto"`` is one over the logit scale.

    distillation : float, default=0.3
        Weight :math:`\lambda` of the distance between generated prompts and summaries.

    reward : float, default=0.1
        Weight :math:`\rho` of the likeness of summaries to their images.

    hidden_size : int, default=64
        Width of the generator's hidden layer and of the aggregator's projections.

    learning_rate : float, default=0.001
        Step size of AdamW.

    weight_decay : float, default=0.01
        Decay of the weights, a learning rate.

    batch_size : int, default=32
        Images a step.

    max_epochs : int, default=50
        Most epochs. An epoch is one pass over the images, and at least ten steps.

    early_stopping : bool, default=False
        Whether a part of the labelled images tells when to stop: after ``patience``
        epochs without a better score the weights of the best are taken. Classes with few
        images give none, and without any all epochs run.

    validation_fraction : float, default=0.2
        The part of each class's images, rounded down.

    patience : int, default=10
        Patience of ``early_stopping``.

    device : str, default="cpu"
        A torch device to train on; ``"auto"`` takes the accelerator if there is one. Prediction
        is numpy's wherever training was.

    logit_scale : "auto" or float, default="auto"
        Scale of the probabilities and of the task loss; ``"auto"`` is the text head's, 100
        without one.

    random_state : int, RandomState instance or None, default=None
        First weights, order of the images, and the validation part.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    class_names_ : mapping of label to str, or None
        The name of each class; None where labels are their own names.

    aggregation_ : str
        The aggregation in use: ``aggregation``, or its fallback.

    text_head_ : TextHead
        Template rows, aligned with ``classes_``.

    prompts_ : ndarray of shape (n_prompts, n_features)
        Distinct reference prompts, unit rows, class after class.

    prompt_classes_ : ndarray of shape (n_prompts,)
        Class of each prompt.

    coefs_ : list of two ndarrays
        Weight matrices of the generator, ``(n_features, hidden_size)`` and
        ``(hidden_size, n_features)``. Only with a trained generator, as the following.

    intercepts_ : list of two ndarrays
        Its biases.

    loss_curve_ : ndarray of shape (`n_epochs_`,)
        Training loss after every epoch.

    distillation_curve_ : ndarray of shape (`n_epochs_`,)
        Cosine distance of generated prompts to the summaries: its part of the loss.

    validation_scores_ : ndarray of shape (`n_epochs_`,) or None
        Mean log-probability of the classes of the validation images; None without any.

    n_epochs_ : int
        Epochs that ran.

    best_epoch_ : int
        Epoch, from 1, whose weights were taken.

    coef_ : ndarray of shape (n_classes, n_features)
        Class weights, unit rows; only with ``aggregation_ == "mean"``, as ``intercept_``. One row
        a class, also for two.

    intercept_ : ndarray of shape (n_classes,)
        Zeros.

    temperature_ : float
        Temperature of the attention.

    logit_scale_ : float
        Scale of the probabilities.

    logit_bias_ : float or None
        Bias of the probabilities, of a text head that has one, without a trained generator.

    model_id_ : str or None
        Identity of the model that encoded the text, where known.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    ZeroShotClassifier : The templates alone.
    MixedHeadClassifier : Mixes ``AggregatedPromptClassifier(aggregation="mean")``, as any text
        head, with a head trained on images.
    skclip.metrics.retrieval_recall : Measures generated prompts in retrieval.

    Notes
    -----
    The loss of an image :math:`x` of class :math:`y` is

    .. math:: \mathrm{CE}(s \cdot \mathrm{score}(x), y) + \lambda\,(1 - p(x) \cdot p^a(x, y))
              - \rho\, x \cdot p^a(x, y), \qquad
              p^a(x, y) = \mathrm{normalize}\Big(\sum_j \operatorname{softmax}_j\big((x W_q) \cdot
              (p_{yj} W_k) / \tau\big)\, p_{yj}\Big)

    with an aggregator :math:`W_q, W_k` that is trained beside the generator :math:`h` and then
    dropped. The task part tells apart the classes that have images. The equations of the paper
    are not public; this form keeps its parts, and adds the generated prompt to the image, which
    the user guide compares with the image alone (``scored="image"``).

    Text of classes without labelled images counts in full, so that a classifier trained on some
    classes can be asked about others. Zero rows of ``X`` are ignored. There is no ``partial_fit``:
    training starts anew with each :meth:`fit`.

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

    With labelled images, a generator is trained; it puts an image among the prompts:

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
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "patience": [Interval(Integral, 1, None, closed="left")],
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
        batch_size: int = 32,
        max_epochs: int = 50,
        early_stopping: bool = False,
        validation_fraction: float = 0.2,
        patience: int = 10,
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
        self.validation_fraction = validation_fraction
        self.patience = patience
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
        """Encode the prompts and, where there are labelled images, train the generator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Embeddings of labelled images; zero rows are ignored. May be left out where class
            names are known without labels.

        y : array-like of shape (n_samples,), default=None
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every image in the loss. An image of weight 0 is left out.

        Returns
        -------
        self : AggregatedPromptClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are neither labels nor class names, a class has no text, or the widths of
            images, class names and prompts differ.
        """
        self._forget_generator()
        if X is not None and y is not None:
            X, y = check_labelled_embeddings(self, X, y)
        elif X is not None:
            X = check_embeddings(self, X, reset=True)
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
        """Return the aggregation that the prompts and images at hand allow."""
        if self.gamma == 0 or not len(self.prompts_):
            return "mean"
        if self.aggregation == "generator" and shots is None:
            warn_caller(
                "The generator learns from labelled images, and there are none: the attention of "
                "the images to be classified stands in (aggregation='attention').",
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
        """Generate the prompt of every image: a row of text space, for image-to-text retrieval.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        prompts : ndarray of shape (n_samples, n_features)
            Unit rows :math:`p(x)`; unit rows of ``X`` itself without a trained generator.
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
