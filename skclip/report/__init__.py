"""Pages that show a pool or predictions, in one file that needs no network.

``_page`` is what comes out and saves itself; ``_render`` fills a template; ``_thumbnails``,
``_captions``, ``_duplicates`` and ``_evidence`` say what a page says of an image; ``_pool`` and
``_predictions`` put it together. ``_exports`` writes a pool for other programs.
"""

from skclip.report._exports import to_embedding_atlas, to_fiftyone, to_lightly
from skclip.report._page import Page, page_path as page_path
from skclip.report._pool import pool_page
from skclip.report._predictions import predictions_page

__all__ = [
    "Page",
    "pool_page",
    "predictions_page",
    "to_embedding_atlas",
    "to_fiftyone",
    "to_lightly",
]
