"""Labels of price levels that never overlap: stacked at the edge of the plot, with a leader line to their level.

The stacking runs in the browser whenever the view or the levels move, so it is right at every zoom and needs
no round trip. A level outside the view is reported at the edge it lies beyond, with an arrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, CustomJS

from workstation.views.widgets.assets import asset
from workstation.views.widgets.live_overlay import BEYOND_FRAME
from workstation.views.widgets.theme import FONT, Painter, Palette

_EMPTY: dict[str, list[Any]] = {"value": [], "text": [], "colour": []}
_RULES: dict[str, list[Any]] = {"value": [], "colour": []}
_TAGS: dict[str, list[Any]] = {"x": [], "y": [], "text": [], "colour": []}
_LEADERS: dict[str, list[Any]] = {"x0": [], "x1": [], "y0": [], "y1": [], "colour": []}

_STACK = asset(__package__, "price_labels_stack.js")


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
