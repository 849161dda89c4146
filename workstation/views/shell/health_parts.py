"""The parts of the process on the health page: engines, sinks, queues, disk, door, sessions, memory."""

from __future__ import annotations

from html import escape

from workstation.views.shell.health import table_markup
from workstation.views.state.source import Source, View
from workstation.views.widgets.card import Card

_MARKS = {"ok": ("live", "●"), "watch": ("warn", "▲"), "failed": ("failed", "◆")}
_ORDER = {"failed": 0, "watch": 1, "ok": 2}


class PartsTable(View):
    """Every part with its state; what wants a look stands first."""

    every_s = 1.0

    def __init__(self) -> None:
        self._table = table_markup()
        self.card = Card("Process", self._table.panel, area="parts")

    def refresh(self, source: Source) -> None:
        """Write the newest states."""
        parts = source.parts()
        if not len(parts):
            self._table.show('<p class="none">Nothing is known yet.</p>')
            return
        rows = sorted(parts.to_dict("records"), key=lambda row: _ORDER.get(str(row["state"]), 0))
        body = "".join(
            _row(*(str(row[name]) for name in ("kind", "name", "state", "detail"))) for row in rows
        )
        head = "".join(f'<th scope="col">{name}</th>' for name in ("part", "name", "state", "detail"))
        self._table.show(f'<table class="told"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')
        bad = int((parts["state"] != "ok").sum())
        self.card.say(f"{bad} of {len(parts)} want a look" if bad else "all in order")

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)


def _row(kind: str, name: str, state: str, detail: str) -> str:
    how, mark = _MARKS.get(state, ("failed", "◆"))
    return (
        f'<tr><td>{escape(kind)}</td><td class="event">{escape(name)}</td><td class="{how} state">{mark} {escape(state)}</td>'
        f"<td>{escape(detail)}</td></tr>"
    )
