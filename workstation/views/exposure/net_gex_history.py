"""Net gex and spot over time, from the levels that were recorded."""

from __future__ import annotations

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, HoverTool, LinearAxis, Range1d, Span

from workstation.plots.formats import TIME_TICKS
from workstation.views.exposure.recorded import level_rows, why_none
from workstation.views.state.choice import Choice
from workstation.views.state.source import Source, View
from workstation.views.widgets import formats
from workstation.views.widgets.card import Card, Key
from workstation.views.widgets.figure import pane
from workstation.views.widgets.theme import Painter, Palette, bare_figure

MOST = 1_500
"""Points drawn; more are thinned evenly, the newest always kept."""
_COLUMNS = ("x", "net", "above", "below", "spot", "zero")


def too_short(rows: pd.DataFrame) -> str:
    """Why levels make no line; empty when they make one.

    Examples
    --------
    >>> too_short(pd.DataFrame({"event_ns": [0], "spot": [231.4]}))
    'One snapshot so far, of 1970-01-01 00:00 UTC: spot 231.40. A line needs two.'
    """
    if len(rows) != 1:
        return ""
    moment = pd.Timestamp(int(rows["event_ns"].iloc[0])).strftime("%Y-%m-%d %H:%M")
    return f"One snapshot so far, of {moment} UTC: spot {formats.price(float(rows['spot'].iloc[0]))}. A line needs two."


class NetGexHistory(View):
    """Net gex over time with the spot price beside it."""

    inputs = ("levels",)
    every_s = 1.0

    def __init__(self, choice: Choice, colours: Palette) -> None:
        self.choice = choice
        self._painter = Painter(colours)
        self._rows = ColumnDataSource(data={name: np.empty(0) for name in _COLUMNS})
        self.y_range, self.price_range = Range1d(-1, 1), Range1d(0, 1)
        self.x_range = Range1d(0, 1)
        made = bare_figure(
            self._painter,
            x_axis_type="datetime",
            x_range=self.x_range,
            y_range=self.y_range,
            toolbar_location=None,
        )
        made.xaxis.formatter = DatetimeTickFormatter(**TIME_TICKS)
        made.xaxis.ticker.desired_num_ticks = 4
        made.yaxis.formatter = formats.si_ticks("$")
        made.yaxis.ticker.desired_num_ticks = 5
        made.extra_y_ranges = {"price": self.price_range}
        axis = LinearAxis(y_range_name="price", formatter=formats.price_ticks())
        axis.ticker.desired_num_ticks = 5
        axis.update(
            axis_line_color=None, major_tick_line_color=None, minor_tick_line_color=None,
            major_label_text_font_size="11px", major_label_standoff=4,
        )  # fmt: skip
        made.add_layout(self._painter(axis, major_label_text_color="muted"), "right")
        for column, role in (("above", "up"), ("below", "down")):
            area = made.varea("x", 0, column, source=self._rows, fill_alpha=0.30)
            self._painter(area.glyph, fill_color=role)
        net = made.line("x", "net", source=self._rows, line_width=1.4)
        spot = made.line(
            "x", "spot", source=self._rows, y_range_name="price", line_width=1.2, line_dash=[5, 3]
        )
        zero = made.line(
            "x", "zero", source=self._rows, y_range_name="price", line_width=1.2, line_dash=[2, 2]
        )
        for line, role in ((net, "net"), (spot, "muted"), (zero, "zero")):
            self._painter(line.glyph, line_color=role)
        made.add_layout(self._painter(Span(location=0, dimension="width", line_width=1), line_color="axis"))
        made.add_tools(
            HoverTool(
                renderers=[net], mode="vline", visible=False, formatters={"@x": "datetime", **formats.hovers(net="usd", spot="price", zero="price")},
                tooltips=[("", "@x{%d %b %H:%M}"), ("net gex", "@net{custom} per 1 %"), ("spot", "@spot{custom}"), ("zero gamma", "@zero{custom}")],
            )
        )  # fmt: skip
        self.figure = made
        self.card = Card(
            "Net GEX over time",
            pane(made),
            unit="$ per 1 %; right: USD",
            area="net_history",
            keys=(Key("net", "net"), Key("muted", "spot", "dashed"), Key("zero", "0γ", "dashed")),
        )

    def refresh(self, source: Source) -> None:
        """Draw the published levels of the choice."""
        rows = level_rows(source, self.choice)
        self.card.empty(too_short(rows) if len(rows) else why_none(self.choice))
        step = max(-(-len(rows) // MOST), 1)
        rows = rows.iloc[::-step].iloc[::-1]
        net, spot, zero = (rows[name].to_numpy() for name in ("net_gex", "spot", "zero_gamma"))
        self._rows.data = {
            "x": rows["event_ns"].to_numpy() / 1e6, "net": net, "above": np.maximum(net, 0.0),
            "below": np.minimum(net, 0.0), "spot": spot, "zero": zero,
        }  # fmt: skip
        if len(rows):
            x = self._rows.data["x"]
            self.x_range.update(start=x[0] - 1e3, end=x[-1] + max(0.01 * (x[-1] - x[0]), 1e3))
            _fit(self.y_range, np.append(net, 0.0))
            _fit(self.price_range, np.concatenate([spot, zero]))
        self.card.say(f"{formats.usd(float(net[-1]), signed=True)}" if len(rows) else "")

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        self._painter.repaint(colours)

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)


def _fit(axis: Range1d, values: np.ndarray) -> None:
    known = values[np.isfinite(values)]
    if not known.size:
        return
    low, high = float(known.min()), float(known.max())
    room = 0.08 * (high - low) or abs(high) * 1e-4 or 1.0
    if low < axis.start or high > axis.end or (high - low) < 0.5 * (axis.end - axis.start):
        axis.update(start=low - room, end=high + room)
