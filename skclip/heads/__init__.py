"""Classifiers of embeddings.

Each class loads on first use (PEP 562), so that a head needs no module of the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skclip.heads._adapters import (
        ConstrainedProbeClassifier,
        KernelTextClassifier,
        TipAdapterClassifier,
    )
    from skclip.heads._class_mean import NearestClassMean
    from skclip.heads._class_sums import ClassSums as ClassSums
    from skclip.heads._discriminant import GaussianDiscriminantClassifier
    from skclip.heads._imprinting import (
        MultiProxyImprinter,
        ProxyScoresMixin as ProxyScoresMixin,
    )
    from skclip.heads._mixed import MixedHeadClassifier
    from skclip.heads._multi_label import MultiLabelTextClassifier
    from skclip.heads._parts import sample_sizes as sample_sizes
    from skclip.heads._priming import PrimedNCMClassifier
    from skclip.heads._prompting import AggregatedPromptClassifier
    from skclip.heads._stacked import StackedHeadClassifier
    from skclip.heads._zero_shot import ZeroShotClassifier

__all__ = [
    "AggregatedPromptClassifier",
    "ConstrainedProbeClassifier",
    "GaussianDiscriminantClassifier",
    "KernelTextClassifier",
    "MixedHeadClassifier",
    "MultiLabelTextClassifier",
    "MultiProxyImprinter",
    "NearestClassMean",
    "PrimedNCMClassifier",
    "StackedHeadClassifier",
    "TipAdapterClassifier",
    "ZeroShotClassifier",
]

_MODULES = {
    "AggregatedPromptClassifier": "_prompting",
    "ClassSums": "_class_sums",  # for skclip.distributed
    "ConstrainedProbeClassifier": "_adapters",
    "GaussianDiscriminantClassifier": "_discriminant",
    "KernelTextClassifier": "_adapters",
    "MixedHeadClassifier": "_mixed",
    "MultiLabelTextClassifier": "_multi_label",
    "MultiProxyImprinter": "_imprinting",
    "NearestClassMean": "_class_mean",
    "PrimedNCMClassifier": "_priming",
    "ProxyScoresMixin": "_imprinting",  # for skclip.export
    "StackedHeadClassifier": "_stacked",
    "TipAdapterClassifier": "_adapters",
    "ZeroShotClassifier": "_zero_shot",
    "sample_sizes": "_parts",  # for skclip.distributed
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"skclip.heads.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'skclip.heads' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
