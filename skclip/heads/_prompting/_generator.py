"""The prompt generator of AAPE, which maps an image embedding to a prompt embedding.

Training uses torch. The result is two matrices and their biases, which :func:`generate` applies in
numpy.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import unit_rows
from skclip.heads._prompting._attention import ClassPrompts, class_groups

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = [
    "Generator",
    "LabelledRows",
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

    gamma: float
    temperature: float
    logit_scale: float
    distillation: float
    reward: float
    mixes_image: bool
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


class LabelledRows(NamedTuple):
    """Unit rows with class positions and weights."""

    X: NDArray[Any]
    codes: NDArray[Any]
    weight: NDArray[Any]


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
        np.asarray(w, dtype=np.float32)
        for w in (
            random_state.uniform(-bound, bound, (n_features, hidden_size)),
            random_state.uniform(-bound, bound, hidden_size),
            np.zeros((hidden_size, n_features)),
            np.zeros(n_features),
            directions,
            directions,
        )
    ]


class PromptLoss:
    r"""The loss of generator and aggregator on labelled rows, as a torch function of weights.

    .. math:: L = \mathrm{CE}(s \cdot \mathrm{score}(x), y) + \lambda (1 - p(x) \cdot p^a(x, y))
              - \rho\, x \cdot p^a(x, y), \qquad
              p^a = \mathrm{normalize}\Big(\sum_j
              \operatorname{softmax}_j\big((x W_q) \cdot (p_{yj} W_k) / \tau\big)\, p_{yj}\Big)
    """

    def __init__(
        self, prompts: ClassPrompts, parameters: TrainingParameters, dtype: "torch.dtype"
    ) -> None:
        import torch

        def tensor(array: NDArray[Any]) -> "Tensor":
            kind = dtype if array.dtype.kind == "f" else torch.int64
            return torch.as_tensor(array, dtype=kind, device=parameters.device)

        self._tensor = tensor
        self._parameters = parameters
        self._text = tensor(prompts.text)
        self._groups = []
        slot = np.full(len(prompts.counts), -1)
        group_of = np.full(len(prompts.counts), -1)
        for number, (classes, rows) in enumerate(class_groups(prompts.counts)):
            members = tensor(prompts.rows[rows])  # (n_equal, count, d)
            # the Gram matrix is cheaper for norms of weighted sums of few prompts
            is_few = members.shape[1] <= members.shape[2]
            gram = members @ members.transpose(1, 2) if is_few else None
            of_text = (members * self._text[tensor(classes)][:, None]).sum(-1)
            self._groups.append((members, gram, of_text))
            slot[classes], group_of[classes] = np.arange(len(classes)), number
        self._slot, self._group_of = tensor(slot), tensor(group_of)
        grouped = [np.flatnonzero(prompts.counts == 0)]
        grouped += [classes for classes, _ in class_groups(prompts.counts)]
        self._bare = tensor(grouped[0])
        self._column = tensor(np.argsort(np.concatenate(grouped)))

    def rows(self, labelled: LabelledRows) -> tuple["Tensor", "Tensor", "Tensor"]:
        """Return labelled rows as tensors."""
        return (
            self._tensor(labelled.X),
            self._tensor(labelled.codes),
            self._tensor(labelled.weight),
        )

    def generated(self, x: "Tensor", weights: list["Tensor"]) -> "Tensor":
        """Return the generated prompts p(x)."""
        from torch.nn.functional import normalize

        hidden, hidden_bias, output, output_bias = weights[:4]
        return normalize(x + (x @ hidden + hidden_bias).relu() @ output + output_bias, dim=-1)

    def log_proba(self, x: "Tensor", p: "Tensor") -> "Tensor":
        """Return the log-probabilities of all classes for rows and their generated prompts."""
        import torch
        from torch.nn.functional import normalize

        gamma, temperature = self._parameters.gamma, self._parameters.temperature
        scored = normalize(x + gamma * p, dim=-1) if self._parameters.mixes_image else x
        columns = [scored @ self._text[self._bare].T]
        along_name = scored @ self._text.T
        done = len(self._bare)
        order = torch.argsort(self._column)
        for members, gram, of_text in self._groups:
            n_equal, count, width = members.shape
            flat = members.reshape(-1, width)
            attention = ((p @ flat.T).view(-1, n_equal, count) / temperature).softmax(-1)
            cosines = (scored @ flat.T).view(-1, n_equal, count)
            if gram is None:
                sums = torch.einsum("bcj,cjd->bcd", attention, members)
                square = sums.square().sum(-1)
            else:
                square = (attention * torch.einsum("bcj,cjk->bck", attention, gram)).sum(-1)
            length = square.clamp_min(1e-12).sqrt()
            along_image = (attention * cosines).sum(-1) / length
            along_text = (attention * of_text).sum(-1) / length
            norm = (1 + 2 * gamma * along_text + gamma**2).clamp_min(1e-12).sqrt()
            named = along_name[:, order[done : done + n_equal]]
            columns.append((named + gamma * along_image) / norm)
            done += n_equal
        scores = torch.cat(columns, dim=1)[:, self._column]
        return (self._parameters.logit_scale * scores).log_softmax(-1)

    def summaries(self, x: "Tensor", y: "Tensor", weights: list["Tensor"]) -> "Tensor":
        """Return p^a(x, y) of the aggregator; zero rows for classes without prompts."""
        import torch
        from torch.nn.functional import normalize

        query, key = weights[4:]
        queries = (x @ query) @ key.T
        summary = torch.zeros_like(x)
        for number, (members, _, _) in enumerate(self._groups):
            at = (self._group_of[y] == number).nonzero()[:, 0]
            if len(at):
                own = members[self._slot[y[at]]]  # (b, count, d)
                keys = torch.einsum("bjd,bd->bj", own, queries[at])
                attention = (keys / self._parameters.temperature).softmax(-1)
                sums = torch.einsum("bj,bjd->bd", attention, own)
                summary = summary.index_copy(0, at, normalize(sums, dim=-1))
        return summary

    def __call__(
        self, x: "Tensor", y: "Tensor", weight: "Tensor", weights: list["Tensor"]
    ) -> tuple["Tensor", "Tensor"]:
        """Return the weighted means of loss and distillation distance over the rows."""
        p = self.generated(x, weights)
        task = -self.log_proba(x, p).gather(1, y[:, None])[:, 0]
        summary = self.summaries(x, y, weights)
        has_prompts = (self._group_of[y] >= 0).to(x.dtype)
        distance = has_prompts - (p * summary).sum(-1)
        reward = (x * summary).sum(-1)
        settings = self._parameters
        loss = task + settings.distillation * distance - settings.reward * reward
        mass = weight.sum()
        return (weight * loss).sum() / mass, ((weight * distance).sum() / mass).detach()


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

    loss_of = PromptLoss(prompts, parameters, torch.float32)
    x, y, weight = loss_of.rows(train)
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
        for batch in _batches(len(y), parameters.batch_size, random_state):
            at = torch.as_tensor(batch, device=parameters.device)
            loss, apart = loss_of(x[at], y[at], weight[at], weights)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step_mass = float(weight[at].sum())
            total, distance, mass = (
                total + step_mass * float(loss.detach()),
                distance + step_mass * float(apart),
                mass + step_mass,
            )
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


def _mean_log_proba(
    loss_of: PromptLoss, rows: tuple["Tensor", "Tensor", "Tensor"], weights: list["Tensor"]
) -> float:
    """Return the weighted mean log-probability of the classes of the rows."""
    import torch

    x, y, weight = rows
    with torch.no_grad():
        parts = [
            loss_of.log_proba(a, loss_of.generated(a, weights)).gather(1, b[:, None])[:, 0]
            for a, b in zip(torch.split(x, 256), torch.split(y, 256), strict=True)
        ]
    return float((weight * torch.cat(parts)).sum() / weight.sum())


def _arrays(weights: list["Tensor"]) -> Generator:
    return Generator(*(w.detach().cpu().numpy().copy() for w in weights[:4]))
