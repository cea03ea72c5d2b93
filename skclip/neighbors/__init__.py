"""Nearest embeddings by cosine: exact, and approximate with hnswlib or faiss."""

from skclip.neighbors._approximate import NeighborIndex, build_index, search_or_fall_back
from skclip.neighbors._exact import nearest_rows

__all__ = ["NeighborIndex", "build_index", "nearest_rows", "search_or_fall_back"]
