"""Panel and HoloViews in a notebook without the network: scripts and styles are in the output, not on a server elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import panel as pn
from bokeh.models import UIElement
from panel.io.notebook import patch_inline_stylesheets

_ready = False


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
    pn.extension("tabulator", inline=True)
    if in_notebook() and not _ready:
        _ready = True
        renderer = hv.plotting.renderer
        for part in ("render_model", "render_mimebundle"):
            setattr(renderer, part, _with_styles_inside(getattr(renderer, part)))
    hv.extension("bokeh", inline=True, logo=False)


def _with_styles_inside(render: Callable[..., Any]) -> Callable[..., Any]:
    """HoloViews renders its elements itself and, unlike Panel, leaves the style sheets to a server elsewhere."""

    @wraps(render)
    def rendered(model: Any, *args: Any, **options: Any) -> Any:
        for part in model.select({"type": UIElement}):
            patch_inline_stylesheets(part)
        return render(model, *args, **options)

    return rendered
