"""Search in captions: find the captions that name each class.

``_words`` defines words, ``_query`` turns class names into phrases, and ``_matching`` defines when
a caption names a class. Two engines find those captions: ``_index`` with ``_index_search``, and
``_scan`` in one pass. ``_ambiguity`` and ``_containment`` handle captions that name several
classes. The package is private: ``corpus`` builds the index, and ``recall`` searches it.
"""

from skclip.captions._ambiguity import Disambiguator, Matches, Named
from skclip.captions._index import (
    build_index,
    build_index_image,
    check_index,
    is_current,
    matching_rows,
    open_index,
    phrase_query,
)
from skclip.captions._index_search import IndexSearch
from skclip.captions._matching import Matching
from skclip.captions._query import Phrase, Query, Spellings, make_queries, warn_of_shared
from skclip.captions._scan import Scanner
from skclip.captions._words import tokenize

__all__ = [
    "Disambiguator",
    "IndexSearch",
    "Matches",
    "Matching",
    "Named",
    "Phrase",
    "Query",
    "Scanner",
    "Spellings",
    "build_index",
    "build_index_image",
    "check_index",
    "is_current",
    "make_queries",
    "matching_rows",
    "open_index",
    "phrase_query",
    "tokenize",
    "warn_of_shared",
]
