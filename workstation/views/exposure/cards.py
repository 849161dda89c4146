"""The exposure page's cards for a notebook's cell, one by one or all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workstation.views.exposure.controls import bar
from workstation.views.exposure.views import LATER, ExposureViews
from workstation.views.shell.cell import card, page, source_of
from workstation.views.state.choice import Choice, chosen
from workstation.views.widgets.theme import Palette

_ROWS = (
    (36, ("bar",)), (44, ("headline",)), (440, ("price", "strikes")), (300, ("change", "curve")), (320, ("by_expiry", "cascade")),
    (320, ("smart", "interest")), (320, ("scenario", "by_time")), (300, ("history", "levels")), (300, ("net_history", "smile")), (300, ("across",)),
)  # fmt: skip


def _views(desk: Any, underlying: str, choices: dict[str, Any]) -> Callable[[Palette], ExposureViews]:
    source = source_of(desk)
    chosen(Choice, source, underlying, choices)  # told at once, not when it is shown
    return lambda colours: ExposureViews(source, chosen(Choice, source, underlying, choices), colours)


price = card("price", _views, 420, besides=("strikes",))
strikes = card("strikes", _views, 460)
summary = card("headline", _views, 80)
(
    changes,
    gamma_profile,
    by_expiry,
    cascade,
    smart,
    interest,
    scenario,
    by_time,
    history,
    levels,
    net_history,
    smile,
    across,
) = (card(name, _views) for name in LATER)
panel = page(_views, _ROWS, {"bar": lambda views: bar(views.choice)})
