"""What classes are called, and when a caption says so."""

from skclip.recall._names._caption_match import CaptionMatch, as_caption_match
from skclip.recall._names._count_names import frequent_prompts
from skclip.recall._names._mixin import NamesMixin
from skclip.recall._names._suggest import Suggestion

__all__ = [
    "CaptionMatch",
    "NamesMixin",
    "Suggestion",
    "as_caption_match",
    "frequent_prompts",
]
