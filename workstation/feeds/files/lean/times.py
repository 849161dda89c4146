"""Instants of a block's rows: milliseconds of the file's day, or date and time of hourly and daily bars."""

from __future__ import annotations

import datetime as dt

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.files.lean.lines import Lines
from workstation.feeds.files.lean.paths import FIRST_YEAR, LAST_YEAR, LeanFile
from workstation.feeds.files.lean.sieve import Sieve
from workstation.feeds.files.lean.zones import instants
from workstation.market.instants import DAY_NS, MILLISECOND_NS

DAY_MS = DAY_NS // MILLISECOND_NS
_TWICE = "local time that does not exist, or happens twice, on the day the clocks change"
Times = npt.NDArray[np.int64]


def wall_times(file: LeanFile, lines: Lines, sieve: Sieve) -> Times:
    """Wall time of each line in nanoseconds since 1970; a line without one is refused (its time here means nothing)."""
    if file.midnight is None:
        return _dated(lines, sieve)
    milliseconds = lines.time
    if len(milliseconds) and not (milliseconds.min() >= 0 and milliseconds.max() < DAY_MS):
        missing = np.isnan(milliseconds)
        sieve.refuse(missing, "no time")
        outside = ~missing & ~((milliseconds >= 0) & (milliseconds < DAY_MS))
        sieve.refuse(outside, "time outside the day of the file (milliseconds 0 to 86 399 999)")
        milliseconds = np.where(missing | outside, 0.0, milliseconds)
    elapsed: Times = np.rint(milliseconds * 1e6).astype(np.int64)
    elapsed += file.midnight.as_unit("ns").value
    return elapsed


def _dated(lines: Lines, sieve: Sieve) -> Times:
    text = pd.Series(lines.time, dtype="str")
    times = pd.to_datetime(text, format="%Y%m%d %H:%M", errors="coerce")
    bad = (times.isna() | (times.dt.year < FIRST_YEAR) | (times.dt.year >= LAST_YEAR)).to_numpy()
    sieve.refuse(bad, f"no date and time like 20131007 00:00 between {FIRST_YEAR} and {LAST_YEAR}")
    start = pd.Timestamp(f"{FIRST_YEAR}-01-01")
    return pd.DatetimeIndex(times.where(~bad, start)).as_unit("ns").asi8


def begin_of(wall_ns: Times, zone: dt.tzinfo, sieve: Sieve) -> Times:
    """UTC instant of each wall time; those that are ambiguous are refused."""
    times, untold = instants(wall_ns, zone)
    sieve.refuse(untold, _TWICE)
    return times


def end_of(wall_ns: Times, every_ns: int, zone: dt.tzinfo, sieve: Sieve) -> Times:
    """UTC instant at which each bar ends; a day ends at the zone's next midnight, whatever its length."""
    if every_ns == DAY_NS:
        return begin_of(wall_ns + DAY_NS, zone, sieve)
    return begin_of(wall_ns, zone, sieve) + every_ns
