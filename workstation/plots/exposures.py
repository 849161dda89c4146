"""Exposure and scenarios as heat maps: strike by expiry, strike by time, moves of spot by moves of vol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import xarray as xr

from workstation.plots import formats
from workstation.plots.frames import one_of, require
from workstation.plots.gamma import MEASURES, REACH, _dataset
from workstation.plots.heat_cells import Cells, cell_edges, colour_options, heat_map
from workstation.plots.palette import Palette
from workstation.plots.style import Style, colours_of

_TIMES = 240
"""Columns over time at the most."""


def exposure_map(
    exposures: xr.Dataset, *, measure: str = "gex", reach: float = REACH, theme: str | None = None
) -> Any:
    """An exposure by strike and expiry as a heat map, spot marked.

    Parameters
    ----------
    exposures
        From ``workstation.exposure.exposure``.
    measure
        ``gex``, ``dex``, ``vanna_exposure`` or ``charm_exposure``.
    reach
        Share of spot within which strikes are in view at first.
    theme
        ``light`` or ``dark``; default: the current one.

    Returns
    -------
    holoviews.Overlay
        Cells over ``strike`` (a true axis, USD) and ``expiry`` (equal rows, the nearest at the bottom) with ``value``.
    """
    if measure not in ("gex", "dex", "vanna_exposure", "charm_exposure"):
        raise ValueError(f"measure: {measure!r} unknown; choose of gex, dex, vanna_exposure, charm_exposure")
    _dataset(exposures, (measure, "expiry", "strike", "spot"), "exposures", "workstation.exposure.exposure")
    colours = colours_of(theme)
    spot, strikes = float(exposures["spot"]), exposures["strike"].to_numpy()
    cells = Cells(
        x=strikes,
        y=np.arange(exposures.sizes["expiry"], dtype=np.float64),
        values=exposures[measure].transpose("expiry", "strike").to_numpy(),
        x_words=[formats.strike(value) for value in strikes.tolist()],
        y_words=[
            formats.expiry(int(at))
            for at in exposures["expiry"].to_numpy().astype("datetime64[ns]").astype(np.int64)
        ],
    )
    style = Style(
        colours, x="price", y="plain", colour="usd", xlabel="strike, USD", ylabel="expiry", title=_title(exposures.attrs, f"{MEASURES[measure]} by strike and expiry"),
        xlim=(spot * (1 - reach), spot * (1 + reach)), yticks=list(enumerate(cells.y_words)), show_grid=False,
    )  # fmt: skip
    made = heat_map(
        cells,
        colours,
        style,
        names=("strike", "expiry", MEASURES[measure]),
        unit=exposures[measure].attrs.get("units", ""),
        how="usd",
    )
    return style.overlay(made, _spot_line(spot, colours, upright=True))


def exposure_over_time(
    rows: pd.DataFrame,
    *,
    underlying: str | None = None,
    column: str = "gex",
    reach: float = REACH,
    spot: float | None = None,
    theme: str | None = None,
) -> Any:
    """An exposure by strike through time as a heat map.

    Parameters
    ----------
    rows
        Of the ``exposures`` table, or any frame of ``event_ns``, ``strike`` and the column; expiries are summed.
    underlying
        Which one, when there are several.
    column
        What is shown.
    reach, spot
        Strikes within this share of spot are in view at first; without a spot all of them.
    theme
        As for ``exposure_map``.

    Returns
    -------
    holoviews.QuadMesh
        Dims ``time`` (UTC) and ``strike``, ascending, with the column; the newest snapshot of each step of time where there are
        more than can be told apart.
    """
    rows, name = one_of(rows, underlying, "underlying")
    require(rows, ("event_ns", "strike", column), "exposures")
    colours = colours_of(theme)
    kept = np.unique(rows["event_ns"].to_numpy())
    kept = kept[:: -max(-(-kept.size // _TIMES), 1)][::-1]
    part = rows[np.isin(rows["event_ns"].to_numpy(), kept)]
    table = (
        part.pivot_table(index="strike", columns="event_ns", values=column, aggfunc="sum", min_count=1)
        .sort_index()
        .sort_index(axis=1)
    )
    values = table.to_numpy(dtype=np.float64)
    times = table.columns.to_numpy().astype("datetime64[ns]")
    limit = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    window: dict[str, Any] = {} if spot is None else {"ylim": (spot * (1 - reach), spot * (1 + reach))}
    style = Style(
        colours, x="time", y="price", colour="usd", xlabel="", ylabel="strike, USD", title=f"{name} {MEASURES.get(column, column)} by strike over time".strip(),
        show_grid=False, **window,
    )  # fmt: skip
    edges = (
        cell_edges(times.astype(np.int64).astype(np.float64)).astype(np.int64).astype("datetime64[ns]"),
        cell_edges(table.index.to_numpy(dtype=np.float64)),
    )
    mesh = hv.QuadMesh((*edges, values), ["time", "strike"], column)
    return _coloured(mesh, style, colours, limit, column)


def _coloured(mesh: Any, style: Style, colours: Palette, limit: float, column: str) -> Any:
    hover = [
        ("time", "@time{%d %b %H:%M:%S}"),
        ("strike", "@strike{0,0.##}"),
        (MEASURES.get(column, column), f"@{column}{{usd}}"),
    ]
    return style(mesh, hover, **colour_options(colours, (-limit, limit), signed=True))


def scenario(forced_flow: xr.Dataset, *, days: float | None = None, theme: str | None = None) -> Any:
    """What dealers must trade if spot and vol move, as a grid with its numbers.

    Parameters
    ----------
    forced_flow
        From ``workstation.exposure.forced_flow``.
    days
        Which horizon; default: the first.
    theme
        As for ``exposure_map``.

    Returns
    -------
    holoviews.Overlay
        Cells over the places of ``spot_move`` and ``vol_move`` with ``value``: USD, positive where dealers buy.
    """
    _dataset(
        forced_flow,
        ("forced_flow", "spot_move", "vol_move", "days"),
        "forced_flow",
        "workstation.exposure.forced_flow",
    )
    found = _horizon(forced_flow, days)["forced_flow"].transpose("vol_move", "spot_move")
    title = _title(forced_flow.attrs, f"forced flow{_after(float(found['days']))}, dealers buy + sell −")
    return _moves_grid(
        found.to_numpy(),
        found["spot_move"].to_numpy(),
        found["vol_move"].to_numpy(),
        title,
        "flow",
        "USD",
        theme,
    )


def what_if(
    found: xr.Dataset,
    *,
    shown: str = "pnl",
    underlying: str | None = None,
    days: float | None = None,
    theme: str | None = None,
) -> Any:
    """A book's PnL (or ``delta``) if spot and vol move, as a grid with its numbers.

    Parameters
    ----------
    found
        From ``workstation.portfolio.what_if``.
    shown
        ``pnl``, ``pa_pnl`` or ``delta``, USD.
    underlying
        Which one; default: all of them added up.
    days, theme
        As for ``scenario``.

    Returns
    -------
    holoviews.Overlay
        Cells over the places of ``spot`` and ``vol`` with ``value``, USD.
    """
    if shown not in ("pnl", "pa_pnl", "delta"):
        raise ValueError(f"shown: {shown!r} unknown; choose of pnl, pa_pnl, delta")
    _dataset(found, (shown, "spot", "vol", "days", "underlying"), "what_if", "workstation.portfolio.what_if")
    names = [str(name) for name in found["underlying"].to_numpy()]
    if underlying is not None and underlying not in names:
        raise ValueError(
            f"underlying {underlying!r} is not in this book; there {'is' if len(names) == 1 else 'are'} {', '.join(names)}"
        )
    part = _horizon(found, days)[shown]
    part = part.sum("underlying") if underlying is None else part.sel(underlying=underlying)
    cells = part.transpose("vol", "spot")
    what = {"pnl": "PnL", "pa_pnl": "PnL, premium-adjusted", "delta": "delta"}[shown]
    title = f"{underlying or ', '.join(names)} what if: {what}{_after(float(part['days']))}, USD"
    return _moves_grid(
        cells.to_numpy(), cells["spot"].to_numpy(), cells["vol"].to_numpy(), title, shown, "USD", theme
    )


def _horizon(found: xr.Dataset, days: float | None) -> xr.Dataset:
    known = found["days"].to_numpy().tolist()
    if days is not None and days not in known:
        raise ValueError(
            f"days: {days!r} was not computed; there are {', '.join(f'{day:g}' for day in known)}"
        )
    return found.isel(days=0 if days is None else known.index(days))


def _after(days: float) -> str:
    return f" after {days:g} d" if days else ""


def _moves_grid(
    values: np.ndarray,
    spots: np.ndarray,
    vols: np.ndarray,
    title: str,
    name: str,
    unit: str,
    theme: str | None,
) -> Any:
    colours = colours_of(theme)
    across = [
        formats.percent(move, 0 if abs(move) >= 0.01 or not move else 1, signed=True)
        for move in spots.tolist()
    ]
    up = [formats.number(100 * move, 0, signed=True) for move in vols.tolist()]
    cells = Cells(
        np.arange(len(across), dtype=np.float64), np.arange(len(up), dtype=np.float64), values, across, up
    )
    style = Style(
        colours, x="plain", y="plain", colour="usd", xlabel="spot", ylabel="vol, points", title=title, show_grid=False,
        xticks=list(enumerate(across)), yticks=list(enumerate(up)),
    )  # fmt: skip
    made = heat_map(
        cells, colours, style, names=("spot", "vol points", name), unit=unit, how="usd", numbers=True
    )
    return style.overlay(*made) if isinstance(made, Sequence) else made


def _spot_line(spot: float, colours: Palette, *, upright: bool) -> Any | None:
    if not np.isfinite(spot):
        return None
    return (hv.VLine if upright else hv.HLine)(spot).opts(
        color=colours.text, line_width=1.2, line_dash="dashed", apply_ranges=False
    )


def _title(attrs: dict[str, Any], words: str) -> str:
    return f"{attrs.get('underlying', '')} {words}".strip()
