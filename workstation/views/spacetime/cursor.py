"""What the crosshair points at, written on the axes: price at the right, time below, in the browser alone."""

from __future__ import annotations

from typing import Any

from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, CustomJS, Span

from workstation.views.widgets.assets import asset
from workstation.views.widgets.live_overlay import BEYOND_FRAME
from workstation.views.widgets.theme import FONT, Painter

_TAG = asset(__package__, "cursor.js")


def tag_axis(figure: Any, line: Span, painter: Painter) -> ColumnDataSource:
    """Write on a figure's axis where a line of the crosshair stands; returns what is written.

    An upright line is shared by charts and knows no more of them than what is written: it is on the page before they are.
    """
    upright = line.dimension == "height"
    tag = ColumnDataSource(data={"x": [], "y": [], "text": []})
    written = figure.text(
        "x", "y", "text", source=tag, level="overlay", text_font=value(FONT), text_font_size="11px",
        text_align="center" if upright else "left", text_baseline="top" if upright else "middle",
        x_offset=0 if upright else 3, y_offset=3 if upright else 0, background_fill_alpha=1.0, padding=[2, 4, 2, 4],
        border_radius=3, border_line_width=1,
    )  # fmt: skip
    written.tags = [BEYOND_FRAME]
    painter(written.glyph, text_color="text", background_fill_color="raised", border_line_color="axis")
    args = {"line": line, "tag": tag, "upright": upright, "y_range": figure.y_range}
    if not upright:
        args["x_range"] = figure.x_range
    write = CustomJS(args=args, code=_TAG)
    line.js_on_change("location", write)
    figure.y_range.js_on_change("start", write)
    if not upright:
        figure.x_range.js_on_change("end", write)
    return tag
