"""The prompt generator of AAPE, which maps an image embedding to a prompt embedding.

Training uses torch. The result is two matrices and their biases, which :func:`generate` applies in
numpy.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import unit_rows
from skclip.heads._prompting._attention import ClassPrompts
from skclip.heads._prompting._prompt_loss import LabelledRows, LossParameters, PromptLoss, Rows

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Generator",
    "TrainingHistory",
    "TrainingParameters",
    "generate",
    "held_out",
    "train_generator",
]

# Least number of steps per epoch.
MIN_BATCHES = 10


class Generator(NamedTuple):
    r"""Weights of the map :math:`h(x) = W_2 \max(0, W_1 x + b_1) + b_2`, transposed."""

    hidden: NDArray[Any]  # (n_features, hidden_size)
    hidden_bias: NDArray[Any]
    output: NDArray[Any]  # (hidden_size, n_features)
    output_bias: NDArray[Any]


class TrainingParameters(NamedTuple):
    """Parameters of :func:`train_generator`; see AggregatedPromptClassifier."""

    loss: LossParameters
    hidden_size: int
    learning_rate: float
    weight_decay: float
    batch_size: int
    max_epochs: int
    patience: int
    device: str


class TrainingHistory(NamedTuple):
    """Losses and scores of every epoch, averaged over rows.

    Attributes
    ----------
    loss : ndarray of shape (n_epochs,)
        Total loss.

    distillation : ndarray of shape (n_epochs,)
        Cosine distance of generated prompts to the summaries.

    validation : ndarray of shape (n_epochs,) or None
        Mean log-probability of the classes of the validation rows.

    best_epoch : int
        Epoch, from 1, whose weights are kept.
    """

    loss: NDArray[np.float64]
    distillation: NDArray[np.float64]
    validation: NDArray[np.float64] | None
    best_epoch: int


def held_out(
    rows: LabelledRows, fraction: float, random_state: np.random.RandomState
) -> tuple[LabelledRows, LabelledRows | None]:
    """Hold out a random fraction of the rows of each class, rounded down.

    Parameters
    ----------
    rows : LabelledRows
        All rows.

    fraction : float
        Fraction of each class.

    random_state : RandomState
        Random generator.

    Returns
    -------
    train, validation : LabelledRows
        ``validation`` is None if no class has enough rows.
    """
    chosen = np.zeros(len(rows.codes), dtype=bool)
    for code in np.unique(rows.codes):
        own = random_state.permutation(np.flatnonzero(rows.codes == code))
        chosen[own[: int(fraction * len(own))]] = True
    if not chosen.any():
        return rows, None
    return LabelledRows(*(a[~chosen] for a in rows)), LabelledRows(*(a[chosen] for a in rows))


def generate(X: NDArray[Any], generator: Generator) -> NDArray[Any]:
    r"""Return the generated prompts :math:`p(x) = \mathrm{normalize}(x + h(x))`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Unit rows :math:`x`.

    generator : Generator
        Weights of :math:`h`.

    Returns
    -------
    P : ndarray of shape (n_samples, n_features)
        Unit rows.
    """
    weights = Generator(*(w.astype(X.dtype, copy=False) for w in generator))
    hidden = X @ weights.hidden
    hidden += weights.hidden_bias
    np.maximum(hidden, 0, out=hidden)
    moved: NDArray[Any] = hidden @ weights.output
    moved += weights.output_bias
    moved += X
    return unit_rows(moved)


def initial_weights(
    prompts: ClassPrompts, hidden_size: int, random_state: np.random.RandomState
) -> list[NDArray[np.float32]]:
    """Return initial weights of the generator, with output zero, and of the aggregator.

    Both maps of the aggregator start as the projection onto the leading directions of the prompts.
    With at least as many directions as prompts, the projection keeps inner products with prompts.
    """
    n_features = prompts.text.shape[1]
    bound = 1 / np.sqrt(n_features)
    directions = np.linalg.svd(prompts.rows, full_matrices=False)[2][:hidden_size].T
    return [
        np.ascontiguousarray(w, dtype=np.float32)  # AdamW expects weights and gradients alike
        for w in (
            random_state.uniform(-bound, bound, (n_features, hidden_size)),
            random_state.uniform(-bound, bound, hidden_size),
            np.zeros((hidden_size, n_features)),
            np.zeros(n_features),
            directions,
            directions,
        )
    ]


def _batches(n_rows: int, batch_size: int, rng: np.random.RandomState) -> Iterator[NDArray[Any]]:
    """Yield the rows of every step of one epoch, in random order."""
    size = min(batch_size, n_rows)
    passes = -(-MIN_BATCHES * size // n_rows) if n_rows < MIN_BATCHES * size else 1
    order = np.concatenate([rng.permutation(n_rows) for _ in range(passes)])
    yield from np.array_split(order, max(1, round(len(order) / size)))


def train_generator(
    train: LabelledRows,
    validation: LabelledRows | None,
    prompts: ClassPrompts,
    parameters: TrainingParameters,
    random_state: np.random.RandomState,
    after_epoch: Callable[[int, Callable[[], Generator]], bool],
) -> tuple[Generator, TrainingHistory]:
    """Train generator and aggregator together by AdamW; return the generator.

    Parameters
    ----------
    train, validation : LabelledRows
        Unit rows with class positions in ``prompts``. The weights of the epoch with the highest
        mean log-probability on the validation rows are kept; without them, those of the last.

    prompts : ClassPrompts
        Text of the classes with labelled images.

    parameters : TrainingParameters
        Other parameters.

    random_state : RandomState
        Initialises the weights and orders the rows; torch's random state is not used.

    after_epoch : callable
        Called with the number of the epoch, from 0, and a function that returns the current
        generator. Returns True to stop.

    Returns
    -------
    generator : Generator
        Weights in float32.

    history : TrainingHistory
        Losses and scores of every epoch.
    """
    import torch

    loss_of = PromptLoss(prompts, parameters.loss, parameters.device, torch.float32)
    rows = loss_of.rows(train)
    held_out = None if validation is None else loss_of.rows(validation)
    start = initial_weights(prompts, parameters.hidden_size, random_state)
    weights = [torch.tensor(w, device=parameters.device, requires_grad=True) for w in start]
    optimizer = torch.optim.AdamW(
        weights, lr=parameters.learning_rate, weight_decay=parameters.weight_decay, fused=True
    )
    losses, distances, scores = [], [], []
    best, best_epoch = _arrays(weights), 0
    for epoch in range(parameters.max_epochs):
        total, distance, mass = 0.0, 0.0, 0.0
        for batch in _batches(len(train.codes), parameters.batch_size, random_state):
            step = rows.take(torch.as_tensor(batch, device=parameters.device))
            with torch.no_grad():
                loss, apart, gradient = loss_of(step, weights)
            for w, by_weight in zip(weights, gradient, strict=True):
                w.grad = by_weight.contiguous()
            optimizer.step()
            step_mass = float(step.weight.sum())
            total += step_mass * loss
            distance += step_mass * apart
            mass += step_mass
        losses.append(total / mass)
        distances.append(distance / mass)
        if held_out is not None:
            scores.append(_mean_log_proba(loss_of, held_out, weights))
            if scores[-1] >= max(scores):
                best, best_epoch = _arrays(weights), epoch
        stop = after_epoch(epoch, lambda: _arrays(weights))
        if stop or (held_out is not None and epoch - best_epoch >= parameters.patience):
            break
    if held_out is None:
        best, best_epoch = _arrays(weights), len(losses) - 1
    history = TrainingHistory(
        np.asarray(losses),
        np.asarray(distances),
        None if held_out is None else np.asarray(scores),
        best_epoch + 1,
    )
    return best, history


def _mean_log_proba(loss_of: PromptLoss, rows: Rows, weights: list["Tensor"]) -> float:
    """Return the weighted mean log-probability of the classes of the rows."""
    import torch

    with torch.no_grad():
        parts = [
            loss_of.log_proba(rows.take(at), weights)
            for at in torch.split(torch.arange(len(rows.y), device=rows.y.device), 256)
        ]
    return float((rows.weight * torch.cat(parts)).sum() / rows.weight.sum())


def _arrays(weights: list["Tensor"]) -> Generator:
    return Generator(*(w.detach().cpu().numpy().copy() for w in weights[:4]))
