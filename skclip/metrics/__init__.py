"""Measures of embeddings and predictions: neural collapse, recall of retrieval, reliability."""

from skclip.metrics._neural_collapse import (
    CollapseStatistics,
    neural_collapse_score,
    variability_collapse_index,
)
from skclip.metrics._reliability import ReliabilityCurve, reliability_curve
from skclip.metrics._retrieval_recall import retrieval_recall

__all__ = [
    "CollapseStatistics",
    "ReliabilityCurve",
    "neural_collapse_score",
    "reliability_curve",
    "retrieval_recall",
    "variability_collapse_index",
]
