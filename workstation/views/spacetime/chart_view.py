"""One chart of the page with its choices, live or moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
from bokeh.models import Span

from workstation.market.tables import CANDLES
from workstation.views.spacetime.chart import KEPT, TickChart
from workstation.views.spacetime.chart_data import ChartData, chart_data_of, tick_columns
from workstation.views.spacetime.choice import VERSION_LAYERS, ChartChoice
from workstation.views.spacetime.controls import ChartControls
from workstation.views.spacetime.data_gaps import DataGap
from workstation.views.spacetime.history_loader import HistoryLoader
from workstation.views.spacetime.intensity_bars import bar_ns, drawn, preceded
from workstation.views.spacetime.marker_data import Markers
from workstation.views.spacetime.render_pacing import PaintTurns, RenderPacing
from workstation.views.state.hand_over import hand_over
from workstation.views.state.source import CANDLES_KEPT, Source, View
from workstation.views.widgets import formats
from workstation.views.widgets.assets import asset
from workstation.views.widgets.card import Card
from workstation.views.widgets.theme import Palette

MOST_CANDLES = 6_000
"""Candles in view at the most when another chart leads: a longer stretch is cut at its left."""
_MARKERS = ("spikes", "signals", "data_gaps")
"""Parts that change seldom, and whose figure is painted anew when they do."""
_HEAD_CSS = asset(__package__, "chart_view_head.css")
_READERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="history")


class ChartView(View):
    """A chart and its choices.

    Parameters
    ----------
    choice
        Of the chart.
    colours
        Of the first paint.
    number
        Its number on the page, from 1.
    crosshair
        Upright line shared with the other charts.
    history
        Where older rows are read; none: only what the source holds can be seen.
    pace
        How fast the browser paints; none: it is not asked.
    led
        Called with the chart when a hand moves it, or has led it back to live, and whether the hand has let go.
    turns
        Shared with the other charts: whose figures are painted anew; none: always its own.
    """

    inputs = ("candles", "trades", "intensity", "spikes", "reversals", "health")

    def __init__(
        self, choice: ChartChoice, colours: Palette, number: int, crosshair: Span | None = None, history: HistoryLoader | None = None,
        led: Callable[[ChartView, bool], None] = lambda chart, settled: None, pace: RenderPacing | None = None,
        turns: PaintTurns | None = None,
    ) -> None:  # fmt: skip
        self.choice, self._history, self._led, self._pace = choice, history, led, pace
        self._number, self._turns = number, turns
        self.behind = False
        """Whether something waits for the chart's turn."""
        self.on_screen = True
        """Whether the page shows it; a chart that is not shown costs nothing."""
        self.chart = TickChart(choice, colours, crosshair)
        self.controls = ChartControls(choice, self._return)
        self.data: ChartData | None = None
        self._seen: dict[str, int] = {}
        self._painted: dict[str, int] = {}
        self._markers_shown = {"spikes": 0, "signals": 0}
        self._source: Source | None = None
        self._forget_history()
        self._unheard = False
        """Whether history came while the browser was still reading the page, which may have missed it: it is sent again."""
        self._reading: Future[Any] | None = None
        self.card = Card(f"Chart {number}", self.chart.panel, actions=self.controls.actions)
        self.card.panel.css_classes = ["ws-card", "ws-chart"]
        self.card.panel[0].stylesheets = [_HEAD_CSS]
        self.chart.show_layers(choice.layers)
        choice.param.watch(self._changed, ["instrument", "every_s", "layers"])
        choice.param.watch(lambda _: self._reach_back(), "window")
        self.chart.on_hand = lambda settled: led(self, settled)

    # -- showing ------------------------------------------------------------------------------------------

    def refresh(self, source: Source) -> None:
        """Bring up to date what has changed, when the browser is ready for it."""
        self._source = source
        if self._unheard and self._pace is not None and self._pace.painted:
            self._unheard = False
            self._seen.pop("bars", None)
        if self._pace is None or self._pace.open:
            self._draw(source, self._turns)

    def _draw(self, source: Source, turns: PaintTurns | None = None) -> None:
        name, every_ns = self.choice.instrument, self.choice.every_ns
        if not self.on_screen or not name:
            return
        anew = self.data is None or (self.data.instrument, self.data.every_ns) != (name, every_ns)
        if anew:
            self.data = chart_data_of(source, name, every_ns)
            self._seen.clear()
            self.chart.name_volume(name)
        data = self.data
        assert data is not None
        data.look(source)
        unpainted = self._painted != data.settled or any(
            self._seen.get(part) != data.versions[part] for part in _MARKERS
        )
        turn = anew or turns is None or not unpainted or turns.ask(self._number)
        self.behind = not turn
        parts: tuple[tuple[str, Callable[[ChartData, bool], None]], ...] = (
            ("candles", self._show_candles),
            ("newest", lambda data, _: self.chart.show_newest(*data.newest)),
            ("bars", self._show_bars),
            ("spikes", self._show_spikes),
            ("signals", self._show_signals),
            ("data_gaps", self._show_gaps),
        )
        for part, show in parts:
            if (turn and unpainted) or (part not in _MARKERS and self._seen.get(part) != data.versions[part]):
                show(data, turn)
                self._seen[part] = data.versions[part]
        if turn:
            self._painted = dict(data.settled)
            self.chart.intensity.reach(1e6 * self.chart.x_range.start, 1e6 * self.chart.x_range.end)
        if anew:
            self._reach_back()

    def _show_candles(self, data: ChartData, turn: bool = True) -> None:
        key = data.instrument, data.every_ns
        self.chart.show(key, self._candle_columns(data), data.settled["candles"], turn)

    def _candle_columns(self, data: ChartData) -> dict[str, np.ndarray]:
        if not len(self._older_candles) or self._source is None:
            return data.candles
        rows = self._source.candles(data.instrument, data.every_ns)
        older = self._older_candles
        if len(rows):
            older = older[older["event_ns"] < rows["event_ns"].iloc[0]]
        return tick_columns(CANDLES.concat([older, rows]))

    def _show_bars(self, data: ChartData, turn: bool = True) -> None:
        columns = data.drawn_bars
        if self._older_bars is not None:
            columns = drawn(preceded(data.bars, self._older_bars), bar_ns(data.every_ns))
        self.chart.intensity.show_bars(columns, data.settled["bars"], "bars" not in self._seen, turn)

    def _show_spikes(self, data: ChartData, _: bool = True) -> None:
        self.chart.intensity.mark(*self._unmarked("spikes", data.spikes))

    def _show_signals(self, data: ChartData, _: bool = True) -> None:
        signals, anew = self._unmarked("signals", data.signals)
        if anew:
            layers = frozenset(int(layer[1:]) for layer in self.choice.layers if layer in VERSION_LAYERS)
            self.chart.signals.begin(signals, layers, data.every_ns / 1e6)
        else:
            self.chart.signals.extend(signals)

    def _unmarked(self, part: str, markers: Markers) -> tuple[dict[str, np.ndarray], bool]:
        """Markers that have come since the last look, and whether it is the first look at them."""
        anew = part not in self._seen
        seen = 0 if anew else self._markers_shown[part]
        self._markers_shown[part] = markers.count
        return markers.after(seen), anew

    def _show_gaps(self, data: ChartData, _: bool = True) -> None:
        self.chart.bands.show(data.data_gaps)
        going_on = [gap for gap in data.data_gaps if gap.open]
        self.chart.show_gap(going_on[-1].end_ns / 1e6 if going_on else -np.inf)
        self.card.say(_warning(going_on[-1]) if going_on else "")

    # -- choosing -----------------------------------------------------------------------------------------

    def _changed(self, *events: Any) -> None:
        with pn.io.hold():
            names = {event.name for event in events}
            other = bool(names & {"instrument", "every_s"})
            if other:
                self._start_over()
                self.choice.window = []
            if "layers" in names:
                self.chart.show_layers(self.choice.layers)
                self._seen.pop("signals", None)
            if self._source is not None:
                self._draw(self._source)
                if other and self.chart.following:
                    self.chart.follow()

    def _start_over(self) -> None:
        self._seen.clear()
        self._forget_history()
        self.chart.begin_anew()

    def _forget_history(self) -> None:
        self._older_candles = CANDLES.empty()
        self._older_bars: dict[str, np.ndarray] | None = None
        self._asked_ms = float("inf")

    def _return(self) -> None:
        """The chip was pressed."""
        self.go_live()
        self._led(self, True)

    def go_live(self) -> None:
        """Back to the newest candle."""
        if self.chart.following:
            return
        with pn.io.hold():
            if self.chart.kept != KEPT:
                self._start_over()
            self.choice.window = []
            if self._source is not None:
                self._draw(self._source)
            self.chart.follow()

    def follow_other(self, other: ChartView, settled: bool) -> None:
        """Show the time another chart shows, or be live as it is."""
        if other.chart.following:
            self.go_live()
            return
        start, end = float(other.chart.x_range.start), float(other.chart.x_range.end)
        start = max(start, end - MOST_CANDLES * self.choice.every_ns / 1e6)
        with pn.io.hold():
            self.chart.go_to(start, end, settled)

    # -- history -----------------------------------------------------------------------------------------

    def _reach_back(self) -> None:
        """Fetch what is in view and not held: from the source, then from history."""
        self.controls.mark(self.chart.following)
        start_ms, end_ms = self.chart.x_range.start, self.chart.x_range.end
        if self.choice.window:
            start_ms, end_ms = self.choice.window[:2]
        source = self._source
        if source is None or not start_ms < self._first_ms():
            return
        if self.chart.kept < CANDLES_KEPT and not self.chart.following:
            self._draw_anew(CANDLES_KEPT)
        if (
            self._history is None
            or self._reading is not None
            or not start_ms < min(self._first_ms(), self._asked_ms)
        ):
            return
        start_ns = int(1e6 * (start_ms - (end_ms - start_ms)))
        self._asked_ms = start_ns / 1e6
        self._read(self._history, start_ns)

    def _draw_anew(self, kept: int) -> None:
        self.chart.begin_anew(kept)
        if self.data is not None:
            self._show_candles(self.data)

    def _first_ms(self) -> float:
        """From when on candles and intensity are both held."""
        bars = self.chart.intensity.held["x"]
        return max(self.chart.first_ms, float(bars[0]) if len(bars) else float("inf"))

    def _read(self, history: HistoryLoader, start_ns: int) -> None:
        name, every_ns = self.choice.instrument, self.choice.every_ns
        smoothing = self.data.smoothing if self.data is not None else ""
        first_ns = int(1e6 * self.chart.x_range.end)
        board = self._source.candles(name, every_ns) if self._source is not None else CANDLES.empty()
        until_ns = int(board["event_ns"].iloc[0]) if len(board) else first_ns
        wanted = start_ns < until_ns and not self.chart.following

        def read() -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
            return (
                history.candles(name, every_ns, start_ns, until_ns) if wanted else CANDLES.empty(),
                history.bars(name, bar_ns(every_ns), start_ns, first_ns, smoothing),
            )

        document = pn.state.curdoc
        self._reading = _READERS.submit(read)
        take = partial(self._take, name, every_ns)
        if document is None:
            take(self._reading)
        else:
            self._reading.add_done_callback(lambda done: hand_over(document, partial(take, done)))

    def _take(self, name: str, every_ns: int, done: Future[Any]) -> None:
        self._reading = None
        error = done.exception()
        if error is not None:
            self.show_failure(f"history could not be read: {error}")
            return
        if (name, every_ns) != (self.choice.instrument, self.choice.every_ns) or self.data is None:
            return
        candles, bars = done.result()
        with pn.io.hold():
            if not self.chart.following and len(candles):
                self._older_candles = candles
                self._draw_anew(CANDLES_KEPT + len(candles))
            if bars["begin_ns"].size:
                self._older_bars = bars
                self._unheard = self._pace is not None and not self._pace.painted
                self._seen.pop("bars", None)
                self._show_bars(self.data)
                self._seen["bars"] = self.data.versions["bars"]
            if self.chart.following:
                return
        self._reach_back()

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        self.chart.repaint(colours)

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)


def _warning(gap: DataGap) -> str:
    """A gap that goes on, in the chart's head."""
    why = escape(f"{gap.words}: {gap.detail}", quote=True)
    span = formats.age((gap.end_ns - gap.start_ns) / 1e9)
    return f'<span role="status" title="{why}" style="color:var(--ws-warn)">⚠ <span class="long">silent </span>{span}</span>'
