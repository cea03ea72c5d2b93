"""From a corpus to a priming pool."""

from skclip.recall._filter import ZeroShotFilter
from skclip.recall._pool import PrimingPool

__all__ = ["PrimingPool", "ZeroShotFilter"]
