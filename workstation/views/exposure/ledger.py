"""How the numbers were made: the ledger of a snapshot, in words."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd

from workstation.views.exposure.snapshot import Snapshot, Snapshots
from workstation.views.shell.session import Source, View
from workstation.views.state.choice import Choice
from workstation.views.widgets import formats
from workstation.views.widgets.card import Markup

CSS = """
:host { width: 100%; box-sizing: border-box; padding: 12px 16px; overflow-y: auto; }
h2 { font-size: 15px; margin: 0 0 2px; color: var(--ws-text); }
p { color: var(--ws-muted); font-size: 12px; margin: 0 0 10px; }
table { border-collapse: collapse; width: 100%; font-size: 12px; color: var(--ws-text); }
th { text-align: left; vertical-align: top; color: var(--ws-muted); font-weight: 400; padding: 4px 10px 4px 0; white-space: nowrap; }
td { padding: 4px 0; overflow-wrap: anywhere; }
tr { border-top: 1px solid var(--ws-line); }
ul { margin: 0; padding: 0; list-style: none; }
"""
_NAMES = {
    "sign_model": "Sign model",
    "basis": "Basis",
    "iv_source": "Vol from",
    "forward_source": "Forward from",
    "coverage": "Share of open interest covered",
    "dropped": "Contracts left out",
    "oldest_ns": "Oldest input",
    "oldest_age_s": "Age of the oldest input",
    "asof_ns": "As of",
}


class Ledger(View):
    """The ledger of the chosen snapshot."""

    inputs = ("levels", "exposures")

    def __init__(self, choice: Choice, snapshots: Snapshots) -> None:
        self.choice, self._snapshots = choice, snapshots
        self._page = Markup(CSS)
        self.panel = self._page.panel

    def refresh(self, source: Source) -> None:
        """Write the newest ledger."""
        self._page.show(ledger_html(self._snapshots.newest(source)))

    def show_failure(self, reason: str) -> None:
        """Say it in place of the ledger."""
        if reason:
            self._page.show(f"<h2>How this was made</h2><p role='alert'>{escape(reason)}</p>")


def ledger_html(made: Snapshot) -> str:
    """A ledger as a readable table.

    Examples
    --------
    >>> "<th>Sign model</th><td>calls_long</td>" in ledger_html(Snapshot("BTC", 0, True, ledger={"sign_model": "calls_long"}))
    True
    """
    origin = (
        "As recorded by the desk: the numbers of this page's value line."
        if made.published
        else "Computed for this session from the newest marks; not recorded."
    )
    rows = "".join(
        f"<tr><th>{escape(_NAMES.get(name, name.replace('_', ' ').capitalize()))}</th><td>{_value(name, value)}</td></tr>"
        for name, value in made.ledger.items()
    )
    return f"<h2>How this was made</h2><p>{origin}</p><table><tbody>{rows}</tbody></table>"


def _value(name: str, value: Any) -> str:
    if isinstance(value, dict):
        items = "".join(
            f"<li>{escape(str(key))}: {_value(str(key), part)}</li>" for key, part in value.items()
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
