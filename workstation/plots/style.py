"""The house style of HoloViews elements, and the libraries made ready where they are shown."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import holoviews as hv
import holoviews.plotting.bokeh
import panel as pn
from bokeh.core.properties import value
from bokeh.models import (
    ColorBar,
    CrosshairTool,
    CustomJSTickFormatter,
    DatetimeTickFormatter,
    HoverTool,
    WheelZoomTool,
)
from holoviews.core.dimension import LabelledData

from workstation.plots import formats
from workstation.plots.palette import FONT, Palette, palette

THEMES = ("light", "dark")
HEIGHT = 340
"""Of a plot, pixels: a sensible card in a notebook. The width is that of the cell."""
_CURRENT = {"theme": "light"}
_TICKS: Mapping[str, Callable[[], Any]] = {
    "price": formats.price_ticks,
    "usd": lambda: formats.si_ticks("$"),
    "si": formats.si_ticks,
    "percent": formats.percent_ticks,
    "points": lambda: CustomJSTickFormatter(code="return (tick > 0 ? '+' : tick < 0 ? '\\u2212' : '') + Math.abs(tick).toFixed(1)"),
    "days": lambda: CustomJSTickFormatter(code="return tick < 1 ? Math.round(24 * tick) + '\\u202fh' : Math.round(tick) + '\\u202fd'"),
    "time": lambda: DatetimeTickFormatter(**formats.TIME_TICKS),
    "plain": lambda: None,
}  # fmt: skip
"""Formats of an axis."""


def theme(name: str | None = None) -> str:
    """The theme of the elements made from now on, ``light`` or ``dark``; called without a name it only tells which.

    Raises
    ------
    ValueError
        Another name.

    Examples
    --------
    >>> theme("dark"), theme("light"), theme()
    ('dark', 'light', 'light')
    """
    if name is not None:
        if name not in THEMES:
            raise ValueError(f"theme: {name!r} unknown; choose of {', '.join(THEMES)}")
        _CURRENT["theme"] = name
    return _CURRENT["theme"]


def colours_of(name: str | None) -> Palette:
    """The palette of a theme, by default of the current one; makes HoloViews ready to show what is made of it."""
    make_ready()
    chosen = _CURRENT["theme"] if name is None else name
    if chosen not in THEMES:
        raise ValueError(f"theme: {chosen!r} unknown; choose of {', '.join(THEMES)}")
    return palette(chosen == "dark")


def make_ready() -> None:
    """Choose Bokeh as the renderer; in a notebook also load the scripts that show plots, from this machine alone."""
    if hv.Store.current_backend != "bokeh":
        hv.Store.set_current_backend("bokeh")
    if not in_notebook() or hv.extension._loaded:
        return
    pn.extension(inline=True)
    hv.extension("bokeh", inline=True, logo=False)
    hv.Store.set_display_hook("html+js", LabelledData, _shown)


def _shown(element: Any) -> Any:
    """An element as Panel shows it: unlike HoloViews' own way it takes every style sheet from this machine."""
    return pn.pane.HoloViews(element, sizing_mode="stretch_width")._repr_mimebundle_()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    return running is not None and hasattr(running, "kernel")


class Style:
    """Gives elements the house style.

    Parameters
    ----------
    colours
        The palette.
    x, y
        Format of an axis: ``price``, ``usd``, ``si``, ``percent``, ``points``, ``days``, ``time``, ``plain``.
    xlabel, ylabel
        With their unit.
    title
        Above the plot.
    colour
        Format of the colour bar, as of an axis.
    """

    def __init__(
        self,
        colours: Palette,
        *,
        x: str,
        y: str,
        xlabel: str,
        ylabel: str,
        title: str = "",
        colour: str = "plain",
        height: int = HEIGHT,
        **options: Any,
    ) -> None:
        self.colours, self._formats = colours, (x, y, colour)
        self._shared = {
            "responsive": True,
            "height": height,
            "xlabel": xlabel,
            "ylabel": ylabel,
            "title": title,
            "toolbar": "above",
            "default_tools": ["pan", "wheel_zoom", "box_zoom", "reset"],
            "active_tools": [],
            "show_grid": True,
            "show_frame": False,
            "hooks": [self._paint],
            **options,
        }

    def __call__(self, element: Any, hover: Iterable[tuple[str, str]] | None = None, **options: Any) -> Any:
        """The element with its style; ``hover`` are pairs of words and ``@column`` texts, none: it tells nothing."""
        told: dict[str, Any] = {}
        if hover is not None:
            told = {"tools": ["hover"], "hover_tooltips": list(hover)}
        return element.opts(**{**self._shared, **told, **options})

    def overlay(self, *elements: Any, legend: str | None = None, **options: Any) -> Any:
        """The elements over each other; ``legend`` is where their names stand, none: nowhere."""
        shown = {"show_legend": legend is not None} | ({"legend_position": legend} if legend else {})
        made = hv.Overlay([element for element in elements if element is not None])
        return made.opts(**{**self._shared, **shown, **options})

    def _paint(self, plot: Any, _: Any) -> None:
        paint(plot.state, self.colours, self._formats)


def paint(figure: Any, colours: Palette, axis_formats: tuple[str, str, str]) -> None:
    """Give a figure the palette, fonts, axis formats and tools of the house; does nothing to one that has them."""
    _say_on_hover(figure)
    for legend in figure.legend:
        _paint_legend(legend, colours)
    figure.title.update(
        text_color=colours.text, text_font=FONT, text_font_size="13px", text_font_style="normal"
    )
    mark = " ".join(("workstation", colours.name, *axis_formats))
    if mark in figure.tags:
        return
    figure.tags = [*figure.tags, mark]
    figure.update(
        background_fill_color=colours.card,
        border_fill_color=colours.card,
        outline_line_color=None,
        min_border_right=14,
    )
    _paint_scale(figure, axis_formats[2])
    for axes, wanted in zip((figure.xaxis, figure.yaxis), axis_formats[:2], strict=True):
        for axis in axes:
            _paint_axis(axis, colours, wanted)
    for grid in figure.grid:
        if grid.grid_line_color is not None:
            grid.grid_line_color = colours.grid
    _set_tools(figure, colours)


def _set_tools(figure: Any, colours: Palette) -> None:
    """No logo, a toolbar on hover, a crosshair, and a wheel that scrolls the page unless Ctrl is held."""
    figure.toolbar.update(logo=None, autohide=True)
    for tool in _tools(figure, WheelZoomTool):
        tool.modifiers = {"ctrl": True}
    if not _tools(figure, CrosshairTool):
        figure.add_tools(
            CrosshairTool(dimensions="height", line_color=colours.axis, line_alpha=0.6, visible=False)
        )


def _tools(figure: Any, kind: type[Any]) -> list[Any]:
    """Tools of a kind: from the toolbar, since ``figure.select`` walks through every model and runs once per element."""
    return [tool for tool in figure.toolbar.tools if isinstance(tool, kind)]


def _paint_scale(figure: Any, wanted: str) -> None:
    for bar in (part for side in (figure.left, figure.right, figure.above, figure.below) for part in side):
        if not isinstance(bar, ColorBar):
            continue
        bar.title = None
        formatter = _TICKS[wanted]()
        if formatter is not None:
            bar.formatter = formatter


def _paint_axis(axis: Any, colours: Palette, wanted: str) -> None:
    axis.update(
        axis_line_color=None, major_tick_line_color=None, minor_tick_line_color=None, major_label_text_font=FONT,
        major_label_text_font_size="11px", axis_label_text_font=FONT, axis_label_text_font_size="11px",
        axis_label_text_font_style="normal", major_label_text_color=colours.muted, axis_label_text_color=colours.muted,
    )  # fmt: skip
    formatter = _TICKS[wanted]()
    if formatter is not None:
        axis.formatter = formatter


def _paint_legend(legend: Any, colours: Palette) -> None:
    legend.update(
        label_text_color=colours.text, label_text_font=FONT, label_text_font_size="11px", border_line_color=None,
        background_fill_color=colours.card, background_fill_alpha=0.8, click_policy="hide", padding=2, spacing=14, margin=0,
    )  # fmt: skip


_SAID = re.compile(r"@\{?(\w+)\}?\{(usd|price|strike|percent|si)\}")
_TIME = re.compile(r"@\{?(\w+)\}?\{(%[^}]*)\}")


def said(column: str, how: str) -> str:
    """A number in a tooltip: of a column as ``usd``, ``price``, ``strike``, ``percent`` or ``si``."""
    return f"@{column}{{{how}}}"


def _say_on_hover(figure: Any) -> None:
    """Turn ``@column{usd}`` of tooltips into Bokeh's custom formats, and times into its formats of times."""
    for tool in _tools(figure, HoverTool):
        tool.visible = False
        if not isinstance(tool.tooltips, list):
            continue
        told = " ".join(text for _, text in tool.tooltips)
        numbers, times = dict(_SAID.findall(told)), _TIME.findall(told)
        if not numbers and all(f"@{column}" in tool.formatters for column, _ in times):
            continue
        tool.tooltips = [
            (words, _TIME.sub(r"@\1{\2}", _SAID.sub(r"@\1{custom}", text))) for words, text in tool.tooltips
        ]
        dated = {f"@{column}": "datetime" for column, _ in times}
        tool.formatters = {**tool.formatters, **formats.hovers(**numbers), **dated}


def text(
    frame: Any,
    columns: tuple[str, str, str, str],
    colours: Palette,
    *,
    backed: bool = False,
    size: str = "11px",
    **options: Any,
) -> Any:
    """Words at places of a plot: columns of x, y, words and ink; ``backed`` ones stand on a ground of the card's colour."""

    def set_font(plot: Any, _: Any) -> None:
        glyph = plot.handles["glyph"]
        glyph.text_font = value(FONT)
        if backed:
            glyph.update(background_fill_color=colours.card, background_fill_alpha=0.75)

    words = hv.Labels(frame, list(columns[:2]), list(columns[2:]))
    return words.opts(text_color=columns[3], text_font_size=size, hooks=[set_font], **options)
