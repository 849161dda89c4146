"""In which time zone LEAN's files are, and their wall times as UTC.

LEAN keeps one zone of the data per security type, market and, for some markets, symbol (its market-hours database);
that table ships as data. A market it does not name has no zone: the caller says it, or the file is refused.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
import zoneinfo
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.errors import FrameError
from workstation.market.instants import DAY_NS, SECOND_NS

_FIXED = re.compile(r"UTC([+-])(\d{2})(?::(\d{2}))?")
_FUTURE_OF = {"futureoption": "future"}
"""LEAN keeps future options in the zone of their future."""

Times = npt.NDArray[np.int64]


def shipped_rows(name: str) -> list[dict[str, str]]:
    """Rows of a CSV that ships next to the readers, comment lines left out."""
    text = files("workstation.feeds.files").joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


@lru_cache(maxsize=1)
def _zones() -> Mapping[tuple[str, str, str], str]:
    rows = shipped_rows("lean_time_zones.csv")
    return {(row["security_type"], row["market"], row["symbol"]): row["data_time_zone"] for row in rows}


@lru_cache(maxsize=1)
def future_of_option() -> Mapping[str, str]:
    """Ticker of a future option -> ticker of its future, where LEAN's two differ; lower case."""
    return {row["option"]: row["future"] for row in shipped_rows("lean_future_options.csv")}


def zone_name(security: str, market: str, symbol: str) -> str:
    """Zone of the data of one symbol, as LEAN's market-hours database has it.

    Parameters
    ----------
    security, market, symbol
        As in the path of a file: lower case.

    Raises
    ------
    FrameError
        LEAN names no zone for that security type and market.

    Examples
    --------
    >>> zone_name("future", "comex", "gc"), zone_name("index", "usa", "spx"), zone_name("index", "usa", "rut")
    ('UTC', 'America/Chicago', 'America/New_York')
    >>> zone_name("forex", "fxcm", "eurusd"), zone_name("futureoption", "ice", "dx")
    ('UTC-05', 'America/New_York')
    """
    kind = _FUTURE_OF.get(security, security)
    ticker = future_of_option().get(symbol, symbol) if kind != security else symbol
    zones = _zones()
    found = zones.get((kind, market, ticker)) or zones.get((kind, market, "*"))
    if found is None:
        known = sorted({place for kept, place, _ in zones if kept == kind})
        raise FrameError(
            f"LEAN's market-hours database names no time zone for {security} of market {market!r} "
            f"(it has {', '.join(known)}); say in which zone the file's times are with the option zone=, "
            f"as in zone='America/New_York' or zone='UTC-05'"
        )
    return found


def zone_of(name: str) -> dt.tzinfo:
    """The zone of a name of the IANA database, or of a fixed offset such as ``UTC-05`` or ``UTC+05:30``.

    Raises
    ------
    FrameError
        There is no such zone.

    Examples
    --------
    >>> zone_of("UTC-05").utcoffset(None)
    datetime.timedelta(days=-1, seconds=68400)
    """
    if fixed := _FIXED.fullmatch(name):
        offset = dt.timedelta(hours=int(fixed[2]), minutes=int(fixed[3] or 0))
        if offset < dt.timedelta(days=1):
            return dt.timezone(-offset if fixed[1] == "-" else offset)
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise FrameError(
            f"no time zone {name!r}; the IANA database's names (America/New_York) and UTC-05 are known"
        ) from error


def instants(wall_ns: Times, zone: dt.tzinfo) -> tuple[Times, npt.NDArray[np.bool_] | None]:
    """Wall times as UTC.

    Parameters
    ----------
    wall_ns
        Nanoseconds since 1970 on the wall clock of the zone, shape (n,).
    zone
        The zone.

    Returns
    -------
    tuple
        Nanoseconds UTC, shape (n,), and which rows have no such instant, or two, because the clocks were changed
        (None: no row).

    Examples
    --------
    >>> night = np.array(["2024-11-03T00:30", "2024-11-03T01:30"], dtype="M8[ns]").view("int64")
    >>> times, untold = instants(night, zone_of("America/New_York"))
    >>> str(times[:1].view("M8[ns]")[0]), untold.tolist()
    ('2024-11-03T04:30:00.000000000', [False, True])
    """
    if not wall_ns.size:
        return wall_ns, None
    offset = _one_offset(int(wall_ns.min()) // DAY_NS, int(wall_ns.max()) // DAY_NS, zone)
    if offset is not None:
        return wall_ns - offset, None
    local = pd.DatetimeIndex(wall_ns.view("M8[ns]")).tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    untold: Any = np.asarray(local.isna())
    return local.as_unit("ns").asi8, untold if untold.any() else None


@lru_cache(maxsize=4096)
def _one_offset(first_day: int, last_day: int, zone: dt.tzinfo) -> int | None:
    """The zone's offset in nanoseconds where all these days have the same; None where it changes, or may."""
    if last_day - first_day > 7:
        return None
    start = dt.datetime(1970, 1, 1) + dt.timedelta(days=first_day)
    hours = 24 * (last_day - first_day + 1)
    offsets = {
        (start + dt.timedelta(hours=hour)).replace(tzinfo=zone, fold=fold).utcoffset()
        for hour in range(hours + 1)
        for fold in (0, 1)
    }
    offset = offsets.pop()
    if offsets or offset is None:
        return None
    return round(offset.total_seconds()) * SECOND_NS
