"""Heat maps whose cells are told apart by colour and by number, in both themes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, CustomJS, FixedTicker, HoverTool, Range1d, Span
from bokeh.palettes import Cividis256

from workstation.plots.palette import CLEAR, diverging, rgb, sequential
from workstation.views.widgets.theme import DARK, FONT, LIGHT, Painter, Palette, bare_figure

_LABEL_PX = 46
"""Room a label across needs."""
_COLUMNS = ("x", "y", "colour", "text", "ink", "across", "up", "told")
_ROOM = """
if (figure.properties.inner_width.is_unset || figure.properties.inner_height.is_unset) return
const columns = figure.x_range.end - figure.x_range.start, rows = figure.y_range.end - figure.y_range.start
let longest = 1
for (const text of cells.data.text) longest = Math.max(longest, text.length)
numbers.visible = figure.inner_width / columns >= 5.9 * longest + 2 && figure.inner_height / rows >= 12
"""
"""Numbers are written only where the cells have room for them."""


def ink(colour: str, colours: Palette) -> str:
    """Black or white, whichever reads better on a colour; the page's own text on nothing."""
    if colour == CLEAR:
        return colours.text
    linear = (rgb(colour) / 255.0) ** 2.2
    light = float(linear @ np.array([0.2126, 0.7152, 0.0722]))
    return DARK.page if light > 0.18 else LIGHT.card


def scale_html(low: str, high: str, colours: Sequence[str]) -> str:
    """A colour scale as HTML for a card's value line."""
    stops = ", ".join(colours)
    return (
        f'<span style="font-weight:400">{low}</span> <i style="display:inline-block;width:44px;height:9px;'
        f'border-radius:2px;vertical-align:baseline;background:linear-gradient(90deg,{stops})"></i> '
        f'<span style="font-weight:400">{high}</span>'
    )


@dataclass(frozen=True)
class Grid:
    """Cells of a heat map: labels of columns and rows, numbers (rows, columns), and what hovering tells of each."""

    across: Sequence[str]
    up: Sequence[str]
    values: np.ndarray
    texts: np.ndarray | None = None
    told: np.ndarray | None = None
    marks: Sequence[tuple[float, bool, str]] = field(default_factory=tuple)
    """Lines across the map: position between cells, whether upright, palette role."""


class HeatMap:
    """Equal cells in rows and columns.

    Parameters
    ----------
    painter
        The card's.
    signed
        Numbers have a sign that matters: colours go both ways from zero.
    names
        What a column, a row and a cell are, for hovering.
    numbers
        Write each cell's text into it.
    ticks
        Labels across and up at the most.
    """

    def __init__(
        self,
        painter: Painter,
        *,
        signed: bool,
        names: tuple[str, str, str],
        numbers: bool = False,
        ticks: tuple[int, int] = (12, 14),
        font_size: str = "11px",
    ) -> None:
        self._painter, self._signed, self._ticks = painter, signed, ticks
        self._grid: Grid | None = None
        self.limits = (0.0, 0.0)
        self._cells = ColumnDataSource(data={name: [] for name in _COLUMNS})
        self.x_range, self.y_range = Range1d(-0.5, 0.5), Range1d(-0.5, 0.5)
        made = bare_figure(painter, x_range=self.x_range, y_range=self.y_range, toolbar_location=None)
        made.grid.visible = False
        for axis in made.axis:
            axis.ticker = FixedTicker(ticks=[])
        cells = made.rect("x", "y", 0.96, 0.96, source=self._cells, fill_color="colour", line_color=None)
        if numbers:
            written = made.text(
                "x", "y", "text", source=self._cells, text_align="center", text_baseline="middle",
                text_font=value(FONT), text_font_size=font_size, text_color="ink",
            )  # fmt: skip
            room = CustomJS(args={"figure": made, "cells": self._cells, "numbers": written}, code=_ROOM)
            made.js_on_change("inner_width", room)
            made.js_on_change("inner_height", room)
            self._cells.js_on_change("data", room)
        tooltips = [(names[0], "@across"), (names[1], "@up"), (names[2], "@told")]
        made.add_tools(HoverTool(renderers=[cells], visible=False, tooltips=tooltips))
        self._lines: list[Span] = []
        self._width = 0.0
        made.on_change("inner_width", self._resized)
        self.figure = made

    def show(self, grid: Grid) -> None:
        """Show these cells."""
        self._grid = grid
        values = np.asarray(grid.values, dtype=np.float64)
        rows, columns = values.shape if values.size else (0, 0)
        self._colour(grid, values)
        self._label_across(grid)
        self._label(self.figure.yaxis[0], grid.up, self._ticks[1])
        ends = {"end": max(columns, 1) - 0.5}, {"end": max(rows, 1) - 0.5}
        for axis, end in zip((self.x_range, self.y_range), ends, strict=True):
            axis.update(start=-0.5, **end)
        self._mark(grid)

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme (the painter must have it)."""
        if self._grid is not None:
            self._colour(self._grid, np.asarray(self._grid.values, dtype=np.float64))
            self._mark(self._grid)

    def scale(self, low: str, high: str) -> str:
        """The colour scale as HTML."""
        colours = self._painter.colours
        if self._signed:
            return scale_html(low, high, diverging(np.linspace(-1, 1, 9), 1.0, colours))
        return scale_html(low, high, [Cividis256[at] for at in range(0, 256, 36)])

    def _colour(self, grid: Grid, values: np.ndarray) -> None:
        colours = self._painter.colours
        flat = values.ravel()
        known = flat[np.isfinite(flat)]
        if self._signed:
            limit = float(np.abs(known).max(initial=0.0))
            self.limits, fills = (-limit, limit), diverging(flat, limit, colours)
        else:
            low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
            self.limits, fills = (low, high), sequential(flat, low, high)
        row, column = np.divmod(np.arange(flat.size), max(len(grid.across), 1))
        texts = [""] * flat.size if grid.texts is None else [str(text) for text in grid.texts.ravel()]
        told = texts if grid.told is None else [str(text) for text in grid.told.ravel()]
        self._cells.data = {
            "x": column.astype(np.float64), "y": row.astype(np.float64), "colour": fills, "text": texts,
            "ink": [ink(fill, colours) for fill in fills], "told": told,
            "across": [grid.across[at] for at in column], "up": [grid.up[at] for at in row],
        }  # fmt: skip

    def _resized(self, attr: str, old: Any, new: Any) -> None:
        self._width = float(new or 0)
        if self._grid is not None:
            self._label_across(self._grid)

    def _label_across(self, grid: Grid) -> None:
        room = max(int(self._width // _LABEL_PX), 2) if self._width else self._ticks[0]
        self._label(self.figure.xaxis[0], grid.across, min(self._ticks[0], room))

    @staticmethod
    def _label(axis: Any, labels: Sequence[str], most: int) -> None:
        places = list(range(0, len(labels), label_step(len(labels), most)))
        axis.ticker.ticks = places
        axis.major_label_overrides = {at: labels[at] for at in places}

    def _mark(self, grid: Grid) -> None:
        while len(self._lines) < len(grid.marks):
            line = Span(line_width=1.4, line_dash=[5, 3])
            self.figure.add_layout(line)
            self._lines.append(line)
        for at, line in enumerate(self._lines):
            shown = at < len(grid.marks)
            line.visible = shown
            if shown:
                index, upright, role = grid.marks[at]
                line.update(
                    location=index,
                    dimension="height" if upright else "width",
                    line_color=getattr(self._painter.colours, role),
                )


def label_step(many: int, most: int) -> int:
    """Every how many-th of ``many`` gets a label so that at most ``most`` do: the first and the last among them if it can be.

    Examples
    --------
    >>> label_step(17, 12), label_step(17, 6), label_step(12, 14), label_step(13, 5)
    (2, 4, 1, 3)
    """
    least = max(-(-many // most), 1)
    return next((step for step in range(least, 2 * least) if (many - 1) % step == 0), least)


def between(values: Sequence[float] | np.ndarray, at: float) -> float:
    """Where a number lies among ascending ones, in places; NaN outside.

    Examples
    --------
    >>> between([10.0, 20.0, 40.0], 30.0)
    1.5
    """
    return float(np.interp(at, values, np.arange(len(values)), left=np.nan, right=np.nan))
