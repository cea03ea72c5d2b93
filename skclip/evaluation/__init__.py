"""Comparisons of heads: the same labelled images for all, nothing chosen on test images."""

from skclip.evaluation._choices import AS_PUBLISHED, LEFT_OUT, ORACLE
from skclip.evaluation._compare import compare_heads, replay_comparison
from skclip.evaluation._comparison import HeadComparison
from skclip.evaluation._leaks import find_near_duplicates
from skclip.evaluation._usual_heads import usual_heads

__all__ = [
    "AS_PUBLISHED",
    "LEFT_OUT",
    "ORACLE",
    "HeadComparison",
    "compare_heads",
    "find_near_duplicates",
    "replay_comparison",
    "usual_heads",
]
