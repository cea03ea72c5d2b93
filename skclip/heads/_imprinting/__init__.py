"""Multi-proxy imprinting (IMPRINT, arXiv 2503.14572): several vectors per class.

``_imprinter`` is the estimator. ``_normalization``, ``_generation`` and ``_aggregation`` are the
NORM, GEN and AGG steps of the paper; ``_choose_k`` is the number of proxies.
"""

from skclip.heads._imprinting._imprinter import MultiProxyImprinter
from skclip.heads._imprinting._scores import ProxyScoresMixin as ProxyScoresMixin

__all__ = [
    "MultiProxyImprinter",
]
