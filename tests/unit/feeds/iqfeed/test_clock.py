"""Eastern wall time to UTC, against the zone database through datetime."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workstation.feeds.iqfeed import clock

NEW_YORK = ZoneInfo("America/New_York")
INSTANTS = st.datetimes(dt.datetime(1995, 1, 1), dt.datetime(2040, 1, 1), timezones=st.just(dt.UTC))


def ns(at: dt.datetime) -> int:
    return ((at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)) * 1000


def wall_us(at: dt.datetime) -> int:
    return (at.replace(tzinfo=None) - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)


@given(st.lists(INSTANTS, min_size=1, max_size=30))
def test_wall_time_goes_back_to_the_instant_it_came_from(instants: list[dt.datetime]) -> None:
    truth = np.array([ns(at) for at in instants])
    wall = np.array([wall_us(at.astimezone(NEW_YORK)) for at in instants])
    assert clock.utc_ns(wall, truth).tolist() == truth.tolist()


@given(st.lists(INSTANTS, min_size=1, max_size=30))
def test_the_eastern_day_is_the_calendars(instants: list[dt.datetime]) -> None:
    days = clock.eastern_days(np.array([ns(at) for at in instants]))
    assert [dt.date(1970, 1, 1) + dt.timedelta(days=int(day)) for day in days] == [
        at.astimezone(NEW_YORK).date() for at in instants
    ]


@given(INSTANTS, st.integers(0, 20 * 3600 * 10**6))
def test_a_time_of_day_is_the_latest_that_can_have_been_seen(at: dt.datetime, later_us: int) -> None:
    local = at.astimezone(NEW_YORK)
    day_us = wall_us(local) % clock.DAY_US
    seen = np.array([ns(at) + later_us * 1000])
    found = int(clock.latest_ns(np.array([day_us]), seen)[0])
    assert found <= seen[0] + clock.AHEAD_NS
    again = dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=found // 1000)
    back = again.astimezone(NEW_YORK)
    if not dt.time(2) <= local.time() < dt.time(3):  # an hour that one day of the year does not have
        assert back.time() == local.time()


@pytest.mark.parametrize(
    ("seen", "utc"),
    [("2026-11-01T05:30:30Z", "2026-11-01T05:30Z"), ("2026-11-01T06:30:30Z", "2026-11-01T06:30Z")],
)
def test_the_hour_that_comes_twice_is_told_apart_by_when_it_was_seen(seen: str, utc: str) -> None:
    wall = np.array([pd.Timestamp("2026-11-01T01:30").value // 1000])
    assert clock.utc_ns(wall, np.array([pd.Timestamp(seen).value]))[0] == pd.Timestamp(utc).value


def test_unseen_the_first_of_the_two_is_taken() -> None:
    wall = np.array([pd.Timestamp("2026-11-01T01:30").value // 1000])
    assert clock.utc_ns(wall, np.array([0]))[0] == pd.Timestamp("2026-11-01T05:30Z").value


def test_a_minute_ahead_is_skew_and_more_is_yesterday() -> None:
    seen = np.array([pd.Timestamp("2026-07-02T14:00:00Z").value] * 2)
    times = np.array([(10 * 3600 + 59) * 10**6, (10 * 3600 + 61) * 10**6])
    assert pd.to_datetime(clock.latest_ns(times, seen)).day.tolist() == [2, 1]
