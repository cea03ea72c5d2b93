"""Measures of embeddings: neural collapse."""

from skclip._neural_collapse import (
    CollapseStatistics,
    neural_collapse_score,
    variability_collapse_index,
)

__all__ = ["CollapseStatistics", "neural_collapse_score", "variability_collapse_index"]
