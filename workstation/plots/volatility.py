"""The vol market: smiles with quotes and fit, the surface as map and contours, term structure, skew through time."""

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
from workstation.plots.smile_data import curve, forward_vols, quotes
from workstation.plots.style import Style, colours_of, said, text
from workstation.pricing.surface import greek_surface

SMILES = 4
"""Expiries drawn unless some are named."""
REACH = 0.35
"""Moneyness K/F - 1 in view at first."""
_SHORT = 0.05
"""Contours across less moneyness have no label."""
_ROLES = ("up", "zero", "down", "muted", "good", "bad", "warn", "accent")
_MARKERS = ("circle", "square", "triangle", "diamond")
_SIGNED = ("delta", "vanna", "charm", "theta")
_MAKER = "workstation.surface"


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
    _dataset(surface, ("implied_vol", "quoted_vol", "svi_a", "refused"), "surface", _MAKER)
    colours = colours_of(theme)
    style = Style(
        colours, x="percent", y="percent", xlabel="moneyness K/F − 1", ylabel="implied vol, annual", title=_title(surface, "smiles, bid to ask and SVI fit"),
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
    _dataset(found, ("implied_vol", "implied_vol_by_delta", "expiry"), "surface", _MAKER)
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
        title=_title(found, f"{value.replace('_', ' ')} surface" + ("" if how == "percent" else f", {unit}")), yticks=list(enumerate(expiries)), **options,
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
    _dataset(found, ("implied_vol", "years", "refused"), "surface", _MAKER)
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
        title=_title(found, "lines of equal implied vol"),
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
    _dataset(found, ("atm_iv", "years", "expiry_ns"), "surface", _MAKER)
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
        title=_title(found, "term structure"),
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


def _title(found: xr.Dataset, words: str) -> str:
    return f"{found.attrs.get('underlying', '')} {words}".strip()
