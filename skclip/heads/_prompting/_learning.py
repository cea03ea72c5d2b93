"""Training of AggregatedPromptClassifier on labelled images."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skclip._base import ScoreClassifierMixin
from skclip._compat import check_sample_weight
from skclip._device import check_device, resolve_device
from skclip._linalg import nonzero_rows, unit_rows
from skclip.heads._prompting._attention import ClassPrompts
from skclip.heads._prompting._generator import (
    Generator,
    TrainingParameters,
    generate,
    held_out,
    train_generator,
)
from skclip.heads._prompting._prompt_loss import LabelledRows, LossParameters

__all__ = ["PromptGeneratorMixin", "as_attributes", "evident_rows"]

# Early stopping: the images of each class to hold out, and the epochs without a better score.
VALIDATION_FRACTION, PATIENCE = 0.2, 10

# Attributes that the next fit may not set, and must delete.
_LEARNED = (
    "coefs_",
    "intercepts_",
    "loss_curve_",
    "distillation_curve_",
    "validation_scores_",
    "n_epochs_",
    "best_epoch_",
    "coef_",
    "intercept_",
)


class PromptGeneratorMixin(ScoreClassifierMixin):
    """Train a generator, store it in fitted attributes and apply it."""

    gamma: float
    distillation: float
    reward: float
    scored: str
    hidden_size: int
    learning_rate: float
    weight_decay: float
    batch_size: int
    max_epochs: int
    early_stopping: bool
    device: str
    random_state: int | np.random.RandomState | None
    temperature_: float
    logit_scale_: float
    logit_bias_: float | None

    def _forget_generator(self) -> None:
        for name in _LEARNED:
            self.__dict__.pop(name, None)

    def _train(
        self,
        rows: LabelledRows,
        text: ClassPrompts,
        after_epoch: Callable[[int, Callable[[], Generator]], bool],
    ) -> None:
        device = resolve_device(self.device)
        check_device(device)
        random_state = check_random_state(self.random_state)
        labelled, codes = np.unique(rows.codes, return_inverse=True)
        rows, validation = LabelledRows(unit_rows(rows.X), codes, rows.weight), None
        if self.early_stopping:
            rows, validation = held_out(rows, VALIDATION_FRACTION, random_state)
        generator, history = train_generator(
            rows,
            validation,
            text.of(labelled),
            TrainingParameters(
                LossParameters(
                    gamma=self.gamma,
                    temperature=self.temperature_,
                    logit_scale=self.logit_scale_,
                    distillation=self.distillation,
                    reward=self.reward,
                    mixes_image=self.scored == "mixture",
                ),
                hidden_size=self.hidden_size,
                learning_rate=self.learning_rate,
                weight_decay=self.weight_decay,
                batch_size=self.batch_size,
                max_epochs=self.max_epochs,
                patience=PATIENCE,
                device=device,
            ),
            random_state,
            after_epoch,
        )
        for name, value in as_attributes(generator).items():
            setattr(self, name, value)
        self.logit_bias_ = None
        self.loss_curve_, self.distillation_curve_ = history.loss, history.distillation
        self.validation_scores_ = history.validation
        self.n_epochs_, self.best_epoch_ = len(history.loss), history.best_epoch

    def _generated(self, X: NDArray[Any]) -> NDArray[Any]:
        if not hasattr(self, "coefs_"):
            return X
        hidden, output = self.coefs_
        hidden_bias, output_bias = self.intercepts_
        return generate(X, Generator(hidden, hidden_bias, output, output_bias))


def as_attributes(generator: Generator) -> dict[str, Any]:
    """Return a generator as fitted attributes, named as in scikit-learn's MLPClassifier."""
    return {
        "coefs_": [generator.hidden, generator.output],
        "intercepts_": [generator.hidden_bias, generator.output_bias],
    }


def evident_rows(
    X: Any, codes: NDArray[np.int32] | None, sample_weight: Any
) -> LabelledRows | None:
    """Return the labelled rows that are neither zero nor of weight zero."""
    if X is None or codes is None:
        return None
    weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
    evident = nonzero_rows(X) & (weight > 0)
    if not evident.any():
        return None
    return LabelledRows(X[evident], codes[evident], weight[evident])
