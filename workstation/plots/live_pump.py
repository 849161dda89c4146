"""Sends the newest state to the plots of one live element: bounded, paced, and only while somebody looks.

A picture carries a number that the browser sends back once it is drawn; the next one waits for it. The browser counts how long it
has heard nothing, so a plot whose kernel is gone says so itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import holoviews as hv
from bokeh.events import RangesUpdate, Reset
from bokeh.models import BasicTicker, ColumnDataSource, CustomJS, DatetimeTicker, DatetimeTickFormatter, Title
from holoviews.core.spaces import get_nested_streams
from holoviews.core.util import get_method_owner
from holoviews.streams import Pipe, Stream
from tornado.ioloop import PeriodicCallback

from workstation.plots.live_feed import Feed
from workstation.plots.palette import FONT
from workstation.plots.style import Style, colours_of

BEAT_S = 5.0
"""A plot is told so often that its kernel is there when nothing else has happened."""
SILENT_S = 15.0
"""The browser says so after so long without news."""
PATIENCE_S = 10.0
"""A browser that has not drawn the last picture is sent another after so long."""
SHARE = 3.0
"""The next picture, of whichever live plot of the process, waits so many times as long as the last one took to make."""
_JS = Path(__file__).with_name("live_status.js").read_text(encoding="utf-8")


class _Turns:
    """Whose turn it is: all live plots of a process together take a share of its time, the one that waits longest first."""

    def __init__(self) -> None:
        self.free_s = 0.0
        self._waiting: WeakKeyDictionary[Pump, float] = WeakKeyDictionary()

    def mine(self, pump: Pump, now_s: float) -> bool:
        """Whether this plot may send now; if not, it waits with the others."""
        self._waiting[pump] = now_s
        asking = {
            other: since for other, since in self._waiting.items() if since > now_s - 1.0 - other.every_s
        }
        return now_s >= self.free_s and min(asking, key=lambda other: other.sent_s) is pump

    def took(self, pump: Pump, began_s: float, ended_s: float) -> None:
        """A picture was made from then to then."""
        self._waiting.pop(pump, None)
        self.free_s = ended_s + SHARE * (ended_s - began_s)


TURNS = _Turns()


class LivePipe(Pipe):
    """A Pipe that knows its pump."""

    pump: Pump


class _Shown:
    """The models of one drawn plot through which it is told and answers."""

    def __init__(self, figure: Any, silent_s: float) -> None:
        colours = colours_of(None)
        self.sent, self.drawn = 0, -1
        """Number of the last picture, and of the last the browser has drawn; -1 before it has ever answered."""
        self.status = Title(
            text="", text_color=colours.bad, text_font=FONT, text_font_size="12px", text_font_style="normal"
        )
        self.beat = ColumnDataSource(data={"number": [0], "words": [""]})
        self.answer = ColumnDataSource(data={})
        figure.add_layout(self.status, "below")
        told = CustomJS(
            args={"status": self.status, "beat": self.beat, "answer": self.answer, "figure": figure, "silent_s": silent_s}, code=_JS
        )  # fmt: skip
        self.beat.js_on_change("data", told)
        figure.js_on_change("inner_width", told)
        self.answer.on_change("tags", self._answered)
        self._ranges = figure.x_range, figure.y_range
        self._held: tuple[dict[str, Any], dict[str, Any]] | None = None
        """Where a hand has moved the plot to; it stays there until it is reset."""
        figure.on_event(RangesUpdate, self._moved)
        figure.on_event(Reset, self._reset)

    def _moved(self, event: Any) -> None:
        self._held = {"start": event.x0, "end": event.x1}, {"start": event.y0, "end": event.y1}

    def _reset(self, _: Any) -> None:
        self._held = None

    def stay(self) -> None:
        """Put the plot back to where a hand has moved it."""
        if self._held is not None:
            for axis, ends in zip(self._ranges, self._held, strict=True):
                axis.update(**ends)

    def _answered(self, attr: str, old: Any, new: Any) -> None:
        if new:
            self.drawn = max(self.drawn, int(new[0]))

    def tell(self, words: str) -> None:
        """Send the next number, with what is the matter."""
        self.sent += 1
        self.beat.data = {"number": [self.sent], "words": [words]}
        if self.status.text != words:
            self.status.text = words

    @property
    def busy(self) -> bool:
        """Whether a browser that answers has not drawn the last picture yet."""
        return 0 <= self.drawn < self.sent


class Pump:
    """Feeds one live element.

    Parameters
    ----------
    feed
        Its rows.
    make
        Rows to an element or overlay.
    name
        Of the rows, for messages.
    every_s
        Shortest time between two pictures.

    Attributes
    ----------
    pictures
        Sent so far.
    problem
        Why the last rows could not be drawn, in words; empty when they could.
    """

    def __init__(self, feed: Feed, make: Callable[[Any], Any], *, name: str, every_s: float) -> None:
        self.every_s, self.pictures, self.problem = every_s, 0, ""
        self._feed, self._make, self._name = feed, make, name
        self._last: Any = None
        self._seen = -1
        self._due_s = self.sent_s = 0.0
        self._beat_s = 0.0
        self._stop: Callable[[], None] | None = None
        self._ended = self._watched = False
        self._shown: WeakKeyDictionary[Any, _Shown] = WeakKeyDictionary()
        self.pipe = LivePipe(data=0)
        self.pipe.pump = self

    # -- what is drawn ------------------------------------------------------------------------------------

    def draw(self, data: Any) -> Any:
        """The element of the newest rows; the last one that could be made when these cannot."""
        if self._last is None or data:
            self._remake()
        if not self._ended:
            self._start()
        return self._last

    def _remake(self) -> None:
        try:
            made = _static(self._make(self._feed.rows()))
            self._last, self.problem = self._hooked(made), ""
        except Exception as error:  # noqa: BLE001 - a maker's fault is told under its own plot and ends nothing else
            self.problem = self._words(error)
            if self._last is None:
                self._last = self._hooked(_nothing())

    def _words(self, error: Exception) -> str:
        said = str(error) or "no message"
        if isinstance(error, KeyError):
            said = f"no column or key {said}"
        return f"cannot draw {self._name}: {said} ({type(error).__name__})"

    def _hooked(self, made: Any) -> Any:
        """The element as an overlay whose figure tells and answers."""
        if not isinstance(made, hv.Element | hv.Overlay):
            raise TypeError(
                f"the maker gave a {type(made).__name__}; it must give one element or overlay; join live plots by +"
            )
        parts = made.values() if isinstance(made, hv.Overlay) else [made]
        over = hv.Overlay([part.opts(framewise=True) for part in parts])  # else the axes stay as they were
        options = made.opts.get("plot").kwargs if isinstance(made, hv.Overlay) else {}
        known = {name: value for name, value in options.items() if name != "hooks"}
        return over.opts(**known, hooks=[*options.get("hooks", []), self._tell])

    def _tell(self, plot: Any, _: Any) -> None:
        """Hook of HoloViews: after each picture of a plot."""
        shown = self._shown.get(plot)
        if shown is None:
            shown = self._shown[plot] = _Shown(plot.state, SILENT_S + self.every_s)
        for axis in (*plot.state.xaxis, *plot.state.yaxis):
            if isinstance(axis.formatter, DatetimeTickFormatter) and type(axis.ticker) is BasicTicker:
                axis.ticker = DatetimeTicker()
        shown.stay()
        shown.tell(self.problem)

    # -- when ---------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether it looks for newer rows."""
        return self._stop is not None

    def _start(self) -> None:
        """Look for newer rows on the session's or the kernel's loop; in a script without a loop only ``send`` does."""
        if self._stop is not None:
            return
        document = _session_document()
        period_ms = max(int(500 * self.every_s), 50)
        if document is not None:
            callback = document.add_periodic_callback(self.look, period_ms)
            self._stop = lambda: document.remove_periodic_callback(callback)
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        timer = PeriodicCallback(self.look, period_ms)
        timer.start()
        self._stop = timer.stop

    def look(self) -> None:
        """Send what is new, if it is time and the browser keeps up; end when nobody looks any more."""
        viewers = self._viewers()
        if not viewers:
            if self._watched:
                self.stop()
            return
        self._watched = True
        now = time.monotonic()
        if now < self._due_s:
            return
        if any(shown.busy for shown in viewers.values()) and now < self.sent_s + PATIENCE_S:
            return
        silent = now >= max(self.sent_s, self._beat_s) + BEAT_S
        if self._feed.version() != self._seen or (self.problem and silent):
            if TURNS.mine(self, now):
                self.send()
        elif silent:
            self._beat_s = now
            for plot, shown in viewers.items():
                shown.tell(self.problem)
                plot.push()

    def send(self) -> None:
        """Draw the newest rows now."""
        began = time.monotonic()
        self._seen = self._feed.version()
        self.pictures += 1
        self.pipe.send(self.pictures)
        self.sent_s = time.monotonic()
        self._due_s = began + 0.9 * self.every_s
        TURNS.took(self, began, self.sent_s)

    def stop(self) -> None:
        """Look no more and hold nothing; may be called more than once."""
        if not self._ended:
            self._ended = True
            self._feed.close()
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()

    def _viewers(self) -> dict[Any, _Shown]:
        """Drawn plots that are still shown."""
        owners = {
            get_method_owner(subscriber)
            for subscriber in self.pipe.subscribers
            if hasattr(subscriber, "__self__")
        }
        return {plot: shown for plot, shown in self._shown.items() if owners}


def _static(made: Any) -> Any:
    """A DynamicMap as it is at first: one picture of many points is already reduced to what a screen shows."""
    return made[()] if isinstance(made, hv.DynamicMap) else made


def _nothing() -> Any:
    """An empty plot, where what is the matter is told below."""
    style = Style(colours_of(None), x="plain", y="plain", xlabel="", ylabel="", height=200)
    return style(hv.Curve([], "time", "value"))


def _session_document() -> Any | None:
    import panel as pn

    document = pn.state.curdoc
    return document if document is not None and document.session_context is not None else None


def attached(element: Any) -> list[Pump]:
    """The pumps of an element and what it is composed of."""
    maps = element.traverse(lambda found: found, [hv.DynamicMap])
    streams: list[Stream] = [stream for each in maps for stream in get_nested_streams(each)]
    return list(dict.fromkeys(stream.pump for stream in streams if isinstance(stream, LivePipe)))
