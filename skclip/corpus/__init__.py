"""A captioned collection on disk."""

from skclip.corpus._corpus import Corpus, open_corpus

__all__ = ["Corpus", "open_corpus"]
