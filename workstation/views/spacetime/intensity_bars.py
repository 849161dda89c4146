"""Intensity in bars: the highest smoothed intensity of each interval, and whether it was quiet, active or a burst."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workstation.indicators.ticks.spikes import SpikesParameters
from workstation.numerics.moving_averages import ema, sma, zlma

QUIET, ACTIVE, BURST = range(3)
STATES = ("quiet", "active", "burst")
"""Quiet: inside the buffer; active: above the row's ``burst_above``; burst: above its ``spike_above``, where a spike begins."""
_RULE = SpikesParameters()
SPIKE_BEGINS, SPIKE_ENDS = (f"mean + {sd:g} sd" for sd in (_RULE.start_sd, _RULE.end_sd))
"""The thresholds in words, as the screens say them."""
LENGTH = 20
KEPT_BARS = 1_200
INTENSITY_COLUMNS = (
    "event_ns",
    "smoothed",
    "velocity",
    "efficiency",
    "mean_base",
    "burst_above",
    "spike_above",
)
"""What bars are made of: columns of the ``intensity`` table."""
MEASURES = ("value", "velocity", "efficiency", "mean", "burst_above", "spike_above", "state")


def bar_ns(every_ns: int) -> int:
    """Length of the bars under candles of a length: half a candle."""
    return every_ns // 2


def intensity_bars(rows: Mapping[str, Any], length_ns: int, since_ns: int = 0) -> dict[str, np.ndarray]:
    """Bars of the rows of one instrument.

    Parameters
    ----------
    rows
        Columns (``INTENSITY_COLUMNS``) of the ``intensity`` table, one instrument: a frame or arrays.
    length_ns
        Length of a bar.
    since_ns
        Rows before are left out.

    Returns
    -------
    dict
        begin_ns; value: highest smoothed intensity in bps/s; mean and the thresholds burst_above
        and spike_above as they were then (NaN while the windows fill); velocity and efficiency as they were last; state: the highest of
        the bar's rows.

    Examples
    --------
    >>> same = {"velocity": 0.0, "efficiency": 0.5, "mean_base": 1.0, "burst_above": 4.0, "spike_above": 7.0}
    >>> rows = {"event_ns": np.array([0, 1, 5]), "smoothed": np.array([1.0, 9.0, 2.0])}
    >>> rows |= {name: np.full(3, value) for name, value in same.items()}
    >>> made = intensity_bars(rows, 4)
    >>> made["begin_ns"].tolist(), made["value"].tolist(), [STATES[int(state)] for state in made["state"]]
    ([0, 4], [9.0, 2.0], ['burst', 'quiet'])
    """
    event_ns = np.maximum.accumulate(np.asarray(rows["event_ns"], dtype=np.int64))
    first = int(np.searchsorted(event_ns, since_ns))
    event_ns = event_ns[first:]
    column = {name: np.asarray(rows[name])[first:] for name in INTENSITY_COLUMNS[1:]}
    smoothed, begin = column["smoothed"], event_ns // length_ns * length_ns
    if not begin.size:
        return {"begin_ns": np.empty(0, np.int64)} | {name: np.empty(0) for name in MEASURES}
    changes = begin[1:] != begin[:-1]
    starts = np.flatnonzero(np.r_[True, changes])
    ends = np.r_[starts[1:], begin.size] - 1
    group = np.cumsum(np.r_[False, changes])
    peaks = np.lexsort((np.nan_to_num(smoothed, nan=-np.inf), group))[ends]
    active = np.where(smoothed > column["burst_above"], ACTIVE, QUIET)
    state = np.where(smoothed > column["spike_above"], BURST, active)
    return {
        "begin_ns": begin[starts],
        "value": smoothed[peaks],
        "velocity": column["velocity"][ends],
        "efficiency": column["efficiency"][ends],
        "mean": column["mean_base"][peaks],
        "burst_above": column["burst_above"][peaks],
        "spike_above": column["spike_above"][peaks],
        "state": np.maximum.reduceat(state, starts).astype(np.float64),
    }


def extended(
    bars: dict[str, np.ndarray], rows: Mapping[str, Any], length_ns: int, kept: int
) -> dict[str, np.ndarray]:
    """Bars with those of newer rows: the one in progress amended, what follows it appended, the last ``kept`` held.

    Examples
    --------
    >>> same = {"velocity": 0.0, "efficiency": 0.5, "mean_base": 1.0, "burst_above": 4.0, "spike_above": 7.0}
    >>> def rows(times, smoothed):
    ...     return {"event_ns": np.array(times), "smoothed": np.array(smoothed)} | {
    ...         name: np.full(len(times), value) for name, value in same.items()}
    >>> bars = intensity_bars(rows([0, 5], [1.0, 9.0]), 4)
    >>> extended(bars, rows([6, 9], [2.0, 3.0]), 4, kept=3)["value"].tolist()
    [1.0, 9.0, 3.0]
    """
    if not bars["begin_ns"].size:
        return {name: values[-kept:] for name, values in intensity_bars(rows, length_ns).items()}
    last = int(bars["begin_ns"][-1])
    newer = intensity_bars(rows, length_ns, last)
    if not newer["begin_ns"].size:
        return bars
    same = int(newer["begin_ns"][0] == last)
    if same:
        _join(bars, newer)
    count = len(bars["begin_ns"]) - same
    return {name: np.concatenate([values[:count], newer[name]])[-kept:] for name, values in bars.items()}


def _join(bars: dict[str, np.ndarray], newer: dict[str, np.ndarray]) -> None:
    """Let the first of the newer bars hold what the last one, its beginning, knew already."""
    if not newer["value"][0] > bars["value"][-1]:
        for name in ("value", "mean", "burst_above", "spike_above"):
            newer[name][0] = bars[name][-1]
    newer["state"][0] = max(newer["state"][0], bars["state"][-1])


def preceded(bars: dict[str, np.ndarray], older_bars: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Bars with older ones before them."""
    first = bars["begin_ns"][0] if bars["begin_ns"].size else np.iinfo(np.int64).max
    older = older_bars["begin_ns"] < first
    return {name: np.concatenate([older_bars[name][older], values]) for name, values in bars.items()}


def drawn(bars: dict[str, np.ndarray], length_ns: int) -> dict[str, np.ndarray]:
    """Bars as columns a figure draws: time in ms at the bar's middle; a height per state; averages of the heights."""
    value, state = bars["value"], bars["state"]
    known = np.nan_to_num(value)
    return {
        "x": (bars["begin_ns"] + length_ns // 2) / 1e6,
        "width": np.full(value.size, length_ns * 0.8e-6),
        **{name: np.where(state == index, known, 0.0) for index, name in enumerate(STATES)},
        **{name: bars[name] for name in MEASURES if name != "state"},
        "state": state,
        "sma": sma(value, LENGTH),
        "ema": ema(value, LENGTH),
        "zlma": np.maximum(zlma(value, LENGTH), 0.0),
    }


COLUMNS = tuple(drawn(intensity_bars({name: np.empty(0) for name in INTENSITY_COLUMNS}, 2), 2))
