"""Instants against zoneinfo, and the laws of year fractions."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.property.effort import effort
from workstation.market.calendar import (
    SHORTEST_NS,
    YEAR_NS,
    crypto_expiry_ns,
    sessions,
    us_option_expiry_ns,
    years,
)

NEW_YORK = ZoneInfo("America/New_York")
days = st.dates(dt.date(2013, 1, 1), dt.date(2030, 12, 31))
instants = st.integers(1_357_000_000_000_000_000, 1_925_000_000_000_000_000)


@given(day=days)
@effort(200)
def test_us_expiries_are_wall_clock_times_of_a_session_on_or_before_the_date(day: dt.date) -> None:
    equity, late, am = (
        int(us_option_expiry_ns(roots=root, dates=[day])[0]) for root in ("AAPL", "SPY", "SPX")
    )
    local = dt.datetime.fromtimestamp(equity / 1e9, NEW_YORK)
    assert (local.hour, local.minute) in ((16, 0), (13, 0))
    assert dt.timedelta(0) <= day - local.date() <= dt.timedelta(7)
    assert local.weekday() < 5
    assert late - equity == 15 * 60 * 10**9
    opened = dt.datetime.fromtimestamp(am / 1e9, NEW_YORK)
    assert (opened.date(), opened.hour, opened.minute) == (local.date(), 9, 30)


@given(day=days)
def test_crypto_expiries_are_eight_utc(day: dt.date) -> None:
    at = dt.datetime.fromtimestamp(int(crypto_expiry_ns(np.datetime64(day))) / 1e9, dt.UTC)
    assert at == dt.datetime(day.year, day.month, day.day, 8, tzinfo=dt.UTC)


@given(instant=instants)
@effort(150)
def test_open_means_between_an_open_and_its_close(instant: int) -> None:
    nyse = sessions("XNYS")
    opens, closes = nyse.next_open_ns(instant), nyse.next_close_ns(instant)
    assert opens > instant
    assert closes > instant
    assert bool(nyse.is_open(instant)) == (closes < opens)


@given(asof=instants, expiry=instants, later=st.integers(0, 10**16))
def test_years_grow_with_the_expiry_and_never_fall_below_the_floor(
    asof: int, expiry: int, later: int
) -> None:
    first, second = years(asof_ns=asof, expiry_ns=[expiry, expiry + later])
    assert second >= first >= SHORTEST_NS / YEAR_NS
    if expiry - asof >= SHORTEST_NS:
        assert first == (expiry - asof) / YEAR_NS
