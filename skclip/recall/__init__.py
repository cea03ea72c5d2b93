"""From a corpus to a priming pool."""

from skclip.recall._filter import ZeroShotFilter
from skclip.recall._neighbors import NeighborRetriever
from skclip.recall._pool import PrimingPool
from skclip.recall._report import RecallReport
from skclip.recall._retriever import CaptionRetriever

__all__ = ["CaptionRetriever", "NeighborRetriever", "PrimingPool", "RecallReport", "ZeroShotFilter"]
