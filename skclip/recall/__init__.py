"""From a corpus to a priming pool.

By class name (``_retriever``): ``_query`` turns names into phrases; ``_matching`` defines when a
caption names one; ``_search`` (index) and ``_scan`` (one pass) find those captions, ``_find`` does
so shard by shard; ``_settle`` and ``_containment`` decide between classes that one caption names;
``_select``, ``_duplicates`` and ``_vectors`` take at most k; ``_recall`` makes the pool of them.

By image (``_neighbors``): ``_collection`` gives the rows, ``_nearest`` and ``_approximate`` search.

What comes out: ``_pool``, ``_report``, ``_html``. How pipelines see it: ``_step``, ``_resample``,
``_filter``.
"""

from skclip.recall._caption_retriever import CaptionRetriever
from skclip.recall._filter import ZeroShotFilter
from skclip.recall._neighbor_retriever import NeighborRetriever
from skclip.recall._pool import PrimingPool
from skclip.recall._report import RecallReport

__all__ = ["CaptionRetriever", "NeighborRetriever", "PrimingPool", "RecallReport", "ZeroShotFilter"]
