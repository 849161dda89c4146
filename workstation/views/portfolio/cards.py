"""The portfolio page's cards for a notebook's cell, one by one or all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workstation.views.portfolio.holdings import PortfolioChoice
from workstation.views.portfolio.views import PortfolioViews
from workstation.views.shell.cell import card, page, source_of
from workstation.views.state.choice import chosen
from workstation.views.widgets.theme import Palette

_ROWS = (
    (40, ("bar",)),
    (40, ("line",)),
    (150, ("totals",)),
    (340, ("curves", "explain")),
    (340, ("positions", "what_if")),
)


def _views(desk: Any, underlying: str, choices: dict[str, Any]) -> Callable[[Palette], PortfolioViews]:
    source = source_of(desk)
    asked = {**choices, **({"underlying": underlying} if underlying else {})}

    def publish(fills: Any) -> Any:
        hub = getattr(desk, "hub", None)
        if hub is None:
            raise ValueError("a board takes no fills; show the desk instead")
        return hub.publish("fills", fills)

    chosen(PortfolioChoice, source, "", choices)  # told at once, not when it is shown
    return lambda colours: PortfolioViews(
        source, chosen(PortfolioChoice, source, "", asked), colours, publish
    )


totals = card("totals", _views, 170)
positions = card("positions", _views, 340)
curves, explain, what_if = (card(name, _views, 340) for name in ("curves", "explain", "what_if"))
panel = page(_views, _ROWS, {"bar": lambda views: views.bar()})
