"""The drawer on the right: the evidence of the alert that was pressed, with a chart around the moment."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import panel as pn
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, HoverTool, Range1d

from workstation.flow.evidence import READ, Evidence, evidence
from workstation.flow.evidence_bundle import EvidenceError
from workstation.market.instants import MILLISECOND_NS
from workstation.views.flow.choice import FlowChoice
from workstation.views.flow.evidence_page import evidence_html, head_html
from workstation.views.flow.selection import print_sides
from workstation.views.state.source import Source, View
from workstation.views.widgets.assets import asset
from workstation.views.widgets.card import Markup
from workstation.views.widgets.figure import fit, pane, right_axis, rule
from workstation.views.widgets.formats import price_ticks
from workstation.views.widgets.theme import Painter, Palette, bare_figure

_EMPTY = {"x": np.empty(0), "y": np.empty(0), "r": np.empty(0), "colour": np.empty(0, dtype=object), "words": np.empty(0, dtype=object)}  # fmt: skip


AROUND = "5min"
"""What the chart shows before and after the alert."""


class EvidenceDrawer(View):
    """The evidence of the alert that is open."""

    inputs = ("alerts", "prints")
    every_s = 1.0

    def __init__(self, choice: FlowChoice, colours: Palette, zone: Callable[[], ZoneInfo]) -> None:
        self.choice, self._zone = choice, zone
        self.found: Evidence | None = None
        self._painter = Painter(colours)
        self.prints, self.spot = (
            ColumnDataSource(dict(_EMPTY)),
            ColumnDataSource({"x": np.empty(0), "y": np.empty(0)}),
        )
        self._figure = self._drawn()
        self._chart = pane(self._figure, sizing_mode="stretch_width", height=190, margin=(0, 8))
        self._head, self._page = (Markup(asset(__package__, "evidence_drawer.css")) for _ in range(2))
        self.panel = pn.Column(
            self._head.panel, self._chart, self._page.panel, sizing_mode="stretch_width", margin=0
        )
        self._chart.visible = False
        self._say("Press an alert: its evidence opens here.")

    def _drawn(self) -> object:
        made = bare_figure(
            self._painter, x_axis_type="datetime", y_range=Range1d(0, 1), x_range=Range1d(0, 1), height=190
        )
        made.xaxis.formatter = DatetimeTickFormatter(
            minutes="%H:%M", seconds="%H:%M:%S", hours="%H:%M", hourmin="%H:%M", minsec="%H:%M:%S"
        )
        made.xaxis.axis_label, made.yaxis.axis_label = "UTC", "contract"
        made.yaxis.ticker.desired_num_ticks = made.xaxis.ticker.desired_num_ticks = 4
        self._spot_range = Range1d(0, 1)
        right_axis(made, self._painter, "spot", self._spot_range, price_ticks())
        self._painter(
            made.line("x", "y", source=self.spot, y_range_name="spot", line_width=1).glyph, line_color="muted"
        )
        dots = made.scatter("x", "y", size="r", color="colour", alpha=0.7, source=self.prints)
        made.add_tools(HoverTool(renderers=[dots], tooltips="@words"))
        self._moment = rule(made, self._painter, upright=True, dash="dashed")
        return made

    def refresh(self, source: Source) -> None:
        """Show the evidence of the open alert as it is known now."""
        if not self.choice.alert:
            return
        try:
            found = evidence({name: source.latest(name) for name in READ}, self.choice.alert, around=AROUND)
        except EvidenceError:
            self.found = None
            self._chart.visible = False
            self._say("This alert is no longer held here; history has it.")
            return
        self.found = found
        self._head.show(head_html(found))
        self._page.show(evidence_html(found, self._zone()))
        self._chart.visible = len(_contract(found)) > 0
        self._draw(found)

    def _draw(self, found: Evidence) -> None:
        around, colours = _contract(found), self._painter.colours
        sides = print_sides(around)
        palette = np.array([colours.down, colours.muted, colours.up], dtype=object)
        price, size = around["price"].to_numpy(dtype=float), around["size"].to_numpy(dtype=float)
        said = np.array(["sold", "no side", "bought"])[sides + 1]
        self.prints.data = {
            "x": _ms(around["event_ns"].to_numpy()), "y": price, "r": 4 + 14 * np.sqrt(size / max(size.max(initial=1.0), 1.0)),
            "colour": palette[sides + 1],
            "words": np.array([f"{one:,.0f} {word} at {paid:.2f}" for one, word, paid in zip(size, said, price, strict=True)], dtype=object),
        }  # fmt: skip
        spots = found.spots
        self.spot.data = {"x": _ms(spots["event_ns"].to_numpy()), "y": spots["spot"].to_numpy()}
        at = float(_ms(found.revisions["event_ns"].to_numpy()[:1])[0])
        self._moment.location = at
        fit(self._figure.y_range, price)  # type: ignore[attr-defined]
        fit(self._spot_range, spots["spot"].to_numpy())
        times = np.concatenate([self.prints.data["x"], self.spot.data["x"], [at]])
        self._figure.x_range.update(start=float(times.min()) - 5e3, end=float(times.max()) + 5e3)  # type: ignore[attr-defined]

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        self._painter.repaint(colours)
        if self.found is not None:
            self._draw(self.found)

    def show_failure(self, reason: str) -> None:
        """Say it in place of the evidence."""
        if reason:
            self._say(reason, role=' role="alert"')

    def _say(self, words: str, role: str = "") -> None:
        self._head.show(f'<div class="paper"><p{role}>{escape(words)}</p></div>')
        self._page.show("")


def _contract(found: Evidence) -> pd.DataFrame:
    """Prints of the alert's own contract around the moment."""
    own: pd.DataFrame = found.chart[
        (found.chart["instrument"].astype("str") == str(found.alert["instrument"])).to_numpy()
    ]
    return own


def _ms(event_ns: np.ndarray) -> np.ndarray:
    return np.asarray(event_ns, dtype=np.int64) / MILLISECOND_NS
