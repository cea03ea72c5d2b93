"""HTML of a pool for notebooks: the report and a few thumbnails per class."""

import base64
import io
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from skclip.embedding import decode_image, fetch_image
from skclip.exceptions import UnreadableImageError

if TYPE_CHECKING:
    from skclip.recall._pool import PrimingPool

__all__ = ["pool_html"]

_MAX_CLASSES, _MAX_IMAGES, _PIXELS = 12, 8, 96
_CELL = f"display:inline-block;width:{_PIXELS}px;margin:2px;vertical-align:top;font-size:70%"


def pool_html(pool: "PrimingPool") -> str:
    """Return a pool as self-contained HTML.

    Parameters
    ----------
    pool : PrimingPool
        The pool; images at URLs are not fetched.

    Returns
    -------
    html : str
        A table of counts, and thumbnails with their captions.
    """
    report = pool.report()
    shown = [key for key, n in report.counts.items() if key in ("matches", "kept") or n.any()]
    head = "".join(f"<th>{escape(key)}</th>" for key in ("class", *shown, "images"))
    body = [
        f"<tr><td>{escape(str(name))}</td>"
        + "".join(f"<td>{report.counts[key][i]}</td>" for key in shown)
        + f"<td>{_thumbnails(pool, name)}</td></tr>"
        for i, name in enumerate(report.names[:_MAX_CLASSES])
    ]
    more = len(report.names) - _MAX_CLASSES
    rest = f"<p>and {more} more classes</p>" if more > 0 else ""
    return (
        f"<div><p>{escape(repr(pool))}</p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>{rest}</div>"
    )


def _thumbnails(pool: "PrimingPool", name: Any) -> str:
    rows = np.flatnonzero(pool.labels == name)[:_MAX_IMAGES]
    cells = []
    for row in rows:
        image = None if pool.images is None else pool.images[row]
        caption = "" if pool.captions is None else str(pool.captions[row])
        cells.append(
            f'<span style="{_CELL}" title="{escape(caption)}">{_thumbnail(image)}'
            f"{escape(caption[:80])}</span>"
        )
    return "".join(cells)


def _thumbnail(image: Any) -> str:
    """Return an ``img`` element with the picture; empty if the image cannot be read."""
    if image is None or (isinstance(image, str) and "://" in image):
        return ""
    try:
        picture = decode_image(fetch_image(image))
    except UnreadableImageError:
        return ""
    picture = picture.copy()
    picture.thumbnail((_PIXELS, _PIXELS))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=80)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt=""/><br/>'
