"""The value line: the numbers that matter most, in one row above the cards."""

from __future__ import annotations

from workstation.views.widgets.assets import asset
from workstation.views.widgets.card import Markup

CSS = asset(__package__, "value_line.css")


def value_line() -> Markup:
    """An empty value line."""
    return Markup(CSS)


def cell(name: str, number: str, by: str, kind: str = "edge", role: str = "axis") -> str:
    """One number of a value line: its name, the number (HTML), what is said next to it (HTML), the role of its edge."""
    return (
        f'<div class="cell {kind}" style="--role: var(--ws-{role})"><dt>{name}</dt>'
        f'<dd><span class="number">{number}</span>{by}</dd></div>'
    )
