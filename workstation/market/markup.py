"""Small tables of HTML by which an object shows itself in a notebook, in the colours of whatever theme is around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from workstation.market.instants import NO_TIME

UNKNOWN = "–"
_CELL = "padding:2px 10px 2px 0;text-align:"
_SMALL = "opacity:.7;font-weight:normal"


def iso(event_ns: int | float | None) -> str:
    """An instant in UTC to the second, fractions where there are any; a dash where it is not known.

    >>> iso(1_790_000_000_000_000_000), iso(NO_TIME)
    ('2026-09-21T14:13:20Z', '–')
    """
    if event_ns is None or event_ns != event_ns or int(event_ns) == NO_TIME or not int(event_ns):
        return UNKNOWN
    return f"{pd.Timestamp(int(event_ns)).isoformat()}Z"


def size(count: float) -> str:
    """Bytes for people.

    >>> size(999), size(1_234_567)
    ('999 B', '1.2 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def text(value: Any) -> str:
    """A value for people: thousands parted, missing a dash.

    >>> text(1234), text(float("nan")), text("a")
    ('1,234', '–', 'a')
    """
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return UNKNOWN
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        return f"{value:,.1f}"
    return str(value)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], note: str = "") -> str:
    """A titled table; every value is escaped, numbers stand right.

    Examples
    --------
    >>> shown = table("<b>", ["n"], [[1234]])
    >>> "&lt;b&gt;" in shown, "1,234" in shown
    (True, True)
    """
    head = "".join(f'<th style="{_CELL}left;{_SMALL}">{escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    said = f'<div style="{_SMALL}">{escape(note)}</div>' if note else ""
    return (
        f'<div class="workstation-object"><div><strong>{escape(title)}</strong></div>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{said}</div>"
    )


def _cell(value: Any) -> str:
    side = "right" if isinstance(value, int | float | np.number) and not isinstance(value, bool) else "left"
    return f'<td style="{_CELL}{side}">{escape(text(value))}</td>'
