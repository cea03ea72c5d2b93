"""Search in captions: which of them name a class.

``_words`` says what a word is, ``_query`` turns class names into phrases, and ``_matching`` defines
when a caption names one. Two engines find those captions: ``_index`` with ``_index_search``, and
``_scan`` in one pass. ``_ambiguity`` and ``_containment`` decide between classes that one caption
names. The corpus builds the index, recall asks it; neither name is for users.
"""

from skclip.captions._ambiguity import Matches, Named, Settler
from skclip.captions._index import (
    build_index,
    build_index_image,
    check_index,
    matching_rows,
    open_index,
    phrase_query,
)
from skclip.captions._index_search import IndexSearch
from skclip.captions._matching import Matching
from skclip.captions._query import Spellings, make_queries
from skclip.captions._scan import Scanner
from skclip.captions._words import tokenize

__all__ = [
    "IndexSearch",
    "Matches",
    "Matching",
    "Named",
    "Scanner",
    "Settler",
    "Spellings",
    "build_index",
    "build_index_image",
    "check_index",
    "make_queries",
    "matching_rows",
    "open_index",
    "phrase_query",
    "tokenize",
]
