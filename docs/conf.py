"""Sphinx configuration. Nothing here reaches for the network."""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "pidkd"
author = "The pidkd developers"
copyright = f"2026, {author}"  # noqa: A001 (Sphinx's name)
release = metadata.version("pidkd")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "sphinx-mathjax-offline",  # MathJax's own files, so that formulas need no network to be read
    "sphinxcontrib.bibtex",
    "sphinx_gallery.gen_gallery",
    "benchmark_pages",
    "estimator_pages",
    "gate_pages",
    "method_pages",
    "object_pages",
    "paper_pages",
    "preset_pages",
    "public_names",
    "registry_pages",
    "result_pages",
]
exclude_patterns = ["_build", "gallery"]
templates_path = ["_templates"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say shapes too
napoleon_google_docstring = False
napoleon_use_ivar = True  # otherwise an attribute that is a property too is described twice
napoleon_use_param = False  # as fields, each word of a shape would become a cross-reference
napoleon_use_rtype = False

bibtex_bibfiles = ["../pidkd/references.bib"]
bibtex_default_style = "unsrt"
bibtex_reference_style = "author_year"

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "generated/gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("gallery_figures.scrape", "matplotlib"),
    "capture_repr": (),
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
}

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["pidkd.css"]
html_title = f"pidkd {release}"
