"""One chart: candles with their averages, volume, intensity, signals and silences, live or moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
from bokeh.models import CustomJS, Div, Span

from workstation.indicators.smoothing import ema, sma, zlma
from workstation.market.tables import CANDLES
from workstation.views.card import Card
from workstation.views.live import Source, View
from workstation.views.spacetime.bars import bar_ns
from workstation.views.spacetime.choice import VERSION_LAYERS, ChartChoice
from workstation.views.spacetime.controls import ChartControls
from workstation.views.spacetime.gaps import silences
from workstation.views.spacetime.intensity import HEIGHT, LOW, IntensityPane
from workstation.views.spacetime.marks import KEPT_SIGNALS, Bands, Signals
from workstation.views.spacetime.past import Past
from workstation.views.spacetime.readout import READOUT, READOUT_CSS
from workstation.views.theme import Palette, stylesheet
from workstation.views.ticks import CandleChart, candle_columns

KEPT = 600
"""Candles held in the browser while the chart follows the market; more are fetched when it is moved to the left."""
BOARD_CANDLES = 3_000
LENGTH = 20
AVERAGES = {"sma": sma, "ema": ema, "zlma": zlma}
LINE_ROLES = {"sma": "net", "ema": "accent", "zlma": "zero"}
_HEAD_CSS = """
:host { gap: 6px; min-height: 30px; }
@media (max-width: 900px) { :host { flex-wrap: wrap; } }
"""
_READERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="past")


class TickChart(CandleChart):
    """Candles with averages of close and volume, and an intensity pane below."""

    columns = (*CandleChart.columns, *AVERAGES, "volume_zlma")

    def __init__(self, choice: ChartChoice, colours: Palette, crosshair: Span | None) -> None:
        super().__init__(choice, colours, kept=KEPT, crosshair=crosshair)
        self.past = CANDLES.empty()
        self._compact = False
        self.averages = {
            name: self.figure.line("x", name, source=self._candles, line_width=1.5) for name in AVERAGES
        }
        for name, line in self.averages.items():
            self._painter(line.glyph, line_color=LINE_ROLES[name])
        self.volume_line = self.volume.line("x", "volume_zlma", source=self._candles, line_width=1.5)
        self._painter(self.volume_line.glyph, line_color="zero")
        self.candle_renderers = self.figure.renderers[:4]
        self.intensity = IntensityPane(self._painter, self.x_range, self.crosshair)
        self.signals = Signals(self.figure, self._painter)
        self.bands = Bands((self.figure, self.volume, self.intensity.figure), self._painter)
        self.readout = Div(
            text="", sizing_mode="stretch_width", height=17, stylesheets=[stylesheet(READOUT_CSS)]
        )
        read = CustomJS(
            args={
                "candles": self._candles, "bars": self.intensity.bars, "crosshair": self.crosshair,
                "readout": self.readout, "lines": self.averages, "intensity": self.intensity.states[0],
            },
            code=READOUT,
        )  # fmt: skip
        self.crosshair.js_on_change("location", read)
        self._tip.js_on_change("data", read)
        self._panes = {
            "price": pn.pane.Bokeh(self.figure, sizing_mode="stretch_both", min_height=110),
            "volume": pn.pane.Bokeh(self.volume, sizing_mode="stretch_width", height=54),
            "intensity": pn.pane.Bokeh(self.intensity.figure, sizing_mode="stretch_width", height=HEIGHT),
        }
        self.panel = pn.Column(
            pn.pane.Bokeh(self.readout, sizing_mode="stretch_width", height=18, margin=0),
            *self._panes.values(), sizing_mode="stretch_both", margin=0, min_height=0,
        )  # fmt: skip

    # -- what the candle chart asks -----------------------------------------------------------------------

    def _candles_of(self, source: Source, name: str) -> pd.DataFrame:
        rows = source.candles(name, self.choice.every_ns)
        if not len(self.past) or not len(rows):
            return rows
        return CANDLES.concat([self.past[self.past["event_ns"] < rows["event_ns"].iloc[0]], rows])

    def _columns(self, candles: pd.DataFrame, since: int) -> dict[str, np.ndarray]:
        close, volume = candles["close"].to_numpy(), candles["volume"].to_numpy()
        more = {name: average(close, LENGTH)[since:] for name, average in AVERAGES.items()}
        more["volume_zlma"] = np.maximum(zlma(volume, LENGTH)[since:], 0.0)
        return candle_columns(candles.iloc[since:]) | more

    # -- what the view asks -------------------------------------------------------------------------------

    @property
    def first_ms(self) -> float:
        """Time of the oldest candle held; NaN when none is."""
        return float(self._candles.data["x"][0]) if len(self._candles.data["x"]) else float("nan")

    def begin_anew(self, past: pd.DataFrame | None = None, kept: int = KEPT) -> None:
        """Draw everything again at the next refresh, with these candles before what the source has."""
        self.past = CANDLES.empty() if past is None else past
        self.kept = kept
        self._shown = ("", 0)

    def show_layers(self, layers: list[str]) -> None:
        """Show these layers and make room for their panes."""
        for renderer in self.candle_renderers:
            renderer.visible = "candles" in layers
        for name, line in self.averages.items():
            line.visible = name in layers
        self.volume.renderers[0].visible = "volume" in layers
        self.volume_line.visible = "volume_zlma" in layers
        self.intensity.show(layers)
        with_volume = bool({"volume", "volume_zlma"} & set(layers))
        with_intensity = bool(
            {name for name in layers if name.startswith("intensity")} | ({"buffer", "spikes"} & set(layers))
        )
        self._panes["volume"].visible = with_volume
        self._panes["intensity"].visible = with_intensity
        self.volume.xaxis.visible = not with_intensity
        self._fit_volume_pane()
        self.figure.xaxis.visible = not with_volume and not with_intensity

    def make_compact(self, compact: bool) -> None:
        """Lower panes and fewer ticks, for a chart among four."""
        self._compact = compact
        self.figure.yaxis.ticker.desired_num_ticks = 4 if compact else 8
        self.intensity.figure.height = self._panes["intensity"].height = LOW if compact else HEIGHT
        self._fit_volume_pane()

    def _fit_volume_pane(self) -> None:
        height = 30 if self._compact else 40
        self._panes["volume"].height = height if self._panes["intensity"].visible else height + 18
        self.volume.height = self._panes["volume"].height

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        super().repaint(colours)
        self.signals.repaint()


class ChartView(View):
    """A chart with its choices in place.

    Parameters
    ----------
    choice
        Of the chart.
    colours
        Of the first paint.
    place
        Its number on the page, from 1.
    crosshair
        Upright line shared with the other charts.
    past
        Where older rows are read; none: only what the source holds can be seen.
    """

    inputs = ("candles", "trades", "intensity", "spikes", "reversals", "health")

    def __init__(
        self, choice: ChartChoice, colours: Palette, place: int, crosshair: Span | None = None, past: Past | None = None
    ) -> None:  # fmt: skip
        self.choice, self._past, self.on_screen = choice, past, True
        self.chart = TickChart(choice, colours, crosshair)
        self.controls = ChartControls(choice, self.go_live)
        self._seen: dict[str, tuple[Any, ...]] = {}
        self._last_seq: dict[str, int] = {}
        self._source: Source | None = None
        self._reading: Future[Any] | None = None
        self._asked_ms = float("inf")
        self.card = Card(f"Chart {place}", self.chart.panel, actions=self.controls.actions)
        self.card.panel.css_classes = ["ws-card", "ws-chart"]
        self.card.panel[0].stylesheets = [_HEAD_CSS]
        self.chart.show_layers(choice.layers)
        choice.param.watch(self._changed, ["instrument", "every_s", "layers"])
        choice.param.watch(lambda _: self._reach_back(), "window")

    # -- showing ------------------------------------------------------------------------------------------

    def refresh(self, source: Source) -> None:
        """Bring up to date what has a new version."""
        self._source = source
        if not self.on_screen or not self.choice.instrument:
            return
        name = self.choice.instrument
        parts: tuple[tuple[tuple[str, ...], Callable[[Source, str], None]], ...] = (
            (("candles", "trades"), self._show_candles),
            (("intensity",), self._show_intensity),
            (("spikes",), self._show_spikes),
            (("reversals",), self._show_signals),
            (("health",), self._show_silences),
        )
        anew = (name, self.choice.every_s) != self._seen.get("candles", ())[:2]
        for tables, show in parts:
            state = (name, self.choice.every_s, *(source.version(table) for table in tables))
            if self._seen.get(tables[0]) != state:
                show(source, name)
                self._seen[tables[0]] = state
        if anew:
            self._reach_back()
        self.chart.intensity.reach(1e6 * self.chart.x_range.start, 1e6 * self.chart.x_range.end)

    def _show_candles(self, source: Source, name: str) -> None:
        self.chart.refresh(source)

    def _news(self, source: Source, table: str, name: str) -> tuple[pd.DataFrame, bool]:
        """Rows of the instrument that have come since the last look, and whether it is the first look at it."""
        rows = source.latest(table)
        seq = rows["seq"].to_numpy()
        seen = self._seen.get(table)
        anew = seen is None or seen[:2] != (name, self.choice.every_s)
        last = 0 if anew else self._last_seq.get(table, 0)
        if not anew:
            rows = rows.iloc[int(np.searchsorted(seq, last, "right")) :]
        if len(seq):
            self._last_seq[table] = int(seq[-1])
        return rows_of(rows, name), anew

    def _show_intensity(self, source: Source, name: str) -> None:
        rows, anew = self._news(source, "intensity", name)
        if anew:
            self.chart.intensity.begin(rows, self.choice.every_ns)
        elif len(rows):
            self.chart.intensity.extend(rows, self.choice.every_ns)

    def _show_spikes(self, source: Source, name: str) -> None:
        self.chart.intensity.mark(*self._news(source, "spikes", name))

    def _show_signals(self, source: Source, name: str) -> None:
        rows, anew = self._news(source, "reversals", name)
        if anew:
            layers = frozenset(int(layer[1:]) for layer in self.choice.layers if layer in VERSION_LAYERS)
            self.chart.signals.begin(rows.tail(KEPT_SIGNALS), layers)
        elif len(rows):
            self.chart.signals.extend(rows)

    def _show_silences(self, source: Source, name: str) -> None:
        venues = rows_of(source.latest("trades"), name)["venue"].dropna().astype("str").unique()
        found = silences(source.latest("health"), name, frozenset(venues) - {""}, source.asof_ns)
        self.chart.bands.show(found)
        newest = found[-1] if found else None
        self.card.say(f'<span style="color:var(--ws-warn)">⚠ {newest.words}</span>' if newest else "")

    # -- choosing -----------------------------------------------------------------------------------------

    def _changed(self, *events: Any) -> None:
        with pn.io.hold():
            names = {event.name for event in events}
            if names & {"instrument", "every_s"}:
                self._start_over()
                self.choice.window = []
            if "layers" in names:
                self.chart.show_layers(self.choice.layers)
                self._seen.pop("reversals", None)
            if self._source is not None:
                self.refresh(self._source)
                if names & {"instrument", "every_s"} and self.chart.following:
                    self.chart.follow()

    def _start_over(self) -> None:
        self._seen.clear()
        self._asked_ms = float("inf")
        self.chart.begin_anew()

    def go_live(self) -> None:
        """Back to the newest candle."""
        if self.chart.following:
            return
        with pn.io.hold():
            self._start_over()
            self.choice.window = []
            if self._source is not None:
                self.refresh(self._source)
            self.chart.follow()

    # -- the past -----------------------------------------------------------------------------------------

    def _reach_back(self) -> None:
        """Fetch what is in view and not held: from the source, then from history."""
        self.controls.mark(self.chart.following)
        start_ms, end_ms = self.chart.x_range.start, self.chart.x_range.end
        if self.choice.window:
            start_ms, end_ms = self.choice.window[:2]
        source = self._source
        if source is None or not start_ms < self._first_ms():
            return
        if self.chart.kept < BOARD_CANDLES and not self.chart.following:
            self.chart.begin_anew(kept=BOARD_CANDLES)
            self.chart.refresh(source)
        if (
            self._past is None
            or self._reading is not None
            or not start_ms < min(self._first_ms(), self._asked_ms)
        ):
            return
        start_ns = int(1e6 * (start_ms - (end_ms - start_ms)))
        self._asked_ms = start_ns / 1e6
        self._read(self._past, start_ns)

    def _first_ms(self) -> float:
        """From when on candles and intensity are both held."""
        bars = self.chart.intensity.bars.data["x"]
        return max(self.chart.first_ms, float(bars[0]) if len(bars) else float("inf"))

    def _read(self, past: Past, start_ns: int) -> None:
        name, every_ns, first_ns = (
            self.choice.instrument,
            self.choice.every_ns,
            int(1e6 * self.chart.x_range.end),
        )
        board = self._source.candles(name, every_ns) if self._source is not None else CANDLES.empty()
        until_ns = int(board["event_ns"].iloc[0]) if len(board) else first_ns

        wanted = start_ns < until_ns and not self.chart.following

        def read() -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
            return (
                past.candles(name, every_ns, start_ns, until_ns) if wanted else CANDLES.empty(),
                past.bars(name, bar_ns(every_ns), start_ns, first_ns),
            )

        document = pn.state.curdoc
        self._reading = _READERS.submit(read)
        take = lambda done: self._take(name, every_ns, done)  # noqa: E731 - bound to what was asked for
        if document is None:
            take(self._reading)
        else:
            self._reading.add_done_callback(lambda done: document.add_next_tick_callback(lambda: take(done)))

    def _take(self, name: str, every_ns: int, done: Future[Any]) -> None:
        self._reading = None
        error = done.exception()
        if error is not None:
            self.show_failure(f"the past could not be read: {error}")
            return
        if (name, every_ns) != (self.choice.instrument, self.choice.every_ns) or self._source is None:
            return
        candles, bars = done.result()
        with pn.io.hold():
            if not self.chart.following and len(candles):
                self.chart.begin_anew(candles, BOARD_CANDLES + len(candles))
                self.chart.refresh(self._source)
            if bars["begin_ns"].size:
                self.chart.intensity.begin(rows_of(self._source.latest("intensity"), name), every_ns, bars)

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        self.chart.repaint(colours)

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)


def rows_of(frame: pd.DataFrame, instrument: str) -> pd.DataFrame:
    """The rows of one instrument."""
    code = frame["instrument"].cat.categories.get_indexer([instrument])[0]
    if code < 0:
        return frame.iloc[:0]
    return frame.take(np.flatnonzero(frame["instrument"].cat.codes.to_numpy() == code))
