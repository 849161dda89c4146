"""The fitted vol surface: as a heat map of vol or a greek, and as lines of equal vol."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import holoviews as hv
import numpy as np
import pandas as pd
import xarray as xr
from contourpy import contour_generator

from workstation.plots import formats
from workstation.plots.gamma import _dataset
from workstation.plots.heat_cells import Cells, heat_map
from workstation.plots.palette import Palette
from workstation.plots.style import Style, colours_of, said, text
from workstation.plots.volatility import MAKER, REACH, titled
from workstation.pricing.surface import greek_surface

_SHORT = 0.05
"""Contours across less moneyness have no label."""
_SIGNED = ("delta", "vanna", "charm", "theta")


def surface(
    found: xr.Dataset,
    value: str = "implied_vol",
    *,
    on: str = "moneyness",
    reach: float = REACH,
    theme: str | None = None,
) -> Any:
    """Vol or a greek of a fitted surface as a heat map by expiry and moneyness or delta.

    Parameters
    ----------
    found
        From ``workstation.surface``.
    value
        ``implied_vol`` or one of the greeks.
    on
        ``moneyness`` or ``delta``.
    reach
        Moneyness K/F - 1 shown, down and up.
    theme
        As for ``smiles``.

    Returns
    -------
    holoviews.Rectangles
        Cells over ``moneyness`` (K/F) or the place of a delta, and ``expiry`` (equal rows), with ``value``.
    """
    if on not in ("moneyness", "delta"):
        raise ValueError(f"on: {on!r} unknown; choose of moneyness, delta")
    _dataset(found, ("implied_vol", "implied_vol_by_delta", "expiry"), "surface", MAKER)
    colours = colours_of(theme)
    if value == "implied_vol":
        values = found["implied_vol" if on == "moneyness" else "implied_vol_by_delta"]
    else:
        values = greek_surface(found, value, on=on)
    expiries = [formats.expiry(int(at)) for at in found["expiry_ns"].to_numpy()]
    rows = np.arange(len(expiries), dtype=np.float64)
    how = "percent" if value == "implied_vol" else "si"
    options: dict[str, Any] = {}
    if on == "moneyness":
        values = values.isel(moneyness=np.abs(values["moneyness"].to_numpy() - 1.0) <= reach + 1e-9)
        places = values["moneyness"].to_numpy()
        words, label = (
            [formats.percent(place - 1.0, 1, signed=True) for place in places.tolist()],
            "moneyness K/F",
        )
    else:
        values = values.sortby("delta", ascending=False)
        words, label = (
            [delta_words(float(delta)) for delta in values["delta"].to_numpy()],
            "delta, puts to calls",
        )
        places = np.arange(len(words), dtype=np.float64)
        options["xticks"] = list(enumerate(words))
    unit = values.attrs.get("units", "")
    style = Style(
        colours, x="price" if on == "moneyness" else "plain", y="plain", colour=how, xlabel=label, ylabel="expiry", show_grid=False,
        title=titled(found, f"{value.replace('_', ' ')} surface" + ("" if how == "percent" else f", {unit}")), yticks=list(enumerate(expiries)), **options,
    )  # fmt: skip
    cells = Cells(places, rows, values.transpose("expiry", on).to_numpy(), words, expiries)
    return heat_map(
        cells,
        colours,
        style,
        names=("strike", "expiry", value.replace("_", " ")),
        unit=unit,
        how=how,
        signed=value in _SIGNED,
    )


def delta_words(delta: float) -> str:
    """A delta as desks say it: puts below the money, calls above.

    Examples
    --------
    >>> delta_words(0.75), delta_words(0.5), delta_words(0.25)
    ('25P', 'ATM', '25C')
    """
    if abs(delta - 0.5) < 1e-9:
        return "ATM"
    return f"{100 * (1 - delta):.0f}P" if delta > 0.5 else f"{100 * delta:.0f}C"


def contours(
    found: xr.Dataset,
    levels: Iterable[float] | None = None,
    *,
    reach: float = REACH,
    theme: str | None = None,
) -> Any:
    """Lines of equal vol over moneyness and days to expiry.

    Parameters
    ----------
    found
        From ``workstation.surface``.
    levels
        Vols, annual decimal; default: about eight round ones.
    reach, theme
        As for ``smiles``.

    Returns
    -------
    holoviews.Overlay
        ``Contours`` over ``moneyness`` (K/F) and ``days`` (logarithmic axis) with ``vol``, and their labels.
    """
    _dataset(found, ("implied_vol", "years", "refused"), "surface", MAKER)
    colours = colours_of(theme)
    rows = np.flatnonzero(found["refused"].to_numpy() == "")
    part = found["implied_vol"].isel(
        expiry=rows, moneyness=np.abs(found["moneyness"].to_numpy() - 1.0) <= reach + 1e-9
    )
    vols = part.transpose("expiry", "moneyness").to_numpy()
    moneyness, days = part["moneyness"].to_numpy(), 365.0 * found["years"].to_numpy()[rows]
    if rows.size < 2:
        raise ValueError(f"contours need smiles of two expiries, the surface has {rows.size}")
    wanted = _round_levels(vols) if levels is None else np.asarray(list(levels), dtype=np.float64)
    traced = contour_generator(moneyness, np.log(days), np.ma.masked_invalid(vols))
    lines, words = [], []
    for level in wanted.tolist():
        for line in cast(list[np.ndarray], traced.lines(level)):
            if len(line) > 1:
                lines.append({"moneyness": line[:, 0], "days": np.exp(line[:, 1]), "vol": level})
                words += _named(line, level, colours)
    style = Style(
        colours,
        x="price",
        y="days",
        xlabel="moneyness K/F",
        ylabel="time to expiry",
        title=titled(found, "lines of equal implied vol"),
        logy=True,
    )
    made = hv.Contours(lines, ["moneyness", "days"], "vol")
    drawn = style(made, [("vol", said("vol", "percent"))], color=colours.up, line_width=1.6)
    names = ("label_x", "label_y", "words", "ink")
    return style.overlay(drawn, text(pd.DataFrame(words, columns=names), names, colours, backed=True))


def _named(line: np.ndarray, level: float, colours: Palette) -> list[tuple[float, float, str, str]]:
    """The label of a contour at its end farther from the money; none for a short one."""
    if np.ptp(line[:, 0]) < _SHORT:
        return []
    at = line[int(np.argmax(np.abs(line[:, 0] - 1.0)))]
    decimals = 0 if abs(level * 100 - round(level * 100)) < 1e-9 else 1
    return [(float(at[0]), float(np.exp(at[1])), formats.percent(level, decimals), colours.text)]


def _round_levels(vols: np.ndarray) -> np.ndarray:
    """About eight round vols within a surface."""
    known = vols[np.isfinite(vols)]
    if not known.size:
        return np.empty(0)
    low, high = float(known.min()), float(known.max())
    step = next(
        step
        for step in (0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 1e9)
        if (high - low) / step <= 10
    )
    return np.round(np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step, 6)
