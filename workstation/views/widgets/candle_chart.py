"""Price in time: candles, the newest price, and the levels that matter, live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import panel as pn
from bokeh.events import RangesUpdate
from bokeh.models import (
    ColumnDataSource,
    CrosshairTool,
    CustomJS,
    FixedTicker,
    HoverTool,
    NoOverlap,
    PanTool,
    Range1d,
    Span,
)
from bokeh.models import DatetimeTickFormatter as TimeTicks

from workstation.plots.formats import TIME_TICKS
from workstation.views.state.choice import instruments
from workstation.views.state.session_cache import shared
from workstation.views.state.source import CANDLES_KEPT, Source
from workstation.views.widgets import formats
from workstation.views.widgets.assets import asset
from workstation.views.widgets.candle_columns import candle_columns, newest_trade
from workstation.views.widgets.figure import pane, update_source, wheel_zoom
from workstation.views.widgets.live_overlay import Forming, FormingCandle
from workstation.views.widgets.price_labels import Level, LevelLines
from workstation.views.widgets.theme import Painter, Palette, bare_figure

SHOWN = 130
"""Candles in view while the chart follows the market."""
FEWEST = 40
"""Width of the view, in candles, at the least."""
_AHEAD = 0.17
"""Share of the view kept free right of the newest candle, for the labels."""
AHEAD_OF_TAG = 0.06
"""The same where the newest price's label stands on the axis."""
LABEL_PX, CANDLE_PX = 78, 3.6
"""Room the newest price's label needs, and the least a candle needs, on narrow screens."""
_HEADROOM = 0.08
_SLACK = 0.35
"""The price axis is narrowed only when so much of it has become empty: nothing jumps."""
RIGHT_BORDER = 66
"""Room for the price axis, the same in panes above each other."""
_COLUMNS = (
    "x", "open", "high", "low", "close", "volume", "width", "middle", "body",
    "up_width", "up_high", "up_low", "down_width", "down_high", "down_low",
)  # fmt: skip
_PAINTED = asset(__package__, "paint_times.js")


class CandleChart:
    """Candles of the chosen instrument with key levels; follows the market until it is moved by hand.

    ``panel`` holds the figure over a strip of volume; ``following`` is also whether ``choice.window`` is empty.

    Parameters
    ----------
    choice
        ``instrument`` (empty: the best of ``underlying``), ``every_ns``, ``scale``, ``window``.
    colours
        Of the first paint.
    kept
        Candles held in the browser.
    crosshair
        Upright line of the crosshair, to share it with other charts; none: one of its own.
    """

    columns: tuple[str, ...] = _COLUMNS
    tag_on_axis = False
    """Whether the price tag stands on the axis; where levels have words beside their price it does not."""

    def __init__(
        self, choice: Any, colours: Palette, kept: int = CANDLES_KEPT, crosshair: Span | None = None
    ) -> None:
        self.choice = choice
        self.kept = kept
        self.levels: Sequence[Level] = ()
        self._painter = Painter(colours)
        self._shown: tuple[str, int] = ("", 0)
        self.held: dict[str, np.ndarray] = {name: np.empty(0) for name in self.columns}
        """Columns of the candles held in the browser, the newest last."""
        self._newest_ms = -np.inf
        self._settled = -1
        self._width = 0.0
        self._led = False
        self.on_hand: Callable[[bool], None] = lambda settled: None
        """Called when a hand moves the time axis, and with True when it has let go."""
        self._candles = ColumnDataSource(data={name: np.empty(0) for name in self.columns})
        self._tip = ColumnDataSource(data={"event_ms": [], "price": []})
        self.x_range, self.y_range = Range1d(0, 1), Range1d(0, 1)
        self.volume_range = Range1d(0, 1)
        self._volume_ticks = FixedTicker(ticks=[0.0])
        """Two labels at most: the strip can be as low as two lines of text."""
        self.figure = self._price_figure()
        self.volume = self._volume_figure()
        self.candle_renderers = list(self.figure.renderers)
        self.forming = FormingCandle(self.figure, self.volume, self._painter)
        self.candle_renderers += self.forming.candle
        if not self.tag_on_axis:
            bodies = [self.candle_renderers[index] for index in (1, 3, -1)]
            self.figure.add_tools(*map(_candle_hover, bodies))
        self._lines = LevelLines(self.figure, self._painter, on_axis=self.tag_on_axis)
        self.crosshair = crosshair or Span(dimension="height", line_width=1, line_dash="dotted")
        self._painter(self.crosshair, line_color="muted")
        self.level = self._painter(
            Span(dimension="width", line_width=1, line_dash="dotted"), line_color="muted"
        )
        """The crosshair's line at a price."""
        self.figure.add_tools(CrosshairTool(overlay=[self.crosshair, self.level]))
        self.volume.add_tools(CrosshairTool(overlay=self.crosshair))
        newest = self.figure.scatter("event_ms", "price", source=self._tip, size=6, level="overlay")
        self._painter(newest.glyph, fill_color="text", line_color="card")
        self._tip.js_on_change("data", CustomJS(args={"tip": self._tip}, code=_PAINTED))
        self.figure.on_event(RangesUpdate, self._moved)
        self.x_range.on_change("end", self._dragged)
        self.figure.on_change("inner_width", self._resized)
        self.panel = pn.Column(
            pane(self.figure),
            pane(self.volume, sizing_mode="stretch_width", height=52, min_height=None),
            sizing_mode="stretch_both",
            margin=0,
        )

    # -- building -----------------------------------------------------------------------------------------

    def _price_figure(self) -> Any:
        wheel = wheel_zoom("width")
        made = bare_figure(
            self._painter,
            x_range=self.x_range,
            y_range=self.y_range,
            x_axis_type="datetime",
            y_axis_location="right",
            tools=[PanTool(), wheel, wheel_zoom("height")],
            active_scroll=wheel,
            min_border_right=RIGHT_BORDER,
            min_border_bottom=2,
        )
        made.xaxis.visible = False
        made.xaxis.major_label_policy = NoOverlap(min_distance=8)
        made.xgrid.visible = False
        made.yaxis.formatter = formats.price_ticks()
        made.yaxis.ticker.desired_num_ticks = 8
        for direction, fill in (("up", "card"), ("down", "down")):
            wick = made.segment(
                "x", f"{direction}_low", "x", f"{direction}_high", source=self._candles, line_width=1.2
            )
            body = made.rect(
                "x", "middle", f"{direction}_width", "body", source=self._candles, line_width=1.2
            )
            self._painter(wick.glyph, line_color=direction)
            self._painter(body.glyph, line_color=direction, fill_color=fill)
        return made

    def _volume_figure(self) -> Any:
        made = bare_figure(
            self._painter,
            x_range=self.x_range,
            y_range=self.volume_range,
            x_axis_type="datetime",
            y_axis_location="right",
            toolbar_location=None,
            min_border_right=RIGHT_BORDER,
            min_border_top=0,
            min_border_bottom=7,
            sizing_mode="stretch_width",
            height=52,
        )
        made.xaxis.formatter = TimeTicks(**TIME_TICKS)
        made.xaxis.update(
            ticker=self.figure.xaxis[0].ticker, major_label_policy=self.figure.xaxis[0].major_label_policy
        )
        made.yaxis.formatter = formats.si_ticks()
        made.yaxis.ticker = self._volume_ticks
        made.ygrid.visible = False
        bars = made.vbar("x", "width", "volume", 0, source=self._candles, line_color=None, fill_alpha=0.55)
        self._painter(bars.glyph, fill_color="muted")
        return made

    # -- showing ------------------------------------------------------------------------------------------

    @property
    def following(self) -> bool:
        """Whether the chart keeps the newest candle in view."""
        return not self.choice.window

    @property
    def shown_instrument(self) -> str:
        """Name of the instrument whose candles are shown."""
        return self._shown[0]

    def refresh(self, source: Source) -> None:
        """Append what is new, amend the candle in progress, move the price tag."""
        name = self.choice.instrument or next(iter(instruments(source, self.choice.underlying)), "")
        key = name, self.choice.every_ns
        columns = shared(
            source, ("candle columns", *key), lambda: candle_columns(source.candles(*key)), "candles"
        )
        self.show(key, columns)
        self.show_newest(
            *shared(
                source,
                ("newest trade", *key),
                lambda: newest_trade(source.latest("trades"), name, source.candles(*key)),
                "trades",
                "candles",
            )
        )

    def show(
        self, key: tuple[str, int], columns: dict[str, np.ndarray], settled: int = -1, turn: bool = True
    ) -> None:
        """Show candles as columns, in time order: what is new or was amended, or all anew when they are of something else.

        ``key`` says what they are of: instrument and length in ns; arrays handed in are not written to. ``settled``: a number
        that grows when another than the last candle changes; without one all are compared with what is shown. Without its
        ``turn`` a chart moves only what costs little: candles that are new are drawn over it where they will be.
        """
        anew = key != self._shown
        turn = turn or anew
        self.held = {name: values[-self.kept :] for name, values in columns.items()}
        if anew:
            self._candles.data = {name: values[:-1].copy() for name, values in self.held.items()}
        elif turn and (settled < 0 or settled != self._settled):
            update_source(self._candles, {name: values[:-1] for name, values in self.held.items()}, self.kept)
        self.forming.show(self.held, Forming.after(self.held, self._candles.data["x"]))
        newest_ms = float(self.held["x"][-1]) if len(self.held["x"]) else -np.inf
        moved = anew or (turn and newest_ms != self._newest_ms)
        if turn:
            self._settled, self._newest_ms = settled, newest_ms
        self._shown = key
        if self.following:
            self._follow(moved)
        elif self.x_range.start == 0:
            self._go_to(self.choice.window)

    def show_newest(self, event_ms: float, price: float) -> None:
        """Move the price tag to the newest trade."""
        newest = [[event_ms], [price]] if np.isfinite(event_ms) else [[], []]
        if newest[0] != self._tip.data["event_ms"]:
            self._tip.data = dict(zip(("event_ms", "price"), newest, strict=True))
        self._lines.show([*self.levels, Level(price, formats.price(price), "text", moving=True)])

    def _follow(self, moved: bool, at_once: bool = False) -> None:
        data = self.held
        if not len(data["x"]):
            return
        if moved or self.x_range.start == 0:
            shown, ahead = self._room()
            span = min(shown, max(len(data["x"]) / (1 - ahead), FEWEST)) * self.choice.every_ns / 1e6
            end = self._edge(span) + ahead * span
            self._span(end - span, end)
        inside = data["x"] >= self.x_range.start
        self._fit_price(data["low"][inside].min(), data["high"][inside].max(), at_once)
        self._fit_volume(data["volume"][inside].max())

    def _edge(self, span: float) -> float:
        """Time in ms a chart that follows keeps in view, showing ``span`` ms."""
        return float(self.held["x"][-1])

    def _resized(self, attr: str, old: Any, new: Any) -> None:
        self._width = float(new or 0)
        if self.following:
            self._follow(moved=True, at_once=True)

    def _room(self) -> tuple[float, float]:
        """Candles in view, and the share kept free for labels: as the width, once the browser has told it, allows."""
        width = self._width or CANDLE_PX * SHOWN
        ahead = AHEAD_OF_TAG if self.tag_on_axis else min(max(_AHEAD, LABEL_PX / width), 0.4)
        return max(min(SHOWN, width / CANDLE_PX), FEWEST), ahead

    def _fit_price(self, low: float, high: float, at_once: bool) -> None:
        if self.choice.scale == "strikes":
            return
        room = max(high - low, 1e-4 * high) * _HEADROOM
        start, end = self.y_range.start, self.y_range.end
        spare = (end - start) - (high - low + 2 * room)
        if at_once or low < start or high > end or spare > _SLACK * (end - start):
            self.y_range.update(start=low - room, end=high + room)

    def _fit_volume(self, highest: float) -> None:
        end = self.volume_range.end
        if highest > end or highest < 0.4 * end:
            self.volume_range.end = end = max(highest * 1.15, 1e-9)
            self._volume_ticks.ticks = [0.0, formats.round_below(0.9 * end)]

    def span_strikes(self, start: float, end: float) -> None:
        """Let the price axis span the strikes shown beside it (``choice.scale`` is "strikes")."""
        if (
            self.choice.scale == "strikes"
            and self.following
            and (self.y_range.start, self.y_range.end) != (start, end)
        ):
            self.y_range.update(start=start, end=end)

    def _moved(self, event: Any) -> None:
        """A hand has moved the chart and let go."""
        self.remember_window(event.x0, event.x1, event.y0, event.y1)
        self.on_hand(True)

    def _dragged(self, attr: str, old: float, new: float) -> None:
        """A hand is moving the chart: its first movement ends the following."""
        if self._led:
            return
        if self.following:
            self.remember_window(self.x_range.start, new, self.y_range.start, self.y_range.end)
        self.on_hand(False)

    def remember_window(self, x0: float, x1: float, y0: float, y1: float) -> None:
        """Stop following: the chart was moved by hand to here."""
        self.choice.window = [round(float(edge), 4) for edge in (x0, x1, y0, y1)]

    def _span(self, start: float, end: float) -> None:
        """Move the time axis; not a movement of a hand."""
        self._led = True
        try:
            self.x_range.update(start=start, end=end)
        finally:
            self._led = False

    def _go_to(self, window: Sequence[float]) -> None:
        x0, x1, y0, y1 = window
        self._span(x0, x1)
        self.y_range.update(start=y0, end=y1)

    def follow(self) -> None:
        """Back to the newest candle; from a widget's handler too, which need not hold the document's lock."""
        with pn.io.hold():
            self.choice.window = []
            self._follow(moved=True, at_once=True)

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        self._painter.repaint(colours)
        self._lines.repaint(colours)
        self.forming.repaint()


def _candle_hover(renderer: Any) -> HoverTool:
    return HoverTool(
        renderers=[renderer],
        mode="mouse",
        point_policy="follow_mouse",
        tooltips=[
            ("", "@x{%d %b %H:%M:%S}"),
            ("open", "@open{custom}"),
            ("high", "@high{custom}"),
            ("low", "@low{custom}"),
            ("close", "@close{custom}"),
            ("volume", "@volume{0,0.00}"),
        ],
        formatters={
            "@x": "datetime",
            **formats.hovers(**dict.fromkeys(("open", "high", "low", "close"), "price")),
        },
        visible=False,
    )
