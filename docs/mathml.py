"""Formulas as MathML, made when the pages are built: no script and no network to show them."""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

# What latex2mathml does not know, in words that it knows.
_SPELLINGS = {r"\arg": r"\mathrm{arg}\,", r"\lVert": r"\Vert", r"\rVert": r"\Vert"}


def _markup(node: Any, display: str) -> str:
    formula = node.astext()
    for unknown, known in _SPELLINGS.items():
        formula = formula.replace(unknown, known)
    return str(convert(formula, display=display))


def _inline(writer: Any, node: Any) -> None:
    writer.body.append(_markup(node, "inline"))
    raise nodes.SkipNode


def _block(writer: Any, node: Any) -> None:
    writer.body.append(f'<div class="math">{_markup(node, "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer under the name that ``html_math_renderer`` gives."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
