"""Labels of price levels that never overlap: stacked at the edge of the plot, with a leader line to their level.

The stacking runs in the browser whenever the view or the levels move, so it is right at every zoom and needs
no round trip. A level outside the view is told at the edge it lies beyond, with an arrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, CustomJS

from workstation.views.widgets.live_overlay import BEYOND_FRAME
from workstation.views.widgets.theme import FONT, Painter, Palette

_EMPTY = {"value": [], "text": [], "colour": []}
_RULES = {"value": [], "colour": []}
_TAGS = {"x": [], "y": [], "text": [], "colour": []}
_LEADERS = {"x0": [], "x1": [], "y0": [], "y1": [], "colour": []}

_STACK = """
if (figure.properties.inner_width.is_unset || figure.properties.inner_height.is_unset) return
const size = name => figure.properties[name].is_unset ? 0 : figure[name]
const across = size(vertical ? 'inner_width' : 'inner_height')
const along = size(vertical ? 'inner_height' : 'inner_width')
if (!across || !along) return
const [value_range, side_range] = vertical ? [figure.x_range, figure.y_range] : [figure.y_range, figure.x_range]
const [v0, v1] = [value_range.start, value_range.end]
const [s0, s1] = [side_range.start, side_range.end]
if (!(isFinite(v0) && isFinite(v1) && v1 !== v0)) return
const px = v => across * (v - v0) / (v1 - v0)
const back = p => v0 + p * (v1 - v0) / across
const side = p => s1 - (on_axis ? 0 : p) * (s1 - s0) / along
const {value, text, colour} = levels.data
const width = t => 6.3 * t.length + 8
const items = []
for (let i = 0; i < value.length; i++) {
  if (!isFinite(value[i])) continue
  const at = px(value[i])
  const beyond = at < -0.5 ? -1 : at > across + 0.5 ? 1 : 0
  const arrow = beyond === 0 ? '' : vertical ? (beyond > 0 ? ' \\u25b6' : ' \\u25c0') : (beyond > 0 ? ' \\u25b2' : ' \\u25bc')
  items.push({at, beyond, text: text[i] + arrow, colour: colour[i], p: Math.min(Math.max(at, 9), across - 9)})
}
items.sort((a, b) => a.at - b.at)
const x = [], y = [], label = [], fill = []
const lead = {x0: [], x1: [], y0: [], y1: [], colour: []}
if (vertical) {
  const rows = []
  for (const item of items) {
    const half = width(item.text) / 2
    item.p = Math.min(Math.max(item.at, half), across - half)
    let row = 0
    while (row < rows.length && rows[row] > item.p - half) row += 1
    rows[row] = item.p + half + 4
    x.push(back(item.p)); y.push(side(11 + 19 * row)); label.push(item.text); fill.push(item.colour)
  }
} else {
  const gap = 19
  for (let i = 1; i < items.length; i++) items[i].p = Math.max(items[i].p, items[i - 1].p + gap)
  const last = items.length - 1
  if (last >= 0 && items[last].p > across - 9) {
    items[last].p = across - 9
    for (let i = last - 1; i >= 0; i--) items[i].p = Math.min(items[i].p, items[i + 1].p - gap)
  }
  for (const item of items) {
    x.push(side(4)); y.push(back(item.p)); label.push(item.text); fill.push(item.colour)
    if (!on_axis && item.beyond === 0 && Math.abs(item.p - item.at) > 3) {
      lead.x0.push(side(width(item.text) + 26)); lead.x1.push(side(width(item.text) + 4))
      lead.y0.push(back(item.at)); lead.y1.push(back(item.p)); lead.colour.push(item.colour)
    }
  }
}
tags.setv({data: {x, y, text: label, colour: fill}}, {sync: false})
leaders.setv({data: lead}, {sync: false})
"""


@dataclass(frozen=True)
class Level:
    """A level: its value on the axis, what its label says, and the palette role of its colour."""

    value: float
    text: str
    role: str
    moving: bool = False
    """Whether it moves with every trade: its rule is drawn over the figure, which then is not painted for it."""


class LevelLines:
    """Rules across a figure at given levels, with stacked labels.

    Parameters
    ----------
    figure
        With ``Range1d`` ranges.
    vertical
        Levels are on the x axis (rules stand upright) instead of the y axis.
    on_axis
        Labels stand on the value axis at the right instead of inside of the plot: for words no wider than its numbers.
    """

    def __init__(self, figure: Any, painter: Painter, vertical: bool = False, on_axis: bool = False) -> None:
        self._painter = painter
        self._levels: tuple[Level, ...] = ()
        self.source = ColumnDataSource(data=dict(_EMPTY))
        tags, leaders = ColumnDataSource(data=dict(_TAGS)), ColumnDataSource(data=dict(_LEADERS))
        self.rules = ColumnDataSource(data=dict(_RULES))
        rule = figure.vspan if vertical else figure.hspan
        rule(
            **{"x" if vertical else "y": "value"}, source=self.rules, line_color="colour",
            line_width=1.2, line_dash=[6, 4], line_alpha=0.9, level="underlay" if vertical else "glyph",
        )  # fmt: skip
        self.moving = ColumnDataSource(data=dict(_RULES))
        rule(
            **{"x" if vertical else "y": "value"}, source=self.moving, line_color="colour",
            line_width=1.2, line_dash=[6, 4], line_alpha=0.9, level="overlay",
        )  # fmt: skip
        figure.segment("x0", "y0", "x1", "y1", source=leaders, line_color="colour", level="overlay")
        self.tags = figure.text(
            "x", "y", "text", source=tags, level="overlay", text_font=value(FONT), text_font_size="11px",
            text_font_style="bold", text_align="center" if vertical else "left" if on_axis else "right", text_baseline="middle",
            x_offset=3 if on_axis else 0,
            background_fill_color="colour", background_fill_alpha=1.0, padding=[2, 4, 2, 4], border_radius=3,
        )  # fmt: skip
        self.tags.tags = [BEYOND_FRAME] if on_axis else []
        painter(self.tags.glyph, text_color="on_tag")
        stack = CustomJS(
            args={
                "figure": figure, "levels": self.source, "tags": tags, "leaders": leaders, "vertical": vertical,
                "on_axis": on_axis,
            },
            code=_STACK,
        )  # fmt: skip
        self.source.js_on_change("data", stack)
        for bounds in (figure.x_range, figure.y_range):
            for end in ("start", "end"):
                bounds.js_on_change(end, stack)
        for size in ("inner_width", "inner_height"):
            figure.js_on_change(size, stack)

    def show(self, levels: Sequence[Level]) -> None:
        """Show these levels; unknown (NaN) ones are left out. Nothing is sent when nothing changed."""
        wanted = tuple(level for level in levels if np.isfinite(level.value))
        if wanted != self._levels:
            self._levels = wanted
            self._send()

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme (the painter must have it)."""
        self._send()

    def _send(self) -> None:
        colours = self._painter.colours
        for rules, moving in ((self.rules, False), (self.moving, True)):
            drawn = [level for level in self._levels if level.moving is moving]
            data = {
                "value": [level.value for level in drawn],
                "colour": [getattr(colours, level.role) for level in drawn],
            }
            if data != rules.data:
                rules.data = data
        self.source.data = {
            "value": [level.value for level in self._levels],
            "text": [level.text for level in self._levels],
            "colour": [getattr(colours, level.role) for level in self._levels],
        }
