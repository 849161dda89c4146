"""A chart's figures: candles with their averages, volume, intensity, signals and silences."""

from __future__ import annotations

import panel as pn
from bokeh.models import CustomJS, Div, Span

from workstation.views.spacetime.choice import ChartChoice
from workstation.views.spacetime.intensity import HEIGHT, LOW, IntensityPane
from workstation.views.spacetime.marks import Bands, Signals
from workstation.views.spacetime.readout import READOUT, READOUT_CSS
from workstation.views.spacetime.sheet import AVERAGES
from workstation.views.theme import Palette, stylesheet
from workstation.views.ticks import CandleChart

KEPT = 600
"""Candles held in the browser while the chart follows the market; more are fetched when it is moved to the left."""
LINE_ROLES = {"sma": "net", "ema": "accent", "zlma": "zero"}


class TickChart(CandleChart):
    """Candles with averages of close and volume, and an intensity pane below."""

    columns = (*CandleChart.columns, *AVERAGES, "volume_zlma")

    def __init__(self, choice: ChartChoice, colours: Palette, crosshair: Span | None) -> None:
        super().__init__(choice, colours, kept=KEPT, crosshair=crosshair)
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

    # -- what the view asks -------------------------------------------------------------------------------

    @property
    def first_ms(self) -> float:
        """Time of the oldest candle held; NaN when none is."""
        return float(self._candles.data["x"][0]) if len(self._candles.data["x"]) else float("nan")

    def begin_anew(self, kept: int = KEPT) -> None:
        """Draw everything again the next time candles are shown, so many of them."""
        self.kept = kept
        self._shown = ("", 0)

    def go_to(self, start_ms: float, end_ms: float, settled: bool = True) -> None:
        """Show this stretch of time with the axes fitted to what is held of it; it is remembered once it is settled."""
        data = self._candles.data
        inside = (data["x"] >= start_ms) & (data["x"] <= end_ms)
        if inside.any():
            self._fit_price(data["low"][inside].min(), data["high"][inside].max(), at_once=settled)
            self._fit_volume(data["volume"][inside].max())
        self._span(start_ms, end_ms)
        if settled or self.following:
            self.remember_window(start_ms, end_ms, self.y_range.start, self.y_range.end)

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
