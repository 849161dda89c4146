"""The flow page's cards for a notebook's cell, one by one or all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workstation.views.flow.choice import FlowChoice
from workstation.views.flow.views import FlowViews
from workstation.views.shell.cell import card, page, source_of
from workstation.views.state.choice import chosen
from workstation.views.widgets.theme import Palette

_ROWS = (
    (58, ("bar",)),
    (50, ("quality",)),
    (440, ("alerts", "tape")),
    (340, ("premium", "off")),
    (640, ("evidence",)),
)


def _views(desk: Any, underlying: str, choices: dict[str, Any]) -> Callable[[Palette], FlowViews]:
    source = source_of(desk)

    def choice() -> FlowChoice:
        made = chosen(FlowChoice, source, "", choices)
        made.offer(source)
        if underlying:
            made.ticker = underlying
        return made

    choice()  # told at once, not when it is shown
    return lambda colours: FlowViews(source, choice(), colours)


recent_alerts, tape, net_premium_by_expiry, off_exchange_prints = (
    card(name, _views) for name in ("alerts", "tape", "premium", "off")
)
alert_evidence = card("evidence", _views, 640)
panel = page(_views, _ROWS, {"bar": lambda views: views.bar()})
