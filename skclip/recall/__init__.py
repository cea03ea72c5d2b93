"""From a corpus to a priming pool."""

from skclip.recall._pool import PrimingPool

__all__ = ["PrimingPool"]
