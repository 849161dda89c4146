"""Smiles: bid and ask of every quote, the mid, and the fitted curve; what is left of each quote below."""

from __future__ import annotations

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource, HoverTool, PanTool, Range1d

from workstation.plots.smile_data import curve, quotes
from workstation.views.state.source import Source
from workstation.views.surface.choice import SHOWN, SurfaceChoice
from workstation.views.surface.fitted import surface_of
from workstation.views.widgets import formats
from workstation.views.widgets.card import Card, Key
from workstation.views.widgets.figure import FigureView, fit, pane, reset_on_double_click, rule, wheel_zoom
from workstation.views.widgets.theme import Palette, bare_figure

_ROLES = ("up", "zero", "down", "muted")
_MARKERS = ("circle", "square", "triangle", "diamond")
_QUOTE = ("moneyness", "strike", "right", "vol", "bid", "ask", "points", "why")
_EMPTY = {name: np.empty(0) for name in _QUOTE}
_LINE = {"moneyness": np.empty(0), "vol": np.empty(0)}
_LEFT = 46
_REASONS = {
    "no_vol": "no vol", "crossed": "crossed", "one_sided": "one-sided", "too_wide": "too wide", "too_far": "too far out",
    "in_the_money": "in the money", "duplicate": "duplicate", "too_few": "too few strikes",
}  # fmt: skip


def reason(code: str) -> str:
    """Why a quote was left out, in words."""
    return _REASONS.get(code, code.replace("_", " "))


class Smiles(FigureView):
    """Quotes and fitted smiles of up to four expiries over moneyness, residuals in vol points under them."""

    inputs = ("surfaces", "priced_chain")
    every_s = 1.0

    def __init__(self, choice: SurfaceChoice, colours: Palette) -> None:
        super().__init__(colours)
        self.choice = choice
        self.fitted = [ColumnDataSource(data=dict(_EMPTY)) for _ in range(SHOWN)]
        self.left_out = [ColumnDataSource(data=dict(_EMPTY)) for _ in range(SHOWN)]
        self.curves = [ColumnDataSource(data=dict(_LINE)) for _ in range(SHOWN)]
        self.x_range, self.y_range, self.rest_range = Range1d(-0.2, 0.2), Range1d(0, 1), Range1d(-1, 1)
        self._framed = (0.0, "")
        self._values = np.empty(0), np.empty(0)
        """Vols and residuals shown."""
        self.figure, self.rest = self._build(), self._build_rest()
        reset_on_double_click(self.figure, self._reset)
        self.card = Card(
            "Smiles",
            pn.Column(
                pane(self.figure),
                pane(self.rest, sizing_mode="stretch_width", min_height=None, height=84),
                sizing_mode="stretch_both", margin=0,
            ),
            unit="IV over K/F − 1; whiskers bid to ask, line SVI; × left out",
            area="smiles",
        )  # fmt: skip

    def _build(self) -> object:
        wheel = wheel_zoom("width")
        made = bare_figure(
            self._painter, x_range=self.x_range, y_range=self.y_range, tools=[PanTool(), wheel],
            active_scroll=wheel, min_border_left=_LEFT, toolbar_location=None,
        )  # fmt: skip
        made.xaxis.visible = False
        made.yaxis.formatter = formats.percent_ticks()
        made.yaxis.ticker.desired_num_ticks = 6
        rule(made, self._painter, upright=True, dash="dotted")
        dots = []
        for at, (role, marker) in enumerate(zip(_ROLES, _MARKERS, strict=True)):
            out = made.scatter(
                "moneyness", "vol", source=self.left_out[at], size=5, marker="x", line_alpha=0.55
            )
            whisker = made.segment(
                "moneyness", "bid", "moneyness", "ask", source=self.fitted[at], line_width=3, line_alpha=0.4
            )
            line = made.line("moneyness", "vol", source=self.curves[at], line_width=1.8)
            dot = made.scatter("moneyness", "vol", source=self.fitted[at], size=4.5, marker=marker)
            for renderer in (out, whisker, line, dot):
                self._painter(renderer.glyph, line_color=role)
            self._painter(dot.glyph, fill_color="card")
            dots += [dot, out]
        told = [
            ("strike", "@strike{0,0.##} @right"), ("mid", "@vol{0.00%}"), ("bid", "@bid{0.00%}"), ("ask", "@ask{0.00%}"),
            ("fit − mid", "@points{+0.00} vol pts"), ("", "@why"),
        ]  # fmt: skip
        made.add_tools(HoverTool(renderers=dots, visible=False, tooltips=told))
        return made

    def _build_rest(self) -> object:
        made = bare_figure(
            self._painter, x_range=self.x_range, y_range=self.rest_range, sizing_mode="stretch_width", height=84,
            min_border_left=_LEFT, min_border_top=2, toolbar_location=None,
        )  # fmt: skip
        made.xaxis.formatter = formats.percent_ticks()
        made.xaxis.ticker.desired_num_ticks = 8
        made.yaxis.ticker.desired_num_ticks = 3
        made.yaxis.axis_label = "fit − mid, pts"
        rule(made, self._painter)
        for source, role, marker in zip(self.fitted, _ROLES, _MARKERS, strict=True):
            stem = made.segment("moneyness", 0, "moneyness", "points", source=source, line_alpha=0.5)
            dot = made.scatter("moneyness", "points", source=source, size=4, marker=marker)
            self._painter(stem.glyph, line_color=role)
            self._painter(dot.glyph, line_color=role, fill_color=role)
        return made

    def refresh(self, source: Source) -> None:
        """Draw the newest smiles."""
        found = surface_of(source, self.choice.underlying)
        known = [] if found is None else [int(value) for value in found["expiry_ns"].to_numpy()]
        wanted = self.choice.smiles(known)
        keys, vols, points = [], [], []
        for at in range(SHOWN):
            if found is None or at >= len(wanted):
                self.fitted[at].data = self.left_out[at].data = dict(_EMPTY)
                self.curves[at].data = dict(_LINE)
                continue
            expiry = known.index(wanted[at])
            table = quotes(found, expiry)
            table = table[(table["moneyness"].abs() <= self.choice.reach) & (table["why"] != "in_the_money")]
            table = table.assign(points=100 * table["residual"], why=table["why"].map(reason))
            kept = (table["why"] == "").to_numpy()
            for data, mask in ((self.fitted[at], kept), (self.left_out[at], ~kept)):
                data.data = {name: table[name].to_numpy()[mask] for name in _QUOTE}
            moneyness, vol = curve(found, expiry)
            inside = np.abs(moneyness) <= self.choice.reach
            self.curves[at].data = {"moneyness": moneyness[inside], "vol": vol[inside]}
            vols += [vol[inside], *(self.fitted[at].data[name] for name in ("bid", "ask", "vol"))]
            points.append(self.fitted[at].data["points"])
            keys.append(Key(_ROLES[at], formats.expiry(wanted[at])))
        self._values = np.concatenate([*vols, np.empty(0)]), np.concatenate([*points, np.empty(0)])
        self._frame(*self._values)
        self.card.say("" if keys else "no marks", keys=tuple(keys))

    def _reset(self) -> None:
        """Show the chosen reach again."""
        self._framed = (0.0, "")
        self._frame(*self._values)

    def _frame(self, vols: np.ndarray, points: np.ndarray) -> None:
        framed = (self.choice.reach, self.choice.underlying)
        if framed != self._framed:
            self._framed = framed
            self.x_range.update(start=-1.03 * self.choice.reach, end=1.03 * self.choice.reach)
            self.y_range.update(start=0, end=1e9)
        fit(self.y_range, vols, room=0.05, slack=0.6)
        largest = float(np.nanmax(np.abs(points))) if np.isfinite(points).any() else 1.0
        held = float(self.rest_range.end)
        if largest > 0.95 * held or largest < 0.4 * held:
            self.rest_range.update(start=-1.2 * largest, end=1.2 * largest)
