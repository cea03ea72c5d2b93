"""The trained modules and one training step: towers, projections, optimizer and schedule.

A step never waits for the device: loss terms are summed on the device and read only for the log.
"""

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.checkpoint import checkpoint

from skclip.distill._banks import Banks
from skclip.distill._losses import ping_loss
from skclip.distill._student import Architecture, zero_unused_words

__all__ = ["Guidance", "Hyperparameters", "Learner", "as_input", "make_learner"]

_MAX_LOGIT_SCALE = math.log(100)  # as in CLIP


@dataclass(frozen=True)
class Hyperparameters:
    """Training parameters; see :class:`~skclip.distill.CLIPPINGTrainer`."""

    n_steps: int
    learning_rate: float
    weight_decay: float
    warmup: float
    clip_grad_norm: float
    accumulate: int
    ema_decay: float | None
    lambda_nn: float
    lambda_xnn: float
    dtype: str
    device: str
    compile: bool


class Guidance(nn.Module):
    """Linear maps from bank rows to the student's width, used only in training.

    Parameters
    ----------
    n_image, n_text : int
        Width of the banks.

    n_features : int
        Width of the student's embeddings.

    lambda_nn, lambda_xnn : float
        Weights of the terms. Terms of weight 0 have no maps.
    """

    def __init__(
        self, n_image: int, n_text: int, n_features: int, lambda_nn: float, lambda_xnn: float
    ) -> None:
        super().__init__()
        self.slots = [name for name, w in (("nn", lambda_nn), ("xnn", lambda_xnn)) if w]
        self.image = nn.ModuleDict(
            {name: nn.Linear(n_image, n_features, bias=False) for name in self.slots}
        )
        self.text = nn.ModuleDict(
            {name: nn.Linear(n_text, n_features, bias=False) for name in self.slots}
        )

    def forward(self, image_rows: Tensor, text_rows: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Project bank rows.

        Parameters
        ----------
        image_rows : Tensor of shape (2, n_batch, n_image)
            Rows of the nearest image, and of the image of the nearest text.

        text_rows : Tensor of shape (2, n_batch, n_text)
            Rows of the nearest text, and of the text of the nearest image.

        Returns
        -------
        targets : dict
            Arguments ``"neighbors"`` and ``"counterparts"`` of :func:`~skclip.distill.ping_loss`.
        """
        targets = {}
        if "nn" in self.slots:
            targets["neighbors"] = (
                _project(self.image["nn"], image_rows[0]),
                _project(self.text["nn"], text_rows[0]),
            )
        if "xnn" in self.slots:
            targets["counterparts"] = (
                _project(self.text["xnn"], text_rows[1]),
                _project(self.image["xnn"], image_rows[1]),
            )
        return targets


def _project(linear: nn.Module, rows: Tensor) -> Tensor:
    return F.normalize(linear(rows.float()).float(), dim=-1)


def as_input(
    pixels: Tensor, jitter: Mapping[str, Tensor] | None, mean: Tensor, std: Tensor
) -> Tensor:
    """Augment and normalise a batch of images.

    Parameters
    ----------
    pixels : Tensor of shape (n_batch, height, width, 3)
        uint8.

    jitter : mapping or None
        ``"shift"`` of shape (2,) in pixels, with repeated edges; ``"gain"`` and ``"offset"`` of
        shape (n_batch,): contrast around mid-grey, and brightness. None disables augmentation.

    mean, std : Tensor of shape (3,)
        From the model's preprocessing, for pixels in [0, 1].

    Returns
    -------
    images : Tensor of shape (n_batch, 3, height, width)
        float32, channels last in memory.
    """
    if jitter is None:
        values = pixels.float()
    else:
        _, height, width, _ = pixels.shape
        down, right = jitter["shift"]
        rows = (torch.arange(height, device=pixels.device) + down).clamp_(0, height - 1)
        columns = (torch.arange(width, device=pixels.device) + right).clamp_(0, width - 1)
        values = pixels.index_select(1, rows).index_select(2, columns).float()
        gain = jitter["gain"].view(-1, 1, 1, 1)
        lift = 128 * (1 - gain) + jitter["offset"].view(-1, 1, 1, 1)
        values = torch.addcmul(lift, values, gain).clamp_(0, 255)
    return values.mul_(1 / (255 * std)).sub_(mean / std).permute(0, 3, 1, 2)


class Learner:
    """Model, projections and optimizer, and the training step.

    Parameters
    ----------
    model : nn.Module
        The student, an open_clip model, on the CPU.

    guidance : Guidance or None
        None trains plain CLIP.

    how : Hyperparameters
        Training parameters.
    """

    def __init__(self, model: nn.Module, guidance: Guidance | None, how: Hyperparameters) -> None:
        self.how = how
        self.device = torch.device(how.device)
        self.model = model.train().to(self.device)
        self.model.visual.to(memory_format=torch.channels_last)
        self.guidance = guidance if guidance is None else guidance.to(self.device)
        self.terms = ["loss", "clip", *(guidance.slots if guidance is not None else [])]
        self.totals = torch.zeros(len(self.terms), device=self.device)
        self.n_totalled = 0
        self.step_number = 0
        self._forward: Callable[..., Any] = torch.compile(model) if how.compile else model
        self._optimizer = torch.optim.AdamW(
            _parameter_groups(self._modules(), how.weight_decay),
            lr=how.learning_rate,
            betas=(0.9, 0.98),
            eps=1e-6,
            fused=True,
        )
        # OneCycleLR divides by zero for a warm-up of exactly one step
        warmup = 0.0 if how.warmup * how.n_steps == 1 else how.warmup
        self._schedule = OneCycleLR(
            self._optimizer,
            how.learning_rate,
            total_steps=how.n_steps,
            pct_start=warmup,
            cycle_momentum=False,
        )
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=how.dtype == "float16")
        self._average = None
        if how.ema_decay is not None:
            self.averaged = deepcopy(self.model).requires_grad_(False)
            self._average = get_ema_multi_avg_fn(how.ema_decay)  # type: ignore[no-untyped-call]
            self._averaged_values = _floats(self.averaged), _floats(self.model)

    def _modules(self) -> list[nn.Module]:
        return [self.model] if self.guidance is None else [self.model, self.guidance]

    def step(self, images: Tensor, tokens: Tensor, bank_rows: tuple[Tensor, Tensor] | None) -> None:
        """Train on one batch.

        Parameters
        ----------
        images : Tensor of shape (n_batch, 3, height, width)
            From :func:`as_input`.

        tokens : Tensor of shape (n_batch, context_length)
            Token ids.

        bank_rows : tuple of two Tensors or None
            Input of :class:`Guidance`.
        """
        half = self.how.dtype != "float32"
        with torch.autocast(self.device.type, getattr(torch, self.how.dtype), enabled=half):
            image, text, scale = self._encode(images, tokens)
            targets = {}
            if self.guidance is not None and bank_rows is not None:
                targets = self.guidance(*bank_rows)
        terms = ping_loss(
            image.float(),
            text.float(),
            scale,
            lambda_nn=self.how.lambda_nn,
            lambda_xnn=self.how.lambda_xnn,
            **targets,
        )
        self._update(terms["loss"])
        self.totals += torch.stack([terms[name].detach() for name in self.terms])
        self.n_totalled += 1
        self.step_number += 1

    def _encode(self, images: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run both towers in parts; their activations are recomputed for the gradient.

        The loss uses the whole batch, so gradients are those of one large batch, except for the
        statistics of batch normalisation.
        """
        if self.how.accumulate == 1:
            image, text, scale = self._forward(images, tokens)[:3]
            return image, text, scale
        parts = [
            checkpoint(self._forward, *part, use_reentrant=False)
            for part in zip(
                images.chunk(self.how.accumulate), tokens.chunk(self.how.accumulate), strict=True
            )
        ]
        image, text = (torch.cat([part[i] for part in parts]) for i in (0, 1))
        return image, text, parts[0][2]

    def _update(self, loss: Tensor) -> None:
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._optimizer)
        parameters = [p for module in self._modules() for p in module.parameters()]
        nn.utils.clip_grad_norm_(parameters, self.how.clip_grad_norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        self._schedule.step()
        with torch.no_grad():
            self.log_scale.clamp_(0, _MAX_LOGIT_SCALE)
            if self._average is not None:
                self._average(*self._averaged_values, self.step_number)

    @property
    def log_scale(self) -> Tensor:
        """Logarithm of the factor from cosines to logits."""
        return self.model.get_parameter("logit_scale")

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return float(self._schedule.get_last_lr()[0])

    def mean_terms(self) -> dict[str, float]:
        """Return the mean loss terms since the last call. Waits for the device."""
        means = (self.totals / max(1, self.n_totalled)).tolist()
        self.totals.zero_()
        self.n_totalled = 0
        return dict(zip(self.terms, means, strict=True))

    def is_finite(self) -> bool:
        """Return whether all losses since the last log record are finite. Waits for the device."""
        return bool(self.totals.isfinite().all())

    def trained_state(self) -> dict[str, Tensor]:
        """Return the trained weights, or their moving average if enabled."""
        model = self.model if self._average is None else self.averaged
        return dict(model.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Return the complete state for the next steps."""
        on_cuda = self.device.type == "cuda"
        return {
            "step": self.step_number,
            "model": self.model.state_dict(),
            "guidance": None if self.guidance is None else self.guidance.state_dict(),
            "averaged": None if self._average is None else self.averaged.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._scaler.state_dict(),
            "totals": self.totals,
            "n_totalled": self.n_totalled,
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if on_cuda else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a :meth:`state_dict`."""
        if not 0 <= state["step"] <= self.how.n_steps:
            raise ValueError(f"its step is {state['step']} of {self.how.n_steps}")
        self.step_number, self.n_totalled = state["step"], state["n_totalled"]
        self.model.load_state_dict(state["model"])
        if self.guidance is not None:
            self.guidance.load_state_dict(state["guidance"])
        if self._average is not None:
            self.averaged.load_state_dict(state["averaged"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._scaler.load_state_dict(state["scaler"])
        self.totals.copy_(state["totals"])
        torch.set_rng_state(state["rng"].cpu())
        if state["cuda_rng"] is not None:
            torch.cuda.set_rng_state(state["cuda_rng"].cpu(), self.device)


def make_learner(
    architecture: Architecture, tokens: Tensor, banks: Banks | None, how: Hyperparameters
) -> Learner:
    """Return a learner with random weights from torch's generator.

    The student is initialised first, so that its weights are the same with and without guidance.
    """
    model = architecture.create_model()
    zero_unused_words(model, tokens)
    guidance = None
    if banks is not None:
        n_features = architecture.config["embed_dim"]
        widths = banks.image.shape[1], banks.text.shape[1], n_features
        guidance = Guidance(*widths, how.lambda_nn, how.lambda_xnn)
    return Learner(model, guidance, how)


def _parameter_groups(modules: list[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Apply weight decay to matrices except those excluded by the model."""
    decayed: list[Tensor] = []
    kept: list[Tensor] = []
    for module in modules:
        named: set[str] = getattr(module, "no_weight_decay", set)()
        for name, parameter in module.named_parameters():
            is_matrix = parameter.ndim >= 2 and "embedding" not in name and name not in named
            (decayed if is_matrix else kept).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]


def _floats(model: nn.Module) -> list[Tensor]:
    return [value for value in model.state_dict().values() if value.is_floating_point()]
