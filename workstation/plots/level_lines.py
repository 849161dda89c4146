"""Price levels as lines across a plot, with their names: spot, zero gamma, walls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import holoviews as hv
import numpy as np
import pandas as pd
import xarray as xr

from workstation.plots import formats
from workstation.plots.palette import Palette
from workstation.plots.style import text

_NEAR = 0.06
"""Labels closer to each other than this share of the axis are joined."""
_DASHES = {"Spot": "solid", "Zero gamma": "dashed"}


class Level(NamedTuple):
    """A level: name, value (USD), role in the palette."""

    name: str
    value: float
    role: str


_KNOWN = (
    ("Zero gamma", "zero_gamma", "zero"), ("Call wall", "call_wall", "up"), ("Put wall", "put_wall", "down"), ("Spot", "spot", "text"),
)  # fmt: skip


def key_levels(levels: xr.Dataset | pd.DataFrame | Mapping[str, float] | None) -> list[Level]:
    """The levels known: from ``workstation.levels``, the newest row of the ``levels`` table, or name -> USD.

    Examples
    --------
    >>> [level.name for level in key_levels({"spot": 1e5, "call_wall": float("nan"), "Stop": 9.8e4})]
    ['Spot', 'Stop']
    """
    if levels is None or (isinstance(levels, pd.DataFrame) and not len(levels)):
        return []
    row: Any = levels.iloc[-1].to_dict() if isinstance(levels, pd.DataFrame) else levels
    found = [Level(name, _number(row, key), role) for name, key, role in _KNOWN]
    if not isinstance(levels, xr.Dataset | pd.DataFrame):
        own = [name for name in levels if name not in {key for _, key, _ in _KNOWN}]
        found += [Level(str(name), float(levels[name]), "muted") for name in own]
    return [level for level in found if np.isfinite(level.value)]


def _number(levels: Mapping[str, Any], name: str) -> float:
    return float(levels[name]) if name in levels else float("nan")


def words(level: Level) -> str:
    """Name and value."""
    shown = formats.price(level.value) if level.name == "Spot" else formats.strike(round(level.value))
    return f"{level.name} {shown}"


def lines(levels: list[Level], colours: Palette, *, upright: bool) -> list[Any]:
    """A line per level; upright where the price axis lies."""
    kind = hv.VLine if upright else hv.HLine
    return [
        kind(level.value).opts(
            color=getattr(colours, level.role),
            line_width=1.2,
            line_dash=_DASHES.get(level.name, "dotted"),
            apply_ranges=False,
        )
        for level in levels
    ]


def labels(
    levels: list[Level],
    colours: Palette,
    *,
    at: Any,
    span: tuple[float, float],
    step: float = 0.0,
    upright: bool,
    align: str,
) -> Any | None:
    """The levels' names at a place along their lines.

    Names of flat lines too close to each other share a line of text; those of upright lines step down by ``step``.
    """
    inside = sorted((level for level in levels if span[0] <= level.value <= span[1]), key=lambda it: it.value)
    if not inside:
        return None
    groups: list[list[Level]] = []
    for level in inside:
        if not upright and groups and level.value - groups[-1][0].value < _NEAR * (span[1] - span[0]):
            groups[-1].append(level)
        else:
            groups.append([level])
    values = [group[0].value for group in groups]
    along = [at - step * place if upright else at for place in range(len(groups))]
    frame = pd.DataFrame({
        "label_x": values if upright else along, "label_y": along if upright else values,
        "words": [" · ".join(map(words, group)) for group in groups], "ink": [getattr(colours, group[0].role) for group in groups],
    })  # fmt: skip
    return text(
        frame, ("label_x", "label_y", "words", "ink"), colours, backed=True, text_align=align, text_baseline="bottom", apply_ranges=False,
    )  # fmt: skip
