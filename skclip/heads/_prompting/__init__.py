"""Aggregated prompts (AAPE, arXiv 2410.23698): several descriptions per class."""

from skclip.heads._prompting._aggregated_prompts import AggregatedPromptClassifier

__all__ = ["AggregatedPromptClassifier"]
