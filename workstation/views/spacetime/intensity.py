"""The lower pane: intensity in bars with its adaptive buffer, its averages, and spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CrosshairTool, HoverTool, PanTool, Range1d, Span
from bokeh.models import DatetimeTickFormatter as TimeTicks

from workstation.plots.formats import TIME_TICKS
from workstation.views.spacetime.intensity_bars import COLUMNS, SPIKE_BEGINS, SPIKE_ENDS, STATES
from workstation.views.spacetime.marker_data import KEPT, SPIKE_COLUMNS
from workstation.views.widgets import formats
from workstation.views.widgets.candle_chart import RIGHT_BORDER
from workstation.views.widgets.figure import update_source, wheel_zoom
from workstation.views.widgets.live_overlay import Forming
from workstation.views.widgets.theme import Painter, bare_figure

STATE_ROLES = {"quiet": "muted", "active": "warn", "burst": "bad"}
LINE_ROLES = {"sma": "net", "ema": "accent", "zlma": "zero"}
"""Colours of the averages, the same on price and intensity."""
HEIGHT, LOW = 112, 76
_RECENT = 30
"""Bars that are never cut off at the top; older ones may be, so that one burst does not flatten the others."""


class IntensityPane:
    """Intensity of one instrument under its candles.

    Parameters
    ----------
    painter
        Of the chart.
    x_range, crosshair
        Shared with the candles.
    """

    def __init__(self, painter: Painter, x_range: Range1d, crosshair: Span) -> None:
        self._painter = painter
        self.y_range = Range1d(0, 1)
        self._settled = -1
        self.held = {name: np.empty(0) for name in COLUMNS}
        """Columns of the bars in the browser, the one in progress last."""
        self.bars = ColumnDataSource(data={name: np.empty(0) for name in COLUMNS})
        self.forming = Forming(
            painter, ("x", "width", "mean", "burst_above", "spike_above", "value", "state", *STATES)
        )
        """The bar in progress, and those closed just now, over the others."""
        self.spikes = ColumnDataSource(data={name: np.empty(0) for name in SPIKE_COLUMNS})
        self.figure = self._figure(x_range, crosshair)

    def _figure(self, x_range: Range1d, crosshair: Span) -> Any:
        wheel = wheel_zoom("width")
        made = bare_figure(
            self._painter, x_range=x_range, y_range=self.y_range, x_axis_type="datetime", y_axis_location="right",
            toolbar_location=None, min_border_right=RIGHT_BORDER, min_border_top=2, tools=[PanTool(dimensions="width"), wheel],
            active_scroll=wheel, sizing_mode="stretch_width", height=HEIGHT,
        )  # fmt: skip
        made.xaxis.formatter = TimeTicks(**TIME_TICKS)
        made.yaxis.formatter = formats.si_ticks()
        made.yaxis.ticker.desired_num_ticks = 3
        made.xgrid.visible = False
        sources = (self.bars, "glyph"), (self.forming.source, "overlay")
        self.buffer = [
            *(
                self._painted(
                    made.vbar("x", "width", "burst_above", "mean", source=source, level=level, line_color=None, fill_alpha=0.22),
                    fill_color="accent",
                )
                for source, level in sources
            ),
            self._painted(made.step("x", "burst_above", source=self.bars, mode="center", line_width=1.2), line_color="accent"),
            self._painted(
                made.step("x", "spike_above", source=self.bars, mode="center", line_width=1, line_dash=[2, 3]), line_color="bad"
            ),
        ]  # fmt: skip
        self.states = [
            self._painted(made.vbar("x", "width", name, 0, source=source, level=level, line_color=None, fill_alpha=0.55 if name == "quiet" else 1.0), fill_color=STATE_ROLES[name])
            for source, level in sources for name in STATES
        ]  # fmt: skip
        self.lines = {
            name: [
                self._painted(made.line("x", name, source=self.bars, line_width=1.5), line_color=role),
                self.forming.line(made, name, role),
            ]
            for name, role in LINE_ROLES.items()
        }
        self.spike_bars = self._painted(
            made.quad("left", "right", "peak", 0, source=self.spikes, line_width=1.2, fill_alpha=0.14, hatch_alpha=0.35,
                      hatch_pattern="left_diagonal_line", hatch_scale=7, hatch_weight=0.8),
            line_color="bad", fill_color="bad", hatch_color="bad",
        )  # fmt: skip
        made.add_tools(
            CrosshairTool(overlay=crosshair),
            HoverTool(
                renderers=[self.spike_bars], visible=False, mode="mouse", point_policy="follow_mouse",
                formatters={"@left": "datetime"},
                tooltips=[("spike", "@left{%H:%M:%S}, @lasted"), ("height", "@height_sd{0.0} sd"),
                          ("peak", "@peak{0,0.0} bps/s"), ("move", "@words"),
                          ("why", f"over {SPIKE_BEGINS}, until under {SPIKE_ENDS}")],
            ),
        )  # fmt: skip
        return made

    def _painted(self, renderer: Any, **roles: str) -> Any:
        self._painter(renderer.glyph, **roles)
        return renderer

    # -- showing ------------------------------------------------------------------------------------------

    def show_bars(self, columns: dict[str, np.ndarray], settled: int, anew: bool, turn: bool = True) -> None:
        """Show bars as columns: all of them anew, or what has changed; ``settled`` and ``turn`` as of candles."""
        if anew:
            self.bars.data = {name: values[:-1].copy() for name, values in columns.items()}
        elif turn and settled != self._settled:
            closed = {name: values[:-1] for name, values in columns.items()}
            update_source(self.bars, closed, max(len(closed["x"]), 1))
        if anew or turn:
            self._settled = settled
        self.forming.show(columns, Forming.after(columns, self.bars.data["x"]))
        self.held = columns

    def reach(self, start_ns: float, end_ns: float) -> None:
        """Fit the height to what is in view; it is lowered only when much of it has become empty."""
        data = self.held
        x = data["x"]
        inside = (x >= start_ns / 1e6) & (x <= end_ns / 1e6)
        values = np.nan_to_num(data["value"][inside])
        if not values.size:
            return
        most = 4.0 * float(np.quantile(values, 0.95))
        highest = max(
            min(float(values.max()), max(most, float(values[-_RECENT:].max()))),
            min(float(np.nan_to_num(data["burst_above"][inside]).max()), most),
            1e-9,
        )
        if highest > self.y_range.end or highest < 0.45 * self.y_range.end:
            self.y_range.update(start=0, end=1.12 * highest)

    def mark(self, spikes: dict[str, np.ndarray], anew: bool) -> None:
        """Show these spikes, or append them."""
        columns = {name: spikes[name] for name in SPIKE_COLUMNS}
        if anew:
            self.spikes.data = columns
        elif len(spikes["left"]):
            self.spikes.stream({name: values.tolist() for name, values in columns.items()}, rollover=KEPT)

    def show(self, layers: list[str]) -> None:
        """Show these layers."""
        for renderer in self.states:
            renderer.visible = "intensity" in layers
        for renderer in self.buffer:
            renderer.visible = "buffer" in layers
        for name, pieces in self.lines.items():
            for renderer in pieces:
                renderer.visible = f"intensity_{name}" in layers
        self.spike_bars.visible = "spikes" in layers
