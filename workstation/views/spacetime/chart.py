"""A chart's figures: candles with their averages, volume, intensity, signals and data_gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
from bokeh.models import CustomJS, Div, Label, Node, Span

from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.views.spacetime.chart_data import AVERAGES
from workstation.views.spacetime.choice import ChartChoice
from workstation.views.spacetime.cursor import tag_axis
from workstation.views.spacetime.intensity import HEIGHT, LINE_ROLES, LOW, IntensityPane
from workstation.views.spacetime.markers import Bands, Signals
from workstation.views.spacetime.readout import CORNER_CSS, READOUT, READOUT_CSS
from workstation.views.widgets.candle_chart import CandleChart
from workstation.views.widgets.figure import pane
from workstation.views.widgets.theme import FONT, Painter, Palette, stylesheet

KEPT = 600
"""Candles held in the browser while the chart follows the market; more are fetched when it is moved to the left."""

MOST_GAP = 0.35
"""Share of the view at the most that is given to a gap that goes on: what was before stays in sight."""
NEAR = 0.1
"""Share of the price axis a hand may move it by while it moves the time axis, without meaning to."""


def volume_unit(instrument: str) -> str:
    """Unit of the sizes of an instrument's trades; empty when its terms do not tell.

    Examples
    --------
    >>> volume_unit("AAPL"), volume_unit("of no known terms")
    ('shares', '')
    """
    terms = INSTRUMENT_TERMS.describe([instrument]).iloc[0]
    multiplier = float(terms["multiplier"])
    if str(terms["kind"]) == "equity":
        return "shares"
    if not np.isfinite(multiplier):
        return ""
    root = str(terms["root"])
    return root if multiplier == 1.0 else f"contracts of {multiplier:g} {root}"


def pane_name(figure: Any, painter: Painter, words: str) -> Label:
    """What a pane shows and in which unit, in its upper left corner."""
    result = Label(
        x=Node.frame.left, y=Node.frame.top, x_offset=4, y_offset=0, text=words, text_baseline="top", text_font=FONT, text_font_size="11px",
        background_fill_alpha=0.75, padding=[0, 3, 0, 3], level="annotation",
    )  # fmt: skip
    figure.add_layout(painter(result, text_color="muted", background_fill_color="card"))
    return result


class TickChart(CandleChart):
    """Candles with averages of close and volume, and an intensity pane below."""

    columns = (*CandleChart.columns, *AVERAGES, "volume_zlma")
    tag_on_axis = True

    def __init__(self, choice: ChartChoice, colours: Palette, crosshair: Span | None) -> None:
        super().__init__(choice, colours, kept=KEPT, crosshair=crosshair)
        self._compact = False
        self._fitted = 0.0, 0.0
        self._gap_until_ms = -np.inf
        self.averages = {name: self._line(self.figure, name, role) for name, role in LINE_ROLES.items()}
        self.volume_line = self._line(self.volume, "volume_zlma", "zero")
        self.intensity = IntensityPane(self._painter, self.x_range, self.crosshair)
        upper = self.figure.xaxis[0]
        self.intensity.figure.xaxis.update(ticker=upper.ticker, major_label_policy=upper.major_label_policy)
        self.signals = Signals(self.figure, self._painter)
        figures = (self.figure, self.volume, self.intensity.figure)
        self.bands = Bands(figures, self._painter)
        for made in figures:
            made.xgrid.visible = True
        self.names = {
            name: pane_name(made, self._painter, words)
            for name, made, words in (
                ("volume", self.volume, "Volume"),
                ("intensity", self.intensity.figure, "Intensity, bps/s"),
            )
        }
        self.readout = Div(
            text="", sizing_mode="stretch_width", height=17, stylesheets=[stylesheet(READOUT_CSS)]
        )
        self._panes = {
            "price": pane(self.figure, min_height=110),
            "volume": pane(self.volume, sizing_mode="stretch_width", height=54, min_height=None),
            "intensity": pane(
                self.intensity.figure, sizing_mode="stretch_width", height=HEIGHT, min_height=None
            ),
        }
        self.panel = pn.Column(
            pn.pane.Bokeh(self.readout, sizing_mode="stretch_width", height=18, margin=0),
            *self._panes.values(), pn.pane.HTML("<span>UTC</span>", margin=0, stylesheets=[stylesheet(CORNER_CSS)]),
            sizing_mode="stretch_both", margin=0, min_height=0,
        )  # fmt: skip
        self._read_crosshair()

    def _read_crosshair(self) -> None:
        """Tell what the crosshair points at.

        Done when the figures are ready: the crosshair is on the page already, and what hangs on it is walked through at every
        change.
        """
        tag_axis(self.figure, self.level, self._painter)
        tag_axis(self.intensity.figure, self.crosshair, self._painter)
        read = CustomJS(
            args={
                "closed": self._candles, "forming": self.forming.source, "bars": self.intensity.bars, "bar": self.intensity.forming.source, "crosshair": self.crosshair,
                "readout": self.readout, "lines": {name: line[0] for name, line in self.averages.items()}, "intensity": self.intensity.states[0],
                "tip": self._tip,
            },
            code=READOUT,
        )  # fmt: skip
        self.crosshair.js_on_change("location", read)
        self._tip.js_on_change("data", read)

    def _line(self, figure: Any, name: str, role: str) -> list[Any]:
        """A line over the closed candles, and its last piece."""
        closed = figure.line("x", name, source=self._candles, line_width=1.5)
        self._painter(closed.glyph, line_color=role)
        return [closed, self.forming.line(figure, name, role)]

    # -- what the view asks -------------------------------------------------------------------------------

    @property
    def first_ms(self) -> float:
        """Time of the oldest candle held; NaN when none is."""
        return float(self.held["x"][0]) if len(self.held["x"]) else float("nan")

    def name_volume(self, instrument: str) -> None:
        """Say in which unit volume is, where the instrument's terms tell."""
        unit = volume_unit(instrument)
        self.names["volume"].text = f"Volume, {unit}" if unit else "Volume"

    def begin_anew(self, kept: int = KEPT) -> None:
        """Draw everything again the next time candles are shown, so many of them."""
        self.kept = kept
        self._shown = ("", 0)

    def go_to(self, start_ms: float, end_ms: float, settled: bool = True) -> None:
        """Show this stretch of time with the axes fitted to what is held of it; it is remembered once it is settled."""
        data = self.held
        inside = (data["x"] >= start_ms) & (data["x"] <= end_ms)
        if inside.any():
            self._fit_price(data["low"][inside].min(), data["high"][inside].max(), at_once=settled)
            self._fit_volume(data["volume"][inside].max())
        self.intensity.reach(1e6 * start_ms, 1e6 * end_ms)
        self._span(start_ms, end_ms)
        if settled or self.following:
            self.remember_window(start_ms, end_ms, self.y_range.start, self.y_range.end)

    def show_gap(self, until_ms: float) -> None:
        """Keep in view how long nothing has been heard, as long as it goes on (-inf: it does not)."""
        self._gap_until_ms = until_ms
        if self.following and until_ms > self.x_range.end:
            self._follow(moved=True)

    def _edge(self, span: float) -> float:
        newest = super()._edge(span)
        return max(newest, min(self._gap_until_ms, newest + MOST_GAP * span))

    def _fit_price(self, low: float, high: float, at_once: bool) -> None:
        super()._fit_price(low, high, at_once)
        self._fitted = self.y_range.start, self.y_range.end

    def _moved(self, event: Any) -> None:
        """A hand has let go: prices are fitted to the time now in view, until the hand moves or stretches their axis too."""
        low, high = self._fitted
        near = NEAR * (high - low)
        if abs(event.y0 - low) > near or abs(event.y1 - high) > near:
            super()._moved(event)
            return
        self.go_to(event.x0, event.x1)
        self.on_hand(True)

    def show_layers(self, layers: list[str]) -> None:
        """Show these layers and make room for their panes."""
        for renderer in self.candle_renderers:
            renderer.visible = "candles" in layers
        for name, line in self.averages.items():
            for renderer in line:
                renderer.visible = name in layers
        for renderer in (self.volume.renderers[0], self.forming.volume):
            renderer.visible = "volume" in layers
        for renderer in self.volume_line:
            renderer.visible = "volume_zlma" in layers
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
