"""Which contracts are quoted: a bounded part of the chains, near the money and near in time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from workstation.market.instants import DAY_NS

DAYS = 30
"""The nearest weekly and the nearest monthly expiry are looked for within so many days."""
STRIKES = 8
"""A side of the money, of each expiry."""
NEAR, FAR = 0.06, 0.10
"""Strikes within 6 % of the money, else within 10 %."""
MOST = 200


def selected(
    instruments: pd.DataFrame, spots: Mapping[str, float], now_ns: int, *, most: int = MOST
) -> list[str]:
    """The venue's symbols of the contracts to quote, the nearest to the money first within each underlying.

    Parameters
    ----------
    instruments
        Rows of ``instruments``; what is no option is passed over.
    spots
        Underlying -> price, USD; an underlying without one has none of its contracts selected.
    now_ns
        UTC.
    most
        Contracts of all underlyings together; each has an equal part.

    Examples
    --------
    >>> rows = pd.DataFrame({
    ...     "kind": "option", "underlying": "SPY", "expiry_ns": 5 * DAY_NS, "strike": [90.0, 99.0, 101.0, 150.0], "right": "C",
    ...     "venue_symbol": ["a", "b", "c", "d"]})
    >>> selected(rows, {"SPY": 100.0}, 0)
    ['b', 'c']
    """
    kind = instruments["kind"].astype("str")
    options = instruments[(kind == "option") & (instruments["expiry_ns"] > now_ns)]
    underlying = options["underlying"].astype("str")
    share = most // max(len(spots), 1)
    found: list[str] = []
    for name, spot in spots.items():
        mine = options[(underlying == name).to_numpy()]
        if len(mine) and spot > 0:
            found += _of_underlying(mine, spot, now_ns)[:share]
    return found


def _of_underlying(options: pd.DataFrame, spot: float, now_ns: int) -> list[str]:
    parts = [
        _of_expiry(options[options["expiry_ns"].to_numpy() == expiry], spot)
        for expiry in expiries(options["expiry_ns"].to_numpy(), now_ns)
    ]
    merged = pd.concat(parts)
    order = np.argsort(np.abs(merged["strike"].to_numpy() / spot - 1.0), kind="stable")
    symbols: list[str] = merged["venue_symbol"].iloc[order].tolist()
    return symbols


def _of_expiry(options: pd.DataFrame, spot: float) -> pd.DataFrame:
    away = np.abs(options["strike"].to_numpy() / spot - 1.0)
    near = options[away <= (NEAR if (away <= NEAR).any() else FAR)]
    strikes = np.unique(near["strike"].to_numpy())
    below, above = strikes[strikes <= spot][-STRIKES:], strikes[strikes > spot][:STRIKES]
    return near[np.isin(near["strike"].to_numpy(), np.concatenate([below, above]))]


def expiries(times_ns: np.ndarray, now_ns: int) -> list[int]:
    """The nearest weekly and the nearest monthly expiry within ``DAYS`` days; else the earliest.

    A monthly one is of a third Friday, or of the day before it.

    Examples
    --------
    >>> days = ["2026-12-04", "2026-12-11", "2026-12-18", "2027-01-15"]
    >>> times = np.array([pd.Timestamp(f"{day}T21:00Z").value for day in days])
    >>> [str(pd.Timestamp(found))[:10] for found in expiries(times, pd.Timestamp("2026-12-01").value)]
    ['2026-12-04', '2026-12-18']
    """
    distinct = np.unique(times_ns)
    within = distinct[distinct <= now_ns + DAYS * DAY_NS]
    if not within.size:
        return [int(time) for time in distinct[:1]]
    day = pd.DatetimeIndex(within).tz_localize("UTC").tz_convert("America/New_York")
    third = np.array((day.day_of_week == 4) & (day.day >= 15) & (day.day <= 21))
    third |= np.array((day.day_of_week == 3) & (day.day >= 14) & (day.day <= 20)) & ~_followed(within)
    weekly, monthly = within[~third][:1], within[third][:1]
    return sorted({int(time) for time in (*weekly, *monthly)})


def _followed(times_ns: np.ndarray) -> np.ndarray:
    """Whether another expiry comes within a day and a half: then a Thursday is no holiday's Friday."""
    following = np.append(times_ns[1:], np.iinfo(np.int64).max)
    return np.asarray(following - times_ns <= DAY_NS + DAY_NS // 2)
