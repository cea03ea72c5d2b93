"""Neural Priming (arXiv 2306.10191): class means of recalled images, mixed with the text head."""

from skclip.heads._priming._primed import PrimedNCMClassifier

__all__ = ["PrimedNCMClassifier"]
