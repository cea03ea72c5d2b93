"""From a template and data to a page that runs its own script alone and asks for nothing."""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

from skclip._optional import import_optional

__all__ = ["render"]


def render(template: str, *, script: str, local_images: bool = False, **values: Any) -> str:
    """Fill a template.

    The content security policy of the page allows no requests, and only the styles and scripts that
    this function inserts, by their hashes. Captions are shown as text even if a template fails to
    escape them.

    Parameters
    ----------
    template : str
        File in ``templates``.

    script : str
        File in ``templates`` with the script of the page.

    local_images : bool, default=False
        Whether images may come from files beside the page.

    **values : dict
        What the template names; texts are escaped.

    Returns
    -------
    html : str
        The document.
    """
    jinja2: Any = import_optional("jinja2", extra="report", purpose="A report")
    style, code = _text("style.css"), _text("common.js") + _text(script)
    images = "data: file: 'self'" if local_images else "data:"
    policy = (
        f"default-src 'none'; img-src {images}; style-src '{_digest(style)}'; "
        f"script-src '{_digest(code)}'; base-uri 'none'; form-action 'none'"
    )
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html: str = environment.get_template(template).render(
        **values,
        policy=policy,
        style=jinja2.utils.markupsafe.Markup(style),
        code=jinja2.utils.markupsafe.Markup(code),
    )
    return html


@cache
def _text(name: str) -> str:
    return (resources.files("skclip.report") / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
