"""Heads as torch modules. Imported where a module is asked for: it imports torch."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from skclip.export._loaded import LoadedHead, ProxyHead

__all__ = ["FusedHead", "HeadModule", "ImageHead", "LinearModule", "Probabilities", "ProxyModule"]


class HeadModule(nn.Module):
    """Features to logits: scores of a head times its logit scale, plus its logit bias.

    Attributes
    ----------
    classes : list
        Labels in the order of the logits.
    """

    def __init__(self, head: LoadedHead) -> None:
        super().__init__()
        self.classes = head.classes_.tolist()
        self.scale = head.logit_scale_
        self.bias_of_pairs = head.logit_bias_

    def scores(self, features: Tensor) -> Tensor:
        """Return one score per class: ``(n, d) -> (n, C)``."""
        raise NotImplementedError

    def forward(self, features: Tensor) -> Tensor:
        """Return one logit per class: ``(n, d) -> (n, C)``."""
        return self.scale * self.scores(features) + (self.bias_of_pairs or 0.0)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the softmax of logits, or their sigmoids over their sum: ``(n, C) -> (n, C)``."""
        if self.bias_of_pairs is None:
            return torch.softmax(logits, dim=-1)
        pairs = torch.sigmoid(logits)
        return pairs / pairs.sum(dim=-1, keepdim=True)


class LinearModule(HeadModule):
    """A head of one matrix."""

    def __init__(self, head: Any) -> None:
        super().__init__(head)
        self.unit_rows = head.unit_rows_
        self.linear = nn.Linear(head.n_features_in_, len(self.classes))
        with torch.no_grad():
            self.linear.weight.copy_(_tensor(head.coef_))
            self.linear.bias.copy_(_tensor(head.intercept_))

    def scores(self, features: Tensor) -> Tensor:
        if self.unit_rows:
            features = functional.normalize(features, dim=-1)
        scores: Tensor = self.linear(features)
        return scores


class ProxyModule(HeadModule):
    """A head of several proxies per class."""

    proxies: Tensor
    owners: Tensor
    counts: Tensor
    whitener: Tensor | None
    whitening: Tensor | None

    def __init__(self, head: ProxyHead) -> None:
        super().__init__(head)
        self.metric, self.aggregation = head.metric, head.aggregation
        self.temperature, self.normalized = head.temperature, head.normalize_queries == "l2"
        counts = np.diff(head._bounds)
        self.register_buffer("proxies", _tensor(head._metric_proxies))
        self.register_buffer("owners", torch.from_numpy(np.repeat(np.arange(len(counts)), counts)))
        self.register_buffer("counts", _tensor(counts))
        for name in ("whitener", "whitening"):
            matrix = getattr(head, f"_{name}")
            self.register_buffer(name, None if matrix is None else _tensor(matrix))

    def scores(self, features: Tensor) -> Tensor:
        compared = self._similarity(features)
        n_rows = features.shape[0]
        owners = self.owners.expand(n_rows, -1)
        if self.aggregation == "mean":
            sums = features.new_zeros((n_rows, len(self.classes)))
            means = sums.scatter_add(1, owners, compared) / self.counts.clamp(min=1)
            return torch.where(self.counts > 0, means, -torch.inf)
        none = torch.full_like(compared[:, :1], -torch.inf).expand(-1, len(self.classes))
        best = none.scatter_reduce(1, owners, compared, "amax")
        if self.aggregation == "max":
            return best
        shifted = torch.exp((compared - best.gather(1, owners)) / self.temperature)
        sums = torch.zeros_like(best).scatter_add(1, owners, shifted)
        return torch.where(self.counts > 0, best + self.temperature * torch.log(sums), -torch.inf)

    def _similarity(self, features: Tensor) -> Tensor:
        if self.whitener is not None:
            features = functional.normalize(features, dim=-1) @ self.whitener
            features = functional.normalize(features, dim=-1)
        if self.normalized:
            features = functional.normalize(features, dim=-1)
        if self.whitening is not None:
            features = features @ self.whitening
        if self.metric == "inner_product":
            return features @ self.proxies.T
        if self.metric == "cosine":
            proxies = functional.normalize(self.proxies, dim=-1)
            return functional.normalize(features, dim=-1) @ proxies.T
        return -torch.cdist(features, self.proxies)


class ImageHead(nn.Module):
    """From preprocessed images to logits: the image encoder of a model, and a head."""

    def __init__(self, visual: nn.Module, head: HeadModule) -> None:
        super().__init__()
        self.visual, self.head, self.classes = visual, head, head.classes

    def forward(self, pixels: Tensor) -> Tensor:
        """Return one logit per class: ``(n, 3, h, w) -> (n, C)``."""
        features = self.visual(pixels)
        # some encoders give their tokens too; those of half precision are scored in full
        features = features[0] if isinstance(features, tuple) else features
        logits: Tensor = self.head(features.float())
        return logits

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return probabilities of logits: ``(n, C) -> (n, C)``."""
        return self.head.probabilities(logits)


class FusedHead(nn.Module):
    """An image encoder whose last matrix is the head: it gives scores of features of any length.

    The largest is that of the head. They are the head's scores times the length of the features,
    which nothing computes here, and so have no probabilities.
    """

    def __init__(self, visual: nn.Module, classes: list[Any]) -> None:
        super().__init__()
        self.visual, self.classes = visual, classes

    def forward(self, pixels: Tensor) -> Tensor:
        """Return one score per class: ``(n, 3, h, w) -> (n, C)``."""
        scores: Tensor = self.visual(pixels)
        return scores


class Probabilities(nn.Module):
    """A head whose outputs are probabilities."""

    def __init__(self, module: HeadModule | ImageHead) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor) -> Tensor:
        """Return probabilities: ``(n, …) -> (n, C)``."""
        return self.module.probabilities(self.module(inputs))


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))
