"""US Eastern wall time to UTC, by arrays: the venue's times carry no zone and often no date."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from workstation.market.instants import DAY_NS, HOUR_NS, MICROSECOND_NS, MINUTE_NS, SECOND_NS

Ints = npt.NDArray[np.int64]
DAY_US = DAY_NS // MICROSECOND_NS
_HOUR_US = HOUR_NS // MICROSECOND_NS
_FIRST_YEAR, _LAST_YEAR = 1990, 2080
AHEAD_NS = MINUTE_NS
"""How far the venue's clock may be ahead of ours before a time of day is taken for yesterday's."""


class Changes(NamedTuple):
    """Where New York's clocks change: wall time (after the change) and UTC of each, and the offset from then on, in us."""

    wall_us: Ints
    utc_us: Ints
    offset_us: Ints


@lru_cache(maxsize=1)
def changes() -> Changes:
    """Every change between 1990 and 2080, by the zone's own rules; clocks change at 02:00 of the wall."""
    zone, noon = ZoneInfo("America/New_York"), dt.time(12)
    epoch = dt.date(1970, 1, 1)
    rows: list[tuple[int, int, int]] = []
    before = _offset_us(dt.date(_FIRST_YEAR, 1, 1), noon, zone)
    rows.append((-(2**62), -(2**62), before))
    for number in range((dt.date(_LAST_YEAR, 1, 1) - dt.date(_FIRST_YEAR, 1, 1)).days):
        day = dt.date(_FIRST_YEAR, 1, 1) + dt.timedelta(days=number)
        offset = _offset_us(day, noon, zone)
        if offset != before:
            wall = (day - epoch).days * DAY_US + 2 * _HOUR_US
            rows.append((wall, wall - before, offset))
            before = offset
    return Changes(*(np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)))


def _offset_us(day: dt.date, time: dt.time, zone: ZoneInfo) -> int:
    offset = dt.datetime.combine(day, time, zone).utcoffset()
    return int(offset.total_seconds()) * 1_000_000 if offset is not None else 0


def utc_ns(wall_us: Ints, near_ns: Ints) -> Ints:
    """UTC of Eastern wall times, both since the epoch.

    Parameters
    ----------
    wall_us
        Wall time, us since 1970-01-01 00:00 of the wall.
    near_ns
        About when it was in UTC, 0 where not known: tells the two 01:30 of the night in November apart; unknown, it
        is the first one.

    Examples
    --------
    >>> wall = np.array(["2026-11-01T01:30", "2026-07-01T09:30", "2026-12-01T09:30"], dtype="M8[us]").astype("i8")
    >>> near = np.array(["2026-11-01T06:31", "1970-01-01", "1970-01-01"], dtype="M8[ns]").astype("i8")
    >>> utc_ns(wall, near).astype("M8[ns]").astype("M8[m]").tolist()[0].isoformat()
    '2026-11-01T06:30:00'
    >>> [each.hour for each in utc_ns(wall[1:], near[1:]).astype("M8[ns]").astype("M8[m]").tolist()]
    [13, 14]
    """
    table = changes()
    at = np.searchsorted(table.wall_us, wall_us, side="right") - 1
    utc = wall_us - table.offset_us[at]
    following = np.minimum(at + 1, len(table.wall_us) - 1)
    back = (table.offset_us[following] < table.offset_us[at]) & (
        wall_us >= table.wall_us[following] - _HOUR_US
    )
    if back.any():
        second = wall_us - table.offset_us[following]
        near_us = near_ns // 1000
        nearer = (near_ns > 0) & (np.abs(second - near_us) < np.abs(utc - near_us))
        utc = np.where(back & nearer, second, utc)
    return utc * 1000


def eastern_days(seen_ns: Ints) -> Ints:
    """Eastern calendar day of UTC instants, as days since the epoch."""
    table = changes()
    us = seen_ns // 1000
    return (us + table.offset_us[np.searchsorted(table.utc_us, us, side="right") - 1]) // DAY_US


def latest_ns(day_us: Ints, seen_ns: Ints) -> Ints:
    """The latest instant of a time of day (us, Eastern) that is not after when it was seen, a minute's skew allowed.

    Examples
    --------
    >>> seen = np.array(["2026-07-02T04:00:01"], dtype="M8[ns]").astype("i8")
    >>> latest_ns(np.array([86_399_000_000]), seen).astype("M8[ns]").astype("M8[s]").tolist()[0].isoformat()
    '2026-07-02T03:59:59'
    """
    today = eastern_days(seen_ns + AHEAD_NS)
    found = utc_ns(today * DAY_US + day_us, seen_ns)
    yesterday = utc_ns((today - 1) * DAY_US + day_us, seen_ns)
    return np.where(found > seen_ns + AHEAD_NS, yesterday, found)


def eastern(at_ns: int) -> dt.datetime:
    """Eastern wall time of an instant, to the second.

    Examples
    --------
    >>> eastern(1_793_512_800_000_000_000).isoformat()
    '2026-11-01T01:00:00-05:00'
    """
    return dt.datetime.fromtimestamp(at_ns // SECOND_NS, ZoneInfo("America/New_York"))
