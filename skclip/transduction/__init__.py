"""Unlabelled images: what the batch itself tells, learnt in ``fit``."""

from skclip.transduction._online import OnlineAdaptedClassifier
from skclip.transduction._prior_shift import PriorShiftAdapter
from skclip.transduction._stat_a_classifier import StatAClassifier

__all__ = ["OnlineAdaptedClassifier", "PriorShiftAdapter", "StatAClassifier"]
