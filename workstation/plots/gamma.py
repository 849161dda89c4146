"""Where dealers must hedge: gex by strike, net gex over spot, and the levels through time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import xarray as xr

from workstation.plots.frames import one_of, require
from workstation.plots.level_lines import Level, key_levels, labels, lines
from workstation.plots.strike_bars import bars
from workstation.plots.style import Style, colours_of, said

REACH = 0.15
"""Strikes within this share of spot are in view at first; the others are a zoom away."""
MEASURES: Mapping[str, str] = {
    "gex": "GEX", "dex": "DEX", "vanna_exposure": "vanna exposure", "charm_exposure": "charm exposure",
    "open_interest": "open interest", "volume_24h": "volume 24 h",
}  # fmt: skip
_DOTS = 60
_MOST = 4_000


def gex_by_strike(
    exposures: xr.Dataset,
    levels: xr.Dataset | pd.DataFrame | Mapping[str, float] | None = None,
    *,
    measure: str = "gex",
    reach: float = REACH,
    theme: str | None = None,
) -> Any:
    """An exposure by strike, summed over expiries: calls and puts as bars from the middle, their sum as a line, levels across.

    Parameters
    ----------
    exposures
        From ``workstation.exposure.exposure``.
    levels
        From ``workstation.levels``; spot is known without them.
    measure
        ``gex``, ``dex``, ``vanna_exposure``, ``charm_exposure``, ``open_interest`` or ``volume_24h``.
    reach
        Share of spot that is in view at first, up and down.
    theme
        ``light`` or ``dark``; default: the current one.

    Returns
    -------
    holoviews.Overlay
        Bars over ``from``, ``strike_low``, ``to``, ``strike_high`` with ``strike``, ``call``, ``put``, ``net`` and ``cumulative``; the
        unit is that of the Dataset. Strikes are on the upright axis, so that it can be linked with a price.

    Raises
    ------
    ValueError
        An unknown measure, or not exposures.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure: {measure!r} unknown; choose of {', '.join(MEASURES)}")
    _dataset(
        exposures,
        (f"call_{measure}", f"put_{measure}", "strike"),
        "exposures",
        "workstation.exposure.exposure",
    )
    colours = colours_of(theme)
    call, put = (exposures[f"{right}_{measure}"].sum("expiry").to_numpy() for right in ("call", "put"))
    strikes, spot = exposures["strike"].to_numpy(), float(exposures["spot"])
    unit = exposures[f"call_{measure}"].attrs.get("units", "")
    shape = bars(strikes, call, put)
    near = np.abs(strikes / spot - 1.0) <= reach if np.isfinite(spot) else np.ones(strikes.size, dtype=bool)
    money = unit.startswith("USD")
    style = Style(
        colours, x="usd" if money else "si", y="price", xlabel=f"{MEASURES[measure]}, {unit}", ylabel="strike, USD", height=440,
        title=f"{exposures.attrs.get('underlying', '')} {MEASURES[measure]} by strike".strip(),
        **_window(spot, reach, shape, near),
    )  # fmt: skip
    how = "usd" if money else "si"
    hover = [("strike", said("strike", "strike")), *((words, said(name, how)) for words, name in (
        ("calls", "call"), ("puts", "put"), ("net", "net"), ("cumulative", "cumulative")))]  # fmt: skip
    parts = []
    for right, label, colour in (("call", "calls", colours.up), ("put", "puts", colours.down)):
        frame = pd.DataFrame({
            "from": shape[f"{right}_left"], "strike_low": strikes - shape["height"] / 2, "to": shape[f"{right}_right"],
            "strike_high": strikes + shape["height"] / 2, **{name: shape[name] for name in ("strike", "call", "put", "net", "cumulative")},
        })  # fmt: skip
        made = hv.Rectangles(
            frame,
            ["from", "strike_low", "to", "strike_high"],
            ["strike", "call", "put", "net", "cumulative"],
            label=label,
        )
        parts.append(style(made, hover, color=colour, line_alpha=0, fill_alpha=0.85))
    net = hv.Curve((shape["net"], strikes), "net", "strike", label="net")
    parts.append(style(net, color=colours.net, line_width=1.6))
    if near.sum() <= _DOTS:
        parts.append(
            style(
                hv.Points((shape["net"], strikes), ["net", "strike"]),
                color=colours.card,
                line_color=colours.net,
                size=5,
            )
        )
    known = key_levels(levels) or key_levels({"spot": spot})
    low, high = spot * (1 - reach), spot * (1 + reach)
    right_end = style_end(shape, near)
    named = labels(known, colours, at=right_end, span=(low, high), upright=False, align="right")
    zero = hv.VLine(0.0).opts(color=colours.axis, line_width=1)
    return style.overlay(zero, *parts, *lines(known, colours, upright=False), named, legend="top")


def style_end(shape: Mapping[str, np.ndarray], near: np.ndarray) -> float:
    """The right end of the axis of an exposure by strike: room for the levels' names."""
    return 1.5 * (_widest(shape, near) or 1.0)


def _widest(shape: Mapping[str, np.ndarray], near: np.ndarray) -> float:
    ends = np.concatenate(
        [shape[name][near] for name in ("call_left", "call_right", "put_left", "put_right", "net")]
    )
    return float(np.nanmax(np.abs(ends), initial=0.0))


def _window(spot: float, reach: float, shape: Mapping[str, np.ndarray], near: np.ndarray) -> dict[str, Any]:
    if not np.isfinite(spot) or not near.any():
        return {}
    low = np.concatenate([shape["call_left"][near], shape["put_left"][near], shape["net"][near]]).min(
        initial=0.0
    )
    return {
        "ylim": (spot * (1 - reach), spot * (1 + reach)),
        "xlim": (1.1 * float(low), style_end(shape, near)),
    }


def gamma_profile(levels: xr.Dataset, band: xr.Dataset | None = None, *, theme: str | None = None) -> Any:
    """Net gex re-priced over spot with its zeros: where dealers turn from damping moves to feeding them.

    Parameters
    ----------
    levels
        From ``workstation.levels``.
    band
        From ``workstation.exposure.band``: what the sign models span.
    theme
        As for ``gex_by_strike``.

    Returns
    -------
    holoviews.Overlay
        The curve ``net_gex`` (USD per 1 % move) over ``spot`` (USD), filled above and below zero, zero gamma and spot marked.
    """
    _dataset(levels, ("net_gex_curve", "curve_spot"), "levels", "workstation.levels")
    colours = colours_of(theme)
    spots, net = levels["curve_spot"].to_numpy(), levels["net_gex_curve"].to_numpy()
    zero, now = float(levels["zero_gamma"]), float(levels["spot"])
    unit = levels["net_gex_curve"].attrs.get("units", "")
    top = float(np.nanmax(np.abs(net), initial=0.0)) or 1.0
    style = Style(
        colours, x="price", y="usd", xlabel="spot, USD", ylabel=f"net GEX, {unit}",
        title=f"{levels.attrs.get('underlying', '')} gamma profile, {levels.attrs.get('sign_model', '')}".strip(" ,"),
        ylim=(min(net.min(initial=0.0), -0.1 * top) * 1.15, max(net.max(initial=0.0), 0.1 * top) * 1.3),
    )  # fmt: skip
    parts: list[Any] = []
    if band is not None:
        frame = {
            "spot": band["curve_spot"].to_numpy(),
            **{side: band[f"net_gex_curve_{side}"].to_numpy() for side in ("low", "high")},
        }
        parts.append(
            style(
                hv.Area(frame, "spot", ["low", "high"], label="all sign models"),
                fill_color=colours.muted,
                fill_alpha=0.14,
                line_alpha=0,
            )
        )
    for name, part, colour in (
        ("above", np.maximum(net, 0.0), colours.up),
        ("below", np.minimum(net, 0.0), colours.down),
    ):
        parts.append(
            style(hv.Area((spots, part), "spot", name), fill_color=colour, fill_alpha=0.28, line_alpha=0)
        )
    curve = hv.Curve((spots, net), "spot", "net_gex", label="net GEX")
    parts.append(
        style(
            curve,
            [("spot", said("spot", "price")), ("net GEX", said("net_gex", "usd") + " per 1 %")],
            color=colours.net,
            line_width=1.8,
        )
    )
    known = [
        level
        for level in (Level("Zero gamma", zero, "zero"), Level("Spot", now, "text"))
        if np.isfinite(level.value)
    ]
    span = (float(spots.min()), float(spots.max())) if spots.size else (0.0, 1.0)
    named = labels(
        known,
        colours,
        at=max(net.max(initial=0.0), 0.1 * top) * 1.18,
        step=0.1 * top,
        span=span,
        upright=True,
        align="left",
    )
    flat = hv.HLine(0.0).opts(color=colours.axis, line_width=1)
    return style.overlay(
        flat, *parts, *lines(known, colours, upright=True), named, legend="top" if band is not None else None
    )


def levels_over_time(rows: pd.DataFrame, *, underlying: str | None = None, theme: str | None = None) -> Any:
    """Spot, zero gamma and the walls through time, from rows of the ``levels`` table.

    Parameters
    ----------
    rows
        Of one sign model and basis.
    underlying, theme
        Which one, when there are several; as for ``gex_by_strike``.

    Returns
    -------
    holoviews.Overlay
        Curves over ``time`` (UTC), USD; walls as steps. A gap where a level does not exist.
    """
    rows, name = one_of(rows, underlying, "underlying")
    require(rows, ("event_ns", "spot", "zero_gamma", "call_wall", "put_wall", "net_gex"), "levels")
    if "sign_model" in rows and rows["sign_model"].astype("str").nunique() > 1:
        models = ", ".join(sorted(rows["sign_model"].astype("str").unique()))
        raise ValueError(f"levels of several sign models ({models}): choose the rows of one")
    colours = colours_of(theme)
    rows = rows.sort_values("event_ns", kind="stable")
    rows = rows.iloc[:: -max(-(-len(rows) // _MOST), 1)].iloc[::-1]
    frame = rows[["spot", "zero_gamma", "call_wall", "put_wall", "net_gex"]].assign(
        time=rows["event_ns"].to_numpy().astype("datetime64[ns]")
    )
    style = Style(
        colours, x="time", y="price", xlabel="", ylabel="USD", title=f"{name} levels over time".strip()
    )
    hover = [
        ("time", "@time{%d %b %H:%M:%S}"), ("spot", said("spot", "price")), ("zero gamma", said("zero_gamma", "price")),
        ("call wall", said("call_wall", "strike")), ("put wall", said("put_wall", "strike")), ("net GEX", said("net_gex", "usd")),
    ]  # fmt: skip
    others = ["spot", "zero_gamma", "call_wall", "put_wall", "net_gex"]
    made = []
    for column, words, colour, dash in (
        ("call_wall", "call wall", colours.up, "dotted"), ("put_wall", "put wall", colours.down, "dotted"),
        ("zero_gamma", "zero gamma", colours.zero, "dashed"), ("spot", "spot", colours.text, "solid"),
    ):  # fmt: skip
        curve = hv.Curve(
            frame, "time", [column, *(other for other in others if other != column)], label=words
        )
        step = {"interpolation": "steps-post"} if column.endswith("wall") else {}
        made.append(
            style(
                curve,
                hover if column == "spot" else None,
                color=colour,
                line_dash=dash,
                line_width=1.5,
                **step,
            )
        )
    return style.overlay(*made, legend="top")


def _dataset(found: Any, names: tuple[str, ...], what: str, maker: str) -> None:
    """``ValueError`` when this is not the Dataset that ``maker`` gives."""
    if not isinstance(found, xr.Dataset):
        raise ValueError(f"{what}: expected the Dataset of {maker}, got {type(found).__name__}")
    missing = [name for name in names if name not in found.variables]
    if missing:
        raise ValueError(f"{what}: no {', '.join(missing)} in the Dataset; make it with {maker}")
