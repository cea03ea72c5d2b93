"""Text beside what labelled images say through a kernel: Tip-Adapter and kernel ridge (ProKeR)."""

from skclip.heads._adapters._kernel_text import KernelTextClassifier
from skclip.heads._adapters._tip_adapter import TipAdapterClassifier

__all__ = ["KernelTextClassifier", "TipAdapterClassifier"]
