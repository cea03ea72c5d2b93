"""Configuration of the documentation: ``sphinx-build docs docs/_build``."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import skclip

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the gallery's models are tiny
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))

from inventories import write_inventories  # noqa: E402

project = "skclip"
author = "The skclip developers"
project_copyright = "The skclip developers"
version = release = installed_version("skclip")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_gallery.gen_gallery",
    "guide_links",
    "live_page",
    "mathml",
]
exclude_patterns = ["_build"]
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
# pages show what is in the checkout beside docs/, where these links lead to files
suppress_warnings = ["myst.xref_missing", "config.cache"]

autosummary_generate = True
autosummary_ignore_module_all = False  # a package lists what it exports, wherever that is defined
autosummary_imported_members = True
templates_path = ["_templates"]
autodoc_typehints = "none"  # numpydoc's sections say more
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False

nitpicky = True  # a reference that leads nowhere is a warning
intersphinx_mapping = write_inventories(HERE / "generated" / "inventories")

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples"),
    "gallery_dirs": "auto_examples",
    "doc_module": ("skclip",),
    "backreferences_dir": "generated/backreferences",
    "reference_url": {"skclip": None},
    "show_memory": False,
    "write_computation_times": False,
    "download_all_examples": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "skclip"
html_static_path = ["_static"]
html_css_files = ["skclip.css"]
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}
toc_object_entries_show_parents = "hide"
html_show_sourcelink = False


def resolve_short_name(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Lead `skclip.CLIPEmbedder` to where it is described: `skclip.embedding.CLIPEmbedder`."""
    package, _, name = node.get("reftarget", "").partition(".")
    home = skclip._PUBLIC.get(name.partition(".")[0])
    if package != "skclip" or home is None:
        return None
    python = env.domains["py"]
    source, role = node["refdoc"], node["reftype"]
    return python.resolve_xref(env, source, app.builder, role, f"{home}.{name}", node, content)


def setup(app: Any) -> None:
    """Register what is above."""
    app.connect("missing-reference", resolve_short_name)
