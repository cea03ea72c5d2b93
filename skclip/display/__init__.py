"""Matplotlib displays, like those of scikit-learn."""

from skclip.display._accuracy_over_shots import AccuracyOverShotsDisplay
from skclip.display._class_similarity import ClassSimilarityDisplay
from skclip.display._comparison import ComparisonDisplay
from skclip.display._left_out_margins import LeftOutMarginsDisplay
from skclip.display._mixing_weights import MixingWeightsDisplay
from skclip.display._neural_collapse import NeuralCollapseDisplay
from skclip.display._pool import PoolDisplay
from skclip.display._pool_composition import PoolCompositionDisplay
from skclip.display._proxy_count import ProxyCountDisplay
from skclip.display._reliability import ReliabilityDisplay
from skclip.display._training_curves import TrainingCurvesDisplay

__all__ = [
    "AccuracyOverShotsDisplay",
    "ClassSimilarityDisplay",
    "ComparisonDisplay",
    "LeftOutMarginsDisplay",
    "MixingWeightsDisplay",
    "NeuralCollapseDisplay",
    "PoolCompositionDisplay",
    "PoolDisplay",
    "ProxyCountDisplay",
    "ReliabilityDisplay",
    "TrainingCurvesDisplay",
]
