"""Candles as a HoloViews element of its own: one source for wicks and bodies, hollow when they rise, filled when they fall."""

from __future__ import annotations

from typing import Any, ClassVar

import holoviews as hv
import numpy as np
from bokeh.models import ColumnDataSource
from holoviews.core import Element2D
from holoviews.plotting.bokeh.element import ElementPlot

from workstation.plots.palette import LIGHT, palette

PRICES = ("open", "high", "low", "close")
COLUMNS = ("time", *PRICES, "volume")
BODY = 0.72
"""Share of a candle's time that its body is wide."""


class Candles(hv.Dataset, Element2D):
    """Candles: kdim ``time`` (UTC, the candle's middle), vdims ``open``, ``high``, ``low``, ``close``, ``volume`` and ``width_ms``."""

    group = "Candles"
    _auto_indexable_1d = False
    kdims: ClassVar[list[Any]] = [hv.Dimension("time")]
    vdims: ClassVar[list[Any]] = [*map(hv.Dimension, (*PRICES, "volume", "width_ms"))]


class CandlesPlot(ElementPlot):
    """Wicks as segments and bodies as vertical bars, one source for all three glyphs."""

    style_opts: ClassVar[list[str]] = ["alpha", "palette_name"]
    _plot_methods: ClassVar[dict[str, str]] = {"single": "segment"}
    _nonvectorized_styles: ClassVar[list[str]] = ["alpha", "palette_name"]

    def get_extents(self, element: Any, ranges: Any, range_type: str = "combined", **_: Any) -> Any:
        """Half a candle of room at both ends."""
        if not len(element) or range_type in ("hard", "soft"):
            return (np.nan,) * 4
        time, width = element.dimension_values("time"), element.dimension_values("width_ms")
        half = (0.5e6 * width[[0, -1]]).astype("timedelta64[ns]")
        low, high = np.nanmin(element.dimension_values("low")), np.nanmax(element.dimension_values("high"))
        room = 0.04 * (high - low)
        return time[0] - half[0], low - room, time[-1] + half[1], high + room

    def get_data(self, element: Any, ranges: Any, style: Any) -> Any:
        """Columns of the source."""
        return columns(element), {}, style

    def _init_glyphs(self, plot: Any, element: Any, ranges: Any, source: Any) -> None:
        source = ColumnDataSource(data=columns(element))
        colours = palette(self.style[self.cyclic_index].get("palette_name", LIGHT.name) == "dark")
        parts = {}
        for side, colour, fill in (("up", colours.up, colours.card), ("down", colours.down, colours.down)):
            parts[f"{side}_wick"] = plot.segment(
                "time", f"{side}_low", "time", f"{side}_high", source=source, line_color=colour
            )
            parts[f"{side}_body"] = plot.vbar(
                "time", f"{side}_width", "open", "close", source=source, fill_color=fill, line_color=colour
            )
        for name, renderer in parts.items():
            renderer.update(selection_glyph=None, nonselection_glyph=None, hover_glyph=None, muted_glyph=None)
            self.handles[f"{name}_glyph_renderer"] = renderer
        self.handles.update(
            source=source,
            cds=source,
            previous_id=element._plot_id,
            glyph=parts["up_body"].glyph,
            glyph_renderer=parts["up_body"],
        )
        if "hover" in self.handles:
            self.handles["hover"].renderers = [parts["up_body"], parts["down_body"]]

    def _update_glyphs(self, element: Any, ranges: Any, style: Any) -> None:
        self.handles["source"].data = columns(element)


def columns(element: Candles) -> dict[str, np.ndarray]:
    """What the glyphs draw; a body or wick of the other direction has no width or height."""
    found = {name: element.dimension_values(name) for name in COLUMNS}
    rising = found["close"] >= found["open"]
    width = element.dimension_values("width_ms") * BODY
    found["time"] = found["time"].astype("datetime64[ns]").astype(np.int64) / 1e6
    for side, mine in (("up", rising), ("down", ~rising)):
        found[f"{side}_width"] = np.where(mine, width, 0.0)
        for end in ("high", "low"):
            found[f"{side}_{end}"] = np.where(mine, found[end], np.nan)
    return found


hv.Store.register({Candles: CandlesPlot}, "bokeh")
