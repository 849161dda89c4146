"""How numbers were made: a ledger as a readable table."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd

from workstation.views.widgets import formats
from workstation.views.widgets.assets import asset
from workstation.views.widgets.card import Markup

CSS = asset(__package__, "provenance.css")
_NAMES = {
    "sign_model": "Sign model",
    "basis": "Basis",
    "iv_source": "Vol from",
    "forward_source": "Forward from",
    "exercise": "Exercise",
    "exercise_contracts": "Contracts priced with early exercise",
    "exercise_off_a_vol_point": "Of them, vols more than a point off the European ones",
    "coverage": "Share of open interest covered",
    "dropped": "Contracts left out",
    "oldest_ns": "Oldest input",
    "oldest_age_s": "Age of the oldest input",
    "asof_ns": "As of",
}


class Provenance:
    """The page that a ledger is written on."""

    def __init__(self) -> None:
        self._page = Markup(CSS)
        self.panel = self._page.panel

    def show(self, ledger: dict[str, Any], *, recorded: bool) -> None:
        """Write a ledger; ``recorded``: whether history keeps these numbers."""
        self._page.show(ledger_html(ledger, recorded=recorded))

    def fail(self, reason: str) -> None:
        """Say in place of the ledger why it could not be written."""
        if reason:
            self._page.show(f"<h2>How this was made</h2><p role='alert'>{escape(reason)}</p>")


def ledger_html(ledger: dict[str, Any], *, recorded: bool) -> str:
    """A ledger as a readable table.

    Examples
    --------
    >>> "<th>Sign model</th><td>calls_long</td>" in ledger_html({"sign_model": "calls_long"}, recorded=True)
    True
    """
    origin = (
        "As recorded: the numbers of this page's value line."
        if recorded
        else "Computed from the newest marks for the screens; not recorded."
    )
    rows = "".join(
        f"<tr><th>{escape(_NAMES.get(name, name.replace('_', ' ').capitalize()))}</th><td>{_value(name, value)}</td></tr>"
        for name, value in ledger.items()
    )
    return f"<h2>How this was made</h2><p>{origin}</p><table><tbody>{rows}</tbody></table>"


def _value(name: str, value: Any) -> str:
    if isinstance(value, dict):
        items = "".join(
            f"<li>{escape(str(key))}: {_value(name if name.endswith('_ns') else str(key), part)}</li>"
            for key, part in value.items()
        )
        return f"<ul>{items}</ul>" if items else "none"
    if isinstance(value, list | tuple):
        return ", ".join(_value(name, part) for part in value) or "none"
    return escape(_number(name, value) if isinstance(value, int | float) else str(value))


def _number(name: str, value: float) -> str:
    if name.endswith("_ns"):
        return (
            pd.Timestamp(value, unit="ns").strftime("%Y-%m-%d %H:%M:%S UTC") if value > 0 else formats.UNKNOWN
        )
    if name.endswith("age_s"):
        return formats.age(float(value))
    if name == "coverage":
        return formats.percent(float(value))
    whole = isinstance(value, int) or abs(value) >= 1e4
    return formats.number(float(value), 0 if whole else 2)
