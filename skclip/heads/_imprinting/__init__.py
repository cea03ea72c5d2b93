"""Multi-proxy imprinting (IMPRINT, arXiv 2503.14572): several vectors per class.

``_normalization``, ``_generation`` and ``_aggregation`` are the steps NORM, GEN and AGG of the
paper.
"""

from skclip.heads._imprinting._imprinter import MultiProxyImprinter
from skclip.heads._imprinting._scores import ProxyScoresMixin as ProxyScoresMixin

__all__ = [
    "MultiProxyImprinter",
]
