"""Time: expiry instants, trading sessions and year fractions. All instants are int64 UTC nanoseconds.

US wall-clock times are turned into instants with the America/New_York zone through ``exchange_calendars``
(imported at first use), which also knows holidays, early closes and one-off closures.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.errors import CalendarError
from workstation.market.instants import DAY_NS, MINUTE_NS, NO_TIME, YEAR_NS
from workstation.market.symbology.terms import Terms

Instants = npt.NDArray[np.int64]
Days = npt.NDArray[np.datetime64]

SHORTEST_NS = 5 * MINUTE_NS
"""Floor of the time to expiry."""
CRYPTO_EXPIRY_NS = 8 * 60 * MINUTE_NS
"""Crypto options and futures expire 08:00 UTC (Deribit settles on the average over 07:30-08:00)."""

AM_SETTLED_ROOTS = frozenset({"SPX", "NDX", "RUT", "VIX", "VIXW", "DJX", "RUI", "RLG", "RLV"})
"""Settled on the opening of the expiry day (Cboe product specifications)."""
LATE_ROOTS = frozenset(
    [
        "DBA",
        "DBB",
        "DBC",
        "DBO",
        "DIA",
        "EEM",
        "EFA",
        "GAZ",
        "IWM",
        "IWN",
        "IWO",
        "IWV",
        "KBE",
        "KRE",
        "MDY",
        "MLPN",
        "MOO",
        "OEF",
        "OIL",
        "QQQ",
        "SLX",
        "SPY",
        "SVXY",
        "UNG",
        "UUP",
        "UVXY",
        "VIIX",
        "VIXY",
        "VXX",
        "VXZ",
        "XHB",
        "XLB",
        "XLE",
        "XLF",
        "XLI",
        "XLK",
        "XLP",
        "XLU",
        "XLV",
        "XLY",
        "XME",
        "XOP",
        "XRT",
        "OEX",
        "XEO",
    ]
)
"""Trade 15 minutes past the close, expiring series too. Expiring PM-settled SPXW, XSP, NDXP, RUTW, MRUT stop at the close."""
LATE_NS = 15 * MINUTE_NS

_FIRST, _LAST = "1995-01-01", "2045-12-31"


class Sessions:
    """The trading sessions of one exchange calendar as arrays.

    Parameters
    ----------
    name
        A calendar of ``exchange_calendars``: ``XNYS``, ``CMES``, ``24/7``, ...
    first, last
        Dates to cover; some exchanges' holidays are known for fewer years than the default.

    Attributes
    ----------
    days
        Session dates, datetime64[D], ascending.
    open_ns, close_ns
        Their bounds; early closes included.

    Raises
    ------
    CalendarError
        No such calendar, or not known for these years.

    Examples
    --------
    >>> nyse = sessions("XNYS")
    >>> nyse.between("2025-11-27", "2025-11-29")["close_ns"].astype("datetime64[ns]").tolist()
    [Timestamp('2025-11-28 18:00:00')]
    """

    def __init__(self, name: str, first: str = _FIRST, last: str = _LAST) -> None:
        import exchange_calendars

        try:
            schedule = exchange_calendars.get_calendar(name, start=first, end=last).schedule
        except exchange_calendars.errors.InvalidCalendarName as error:
            raise CalendarError(
                f"no exchange calendar {name!r}; see exchange_calendars.get_calendar_names()"
            ) from error
        except ValueError as error:
            raise CalendarError(
                f"{error}; build Sessions({name!r}, first, last) within its bounds"
            ) from error
        self.name = name
        self.last_day = np.datetime64(last, "D")
        self.days: Days = schedule.index.to_numpy().astype("datetime64[D]")
        self.open_ns: Instants = _instants(schedule["open"])
        self.close_ns: Instants = _instants(schedule["close"])

    def is_open(self, instants_ns: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each instant lies in [open, close) of a session; breaks within a session are not cut out."""
        instants = np.asarray(instants_ns, dtype=np.int64)
        at = np.searchsorted(self.open_ns, instants, side="right") - 1
        inside: npt.NDArray[np.bool_] = (at >= 0) & (instants < self.close_ns[np.maximum(at, 0)])
        return inside

    def next_open_ns(self, instant_ns: int) -> int:
        """The first open strictly after an instant."""
        return int(
            self.open_ns[self._at(int(np.searchsorted(self.open_ns, instant_ns, side="right")), instant_ns)]
        )

    def next_close_ns(self, instant_ns: int) -> int:
        """The first close strictly after an instant: of the running session, else of the next."""
        return int(
            self.close_ns[self._at(int(np.searchsorted(self.close_ns, instant_ns, side="right")), instant_ns)]
        )

    def _at(self, position: int, instant_ns: int) -> int:
        if position >= len(self.days) or instant_ns < self.open_ns[0] - 10 * DAY_NS:
            raise CalendarError(
                f"{self.name} is known from {self.days[0]} to {self.days[-1]}, asked at {instant_ns} ns"
            )
        return position

    def between(self, start: Any, end: Any) -> pd.DataFrame:
        """Sessions with ``start <= date < end``: columns session (datetime64), open_ns, close_ns."""
        first, last = (
            int(np.searchsorted(self.days, np.datetime64(pd.Timestamp(day).date()))) for day in (start, end)
        )
        part = slice(first, max(first, last))
        return pd.DataFrame(
            {
                "session": self.days[part].astype("datetime64[ns]"),
                "open_ns": self.open_ns[part],
                "close_ns": self.close_ns[part],
            }
        )

    def last_on_or_before(self, days: npt.ArrayLike) -> npt.NDArray[np.intp]:
        """Position of the last session on or before each date.

        Raises
        ------
        CalendarError
            When a date lies outside the calendar.
        """
        wanted = np.atleast_1d(np.asarray(days, dtype="datetime64[D]"))
        bad = (wanted < self.days[0]) | (wanted > self.last_day) | np.isnat(wanted)
        if bad.any():
            raise CalendarError(
                f"{self.name} is known from {self.days[0]} to {self.last_day}, asked for {wanted[bad][0]}"
            )
        return np.searchsorted(self.days, wanted, side="right") - 1


def _instants(times: pd.Series[Any]) -> Instants:
    instants: Instants = times.dt.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
    return instants


@lru_cache(maxsize=32)
def sessions(name: str = "XNYS") -> Sessions:
    """The sessions of an exchange calendar, built once."""
    return Sessions(name)


def crypto_expiry_ns(dates: npt.ArrayLike) -> Instants:
    """Expiry instant of crypto expiry dates, shape of ``dates``; NO_TIME for NaT.

    Examples
    --------
    >>> crypto_expiry_ns(["2026-12-25"]).astype("datetime64[ns]").astype(str).tolist()
    ['2026-12-25T08:00:00.000000000']
    """
    days = np.asarray(dates, dtype="datetime64[D]")
    return np.where(
        np.isnat(days), NO_TIME, days.astype("datetime64[ns]").astype(np.int64) + CRYPTO_EXPIRY_NS
    )


def us_option_expiry_ns(*, roots: Sequence[str] | str, dates: npt.ArrayLike) -> Instants:
    """Expiry instant of US options: the close, 15 min later for late roots, the open for AM-settled ones.

    A date that is no session (the Saturdays printed until February 2015, a holiday) means the session before.

    Parameters
    ----------
    roots
        OSI roots, one for all or one per date.
    dates
        Expiry dates as the symbol prints them.

    Returns
    -------
    numpy.ndarray
        int64 ns, shape (len(dates),).

    Raises
    ------
    CalendarError
        Outside 1995-2045.

    Notes
    -----
    Root lists follow Cboe's product specifications. Flex and adjusted roots (a digit at either end) follow
    their plain root.

    Examples
    --------
    >>> at = us_option_expiry_ns(roots=["SPX", "SPXW", "SPY"], dates=["2026-12-18"] * 3)
    >>> at.astype("datetime64[ns]").astype("datetime64[m]").astype(str).tolist()
    ['2026-12-18T14:30', '2026-12-18T21:00', '2026-12-18T21:15']
    """
    nyse = sessions("XNYS")
    at = nyse.last_on_or_before(dates)
    names = [roots] * len(at) if isinstance(roots, str) else roots
    plain = [name.strip("0123456789") for name in names]
    am = np.array([name in AM_SETTLED_ROOTS for name in plain], dtype=bool)
    late = np.array([name in LATE_ROOTS for name in plain], dtype=bool)
    closing: Instants = nyse.close_ns[at] + np.where(late, LATE_NS, 0)
    return np.where(am, nyse.open_ns[at], closing)


def expiry_ns(terms: Terms) -> int:
    """Expiry instant of one instrument's terms; NO_TIME when it does not expire.

    Examples
    --------
    >>> from workstation.market.symbology import parse
    >>> expiry_ns(parse("BTC/USD:BTC-261225"))
    1798185600000000000
    """
    if terms.expiry is None:
        return NO_TIME
    return _expiry_ns(terms.root if terms.listed else "", terms.expiry)


@lru_cache(maxsize=1 << 14)
def _expiry_ns(listed_root: str, date: dt.date) -> int:
    """Thousands of contracts share a few hundred of them; an empty root is crypto's."""
    if not listed_root:
        return int(crypto_expiry_ns(np.datetime64(date)))
    return int(us_option_expiry_ns(roots=listed_root, dates=[np.datetime64(date)])[0])


def years(*, asof_ns: npt.ArrayLike, expiry_ns: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """ACT/365 year fraction from ``asof_ns`` to ``expiry_ns``, floored at 5 minutes; NaN where either is NO_TIME.

    Parameters
    ----------
    asof_ns, expiry_ns
        int64 ns, broadcast against each other.

    Returns
    -------
    numpy.ndarray
        float64 years. Expired is floored like any other: leaving expired rows out is the chain's.

    Examples
    --------
    >>> years(asof_ns=0, expiry_ns=[365 * 86_400_000_000_000, 0]).round(8).tolist()
    [1.0, 9.51e-06]
    """
    asof, expiry = np.asarray(asof_ns, dtype=np.int64), np.asarray(expiry_ns, dtype=np.int64)
    if asof.ndim == 0 and expiry.size > 1 and asof != NO_TIME and expiry.min() != NO_TIME:
        whole: npt.NDArray[np.float64] = np.maximum(expiry - asof, SHORTEST_NS) / YEAR_NS
        return whole  # a chain at an instant: nothing is unknown
    asof, expiry = np.broadcast_arrays(asof, expiry)
    unknown = (asof == NO_TIME) | (expiry == NO_TIME)
    remaining = np.where(unknown, 0, expiry) - np.where(unknown, 0, asof)
    return np.where(unknown, np.nan, np.maximum(remaining, SHORTEST_NS) / YEAR_NS)
