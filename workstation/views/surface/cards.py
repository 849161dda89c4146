"""The surface page's cards for a notebook's cell, one by one or all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workstation.views.shell.cell import card, page, source_of
from workstation.views.state.choice import chosen
from workstation.views.surface.choice import SurfaceChoice
from workstation.views.surface.views import SurfaceViews
from workstation.views.widgets.theme import Palette

_ROWS = ((36, ("bar",)), (44, ("line",)), (440, ("smiles", "map")), (300, ("term", "skew")), (300, ("fits",)))


def _views(desk: Any, underlying: str, choices: dict[str, Any]) -> Callable[[Palette], SurfaceViews]:
    source = source_of(desk)
    chosen(SurfaceChoice, source, underlying, choices)  # told at once, not when it is shown
    return lambda colours: SurfaceViews(source, chosen(SurfaceChoice, source, underlying, choices), colours)


smile_fits = card("smiles", _views, 420)
surface_map = card("map", _views, 420)
term_structure, skew_history, fit_table = (card(name, _views) for name in ("term", "skew", "fits"))
panel = page(_views, _ROWS, {"bar": lambda views: views.bar()})
