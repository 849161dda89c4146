"""The look of pages: Material UI and CSS from the one palette, and the house style of figures.

Plots are transparent, so the page shows through at once when the theme is toggled; what has a colour of its own is
repainted from the palette (``workstation.plots.palette``).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bokeh.models import Model
from bokeh.plotting import figure
from bokeh.themes import Theme

from workstation.plots.palette import DARK, FONT, LIGHT, Palette, palette

__all__ = [
    "BOKEH",
    "DARK",
    "FONT",
    "LIGHT",
    "THEME_CONFIG",
    "TOOLTIP_CSS",
    "Painter",
    "Palette",
    "bare_figure",
    "material",
    "palette",
    "stylesheet",
]

BOKEH = Theme(
    json={"attrs": {name: {} for name in ("Axis", "Grid", "Figure", "Legend", "ColorBar", "Title")}}
)
"""Set as the document's theme it tells panel-material-ui to leave these models' colours to us."""


def material(dark: bool) -> dict[str, Any]:
    """The palette as a Material UI theme configuration."""
    colours = palette(dark)
    own = {f"ws_{role}": {"main": value} for role, value in asdict(colours).items() if role != "name"}
    drawer = {"paper": {"maxWidth": "100vw", "backgroundImage": "none"}}
    focus = {
        "root": {"&.Mui-focusVisible": {"outline": f"2px solid {colours.text}", "outlineOffset": "-2px"}}
    }
    return {
        "components": {
            "MuiDrawer": {
                "styleOverrides": drawer
            },  # it is put outside the page, whose styles do not reach it
            "MuiButtonBase": {"styleOverrides": focus},
        },
        "palette": {
            **own,
            "primary": {"main": colours.accent, "contrastText": colours.on_tag},
            "secondary": {"main": colours.zero},
            "success": {"main": colours.good},
            "warning": {"main": colours.warn},
            "error": {"main": colours.bad},
            "background": {"default": colours.page, "paper": colours.card},
            "text": {"primary": colours.text, "secondary": colours.muted},
            "divider": colours.line,
        },
        "typography": {"fontFamily": FONT, "fontSize": 12},
        "shape": {"borderRadius": 4},
    }


THEME_CONFIG = {"dark": material(True), "light": material(False)}


def stylesheet(css: str) -> str:
    """CSS of a pane with the palette's roles as ``--ws-<role>``; they follow the page's theme by themselves.

    Outside a themed page (a lone pane in a notebook) the light palette holds.
    """
    roles = (
        f"--ws-{role.replace('_', '-')}: var(--mui-palette-ws_{role}-main, {value});"
        for role, value in asdict(LIGHT).items()
        if role != "name"
    )
    return f":host {{ {' '.join(roles)} font-family: {FONT}; font-variant-numeric: tabular-nums; }}\n{css}"


TOOLTIP_CSS = f"""
.bk-Tooltip {{
  --tooltip-color: var(--mui-palette-ws_raised-main, {LIGHT.raised}); --tooltip-text: var(--mui-palette-ws_text-main, {LIGHT.text});
  --tooltip-border: var(--mui-palette-ws_axis-main, {LIGHT.axis}); --tooltip-arrow-color: var(--mui-palette-ws_axis-main, {LIGHT.axis});
  --tooltip-arrow-inner-color: var(--mui-palette-ws_raised-main, {LIGHT.raised}); --font-size: 12px;
  opacity: 1; border-radius: 4px; font-family: {FONT}; font-variant-numeric: tabular-nums; max-width: 96vw;
}}
"""
"""Of the whole page: Bokeh puts its tooltips beside the figures, where no sheet of a pane reaches."""


class Painter:
    """Colours models by role, now and again whenever the theme changes.

    Examples
    --------
    >>> from bokeh.models import Span
    >>> painter, rule = Painter(DARK), Span()
    >>> _ = painter(rule, line_color="zero")
    >>> painter.repaint(LIGHT)
    >>> rule.line_color == LIGHT.zero
    True
    """

    def __init__(self, colours: Palette) -> None:
        self.colours = colours
        self._painted: list[tuple[Model, dict[str, str]]] = []

    def __call__(self, model: Any, **roles: str) -> Any:
        """Give ``model`` the colours of these roles; returns the model."""
        self._painted.append((model, roles))
        self._paint(model, roles)
        return model

    def repaint(self, colours: Palette) -> None:
        """Take another palette."""
        self.colours = colours
        for model, roles in self._painted:
            self._paint(model, roles)

    def _paint(self, model: Any, roles: dict[str, str]) -> None:
        model.update(**{attribute: getattr(self.colours, role) for attribute, role in roles.items()})


def bare_figure(painter: Painter, **options: Any) -> Any:
    """An empty figure in the house style: transparent, no logo, no toolbar (drag and wheel work), grid barely there.

    ``options`` are those of ``bokeh.plotting.figure``.
    """
    made = figure(
        **{
            "sizing_mode": "stretch_both",
            "toolbar_location": None,
            "title": None,
            "background_fill_color": None,
            "border_fill_color": None,
            "outline_line_color": None,
            "min_border_left": 4,
            "min_border_right": 4,
            "min_border_top": 6,
            "min_border_bottom": 4,
            "tools": "",
            **options,
        }
    )
    made.toolbar.logo = None
    made.toolbar.autohide = True
    made.lod_threshold = None
    for axis in made.axis:
        _style_axis(painter, axis)
    for grid in made.grid:
        painter(grid, grid_line_color="grid")
    return made


def _style_axis(painter: Painter, axis: Any) -> None:
    axis.update(
        axis_line_color=None,
        major_tick_line_color=None,
        minor_tick_line_color=None,
        major_label_text_font=FONT,
        major_label_text_font_size="11px",
        major_label_standoff=4,
        axis_label_text_font=FONT,
        axis_label_text_font_size="11px",
        axis_label_text_font_style="normal",
        axis_label_standoff=4,
    )
    painter(axis, major_label_text_color="muted", axis_label_text_color="muted")
