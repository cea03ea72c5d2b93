"""HTML of a pool for notebooks: the report and a few thumbnails per class."""

import base64
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from skclip.embedding import make_thumbnail

if TYPE_CHECKING:
    from skclip.recall._pool import PrimingPool

__all__ = ["pool_html"]

_MAX_CLASSES, _MAX_IMAGES, _PIXELS = 12, 8, 64
_MAX_CAPTION, _MAX_BYTES = 80, 120_000
_CELL = "display:inline-block;width:96px;margin:2px;vertical-align:top;font-size:70%"

_MORE = "<code>skclip.report.pool_page(pool).save(path)</code> shows all, to look through."


def pool_html(pool: "PrimingPool") -> str:
    """Return a pool as self-contained HTML.

    Parameters
    ----------
    pool : PrimingPool
        The pool; images at URLs are not fetched.

    Returns
    -------
    html : str
        A table of counts, and thumbnails with their captions: less than 200 kB, since notebooks
        keep what they show.
    """
    report = pool.report()
    shown = [key for key, n in report.counts.items() if key in ("matches", "kept") or n.any()]
    head = "".join(f"<th>{escape(key)}</th>" for key in ("class", *shown, "images"))
    body, room = [], _MAX_BYTES
    for i, name in enumerate(report.names[:_MAX_CLASSES]):
        cells, room = _thumbnails(pool, name, room)
        numbers = "".join(f"<td>{report.counts[key][i]}</td>" for key in shown)
        body.append(
            f"<tr><td>{escape(str(name)[:_MAX_CAPTION])}</td>{numbers}<td>{cells}</td></tr>"
        )
    more = len(report.names) - _MAX_CLASSES
    rest = f"<p>and {more} more classes</p>" if more > 0 else ""
    return (
        f"<div><p>{escape(repr(pool)[:1000])}</p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>{rest}<p>{_MORE}</p></div>"
    )


def _thumbnails(pool: "PrimingPool", name: Any, room: int) -> tuple[str, int]:
    """Return the first images of a class, and the room that is left; at its end there are none."""
    cells = []
    for row in np.flatnonzero(pool.labels == name)[:_MAX_IMAGES]:
        image = None if pool.images is None else pool.images[row]
        caption = "" if pool.captions is None else str(pool.captions[row])[:_MAX_CAPTION]
        content = make_thumbnail(image, _PIXELS) if room > 0 else None
        picture = ""
        if content is not None:
            data = base64.b64encode(content).decode()
            picture = f'<img src="data:image/webp;base64,{data}" alt=""/><br/>'
        cells.append(f'<span style="{_CELL}">{picture}{escape(caption)}</span>')
        room -= len(cells[-1])
    return "".join(cells), room
