"""Expiry instants, sessions, year fractions; the oracle is the wall clock of New York through zoneinfo."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from workstation.market.calendar import (
    DAY_NS,
    MINUTE_NS,
    SHORTEST_NS,
    YEAR_NS,
    Sessions,
    crypto_expiry_ns,
    expiry_ns,
    sessions,
    us_option_expiry_ns,
    years,
)
from workstation.market.errors import CalendarError
from workstation.market.symbology import parse
from workstation.market.tables import NO_TIME

NEW_YORK = ZoneInfo("America/New_York")


def new_york(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("root", "date", "instant"),
    [
        ("AAPL", "2026-12-18", "2026-12-18T16:00"),  # winter: 21:00 UTC
        ("AAPL", "2026-06-19", "2026-06-18T16:00"),  # Juneteenth, a Friday: the session before
        ("AAPL", "2026-07-17", "2026-07-17T16:00"),  # summer: 20:00 UTC
        ("SPXW", "2026-12-18", "2026-12-18T16:00"),
        ("SPX", "2026-12-18", "2026-12-18T09:30"),
        ("NDX", "2026-07-17", "2026-07-17T09:30"),
        ("VIX", "2026-12-16", "2026-12-16T09:30"),
        ("SPY", "2026-12-18", "2026-12-18T16:15"),
        ("QQQ", "2014-01-18", "2014-01-17T16:15"),  # a Saturday date of before February 2015
        ("AAPL", "2013-10-19", "2013-10-18T16:00"),
        ("SPX", "2013-10-19", "2013-10-18T09:30"),
        ("AAPL", "2014-04-18", "2014-04-17T16:00"),  # Good Friday
        ("SPX", "2019-04-19", "2019-04-18T09:30"),  # Good Friday
        ("SPXW", "2025-11-28", "2025-11-28T13:00"),  # day after Thanksgiving
        ("SPY", "2025-11-28", "2025-11-28T13:15"),
        ("AAPL", "2024-07-03", "2024-07-03T13:00"),
        ("SPXW", "2018-12-05", "2018-12-04T16:00"),  # closed for a day of mourning
        ("AAPL1", "2026-12-18", "2026-12-18T16:00"),  # adjusted
        ("2SPX", "2026-12-18", "2026-12-18T09:30"),  # flex
        ("AAPL", "2026-03-13", "2026-03-13T16:00"),  # the first Friday of summer time
        ("AAPL", "2026-11-06", "2026-11-06T16:00"),  # the first Friday of winter time
    ],
)
def test_us_options_expire_by_the_clock_of_new_york(root: str, date: str, instant: str) -> None:
    assert us_option_expiry_ns(roots=root, dates=[date]).tolist() == [new_york(instant)]
    name = f"{root:<6}{date[2:].replace('-', '')}C00100000"
    assert expiry_ns(parse(name)) == new_york(instant)


def test_many_roots_at_once_agree_with_one_by_one() -> None:
    roots, dates = (
        ["SPX", "SPY", "AAPL"] * 20,
        [f"20{year}-0{month}-17" for year in range(14, 26) for month in range(1, 6)],
    )
    together = us_option_expiry_ns(roots=roots, dates=dates)
    singly = [us_option_expiry_ns(roots=r, dates=[d])[0] for r, d in zip(roots, dates, strict=True)]
    assert together.tolist() == singly


def test_crypto_expires_at_eight_utc_in_summer_and_winter() -> None:
    for date in ("2026-03-27", "2026-06-26", "2019-12-27"):
        assert int(crypto_expiry_ns(date)) == pd.Timestamp(f"{date} 08:00", tz="UTC").value
    assert crypto_expiry_ns(["NaT", "2026-03-27"]).tolist()[0] == NO_TIME
    assert expiry_ns(parse("BTC/USD:BTC-260327-90000-C")) == expiry_ns(parse("BTC/USD:BTC-260327"))


def test_what_does_not_expire_has_no_time() -> None:
    assert {expiry_ns(parse(name)) for name in ("BTC/USD:BTC", "BTC/USD", "AAPL", "SPX")} == {NO_TIME}


def test_outside_the_calendar_is_an_error_that_says_what_is_covered() -> None:
    for date in ("1980-01-18", "2099-12-18", "NaT"):
        with pytest.raises(CalendarError, match="known from 1995-01-03 to 2045-12-31"):
            us_option_expiry_ns(roots="SPX", dates=[date])
    with pytest.raises(CalendarError, match="no exchange calendar 'XNOWHERE'"):
        sessions("XNOWHERE")


def test_a_calendar_known_for_fewer_years_can_be_built_within_them() -> None:
    with pytest.raises(CalendarError, match=r"1997.*build Sessions\('XTKS', first, last\)"):
        sessions("XTKS")
    tokyo = Sessions("XTKS", "2020-01-01", "2021-12-31")
    assert str(tokyo.days[0]) == "2020-01-06"


def test_sessions_open_and_close() -> None:
    nyse = sessions("XNYS")
    monday, friday = new_york("2026-11-23T09:30"), new_york("2026-11-20T16:00")
    inside = [
        friday - 1,
        friday,
        monday - 1,
        monday,
        new_york("2026-11-26T12:00"),
        new_york("2026-11-27T12:59"),
        new_york("2026-11-27T13:00"),
    ]
    assert nyse.is_open(inside).tolist() == [True, False, False, True, False, True, False]
    assert nyse.next_open_ns(friday) == monday
    assert nyse.next_open_ns(monday) == new_york("2026-11-24T09:30")
    assert nyse.next_close_ns(monday) == new_york("2026-11-23T16:00")
    assert nyse.next_close_ns(friday) == new_york("2026-11-23T16:00")
    assert not nyse.is_open(0)


def test_sessions_between_two_dates() -> None:
    week = sessions("XNYS").between("2025-11-24", "2025-12-01")
    assert week["session"].dt.strftime("%a").tolist() == ["Mon", "Tue", "Wed", "Fri"]
    assert week["close_ns"].tolist()[-1] == new_york("2025-11-28T13:00")
    assert sessions("XNYS").between("2025-11-27", "2025-11-28").empty
    assert sessions("XNYS").between("2025-11-28", "2025-11-24").empty


def test_the_next_session_beyond_the_calendar_is_an_error() -> None:
    with pytest.raises(CalendarError, match="XNYS is known"):
        sessions("XNYS").next_open_ns(pd.Timestamp("2046-01-05", tz="UTC").value)
    with pytest.raises(CalendarError, match="XNYS is known"):
        sessions("XNYS").next_open_ns(0)


def test_crypto_never_closes() -> None:
    always = sessions("24/7")
    assert always.is_open(
        np.arange(0, 40) * 37 * MINUTE_NS + pd.Timestamp("2026-03-28", tz="UTC").value
    ).all()


def test_years_count_real_time_and_stop_at_five_minutes() -> None:
    assert years(asof_ns=0, expiry_ns=YEAR_NS) == 1.0
    assert years(asof_ns=0, expiry_ns=DAY_NS) == pytest.approx(1 / 365, rel=1e-15)
    floor = SHORTEST_NS / YEAR_NS
    assert years(asof_ns=DAY_NS, expiry_ns=[DAY_NS, 0, DAY_NS + MINUTE_NS]).tolist() == [floor] * 3
    # a day over the change to summer time is 23 hours long
    lost = years(asof_ns=new_york("2026-03-07T16:00"), expiry_ns=new_york("2026-03-08T16:00"))
    assert lost == pytest.approx(23 / 24 / 365, rel=1e-15)


def test_years_of_an_unknown_time_are_nan() -> None:
    got = years(asof_ns=[0, NO_TIME, NO_TIME, 0], expiry_ns=[NO_TIME, 0, NO_TIME, YEAR_NS])
    np.testing.assert_array_equal(got, [np.nan, np.nan, np.nan, 1.0])
    assert years(asof_ns=0, expiry_ns=np.full((2, 3), YEAR_NS)).shape == (2, 3)
