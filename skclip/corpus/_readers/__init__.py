"""Read captions as rows from folders, tables, archives, and the output of other tools."""

from skclip.corpus._readers._columns import IMAGE_COLUMNS, Columns, caption_text, is_missing
from skclip.corpus._readers._filters import OPERATORS, Filters
from skclip.corpus._readers._finder import ImageFinder, list_files
from skclip.corpus._readers._folder import located
from skclip.corpus._readers._request import Request
from skclip.corpus._readers._sources import SOURCE_SUFFIXES, Part, open_source
from skclip.corpus._readers._tables import as_values, frame_columns, is_frame

__all__ = [
    "IMAGE_COLUMNS",
    "OPERATORS",
    "SOURCE_SUFFIXES",
    "Columns",
    "Filters",
    "ImageFinder",
    "Part",
    "Request",
    "as_values",
    "caption_text",
    "frame_columns",
    "is_frame",
    "is_missing",
    "list_files",
    "located",
    "open_source",
]
