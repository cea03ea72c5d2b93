"""Measures of embeddings: neural collapse, recall of retrieval."""

from skclip.metrics._neural_collapse import (
    CollapseStatistics,
    neural_collapse_score,
    variability_collapse_index,
)
from skclip.metrics._retrieval_recall import retrieval_recall

__all__ = [
    "CollapseStatistics",
    "neural_collapse_score",
    "retrieval_recall",
    "variability_collapse_index",
]
