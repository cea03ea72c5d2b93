"""skclip: CLIP adapted to your own classes with few labels or none, as scikit-learn estimators.

The public names load on first use (PEP 562): ``import skclip`` takes as long as
``import sklearn``, and imports neither torch nor open_clip.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "AggregatedPromptClassifier": "skclip.heads",
    "CLIPEmbedder": "skclip.embedding",
    "ConformalHead": "skclip.selection",
    "Corpus": "skclip.corpus",
    "CaptionMatch": "skclip.recall",
    "CaptionRetriever": "skclip.recall",
    "NeighborRetriever": "skclip.recall",
    "PrimingPool": "skclip.recall",
    "PriorShiftAdapter": "skclip.transduction",
    "ZeroShotFilter": "skclip.recall",
    "ConstrainedProbeClassifier": "skclip.heads",
    "GaussianDiscriminantClassifier": "skclip.heads",
    "KernelTextClassifier": "skclip.heads",
    "MixedHeadClassifier": "skclip.heads",
    "MultiLabelTextClassifier": "skclip.heads",
    "MultiProxyImprinter": "skclip.heads",
    "NearestClassMean": "skclip.heads",
    "OnlineAdaptedClassifier": "skclip.transduction",
    "OpenSetClassifier": "skclip.selection",
    "PrimedNCMClassifier": "skclip.heads",
    "StackedHeadClassifier": "skclip.heads",
    "StatAClassifier": "skclip.transduction",
    "TipAdapterClassifier": "skclip.heads",
    "ZeroShotClassifier": "skclip.heads",
    "CLIPPINGTrainer": "skclip.distill",
    "TRUSTED_TYPES": "skclip._trusted",
}
_SUBPACKAGES = (
    "corpus",
    "datasets",
    "display",
    "distill",
    "distributed",
    "embedding",
    "evaluation",
    "exceptions",
    "export",
    "heads",
    "metrics",
    "prompts",
    "recall",
    "report",
    "selection",
    "transduction",
    "utils",
)

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    if name in _SUBPACKAGES:
        return import_module(f"skclip.{name}")
    raise AttributeError(f"module 'skclip' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBPACKAGES])
