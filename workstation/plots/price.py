"""Price in time: ticks, candles with signals and levels, intensity with its buffer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import mul
from typing import Any

import holoviews as hv
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from holoviews.streams import RangeX

from workstation.plots.candle_element import PRICES, Candles
from workstation.plots.downsampling import COLUMNS, joined_candles, kept_rows
from workstation.plots.frames import one_of, require, times_of
from workstation.plots.level_lines import key_levels, labels, lines
from workstation.plots.palette import Palette
from workstation.plots.style import Style, colours_of, said

MOST = 1_000
"""Candles drawn at the most; of more, neighbours are joined until one zooms in."""
_TIME = "@time{%d %b %H:%M:%S}"
_STRONGEST = 60
"""Signals marked at the most, the strongest; the title counts the rest."""
_MARKERS = {1: "triangle", -1: "inverted_triangle", 0: "circle"}
Levels = xr.Dataset | pd.DataFrame | Mapping[str, float]


def ticks(
    trades: pd.DataFrame, column: str = "price", *, instrument: str | None = None, theme: str | None = None
) -> Any:
    """Every tick of one instrument as a line; of millions the extremes of each pixel are drawn, anew at each zoom and pan.

    Parameters
    ----------
    trades
        Rows of ``trades``, or of any table with ``event_ns``, in any order; or a frame indexed by time.
    column
        What is drawn.
    instrument
        Which one, when there are several.
    theme
        ``light`` or ``dark``; default: the current one.

    Returns
    -------
    holoviews.Curve or holoviews.DynamicMap
        Dims ``time`` (UTC) and the column. A DynamicMap where there are more ticks than are drawn.

    Raises
    ------
    ValueError
        A column that is not there, or several instruments and none named.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": np.arange(5) * 10**9, "price": [1.0, 3.0, 2.0, 2.5, 4.0]})
    >>> ticks(rows)["price"].tolist()
    [1.0, 3.0, 2.0, 2.5, 4.0]
    """
    rows, name = one_of(trades, instrument)
    require(rows, (column,), "trades")
    time_ns, values = times_of(rows), rows[column].to_numpy(dtype=np.float64)
    if (np.diff(time_ns) < 0).any():
        order = np.argsort(time_ns, kind="stable")
        time_ns, values = time_ns[order], values[order]
    colours = colours_of(theme)
    style = _style(colours, column, f"{name} {column}".strip())

    def shown(x_range: tuple[Any, Any] | None = None) -> Any:
        start, end = _bounds(x_range, time_ns)
        at = kept_rows(time_ns, values, start=start, end=end)
        curve = hv.Curve((time_ns[at].astype("datetime64[ns]"), values[at]), "time", column)
        hover = [("time", "@time{%d %b %H:%M:%S.%3N}"), (column, said(column, "price"))]
        return style(curve, hover, color=colours.up, line_width=1.2)

    if time_ns.size <= 4 * COLUMNS:
        return shown()
    return hv.DynamicMap(shown, streams=[RangeX()])


def candles(
    frame: pd.DataFrame,
    signals: pd.DataFrame | None = None,
    levels: Levels | None = None,
    *,
    instrument: str | None = None,
    theme: str | None = None,
) -> Any:
    """Candles, the reversal signals on them and the key levels across.

    Parameters
    ----------
    frame
        From ``workstation.candles`` or the ``candles`` table: one timeframe.
    signals
        From ``workstation.reversals``; the strongest are marked, the title counts the rest.
    levels
        From ``workstation.levels``, rows of the ``levels`` table (the newest counts), or name -> USD.
    instrument, theme
        As for ``ticks``.

    Returns
    -------
    Candles, holoviews.Overlay or holoviews.DynamicMap
        Dims ``time`` (UTC, a candle's middle), ``open``, ``high``, ``low``, ``close``, ``volume``. A DynamicMap where there
        are more candles than pixels: neighbours are joined until one zooms in.

    Raises
    ------
    ValueError
        A column that is not there; several instruments or timeframes.
    """
    rows, name = one_of(frame, instrument)
    require(rows, ("event_ns", "every_ns", *PRICES, "volume"), "candles")
    every = np.unique(rows["every_ns"].to_numpy())
    if every.size > 1:
        raise ValueError(
            f"candles of {every.size} timeframes ({', '.join(f'{e / 1e9:g} s' for e in every)}): choose one by every_ns"
        )
    colours = colours_of(theme)
    begin = rows["event_ns"].to_numpy(dtype=np.int64)
    columns = {key: rows[key].to_numpy(dtype=np.float64) for key in (*PRICES, "volume")}
    length = int(every[0]) if every.size else 1
    marked, told = _strongest(signals, rows, instrument)
    style = _style(colours, "price", f"{name} {length / 1e9:g} s{told}".strip())

    def shown(x_range: tuple[Any, Any] | None = None) -> Any:
        return style(
            _candles(begin, length, columns, _bounds(x_range, begin)),
            _CANDLE_HOVER,
            palette_name=colours.name,
        )

    made = shown() if begin.size <= MOST else hv.DynamicMap(shown, streams=[RangeX()])
    over = [*_signals(marked, style, colours), *_levels(levels, columns, begin, length, style, colours)]
    if not over:
        return made
    return style.overlay(made, *over) if begin.size <= MOST else reduce(mul, over, made)


_CANDLE_HOVER = [
    ("time", _TIME), *((key, said(key, "price")) for key in PRICES), ("volume", "@volume{0,0.00}")
]  # fmt: skip


def _candles(
    begin: npt.NDArray[np.int64],
    length: int,
    columns: dict[str, npt.NDArray[np.float64]],
    bounds: tuple[int, int],
) -> Candles:
    first = max(int(np.searchsorted(begin, bounds[0] - length)) - 1, 0)
    last = min(int(np.searchsorted(begin, bounds[1], "right")) + 1, begin.size)
    part = {name: values[first:last] for name, values in columns.items()}
    times, many = begin[first:last], -(-(last - first) // MOST)
    if many > 1:
        starts = np.flatnonzero(np.diff(times // (many * length), prepend=-1))
        part, times = joined_candles(starts, part), times[starts] // (many * length) * (many * length)
    width = many * length if many > 1 else length
    middle = (times + width // 2).astype("datetime64[ns]")
    return Candles({"time": middle, **part, "width_ms": np.full(times.size, width / 1e6)})


def _strongest(
    signals: pd.DataFrame | None, rows: pd.DataFrame, instrument: str | None
) -> tuple[pd.DataFrame | None, str]:
    if signals is None or not len(signals):
        return None, ""
    require(signals, ("event_ns", "price", "side", "strength", "version"), "signals")
    found = signals
    if "instrument" in signals and "instrument" in rows and len(rows):
        wanted = instrument or str(rows["instrument"].iloc[0])
        found = signals[signals["instrument"].astype("str") == wanted]
    every = int(rows["every_ns"].iloc[0]) if len(rows) else 0
    times, begin = found["event_ns"].to_numpy(), rows["event_ns"].to_numpy()
    found = found[(times >= begin.min(initial=times.max())) & (times <= begin.max(initial=0) + every)]
    kept = found.nlargest(_STRONGEST, "strength").sort_values("event_ns")
    return kept, f" · {len(kept)} of {len(found)} signals, the strongest" if len(found) > len(kept) else ""


def _signals(signals: pd.DataFrame | None, style: Style, colours: Palette) -> list[Any]:
    if signals is None:
        return []
    made = []
    for side, fill, line in ((1, colours.card, colours.up), (-1, colours.down, colours.card)):
        rows = signals[signals["side"].to_numpy() == side]
        frame = pd.DataFrame({
            "time": rows["event_ns"].to_numpy().astype("datetime64[ns]"), "signal_price": rows["price"].to_numpy(),
            "strength": rows["strength"].to_numpy(), "rule": [f"v{version}" for version in rows["version"]],
            "direction": "up" if side > 0 else "down",
        })  # fmt: skip
        points = hv.Points(frame, ["time", "signal_price"], ["direction", "rule", "strength"])
        hover = [
            ("signal", "@direction @rule"), ("time", _TIME), ("price", said("signal_price", "price")),
            ("strength", "@strength{0.00}"),
        ]  # fmt: skip
        made.append(
            style(points, hover, marker=_MARKERS[side], size=10, color=fill, line_color=line, line_width=1.6)
        )
    return made


def _levels(
    levels: Levels | None,
    columns: dict[str, npt.NDArray[np.float64]],
    begin: npt.NDArray[np.int64],
    length: int,
    style: Style,
    colours: Palette,
) -> list[Any]:
    known = key_levels(levels)
    if not known or not begin.size:
        return []
    span = float(np.nanmin(columns["low"])), float(np.nanmax(columns["high"]))
    at = pd.Timestamp(int(begin[-1]) + length)
    named = labels(known, colours, at=at, span=span, upright=False, align="right")
    inside = [level for level in known if span[0] <= level.value <= span[1]]
    return [*lines(inside, colours, upright=False), *([] if named is None else [named])]


def intensity(rows: pd.DataFrame, *, instrument: str | None = None, theme: str | None = None) -> Any:
    """Tick intensity: smoothed, its running mean with the buffer around it, and the level above which a burst begins.

    Parameters
    ----------
    rows
        From ``workstation.intensity`` or the ``intensity`` table.
    instrument, theme
        As for ``ticks``.

    Returns
    -------
    holoviews.Overlay or holoviews.DynamicMap
        The band ``low`` to ``high`` (mean -+ buffer), ``smoothed`` and ``burst_above`` over ``time`` (UTC), bps/s.
    """
    rows, name = one_of(rows, instrument)
    require(rows, ("event_ns", "smoothed", "mean_base", "buffer", "burst_above"), "intensity")
    colours = colours_of(theme)
    time_ns = np.maximum.accumulate(rows["event_ns"].to_numpy(dtype=np.int64))
    column = {
        key: rows[key].to_numpy(dtype=np.float64)
        for key in ("smoothed", "mean_base", "buffer", "burst_above")
    }
    style = Style(
        colours,
        x="time",
        y="si",
        xlabel="",
        ylabel="intensity, bps/s",
        title=f"{name} tick intensity".strip(),
    )

    def shown(x_range: tuple[Any, Any] | None = None) -> Any:
        start, end = _bounds(x_range, time_ns)
        at = kept_rows(time_ns, column["smoothed"], start=start, end=end)
        part = {key: values[at] for key, values in column.items()}
        part |= {"time": time_ns[at].astype("datetime64[ns]"), "low": part["mean_base"] - part["buffer"]}
        part["high"] = part["mean_base"] + part["buffer"]
        band = hv.Area(part, "time", ["low", "high"], label="mean ± buffer")
        line = hv.Curve(part, "time", ["smoothed", "mean_base", "buffer", "burst_above"], label="smoothed")
        burst = hv.Curve(part, "time", "burst_above", label="burst begins")
        hover = [
            ("time", "@time{%d %b %H:%M:%S}"), ("smoothed", "@smoothed{0.000} bps/s"), ("mean", "@mean_base{0.000}"),
            ("buffer", "@buffer{0.000}"), ("burst above", "@burst_above{0.000}"),
        ]  # fmt: skip
        return style.overlay(
            style(band, fill_color=colours.muted, fill_alpha=0.22, line_alpha=0),
            style(burst, color=colours.warn, line_dash="dashed", line_width=1.2),
            style(line, hover, color=colours.up, line_width=1.5),
            legend="top",
        )

    return shown() if time_ns.size <= 4 * COLUMNS else hv.DynamicMap(shown, streams=[RangeX()])


def _style(colours: Palette, column: str, title: str) -> Style:
    unit = {"price": "price", "size": "size"}.get(column, column)
    return Style(
        colours, x="time", y="price" if column == "price" else "si", xlabel="", ylabel=unit, title=title
    )


def _bounds(x_range: tuple[Any, Any] | None, time_ns: npt.NDArray[np.int64]) -> tuple[int, int]:
    """What is in view, ns: all, or what the range says."""
    if not time_ns.size:
        return 0, 0
    if x_range is None or x_range[0] is None:
        return int(time_ns[0]), int(time_ns[-1])
    start, end = (int(pd.Timestamp(edge).as_unit("ns").value) for edge in x_range)
    return start, max(end, start)
