"""The vol market: smiles with quotes and fit, term structure, skew through time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import xarray as xr

from workstation.plots import formats
from workstation.plots.gamma import _dataset
from workstation.plots.palette import Palette
from workstation.plots.smile_data import curve, forward_vols, quotes
from workstation.plots.style import Style, colours_of, said

SMILES = 4
"""Expiries drawn unless some are named."""
REACH = 0.35
"""Moneyness K/F - 1 in view at first."""
_ROLES = ("up", "zero", "down", "muted", "good", "bad", "warn", "accent")
_MARKERS = ("circle", "square", "triangle", "diamond")
MAKER = "workstation.surface"


def smiles(
    surface: xr.Dataset,
    expiries: Iterable[Any] | None = None,
    *,
    reach: float = REACH,
    theme: str | None = None,
) -> Any:
    """Quotes (whiskers from bid to ask) and fitted smiles over moneyness; a cross is a quote that was left out.

    Parameters
    ----------
    surface
        From ``workstation.surface``.
    expiries
        Which, as dates or UTC times; default: the first four with a smile.
    reach
        Moneyness K/F - 1 in view at first, down and up.
    theme
        ``light`` or ``dark``; default: the current one.

    Returns
    -------
    holoviews.Overlay
        Per expiry: ``vol`` over ``moneyness`` of the fit, ``bid`` to ``ask``, and points with ``strike``, ``right`` and ``residual``.

    Raises
    ------
    ValueError
        Not a surface, or an expiry that it lacks.
    """
    _dataset(surface, ("implied_vol", "quoted_vol", "svi_a", "refused"), "surface", MAKER)
    colours = colours_of(theme)
    style = Style(
        colours, x="percent", y="percent", xlabel="moneyness K/F − 1", ylabel="implied vol, annual", title=titled(surface, "smiles, bid to ask and SVI fit"),
        xlim=(-reach, reach),
    )  # fmt: skip
    parts: list[Any] = []
    for place, row in enumerate(_rows_of(surface, expiries)):
        role, marker = _ROLES[place % len(_ROLES)], _MARKERS[place % len(_MARKERS)]
        parts += _smile(surface, row, reach, style, getattr(colours, role), marker, colours)
    upright = hv.VLine(0.0).opts(color=colours.axis, line_dash="dotted", line_width=1)
    return style.overlay(upright, *parts, legend="top")


def _smile(
    surface: xr.Dataset, row: int, reach: float, style: Style, colour: str, marker: str, colours: Palette
) -> list[Any]:
    name = formats.expiry(int(surface["expiry_ns"].to_numpy()[row]))
    table = quotes(surface, row)
    table = table[(table["moneyness"].abs() <= reach) & (table["why"] != "in_the_money")]
    table = table.assign(points=100 * table["residual"], expiry=name)
    moneyness, vol = curve(surface, row)
    inside = np.abs(moneyness) <= reach
    fit = hv.Curve((moneyness[inside], vol[inside]), "moneyness", "vol", label=name)
    kept, left = table[table["why"] == ""], table[table["why"] != ""]
    wide = kept[np.isfinite(kept["bid"]) & np.isfinite(kept["ask"])]
    whiskers = hv.Segments(wide.assign(end=wide["moneyness"]), ["moneyness", "bid", "end", "ask"], [])
    hover = [
        ("", "@expiry"), ("strike", "@strike{0,0.##} @right"), ("mid", said("vol", "percent")), ("bid", said("bid", "percent")),
        ("ask", said("ask", "percent")), ("fit − mid", "@points{+0.00} vol points"),
    ]  # fmt: skip
    columns = ["strike", "right", "bid", "ask", "points", "expiry", "why"]
    dots, crosses = (hv.Points(part, ["moneyness", "vol"], columns) for part in (kept, left))
    return [
        style(crosses, [*hover, ("left out", "@why")], marker="x", color=colours.muted, size=5, alpha=0.6),
        style(whiskers, color=colour, line_width=3, line_alpha=0.4),
        style(fit, color=colour, line_width=1.8),
        style(dots, hover, marker=marker, color=colours.card, line_color=colour, size=5),
    ]


def _rows_of(surface: xr.Dataset, expiries: Iterable[Any] | None) -> list[int]:
    known = surface["expiry"].to_numpy().astype("datetime64[ns]")
    if expiries is None:
        return [int(row) for row in np.flatnonzero(surface["refused"].to_numpy() == "")[:SMILES]]
    rows = []
    for wanted in expiries:
        moment = pd.Timestamp(wanted)
        moment = moment.tz_convert("UTC").tz_localize(None) if moment.tzinfo else moment
        at = np.flatnonzero(
            (known == moment.to_datetime64()) | (known.astype("datetime64[D]") == moment.to_datetime64())
        )
        if not at.size:
            there = ", ".join(str(day) for day in np.unique(known.astype("datetime64[D]")))
            raise ValueError(f"expiry {wanted!r} is not in the surface; there are {there}")
        rows.append(int(at[0]))
    return rows


def term_structure(found: xr.Dataset, *, theme: str | None = None) -> Any:
    """At-the-money vol by time to expiry, and the vol implied between expiries as steps.

    Parameters
    ----------
    found
        From ``workstation.surface``.
    theme
        As for ``smiles``.

    Returns
    -------
    holoviews.Overlay
        ``atm_iv`` over ``days`` (logarithmic axis), and ``forward_vol``.
    """
    _dataset(found, ("atm_iv", "years", "expiry_ns"), "surface", MAKER)
    colours = colours_of(theme)
    atm = found["atm_iv"].to_numpy()
    known = np.isfinite(atm)
    days, forward = 365.0 * found["years"].to_numpy()[known], forward_vols(found)[known]
    frame = pd.DataFrame({
        "days": days, "atm_iv": atm[known], "forward_vol": forward,
        "expiry": [formats.expiry(int(at)) for at in found["expiry_ns"].to_numpy()[known]],
    })  # fmt: skip
    left = np.concatenate(([0.7 * days[0]], days[:-1])) if days.size else days
    steps = hv.Curve(
        (np.column_stack((left, days)).ravel(), np.repeat(forward, 2)),
        "days",
        "forward_vol",
        label="between expiries",
    )
    style = Style(
        colours,
        x="days",
        y="percent",
        xlabel="time to expiry",
        ylabel="vol at the forward, annual",
        title=titled(found, "term structure"),
        logx=True,
        **_term_window(days, atm[known], forward),
    )
    hover = [
        ("expiry", "@expiry"),
        ("ATM", said("atm_iv", "percent")),
        ("forward vol", said("forward_vol", "percent")),
    ]
    return style.overlay(
        style(steps, color=colours.zero, line_dash="dashed", line_width=1.3),
        style(
            hv.Curve(frame, "days", ["atm_iv", "forward_vol", "expiry"], label="ATM"),
            color=colours.up,
            line_width=1.8,
        ),
        style(
            hv.Points(frame, ["days", "atm_iv"], ["forward_vol", "expiry"]),
            hover,
            color=colours.card,
            line_color=colours.up,
            size=6,
        ),
        legend="top",
    )


def _term_window(days: np.ndarray, atm: np.ndarray, forward: np.ndarray) -> dict[str, Any]:
    """Limits that hold all points and span at least two vol points, so that noise does not look like a slope."""
    if not days.size:
        return {}
    low, high = float(np.nanmin([atm, forward])), float(np.nanmax([atm, forward]))
    room = max(0.12 * (high - low), 0.5 * (0.02 - (high - low)))
    return {"xlim": (0.6 * float(days[0]), 1.4 * float(days[-1])), "ylim": (low - room, high + room)}


def skew_history(history: xr.Dataset, *, theme: str | None = None) -> Any:
    """25-delta risk reversal and butterfly of a constant maturity through time, the vol at the money below.

    Parameters
    ----------
    history
        From ``workstation.pricing.skew_history``.
    theme
        As for ``smiles``.

    Returns
    -------
    holoviews.Layout
        ``rr25`` and ``bf25`` in vol points over ``time`` (UTC), and ``atm_iv`` on the same times.
    """
    _dataset(history, ("atm_iv", "rr25", "bf25", "time"), "history", "workstation.pricing.skew_history")
    colours = colours_of(theme)
    frame = pd.DataFrame(
        {"time": history["time"].to_numpy().astype("datetime64[ns]"), "atm_iv": history["atm_iv"].to_numpy()}
    )
    frame = frame.assign(rr25=100 * history["rr25"].to_numpy(), bf25=100 * history["bf25"].to_numpy())
    title = f"{history.attrs.get('underlying', '')} skew, {history.attrs.get('days', 30):g} d".strip()
    hover = [
        ("time", "@time{%d %b %H:%M:%S}"), ("RR 25Δ", "@rr25{+0.00} points"), ("BF 25Δ", "@bf25{+0.00} points"), ("ATM", said("atm_iv", "percent")),
    ]  # fmt: skip
    top = Style(colours, x="time", y="points", xlabel="", ylabel="vol points", title=title, height=220)
    below = Style(colours, x="time", y="percent", xlabel="", ylabel="ATM vol", height=140)
    skew = top.overlay(
        top(
            hv.Curve(frame, "time", ["rr25", "bf25", "atm_iv"], label="RR 25Δ"),
            hover,
            color=colours.up,
            line_width=1.6,
        ),
        top(
            hv.Curve(frame, "time", ["bf25", "rr25", "atm_iv"], label="BF 25Δ"),
            color=colours.down,
            line_dash="dashed",
            line_width=1.6,
        ),
        hv.HLine(0.0).opts(color=colours.axis, line_width=1),
        legend="top",
    )
    vol = below(
        hv.Curve(frame, "time", ["atm_iv", "rr25", "bf25"], label="ATM"),
        hover,
        color=colours.muted,
        line_width=1.4,
    )
    return (skew + vol).cols(1)


def titled(found: xr.Dataset, words: str) -> str:
    """A title of the underlying and what is drawn of it."""
    return f"{found.attrs.get('underlying', '')} {words}".strip()
