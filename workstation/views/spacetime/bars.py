"""Intensity in bars: the highest smoothed intensity of each interval, and whether it was quiet, active or a burst."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workstation.indicators.smoothing import ema, sma, zlma

QUIET, ACTIVE, BURST = range(3)
STATES = ("quiet", "active", "burst")
"""Quiet: inside the buffer; active: beyond mean + buffer; burst: beyond mean + 3 sd, where a spike begins."""
SPIKE_SD = 3.0
LENGTH = 20
MEASURES = ("value", "velocity", "efficiency", "mean", "upper", "burst_above", "state")


def bar_ns(every_ns: int) -> int:
    """Length of the bars under candles of a length: half a candle."""
    return every_ns // 2


def intensity_bars(rows: pd.DataFrame, length_ns: int, since_ns: int = 0) -> dict[str, np.ndarray]:
    """Bars of the rows of one instrument.

    Parameters
    ----------
    rows
        Of the ``intensity`` table, one instrument.
    length_ns
        Length of a bar.
    since_ns
        Rows before are left out.

    Returns
    -------
    dict
        begin_ns; value: highest smoothed intensity in bps/s; mean, upper (mean + buffer), burst_above (mean + 3 sd)
        as they were then (NaN while the windows fill); velocity and efficiency as they were last; state: the highest of
        the bar's rows.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [0, 1, 5], "smoothed": [1.0, 9.0, 2.0], "velocity": 0.0, "efficiency": 0.5,
    ...     "mean_base": 1.0, "sd_base": 2.0, "buffer": 3.0})
    >>> made = intensity_bars(rows, 4)
    >>> made["begin_ns"].tolist(), made["value"].tolist(), [STATES[int(state)] for state in made["state"]]
    ([0, 4], [9.0, 2.0], ['burst', 'quiet'])
    """
    event_ns = np.maximum.accumulate(rows["event_ns"].to_numpy()) if len(rows) else np.empty(0, np.int64)
    first = int(np.searchsorted(event_ns, since_ns))
    event_ns = event_ns[first:]
    column = {
        name: rows[name].to_numpy()[first:]
        for name in ("smoothed", "velocity", "efficiency", "mean_base", "sd_base", "buffer")
    }
    begin = event_ns // length_ns * length_ns
    if not begin.size:
        return {"begin_ns": np.empty(0, np.int64)} | {name: np.empty(0) for name in MEASURES}
    changes = begin[1:] != begin[:-1]
    starts = np.flatnonzero(np.r_[True, changes])
    ends = np.r_[starts[1:], begin.size] - 1
    group = np.cumsum(np.r_[False, changes])
    peaks = np.lexsort((np.nan_to_num(column["smoothed"], nan=-np.inf), group))[ends]
    upper = column["mean_base"] + column["buffer"]
    burst_above = column["mean_base"] + SPIKE_SD * column["sd_base"]
    state = np.where(
        column["smoothed"] > burst_above, BURST, np.where(column["smoothed"] > upper, ACTIVE, QUIET)
    )
    return {
        "begin_ns": begin[starts],
        "value": column["smoothed"][peaks],
        "velocity": column["velocity"][ends],
        "efficiency": column["efficiency"][ends],
        "mean": column["mean_base"][peaks],
        "upper": upper[peaks],
        "burst_above": burst_above[peaks],
        "state": np.maximum.reduceat(state, starts).astype(np.float64),
    }


def drawn(bars: dict[str, np.ndarray], length_ns: int) -> dict[str, np.ndarray]:
    """Bars as columns a figure draws: time in ms at the bar's middle; a height per state; averages of the heights."""
    value, state = bars["value"], bars["state"]
    known = np.nan_to_num(value)
    return {
        "x": (bars["begin_ns"] + length_ns // 2) / 1e6,
        "width": np.full(value.size, length_ns * 0.8e-6),
        **{name: np.where(state == place, known, 0.0) for place, name in enumerate(STATES)},
        **{name: bars[name] for name in MEASURES if name != "state"},
        "state": state,
        "sma": sma(value, LENGTH),
        "ema": ema(value, LENGTH),
        "zlma": np.maximum(zlma(value, LENGTH), 0.0),
    }


COLUMNS = tuple(drawn(intensity_bars(pd.DataFrame({name: [] for name in (
    "event_ns", "smoothed", "velocity", "efficiency", "mean_base", "sd_base", "buffer")}), 2), 2))  # fmt: skip
