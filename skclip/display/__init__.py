"""Matplotlib displays, like those of scikit-learn."""

from skclip.display._pool import PoolDisplay
from skclip.display._proxy_count import ProxyCountDisplay
from skclip.display._training_curves import TrainingCurvesDisplay

__all__ = ["PoolDisplay", "ProxyCountDisplay", "TrainingCurvesDisplay"]
