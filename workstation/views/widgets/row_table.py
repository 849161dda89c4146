"""A table of many rows of which the browser holds only those in sight: the server sorts, cuts and formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import param
from panel.custom import JSComponent

from workstation.plots.formats import number
from workstation.views.widgets.assets import asset
from workstation.views.widgets.theme import stylesheet

SENT = 60
"""Rows sent at once."""
ABOVE = 15
"""Of them so many above the first in sight, so that a little scrolling asks for nothing."""
MOST = 5_000
"""Rows a table shows at most, the newest."""


class TableColumn(NamedTuple):
    """A column of the table: its name, its title, how it is aligned (``n``: right), and how a cell is written."""

    name: str
    title: str
    kind: str
    text: Callable[[Any], str]


class RowTable(JSComponent):
    """Rows in sight of a longer table.

    Parameters
    ----------
    columns
        What is shown, in order.
    label
        What the table is, for who cannot see it.
    pressed
        Called with a row's key when it is pressed; none: rows cannot be pressed.
    nothing
        What is said of an empty table.

    Notes
    -----
    While a hand has scrolled away or it is paused, the table keeps what it shows and counts what has come.
    """

    window = param.Dict(default={})
    label = param.String()
    press = param.Boolean()

    _esm = asset(__package__, "row_table.js")

    def __init__(
        self,
        columns: Sequence[TableColumn],
        label: str,
        pressed: Callable[[str], None] | None = None,
        nothing: str = "Nothing yet.",
    ) -> None:
        super().__init__(
            label=label,
            press=pressed is not None,
            sizing_mode="stretch_both",
            margin=0,
            stylesheets=[stylesheet(asset(__package__, "row_table.css"))],
        )
        self.columns, self.nothing = tuple(columns), nothing
        self.zone = ZoneInfo("UTC")
        self.sort, self.descending = "", True
        self.first, self.paused, self.missed = 0, False, 0
        self.on_sort: Callable[[str], None] = lambda _: None
        self.on_live: Callable[[], None] = lambda: None
        self._pressed = pressed
        self._rows: pd.DataFrame = pd.DataFrame()

    @property
    def held(self) -> bool:
        """Whether it keeps what it shows: it is paused, or was scrolled away from the newest row."""
        return self.paused or self.first > 0

    def show(self, rows: pd.DataFrame, *, top: bool = False) -> None:
        """Show these rows in their order.

        Parameters
        ----------
        rows
            A column per shown column, ``key`` and ``look`` (a class: buy, sell, quiet, gone).
        top
            Scroll to the first row.
        """
        self._rows = rows
        if top:
            self.first = 0
        self._send_window(top)

    def redraw(self) -> None:
        """Show the same rows, and whether they are held."""
        self._send_window(False)

    def say_missed(self, missed: int) -> None:
        """Say how many rows have come since it is held."""
        if missed != self.missed:
            self.missed = missed
            self._send_window(False)

    def csv(self) -> str:
        """All rows as CSV, as they are written on the screen, times with their zone."""
        named = {column.title: self._texts(column, self._rows) for column in self.columns}
        return str(pd.DataFrame(named).rename(columns={"time": f"time {self.zone.key}"}).to_csv(index=False))

    def _texts(self, column: TableColumn, rows: pd.DataFrame) -> list[str]:
        values = rows[column.name]
        if column.kind == "time":
            return local_times(values.to_numpy(dtype=np.int64), self.zone)
        return [column.text(value) for value in values.tolist()]

    def _send_window(self, top: bool) -> None:
        total = len(self._rows)
        start = int(np.clip(self.first - ABOVE, 0, max(total - SENT, 0)))
        some = self._rows.iloc[start : start + SENT]
        cells = zip(*(self._texts(column, some) for column in self.columns), strict=True) if total else ()
        rows = [
            [str(key), look, *texts]
            for key, look, texts in zip(
                some.get("key", pd.Series(dtype=object)),
                some.get("look", pd.Series(dtype=object)),
                cells,
                strict=True,
            )
        ]
        count = f"{number(total)} rows"
        if self.held:
            count += f" · {'paused' if self.paused else 'held'}, {number(self.missed)} missed"
        self.window = {
            "columns": [[column.name, column.title, column.kind] for column in self.columns],
            "total": total, "start": start, "rows": rows, "sort": self.sort, "descending": self.descending, "count": count,
            "held": self.held, "away": self.first > 0, "top": top, "nothing": self.nothing,
        }  # fmt: skip

    def _handle_msg(self, msg: Any) -> None:
        if "zone" in msg:
            self.zone = zone_of(str(msg["zone"]))
            self._send_window(False)
        elif "sort" in msg:
            self.on_sort(str(msg["sort"]))
        elif "first" in msg:
            self.first = max(int(msg["first"]), 0)
            if self.held:
                self._send_window(False)
            else:
                self.on_live()
        elif "live" in msg:
            self.first = 0
            self.on_live()
        elif "csv" in msg:
            self._send_msg({"csv": self.csv(), "lines": len(self._rows)})
        elif "row" in msg and self._pressed is not None:
            self._pressed(str(msg["row"]))


def zone_of(name: str) -> ZoneInfo:
    """The zone a browser names; UTC when it is not known here.

    Examples
    --------
    >>> zone_of("America/New_York").key, zone_of("Mars/Base").key
    ('America/New_York', 'UTC')
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def local_times(event_ns: np.ndarray, zone: ZoneInfo, decimals: int = 3) -> list[str]:
    """Times of day in a zone, to the millisecond unless told otherwise.

    Examples
    --------
    >>> local_times(np.array([1_796_049_597_197_000_000]), ZoneInfo("America/New_York"))
    ['09:39:57.197']
    """
    stamps = pd.to_datetime(event_ns, utc=True).tz_convert(zone)
    texts = stamps.strftime("%H:%M:%S.%f")
    return [str(text)[: 9 + decimals if decimals else 8] for text in texts]
