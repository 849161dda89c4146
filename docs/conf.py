"""Sphinx's settings of the documentation; ``make docs`` assembles the sources and builds it."""

from __future__ import annotations

import os

project = "workstation"
author = "the workstation's authors"
html_title = "workstation"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_nb", "sphinx_copybutton"]
exclude_patterns = ["guides/*.yaml"]
templates_path: list[str] = []

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autosummary_generate = False
numpydoc_show_class_members = False
python_maximum_signature_line_length = 88
add_module_names = True

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

nb_execution_mode = "cache" if os.environ.get("WORKSTATION_DOCS_EXECUTE") else "off"
nb_execution_cache_path = os.environ.get("WORKSTATION_DOCS_CACHE", "")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # its defaults are scripts of servers elsewhere
suppress_warnings = ["mystnb.unknown_mime_type", "config.cache"]

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["workstation.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": ["sphinx-version"],
}
