"""Which image to label next, which images are of no class, and sets of classes."""

from skclip.selection._conformal import ConformalHead
from skclip.selection._open_set import OpenSetClassifier
from skclip.selection._query import query

__all__ = ["ConformalHead", "OpenSetClassifier", "query"]
