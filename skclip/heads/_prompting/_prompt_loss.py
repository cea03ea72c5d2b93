"""The loss of generator and aggregator of AAPE on labelled images, and its gradient in closed form.

Torch only multiplies. A generated prompt is the image plus a map of few hidden units, so its
cosines with all prompts are those of the image, which do not change during training, plus a
product of that few columns; gradients take the same way back.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip.heads._prompting._attention import ClassPrompts, class_groups

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["LabelledRows", "LossParameters", "PromptLoss"]

# Most elements of the cosines of training images and text that are kept: 256 MB in float32.
KEPT_COSINES = 1 << 26


class LabelledRows(NamedTuple):
    """Unit rows with class positions and weights."""

    X: NDArray[Any]
    codes: NDArray[Any]
    weight: NDArray[Any]


class LossParameters(NamedTuple):
    """Parameters of :class:`PromptLoss`; see AggregatedPromptClassifier."""

    gamma: float
    temperature: float
    logit_scale: float
    distillation: float
    reward: float
    mixes_image: bool


class Group(NamedTuple):
    """Classes with equally many prompts; their prompts lie in a row of the text, class by class."""

    classes: "Tensor"
    span: slice  # rows of the text
    lines: "Tensor"  # (n_equal, count): the same, one by one
    members: "Tensor"  # (n_equal, count, d)
    gram: "Tensor | None"  # (n_equal, count, count), where it is the smaller factor
    of_text: "Tensor"  # (n_equal, count, 1): cosines of prompts and templates

    def gram_times(self, a: "Tensor", slot: "Tensor | slice" = slice(None)) -> "Tensor":
        """Return the inner products of the prompts of some classes times (., count, n) columns."""
        if self.gram is not None:
            return self.gram[slot] @ a
        members = self.members[slot]
        return members @ (members.transpose(1, 2) @ a)


class Rows(NamedTuple):
    """Labelled rows as tensors, with their cosines with all text (n, n_text) if these are kept."""

    x: "Tensor"
    y: "Tensor"
    weight: "Tensor"
    cosines: "Tensor | None"

    def take(self, at: "Tensor") -> "Rows":
        kept = None if self.cosines is None else self.cosines[at]
        return Rows(self.x[at], self.y[at], self.weight[at], kept)


class Aggregate(NamedTuple):
    """Attention of a group of classes (n_equal, count, n), and what it weighs (n_equal, n)."""

    attention: "Tensor"
    gram: "Tensor"
    length: "Tensor"
    along_image: "Tensor"
    along_text: "Tensor"
    norm: "Tensor"


class Forward(NamedTuple):
    """What the gradient needs of the way to the scores."""

    hidden: "Tensor"  # (n, hidden_size + 1): hidden units and a column of ones
    last: "Tensor"  # (hidden_size + 1, d): last layer, its biases are the last row
    p: "Tensor"  # (n, d): generated prompts
    length: "Tensor"  # (n,): of x + h(x)
    mixed_length: "Tensor"  # (n,): of x + gamma p
    of_image: "Tensor"  # (n_text, n): cosines of text and images
    of_prompt: "Tensor"  # (n_text, n): of text and generated prompts
    of_scored: "Tensor"  # (n_text, n): of text and what is scored
    text_of_hidden: "Tensor"  # (n_text, hidden_size + 1)
    aggregates: list[Aggregate]
    scores: "Tensor"  # (n_classes, n)


class PromptLoss:
    r"""The loss of generator and aggregator on labelled rows, and its gradient.

    .. math:: L = \mathrm{CE}(s \cdot \mathrm{score}(x), y) + \lambda (1 - p(x) \cdot p^a(x, y))
              - \rho\, x \cdot p^a(x, y), \qquad
              p^a = \mathrm{normalize}\Big(\sum_j
              \operatorname{softmax}_j\big((x W_q) \cdot (p_{yj} W_k) / \tau\big)\, p_{yj}\Big)

    Parameters
    ----------
    prompts : ClassPrompts
        Text of the classes.

    parameters : LossParameters
        Weights of the terms.

    device : str
        Torch device.

    dtype : torch.dtype
        Type of all tensors.
    """

    def __init__(
        self,
        prompts: ClassPrompts,
        parameters: LossParameters,
        device: str,
        dtype: "torch.dtype",
    ) -> None:
        import torch

        def tensor(array: NDArray[Any]) -> "Tensor":
            kind = dtype if array.dtype.kind == "f" else torch.int64
            return torch.as_tensor(array, dtype=kind, device=device)

        self._tensor = tensor
        self._parameters = parameters
        n_classes = len(prompts.counts)
        text = tensor(prompts.text)
        self._squares = text.square().sum(-1, keepdim=True)  # 1, or 0 without a template
        self._groups: list[Group] = []
        group_of, slot = np.full(n_classes, -1), np.full(n_classes, -1)
        blocks, start = [text], n_classes
        for number, (classes, rows) in enumerate(class_groups(prompts.counts)):
            members = tensor(prompts.rows[rows])
            count, width = members.shape[1:]
            at = tensor(classes)
            span = slice(start, start + rows.size)
            gram = members @ members.transpose(1, 2) if count <= width else None
            of_text = members @ text[at][:, :, None]
            lines = torch.arange(span.start, span.stop, device=device).view(-1, count)
            self._groups.append(Group(at, span, lines, members, gram, of_text))
            group_of[classes], slot[classes] = number, np.arange(len(classes))
            blocks.append(members.reshape(-1, width))
            start = span.stop
        self._text = torch.cat(blocks)  # templates of all classes, then the prompts of each group
        self._group_of, self._slot = tensor(group_of), tensor(slot)

    def rows(self, labelled: LabelledRows) -> Rows:
        """Return labelled rows as tensors, with their cosines unless these are too many."""
        x, y, weight = (self._tensor(a) for a in labelled)
        fits = len(self._text) * len(x) <= KEPT_COSINES
        return Rows(x, y, weight, x @ self._text.T if fits else None)

    def generated(self, x: "Tensor", weights: list["Tensor"]) -> tuple["Tensor", ...]:
        """Return the generated prompts p(x), their lengths before division, and both layers.

        The hidden units have a column of ones, and the last layer has its biases as last row.
        """
        import torch

        hidden, hidden_bias, output, output_bias = weights[:4]
        units = torch.cat([(x @ hidden + hidden_bias).relu_(), x.new_ones((len(x), 1))], dim=1)
        last = torch.cat([output, output_bias[None]])
        moved = torch.addmm(x, units, last)
        length = moved.norm(dim=1).clamp_min(1e-12)
        return moved / length[:, None], length, units, last

    def forward(self, rows: Rows, weights: list["Tensor"]) -> Forward:
        """Return the scores of all classes, (n_classes, n), and what leads to them."""
        import torch

        gamma = self._parameters.gamma
        p, length, hidden, last = self.generated(rows.x, weights)
        of_image = self._text @ rows.x.T if rows.cosines is None else rows.cosines.T.contiguous()
        text_of_hidden = self._text @ last.T
        of_prompt = torch.addmm(of_image, text_of_hidden, hidden.T)
        of_prompt /= length
        if self._parameters.mixes_image:
            mixed_length = (1 + gamma**2 + 2 * gamma * (rows.x * p).sum(1)).clamp_min(1e-12).sqrt()
            of_scored = (of_image + gamma * of_prompt) / mixed_length
        else:
            mixed_length, of_scored = length.new_ones(len(length)), of_image
        scores = of_scored[: len(self._squares)].clone()
        aggregates = []
        for group in self._groups:
            n_equal, count = group.members.shape[:2]
            keys = of_prompt[group.span].view(n_equal, count, -1)
            attention = (keys / self._parameters.temperature).softmax(1)
            gram = group.gram_times(attention)
            size = (attention * gram).sum(1).clamp_min(1e-12).sqrt()
            cosines = of_scored[group.span].view(n_equal, count, -1)
            along_image = (attention * cosines).sum(1) / size
            along_text = (group.of_text.transpose(1, 2) @ attention)[:, 0] / size
            square = self._squares[group.classes] + 2 * gamma * along_text + gamma**2
            norm = square.clamp_min(1e-12).sqrt()
            scores[group.classes] = (scores[group.classes] + gamma * along_image) / norm
            aggregates.append(Aggregate(attention, gram, size, along_image, along_text, norm))
        return Forward(
            hidden, last, p, length, mixed_length, of_image, of_prompt, of_scored, text_of_hidden,
            aggregates, scores,
        )  # fmt: skip

    def log_proba(self, rows: Rows, weights: list["Tensor"]) -> "Tensor":
        """Return the log-probability of the class of every row."""
        logits = self._parameters.logit_scale * self.forward(rows, weights).scores
        return logits.log_softmax(0).gather(0, rows.y[None])[0]

    def __call__(self, rows: Rows, weights: list["Tensor"]) -> tuple[float, float, list["Tensor"]]:
        """Return the weighted means of loss and distillation distance, and the gradient."""
        settings = self._parameters
        gamma, scale = settings.gamma, settings.logit_scale
        way = self.forward(rows, weights)
        mass = rows.weight / rows.weight.sum()
        log_proba = (scale * way.scores).log_softmax(0)
        task = -log_proba.gather(0, rows.y[None])[0]

        # of the loss by the scores, by the cosines of what is scored and by those of p
        by_score = log_proba.exp_()
        by_score[rows.y, range(len(rows.y))] -= 1
        by_score *= scale * mass
        by_scored = way.of_prompt.new_zeros(way.of_prompt.shape)
        by_prompt = way.of_prompt.new_zeros(way.of_prompt.shape)
        by_scored[: len(by_score)] = by_score
        for group, own in zip(self._groups, way.aggregates, strict=True):
            shape = own.attention.shape
            part = by_score[group.classes] / own.norm
            by_scored[group.classes] = part
            by_text = -gamma * part * way.scores[group.classes] / own.norm
            by_sum = gamma * part / own.length
            by_length = -(gamma * part * own.along_image + by_text * own.along_text)
            cosines = way.of_scored[group.span].view(shape)
            by_attention = own.gram * (by_length / own.length.square())[:, None]
            by_attention += cosines * by_sum[:, None]
            by_attention += group.of_text * (by_text / own.length)[:, None]
            by_attention -= (own.attention * by_attention).sum(1, keepdim=True)
            by_attention *= own.attention
            by_attention /= settings.temperature
            by_prompt[group.span] = by_attention.view(-1, shape[2])
            by_scored[group.span] = (own.attention * by_sum[:, None]).view(-1, shape[2])
        by_cosine = mass.new_zeros(len(mass))
        if settings.mixes_image:
            by_prompt += by_scored * (gamma / way.mixed_length)
            falls = (by_score * way.scores).sum(0) / way.mixed_length
            by_cosine = -gamma * falls / way.mixed_length

        distance, reward, by_query, by_key = self._aggregator(rows, weights, way, mass, by_prompt)
        loss = task + settings.distillation * distance - settings.reward * reward

        # back through p = (x + h) / length to the weights
        by_length = (by_prompt * way.of_prompt).sum(0)
        by_prompt /= way.length
        along = (rows.x * way.p).sum(1)
        by_moved = by_cosine * rows.x.T - (by_cosine * along + by_length) * way.p.T
        by_moved = (by_moved / way.length).T
        by_hidden = by_prompt.T @ way.text_of_hidden
        by_hidden += by_moved @ way.last.T
        by_hidden *= way.hidden > 0
        by_hidden = by_hidden[:, :-1]
        by_last = (by_prompt @ way.hidden).T @ self._text
        by_last += way.hidden.T @ by_moved
        gradient = [
            rows.x.T @ by_hidden, by_hidden.sum(0), by_last[:-1], by_last[-1], by_query, by_key
        ]  # fmt: skip
        return float(mass @ loss), float(mass @ distance), gradient

    def _aggregator(
        self,
        rows: Rows,
        weights: list["Tensor"],
        way: Forward,
        mass: "Tensor",
        by_prompt: "Tensor",
    ) -> tuple["Tensor", "Tensor", "Tensor", "Tensor"]:
        """Return distances and rewards of the summaries, and gradients of the aggregator.

        Adds the gradient by the cosines of generated prompts to ``by_prompt``.
        """
        settings = self._parameters
        query, key = weights[4:]
        projected = rows.x @ query
        queries = projected @ key.T
        distance, reward = mass.new_zeros(len(mass)), mass.new_zeros(len(mass))
        by_queries = queries.new_zeros(queries.shape)
        for number, group in enumerate(self._groups):
            at = (self._group_of[rows.y] == number).nonzero()[:, 0]
            if not len(at):
                continue
            slot = self._slot[rows.y[at]]
            own = group.members[slot]  # (b, count, d)
            line = group.lines[slot]  # rows of the prompts of each image's class
            attention = (own @ queries[at][:, :, None])[:, :, 0] / settings.temperature
            attention = attention.softmax(1)
            gram = group.gram_times(attention[:, :, None], slot)[:, :, 0]
            length = (attention * gram).sum(1, keepdim=True).clamp_min(1e-12).sqrt()
            of_prompt, of_image = (c[line, at[:, None]] for c in (way.of_prompt, way.of_image))
            unit = attention / length
            distance[at] = 1 - (unit * of_prompt).sum(1)
            reward[at] = (unit * of_image).sum(1)
            gain = settings.distillation * of_prompt + settings.reward * of_image
            pull = (unit * gain).sum(1, keepdim=True)
            part = mass[at][:, None] / length
            by_attention = part * (pull * gram / length - gain)
            by_attention -= (attention * by_attention).sum(1, keepdim=True)
            by_attention *= attention / settings.temperature
            by_queries[at] = (by_attention[:, None] @ own)[:, 0]
            by_prompt[line, at[:, None]] -= settings.distillation * part * attention
        by_query = rows.x.T @ (by_queries @ key)
        return distance, reward, by_query, by_queries.T @ projected
