"""Configuration of the documentation: ``sphinx-build docs docs/_build``."""

import os
from importlib.metadata import version as installed_version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the gallery's models are tiny
ROOT = Path(__file__).resolve().parents[1]

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
]
exclude_patterns = ["_build"]
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

intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "scipy": ("https://docs.scipy.org/doc/scipy", None),
    "sklearn": ("https://scikit-learn.org/stable", None),
    "torch": ("https://docs.pytorch.org/docs/stable", None),
}
intersphinx_timeout = 5

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
html_show_sourcelink = False
