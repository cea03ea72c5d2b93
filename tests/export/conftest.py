"""Fitted heads of every form."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from skclip import (
    AggregatedPromptClassifier,
    GaussianDiscriminantClassifier,
    MixedHeadClassifier,
    MultiProxyImprinter,
    NearestClassMean,
    PrimedNCMClassifier,
    StackedHeadClassifier,
    ZeroShotClassifier,
)

NAMES = ["ant", "bee", "cat", "dog", "eel"]


def blobs(n: int = 60, dtype: Any = np.float32, seed: int = 0) -> tuple[Any, Any, dict[str, Any]]:
    """Return rows, labels and text rows of five classes."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((len(NAMES), 12))
    codes = np.arange(n) % len(NAMES)
    X = (centers[codes] + rng.standard_normal((n, 12))).astype(dtype)
    text = centers + rng.standard_normal(centers.shape)
    return X, np.array(NAMES)[codes], dict(zip(NAMES, text, strict=True))


_X, _Y, TEXT = blobs()
STORABLE = {
    "zero-shot": ZeroShotClassifier(TEXT),
    "siglip": ZeroShotClassifier(TEXT, logit_scale=20.0, logit_bias=-5.0),
    "stacked": StackedHeadClassifier(TEXT),
    "stacked, no text": StackedHeadClassifier(),
    "stacked, imprinter of one matrix": StackedHeadClassifier(
        TEXT, [("means", NearestClassMean()), ("euclid", NearestClassMean(metric="euclidean"))]
    ),
    "primed": PrimedNCMClassifier(TEXT),
    "primed, published": PrimedNCMClassifier(TEXT, alpha=0.5),
    "class means": NearestClassMean(),
    "Euclidean class means": NearestClassMean(metric="euclidean"),
    "discriminant": GaussianDiscriminantClassifier(),
    "mixed": MixedHeadClassifier(TEXT),
    "mixed weights": MixedHeadClassifier(TEXT, alpha=0.5, space="weights"),
    "prompts by mean": AggregatedPromptClassifier(
        TEXT, prompts={name: [row] for name, row in TEXT.items()}, aggregation="mean"
    ),
    "proxies": MultiProxyImprinter(random_state=0),
    "proxies, votes": MultiProxyImprinter(
        k=3, aggregation="nearest", weights="distance", metric="mahalanobis", random_state=0
    ),
    "proxies, quantiles": MultiProxyImprinter(
        k=2,
        aggregation="logsumexp",
        normalize_inputs="whiten",
        normalize_queries="quantile",
        random_state=0,
    ),
}


@pytest.fixture(params=list(STORABLE))
def fitted(request: pytest.FixtureRequest) -> Any:
    """A fitted head that can be stored."""
    return clone(STORABLE[request.param]).fit(_X, _Y)
