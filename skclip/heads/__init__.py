"""Classifiers over embeddings: pure functions on arrays first, the class after."""

from skclip.heads._class_mean import NearestClassMean

__all__ = ["NearestClassMean"]
