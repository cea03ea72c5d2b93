"""Classifiers over embeddings: pure functions on arrays first, the class after."""

from skclip.heads._class_mean import NearestClassMean
from skclip.heads._imprint import MultiProxyImprinter

__all__ = ["MultiProxyImprinter", "NearestClassMean"]
