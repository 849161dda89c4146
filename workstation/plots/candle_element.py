"""Candles as a HoloViews element of its own: one source for wicks and bodies, hollow when they rise, filled when they fall."""

from __future__ import annotations

from typing import Any, ClassVar

import holoviews as hv
import numpy as np
from bokeh.models import ColumnDataSource, Segment, VBar
from holoviews.core import Element2D
from holoviews.plotting.bokeh.element import ElementPlot

from workstation.plots.palette import LIGHT, Palette, palette

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
    """Wicks as segments and bodies as vertical bars, one source for both glyphs."""

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
        return self._columns(element), {}, style

    def _columns(self, element: Any) -> dict[str, np.ndarray]:
        dark = self.style[self.cyclic_index].get("palette_name", LIGHT.name) == "dark"
        return columns(element, palette(dark))

    def _init_glyphs(self, plot: Any, element: Any, ranges: Any, source: Any) -> None:
        source = ColumnDataSource(data=self._columns(element))
        wicks = plot.add_glyph(source, Segment(x0="time", y0="low", x1="time", y1="high", line_color="ink"))
        bodies = plot.add_glyph(
            source,
            VBar(x="time", width="body_ms", bottom="open", top="close", fill_color="fill", line_color="ink"),
        )
        self.handles.update(
            source=source,
            cds=source,
            previous_id=element._plot_id,
            glyph=bodies.glyph,
            glyph_renderer=bodies,
            wicks_glyph_renderer=wicks,
        )
        if "hover" in self.handles:
            self.handles["hover"].renderers = [bodies]

    def _update_glyphs(self, element: Any, ranges: Any, style: Any) -> None:
        self.handles["source"].data = self._columns(element)


def columns(element: Candles, colours: Palette) -> dict[str, np.ndarray]:
    """What the glyphs draw: prices, the width of bodies, and the colours of lines and bodies."""
    found = {name: element.dimension_values(name) for name in COLUMNS}
    rising = found["close"] >= found["open"]
    found["body_ms"] = element.dimension_values("width_ms") * BODY
    found["time"] = found["time"].astype("datetime64[ns]").astype(np.int64) / 1e6
    found["ink"] = np.where(rising, colours.up, colours.down).astype(object)
    found["fill"] = np.where(rising, colours.card, colours.down).astype(object)
    return found


hv.Store.register({Candles: CandlesPlot}, "bokeh")
