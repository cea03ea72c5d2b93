"""Text corrected by labelled images: CLAP, Tip-Adapter and kernel ridge (ProKeR)."""

from skclip.heads._adapters._constrained_probe import ConstrainedProbeClassifier
from skclip.heads._adapters._kernel_text import KernelTextClassifier
from skclip.heads._adapters._tip_adapter import TipAdapterClassifier

__all__ = ["ConstrainedProbeClassifier", "KernelTextClassifier", "TipAdapterClassifier"]
