"""What figures on cards share: repainting, saying a failure, ranges that do not twitch, an axis on the right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
from bokeh.events import DoubleTap
from bokeh.models import AllIndices, ColumnDataSource, DataRange1d, LinearAxis, Range1d, Span, WheelZoomTool

from workstation.views.shell import server_patches
from workstation.views.state.source import View
from workstation.views.widgets.card import Card
from workstation.views.widgets.theme import BOKEH, FONT, Painter, Palette


class FigureView(View):
    """A view that draws one or more figures on a card; the subclass sets ``card`` and refreshes."""

    card: Card

    def __init__(self, colours: Palette) -> None:
        self._painter = Painter(colours)

    def repaint(self, colours: Palette) -> None:
        """Take the colours of another theme."""
        self._painter.repaint(colours)

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)


class TextView(View):
    """A view of HTML on a card; the subclass sets ``card`` and refreshes."""

    card: Card

    def show_failure(self, reason: str) -> None:
        """Say it on the card."""
        self.card.fail(reason)


def wheel_zoom(dimensions: str) -> WheelZoomTool:
    """Zoom by the wheel with Ctrl held, or by two fingers: the wheel alone scrolls the page."""
    return WheelZoomTool(dimensions=dimensions, modifiers="ctrl")


def reset_on_double_click(made: Any, reset: Callable[[], None]) -> None:
    """Call ``reset``, which shows the figure as it is without a hand on it, at a double click on the figure."""

    def clicked(_: Any) -> None:
        with pn.io.hold():
            reset()

    made.on_event(DoubleTap, clicked)


def pane(made: Any, **options: Any) -> pn.pane.Bokeh:
    """A figure as a pane that fills its card, without the glyphs Bokeh keeps for selected and muted marks.

    Nothing is selected, muted or left out here, and of such models a figure has more than of others: each is built, themed,
    sent, and counted again with every message.
    """
    everything = AllIndices()
    for renderer in made.renderers:
        renderer.view.filter = everything
        renderer.update(selection_glyph=None, nonselection_glyph=None, hover_glyph=None, muted_glyph=None)
    return FigurePane(made, **{"sizing_mode": "stretch_both", "min_height": 150, **options})


class FigurePane(server_patches.FigurePane):
    """A figure's pane in documents of the house theme."""

    own_theme = BOKEH


def fit(
    axis: Range1d, values: np.ndarray, room: float = 0.08, slack: float = 0.5, least: float = 0.0
) -> None:
    """Let a range hold the known values and span ``least``; it is narrowed only when more than ``slack`` of it is empty.

    Examples
    --------
    >>> axis = Range1d(0, 1)
    >>> fit(axis, np.array([0.0, 10.0, np.nan]), room=0.1)
    >>> axis.start, axis.end
    (-1.0, 11.0)
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return
    low, high = float(known.min()), float(known.max())
    if high - low < least:
        low, high = 0.5 * (low + high - least), 0.5 * (low + high + least)
    space = room * (high - low) or 0.05 * abs(high) or 1.0
    tight = (high - low + 2 * space) < slack * (axis.end - axis.start)
    if low < axis.start or high > axis.end or tight:
        axis.update(start=low - space, end=high + space)


def right_axis(
    made: Any, painter: Painter, name: str, axis_range: Range1d | DataRange1d, formatter: Any
) -> None:
    """Add a second value axis on the right of a figure."""
    made.extra_y_ranges = {**made.extra_y_ranges, name: axis_range}
    axis = LinearAxis(y_range_name=name, formatter=formatter)
    axis.ticker.desired_num_ticks = 5
    axis.update(
        axis_line_color=None, major_tick_line_color=None, minor_tick_line_color=None, major_label_text_font=FONT,
        major_label_text_font_size="11px", major_label_standoff=4,
    )  # fmt: skip
    made.add_layout(painter(axis, major_label_text_color="muted"), "right")


def rule(made: Any, painter: Painter, at: float = 0.0, upright: bool = False, dash: str = "solid") -> Span:
    """A thin line across a figure, at zero unless told otherwise."""
    span = Span(location=at, dimension="height" if upright else "width", line_width=1, line_dash=dash)
    made.add_layout(painter(span, line_color="axis"))
    return span


def update_source(source: ColumnDataSource, columns: dict[str, np.ndarray], kept: int) -> None:
    """Bring a source in time order up to these rows: what differs is amended, what follows is appended; ``kept`` rows stay.

    Only what changed is sent. Where the rows' times do not continue the source's, all are shown anew.

    Examples
    --------
    >>> source = ColumnDataSource(data={"x": np.array([1.0, 2.0]), "y": np.array([5.0, 6.0])})
    >>> update_source(source, {"x": np.array([2.0, 3.0]), "y": np.array([7.0, 8.0])}, kept=2)
    >>> source.data["x"].tolist(), source.data["y"].tolist()
    ([2.0, 3.0], [7.0, 8.0])
    """
    drawn, x = source.data["x"], columns["x"]
    if not len(x) and not len(drawn):
        return
    first = int(np.searchsorted(drawn, x[0])) if len(x) else len(drawn)
    shared = len(drawn) - first
    if shared < 1 or not np.array_equal(drawn[first:], x[:shared]):
        source.data = {name: values[-kept:].copy() for name, values in columns.items()}
        return
    changed = {}
    for name, values in columns.items():
        positions = np.flatnonzero(_differ(source.data[name][first:], values[:shared])).tolist()
        if positions:
            changed[name] = [(first + index, values[index]) for index in positions]
    if changed:
        source.patch(changed)
    if len(x) > shared:
        source.stream({name: values[shared:].tolist() for name, values in columns.items()}, rollover=kept)


def _differ(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one != other) & ~((one != one) & (other != other))  # type: ignore[no-any-return] # a NaN is not itself
