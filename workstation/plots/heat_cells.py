"""Cells of a heat map, told apart by colour, number and hover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np
import numpy.typing as npt
import pandas as pd
from bokeh.palettes import Cividis256

from workstation.plots import formats
from workstation.plots.palette import (
    CLEAR,
    DARK,
    FONT,
    LIGHT,
    Palette,
    diverging,
    diverging_scale,
    rgb,
    sequential,
)
from workstation.plots.style import Style, said, text

_ROOM = 0.96
"""Share of its place that a cell fills."""


@dataclass(frozen=True)
class Cells:
    """A grid: places of columns and rows, ascending, values (rows, columns), and the words of columns and rows."""

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    x_words: Sequence[str]
    y_words: Sequence[str]


def cell_edges(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Edges between ascending places, halfway; the first and last cell as wide outward as inward.

    Examples
    --------
    >>> cell_edges(np.array([10.0, 20.0, 40.0])).tolist()
    [5.0, 15.0, 30.0, 50.0]
    >>> cell_edges(np.array([3.0])).tolist()
    [2.5, 3.5]
    """
    if places.size < 2:
        return np.concatenate([places - 0.5, places + 0.5])
    middle = 0.5 * (places[1:] + places[:-1])
    return np.concatenate(([2 * places[0] - middle[0]], middle, [2 * places[-1] - middle[-1]]))


def cell_sizes(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How wide the cells of ascending places are: as the smaller gap to a neighbour, so that none reaches into another.

    Examples
    --------
    >>> cell_sizes(np.array([80.0, 90.0, 91.0, 92.0])).tolist()
    [10.0, 1.0, 1.0, 1.0]
    """
    if places.size < 2:
        return np.ones(places.size)
    gaps = np.diff(places)
    return np.minimum(np.concatenate((gaps[:1], gaps)), np.concatenate((gaps, gaps[-1:])))


def ink(colour: str, colours: Palette) -> str:
    """Black or white, whichever reads better on a colour; the page's own text on nothing."""
    if colour == CLEAR:
        return colours.text
    light = float(((rgb(colour) / 255.0) ** 2.2) @ np.array([0.2126, 0.7152, 0.0722]))
    return DARK.page if light > 0.18 else LIGHT.card


def colour_options(colours: Palette, limits: tuple[float, float], *, signed: bool) -> dict[str, Any]:
    """Options of an element coloured by its value: scale, limits and a colour bar in the house style."""
    bar = {
        "background_fill_color": None, "major_label_text_color": colours.muted, "major_label_text_font": FONT, "major_label_text_font_size": "11px",
        "width": 10, "bar_line_color": None, "major_tick_line_color": None, "padding": 6,
    }  # fmt: skip
    return {
        "cmap": diverging_scale(colours) if signed else list(Cividis256),
        "clim": limits,
        "colorbar": True,
        "colorbar_opts": bar,
        "clipping_colors": {"NaN": CLEAR},
        "line_alpha": 0,
    }


def heat_map(
    cells: Cells,
    colours: Palette,
    style: Style,
    *,
    names: tuple[str, str, str],
    unit: str,
    how: str,
    signed: bool = True,
    numbers: bool = False,
) -> Any:
    """Cells as rectangles, coloured by value; with ``numbers`` an overlay that writes each into its cell.

    ``names`` are what a column, a row and a cell are, for hovering; ``how`` is the format: ``usd``, ``percent`` or ``si``.
    """
    values = cells.values
    half_x, half_y = (0.5 * _ROOM * cell_sizes(places) for places in (cells.x, cells.y))
    row, column = np.nonzero(np.isfinite(values))
    known = values[row, column]
    frame = pd.DataFrame({
        "x0": (cells.x - half_x)[column], "y0": (cells.y - half_y)[row], "x1": (cells.x + half_x)[column], "y1": (cells.y + half_y)[row],
        "value": known, "across": np.array(cells.x_words, dtype=object)[column], "up": np.array(cells.y_words, dtype=object)[row],
    })  # fmt: skip
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    limit = max(abs(low), abs(high)) or 1.0
    limits = (-limit, limit) if signed else (low, high if high > low else low + 1.0)
    hover = [
        (names[0], "@across"),
        (names[1], "@up"),
        (
            names[2],
            said("value", how)
            + (f" {unit}" if how != "percent" and not unit.startswith("USD") else unit[3:]),
        ),
    ]
    made = style(
        hv.Rectangles(frame, ["x0", "y0", "x1", "y1"], ["value", "across", "up"]), hover, color="value",
        **colour_options(colours, limits, signed=signed),
    )  # fmt: skip
    if not numbers:
        return made
    fills = diverging(known, limit, colours) if signed else sequential(known, *limits)
    written = {
        "usd": lambda value: formats.usd(value, 2, signed=True).replace("$", ""),
        "percent": lambda value: f"{100 * value:.1f}",
    }
    words = [written.get(how, formats.si)(value) for value in known.tolist()]
    labels = pd.DataFrame({
        "cell_x": cells.x[column], "cell_y": cells.y[row], "words": words, "ink": [ink(fill, colours) for fill in fills],
    })  # fmt: skip
    return [made, text(labels, ("cell_x", "cell_y", "words", "ink"), colours)]
