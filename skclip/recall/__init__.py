"""From a corpus to a priming pool.

:class:`CaptionRetriever` recalls images by class name, :class:`NeighborRetriever` by image, and
:class:`ZeroShotFilter` keeps those that the zero-shot classifier agrees with. The result is a
:class:`PrimingPool` with a :class:`RecallReport`.
"""

from skclip.recall._caption_retriever import CaptionRetriever
from skclip.recall._filter import ZeroShotFilter
from skclip.recall._names import CaptionMatch, Suggestion, frequent_prompts
from skclip.recall._neighbor_retriever import NeighborRetriever
from skclip.recall._other_senses import warn_of_other_senses as warn_of_other_senses
from skclip.recall._pool import PrimingPool
from skclip.recall._report import RecallReport

__all__ = [
    "CaptionMatch",
    "CaptionRetriever",
    "NeighborRetriever",
    "PrimingPool",
    "RecallReport",
    "Suggestion",
    "ZeroShotFilter",
    "frequent_prompts",
]
