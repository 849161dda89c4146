"""At-the-money vol by expiry with what is implied between expiries, and the skew through time."""

from __future__ import annotations

import numpy as np
from bokeh.models import (
    ColumnDataSource,
    CustomJSTickFormatter,
    DatetimeTickFormatter,
    FixedTicker,
    HoverTool,
    Range1d,
)

from workstation.market.instants import YEAR_DAYS
from workstation.plots.formats import TIME_TICKS
from workstation.plots.smile_data import forward_vols
from workstation.views.state.source import Source
from workstation.views.surface.choice import SurfaceChoice
from workstation.views.surface.fitted import history_of, surface_of
from workstation.views.widgets import formats
from workstation.views.widgets.card import Card, Key
from workstation.views.widgets.figure import FigureView, fit, pane, right_axis, rule
from workstation.views.widgets.theme import Palette, bare_figure

_SPANS = (0.25, 1, 3, 7, 14, 30, 90, 365)
_SKEW = (("rr25", "25Δ RR", "up", "solid"), ("bf25", "25Δ BF", "down", [5, 3]))


class TermStructure(FigureView):
    """At-the-money vol over days to expiry, with the forward vol between expiries."""

    inputs = ("surfaces", "priced_chain")
    every_s = 1.0

    def __init__(self, choice: SurfaceChoice, colours: Palette) -> None:
        super().__init__(colours)
        self.choice = choice
        self.points = ColumnDataSource(
            data={name: np.empty(0) for name in ("days", "atm", "forward", "expiry")}
        )
        self.steps = ColumnDataSource(data={name: np.empty(0) for name in ("days", "forward")})
        self.x_range, self.y_range = Range1d(0, 3), Range1d(0, 1)
        made = bare_figure(self._painter, x_range=self.x_range, y_range=self.y_range, toolbar_location=None)
        made.xaxis.formatter = CustomJSTickFormatter(
            code="const d = Math.pow(10, tick); return d < 1 ? Math.round(24 * d) + '\\u202fh' : Math.round(d) + '\\u202fd'"
        )
        made.xaxis.ticker = FixedTicker(ticks=[float(np.log10(days)) for days in _SPANS])
        made.yaxis.formatter = formats.percent_ticks()
        made.yaxis.ticker.desired_num_ticks = 6
        forward = made.line("days", "forward", source=self.steps, line_width=1.3, line_dash=[4, 3])
        line = made.line("days", "atm", source=self.points, line_width=1.8)
        dots = made.scatter("days", "atm", source=self.points, size=6)
        self._painter(forward.glyph, line_color="zero")
        self._painter(line.glyph, line_color="up")
        self._painter(dots.glyph, line_color="up", fill_color="card")
        told = [("expiry", "@expiry"), ("ATM", "@atm{0.0%}"), ("forward vol", "@forward{0.0%}")]
        made.add_tools(HoverTool(renderers=[dots], visible=False, tooltips=told))
        self.figure = made
        self.card = Card(
            "Term structure",
            pane(made),
            unit="at the forward",
            keys=(Key("up", "ATM"), Key("zero", "between", "dashed")),
            area="term",
        )

    def refresh(self, source: Source) -> None:
        """Draw the newest term structure."""
        found = surface_of(source, self.choice.underlying)
        if found is None:
            self.card.say("no marks")
            return
        known = np.isfinite(found["atm_iv"].to_numpy())
        days = np.log10(YEAR_DAYS * found["years"].to_numpy()[known])
        atm, forward = found["atm_iv"].to_numpy()[known], forward_vols(found)[known]
        names = np.array(
            [formats.expiry(int(value)) for value in found["expiry_ns"].to_numpy()[known]], dtype=object
        )
        self.points.data = {"days": days, "atm": atm, "forward": forward, "expiry": names}
        if days.size:
            left = np.concatenate([[days[0] - 0.2], days[:-1]])
            self.steps.data = {
                "days": np.column_stack([left, days]).ravel(), "forward": np.repeat(forward, 2),
            }  # fmt: skip
            self.x_range.update(start=float(days[0]) - 0.15, end=float(days[-1]) + 0.12)
            fit(self.y_range, np.concatenate([atm, forward]), room=0.1, least=0.01)
        self.card.say("")


class SkewHistory(FigureView):
    """25-delta risk reversal and butterfly of a constant maturity through time, at-the-money vol beside them."""

    inputs = ("surfaces",)
    every_s = 1.0

    def __init__(self, choice: SurfaceChoice, colours: Palette) -> None:
        super().__init__(colours)
        self.choice = choice
        self.rows = ColumnDataSource(data={name: np.empty(0) for name in ("x", "rr25", "bf25", "atm_iv")})
        self.x_range, self.y_range, self.vol_range = Range1d(0, 1), Range1d(-1, 1), Range1d(0, 1)
        made = bare_figure(
            self._painter,
            x_axis_type="datetime",
            x_range=self.x_range,
            y_range=self.y_range,
            toolbar_location=None,
        )
        made.xaxis.formatter = DatetimeTickFormatter(**TIME_TICKS)
        made.xaxis.ticker.desired_num_ticks = 5
        made.yaxis.ticker.desired_num_ticks = 6
        made.yaxis.axis_label = "vol points"
        right_axis(made, self._painter, "vol", self.vol_range, formats.percent_ticks())
        rule(made, self._painter)
        lines = []
        for name, _, role, dash in _SKEW:
            line = made.line("x", name, source=self.rows, line_width=1.6, line_dash=dash)
            self._painter(line.glyph, line_color=role)
            lines.append(line)
        vol = made.line("x", "atm_iv", source=self.rows, y_range_name="vol", line_width=1.3, line_dash=[2, 2])
        self._painter(vol.glyph, line_color="muted")
        made.add_tools(
            HoverTool(
                renderers=[lines[0]], mode="vline", visible=False, formatters={"@x": "datetime"},
                tooltips=[("", "@x{%d %b %H:%M}"), ("RR 25Δ", "@rr25{+0.00} pts"), ("BF 25Δ", "@bf25{+0.00} pts"), ("ATM", "@atm_iv{0.0%}")],
            )
        )  # fmt: skip
        self.figure = made
        self.card = Card(
            "Skew over time",
            pane(made),
            keys=(Key("up", "RR 25Δ"), Key("down", "BF 25Δ", "dashed"), Key("muted", "ATM, right", "dashed")),
            area="skew",
        )

    def refresh(self, source: Source) -> None:
        """Draw the published skew."""
        found = history_of(source, self.choice.underlying, int(self.choice.days))
        known = np.isfinite(found["atm_iv"].to_numpy())
        x = found["time"].to_numpy().astype("datetime64[ns]").astype(np.int64)[known] / 1e6
        values = {name: 100.0 * found[name].to_numpy()[known] for name, *_ in _SKEW}
        atm = found["atm_iv"].to_numpy()[known]
        self.rows.data = {"x": x, **values, "atm_iv": atm}
        if x.size:
            self.x_range.update(start=x[0] - 1e3, end=max(x[-1], x[0] + 60e3))
            fit(self.y_range, np.concatenate([*values.values(), [0.0]]), room=0.12)
            fit(self.vol_range, atm, room=0.3, least=0.01)
        self.card.say(
            "" if x.size > 1 else f"fills as the desk publishes; {x.size} so far", f"{self.choice.days} d"
        )
