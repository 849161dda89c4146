"""A plot that follows the market: an element made anew from the newest published state, in a notebook cell or a served page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import holoviews as hv
import pandas as pd

from workstation.plots.live_feed import BoardFeed, Feed, StreamFeed, is_board, is_stream
from workstation.plots.live_pump import Pump, attached
from workstation.plots.style import make_ready

Maker = Callable[[Any], Any]
FASTEST_S = 0.1


class LivePlot(hv.DynamicMap):
    """A DynamicMap over a Pipe that the newest state is sent to while somebody looks."""

    __pos_params = ("callback", "initial_items")
    """HoloViews clones an element by these; it looks for them under the name of each class."""

    @property
    def pump(self) -> Pump:
        """What sends it."""
        return attached(self)[0]

    def refresh(self) -> None:
        """Draw the newest state now."""
        self.pump.send()

    def stop(self) -> None:
        """Follow the market no longer; the last picture stays."""
        self.pump.stop()


def live(
    source: Any,
    table: str | Maker | None = None,
    make: Maker | None = None,
    *,
    every: str | float = "1s",
    underlying: str | None = None,
    keep: int = 20_000,
) -> LivePlot:
    """An element that follows the market.

    Parameters
    ----------
    source
        A desk or its board; or a streaming frame or column, ``desk.frame("trades").price.rolling(100).mean()``.
    table
        A table of the board, or ``priced_chain``: then the maker is given the chain Dataset of ``underlying``. Left out for a
        streaming frame.
    make
        Function of the newest rows (not to be changed) to one element or overlay, such as ``plots.levels_over_time``. What it
        raises is written under the plot, which stays as it was; it is called again with the next rows. A streaming frame
        without a maker is drawn as lines.
    every
        Shortest time between two pictures, ``"1s"``, ``"500ms"`` or seconds, at least 0.1 s.
    underlying
        For ``priced_chain``; of another table its rows alone.
    keep
        Rows of a streaming frame that are held, the newest.

    Returns
    -------
    LivePlot
        A ``holoviews.DynamicMap``: it composes by ``*`` and ``+``, is shown by naming it at the end of a cell, and by Panel.
        It takes no time of the kernel before it is shown, and ends when its cell is cleared, its page is left, or by ``stop()``.

    Raises
    ------
    ValueError
        An unknown table, no maker, an ``every`` that is no time.

    Notes
    -----
    Pictures are bounded and never queue up: what happens between two of them is conflated, the next waits until the browser has
    drawn the one before, and four times as long as that took to make, so that the kernel is free.

    Examples
    --------
    >>> from workstation.board import Board
    >>> plot = live(Board(), "trades", lambda rows: hv.Curve((rows["event_ns"], rows["price"])), every="500ms")
    >>> plot.pump.every_s
    0.5
    """
    make_ready()
    if callable(table):
        table, make = None, table
    made, name = _feed(source, table, underlying, keep)
    if make is None:
        if not isinstance(made, StreamFeed):
            raise ValueError(
                f"live: give a function of the rows of {name} to an element, like plots.levels_over_time"
            )
        make = lines
    pump = Pump(made, make, name=name, every_s=seconds(every))
    return LivePlot(pump.draw, streams=[pump.pipe], cache_size=1)


def _feed(source: Any, table: Any, underlying: str | None, keep: int) -> tuple[Feed, str]:
    if is_stream(source):
        if table is not None:
            raise ValueError(f"live: a streaming frame has no table {table!r}; leave it out")
        return StreamFeed(source, keep=keep), "the streaming frame"
    board = getattr(source, "board", source)
    if not is_board(board):
        raise ValueError(f"live: expected a desk, a board or a streaming frame, got {type(source).__name__}")
    if not isinstance(table, str):
        raise ValueError("live: name a table of the board, or priced_chain")
    return BoardFeed(board, table, underlying), table


def seconds(every: str | float) -> float:
    """A time span in seconds; a number is in seconds.

    Raises
    ------
    ValueError
        A text without a unit, or less than a tenth of a second.

    Examples
    --------
    >>> seconds("500ms"), seconds(2), seconds("1min")
    (0.5, 2.0, 60.0)
    """
    if isinstance(every, str) and every.strip().replace(".", "", 1).isdigit():
        raise ValueError(f"every: {every!r} has no unit; say '{every.strip()}s'")
    try:
        span = float(every) if isinstance(every, int | float) else pd.Timedelta(every).total_seconds()
    except ValueError as error:
        raise ValueError(f"every: {every!r} is no time; say '1s' or '500ms'") from error
    if not span >= FASTEST_S:
        raise ValueError(
            f"every: {every!r} is below {FASTEST_S} s, the fastest that a browser is asked to draw"
        )
    return span


def lines(rows: pd.DataFrame) -> Any:
    """The number columns of rows indexed by time, as lines."""
    from workstation.plots.price import ticks

    numbers = [str(name) for name in rows.columns if pd.api.types.is_float_dtype(rows[name].dtype)]
    if not numbers:
        raise ValueError(f"no column of numbers among {', '.join(map(str, rows.columns))}: give a maker")
    found = [_static(ticks(rows[[name]], name)) for name in numbers[:6]]
    return found[0] if len(found) == 1 else hv.Overlay(found)


def _static(element: Any) -> Any:
    return element[()] if isinstance(element, hv.DynamicMap) else element
