"""Classifiers of embeddings."""

from skclip.heads._adapters import KernelTextClassifier, TipAdapterClassifier
from skclip.heads._class_mean import NearestClassMean
from skclip.heads._discriminant import GaussianDiscriminantClassifier
from skclip.heads._imprinting import MultiProxyImprinter
from skclip.heads._mixed import MixedHeadClassifier
from skclip.heads._priming import PrimedNCMClassifier
from skclip.heads._prompting import AggregatedPromptClassifier
from skclip.heads._stacked import StackedHeadClassifier
from skclip.heads._zero_shot import ZeroShotClassifier

__all__ = [
    "AggregatedPromptClassifier",
    "GaussianDiscriminantClassifier",
    "KernelTextClassifier",
    "MixedHeadClassifier",
    "MultiProxyImprinter",
    "NearestClassMean",
    "PrimedNCMClassifier",
    "StackedHeadClassifier",
    "TipAdapterClassifier",
    "ZeroShotClassifier",
]
