"""A chart's figures: candles with their averages, volume, intensity, signals and silences."""

from __future__ import annotations

from typing import Any

import panel as pn
from bokeh.models import CustomJS, Div, Span

from workstation.views.figure import pane
from workstation.views.spacetime.choice import ChartChoice
from workstation.views.spacetime.intensity import HEIGHT, LINE_ROLES, LOW, IntensityPane
from workstation.views.spacetime.marks import Bands, Signals
from workstation.views.spacetime.readout import READOUT, READOUT_CSS
from workstation.views.spacetime.sheet import AVERAGES
from workstation.views.theme import Palette, stylesheet
from workstation.views.ticks import CandleChart

KEPT = 600
"""Candles held in the browser while the chart follows the market; more are fetched when it is moved to the left."""


class TickChart(CandleChart):
    """Candles with averages of close and volume, and an intensity pane below."""

    columns = (*CandleChart.columns, *AVERAGES, "volume_zlma")

    def __init__(self, choice: ChartChoice, colours: Palette, crosshair: Span | None) -> None:
        super().__init__(choice, colours, kept=KEPT, crosshair=crosshair)
        self._compact = False
        self.averages = {name: self._line(self.figure, name, role) for name, role in LINE_ROLES.items()}
        self.volume_line = self._line(self.volume, "volume_zlma", "zero")
        self.intensity = IntensityPane(self._painter, self.x_range, self.crosshair)
        self.intensity.figure.xaxis.ticker = self.figure.xaxis[0].ticker
        self.signals = Signals(self.figure, self._painter)
        self.bands = Bands((self.figure, self.volume, self.intensity.figure), self._painter)
        self.readout = Div(
            text="", sizing_mode="stretch_width", height=17, stylesheets=[stylesheet(READOUT_CSS)]
        )
        read = CustomJS(
            args={
                "closed": self._candles, "forming": self.forming.source, "bars": self.intensity.bars, "bar": self.intensity.forming.source, "crosshair": self.crosshair,
                "readout": self.readout, "lines": {name: line[0] for name, line in self.averages.items()}, "intensity": self.intensity.states[0],
            },
            code=READOUT,
        )  # fmt: skip
        self.crosshair.js_on_change("location", read)
        self._tip.js_on_change("data", read)
        self._panes = {
            "price": pane(self.figure, min_height=110),
            "volume": pane(self.volume, sizing_mode="stretch_width", height=54, min_height=None),
            "intensity": pane(
                self.intensity.figure, sizing_mode="stretch_width", height=HEIGHT, min_height=None
            ),
        }
        self.panel = pn.Column(
            pn.pane.Bokeh(self.readout, sizing_mode="stretch_width", height=18, margin=0),
            *self._panes.values(), sizing_mode="stretch_both", margin=0, min_height=0,
        )  # fmt: skip

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
        self._span(start_ms, end_ms)
        if settled or self.following:
            self.remember_window(start_ms, end_ms, self.y_range.start, self.y_range.end)

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
