"""Panel and HoloViews in a notebook without the network: scripts and styles are in the output, not on a server elsewhere."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from importlib.metadata import version
from typing import Any

import panel as pn
from bokeh.models import UIElement
from panel.io.notebook import patch_inline_stylesheets

_ready = False
_TESTED = {"holoviews": "1.23", "panel": "1.9"}
"""Versions whose private parts are known here."""


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def notebook() -> None:
    """Make a notebook ready for pictures: call it once, in the first cell.

    Scripts and style sheets are put into the notebook, so that pictures are there without a network. Elsewhere (a script,
    ``panel serve``) it does nothing but load what tables need.
    """
    global _ready
    hv: Any = import_module("holoviews")

    pn.config.inline = True
    if in_notebook() and not _ready:
        _ready = True
        _keep_inside()
    pn.extension("tabulator", inline=True)
    hv.extension("bokeh", inline=True, logo=False)


def _keep_inside() -> None:
    """Change what of HoloViews and Panel asks servers elsewhere; with versions this was not tested with, nothing is changed."""
    for library, series in _TESTED.items():
        if not version(library).startswith(f"{series}."):
            warnings.warn(
                f"{library} {version(library)}: pictures may ask servers elsewhere for style sheets; tested with {series} "
                "(not reported upstream)",
                stacklevel=3,
            )
            return
    renderer, panel_notebook = (
        import_module("holoviews.plotting.renderer"),
        import_module("panel.io.notebook"),
    )
    for part in ("render_model", "render_mimebundle"):
        setattr(renderer, part, _with_styles_inside(getattr(renderer, part)))
    for module in (renderer, panel_notebook):
        setattr(module, "load_notebook", _with_scripts_inside(module.load_notebook))  # noqa: B010


def _with_scripts_inside(load: Callable[..., Any]) -> Callable[..., Any]:
    """What loads scripts later (``import hvplot.pandas`` does) asks for those of a server elsewhere, whatever was chosen before."""

    @wraps(load)
    def loaded(inline: bool = True, *args: Any, **options: Any) -> Any:
        return load(True, *args, **options)

    return loaded


def _with_styles_inside(render: Callable[..., Any]) -> Callable[..., Any]:
    """HoloViews renders its elements itself and, unlike Panel, leaves the style sheets to a server elsewhere."""

    @wraps(render)
    def rendered(model: Any, *args: Any, **options: Any) -> Any:
        for part in model.select({"type": UIElement}):
            patch_inline_stylesheets(part)
        return render(model, *args, **options)

    return rendered
