"""LEAN's times are in the zone its market-hours database names for security type, market and symbol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.feeds.files.lean_zips import milliseconds, one_member, rows_of
from workstation.feeds.files import Rejections
from workstation.feeds.files.lean.zones import instants, zone_name, zone_of
from workstation.market.errors import FrameError

BAR = "{ms},5300,5301,5299,5300,1"
QUOTE_BAR = "{ms},500000,510000,490000,500000,10,510000,520000,500000,510000,10"
OPTION = "european_call_53000000_20240621"
MARKETS = [
    ("future/comex/minute/gc/20240605_trade.zip", BAR, "202408_20240828", "12:30", "12:30"),
    ("future/cme/tick/es/20240605_trade.zip", "{ms},5300.25,2,C,0,0", "202406_20240621", "12:30", "12:30"),
    ("future/eurex/minute/fesx/20240605_trade.zip", BAR, "202406", "09:00", "07:00"),
    ("future/eurex/minute/fesx/20240105_trade.zip", BAR, "202403", "09:00", "08:00"),
    ("future/ice/minute/dx/20240605_trade.zip", BAR, "202406", "09:00", "13:00"),
    ("future/ice/minute/kc/20240605_trade.zip", BAR, "202406", "09:00", "09:00"),
    ("future/hkfe/minute/hsi/20240605_trade.zip", BAR, "202406", "09:15", "01:15"),
    ("future/sgx/minute/cn/20240605_trade.zip", BAR, "202406", "09:15", "09:15"),
    ("index/usa/minute/spx/20240605_trade.zip", BAR, "", "08:30", "13:30"),
    ("index/usa/minute/spx/20240105_trade.zip", BAR, "", "08:30", "14:30"),
    ("index/usa/minute/rut/20240605_trade.zip", BAR, "", "09:30", "13:30"),
    ("index/ose/minute/n225/20240605_trade.zip", BAR, "", "09:00", "00:00"),
    ("equity/india/minute/sbin/20240605_trade.zip", BAR, "", "09:15", "03:45"),
    ("equity/usa/minute/spy/20240605_trade.zip", BAR, "", "09:30", "13:30"),
    ("forex/fxcm/tick/eurusd/20240605_quote.zip", "{ms},1.0871,1.0872", "", "07:30", "12:30"),
    ("forex/fxcm/tick/eurusd/20240105_quote.zip", "{ms},1.0871,1.0872", "", "07:30", "12:30"),
    ("forex/oanda/tick/eurusd/20240605_quote.zip", "{ms},1.0871,1.0872", "", "12:30", "12:30"),
    ("cfd/fxcm/tick/xauusd/20240605_quote.zip", "{ms},2350.1,2350.4", "", "12:30", "12:30"),
    ("cfd/fxcm/tick/soybfusd/20240605_quote.zip", "{ms},11.1,11.4", "", "07:30", "12:30"),
    ("cfd/oanda/tick/de30eur/20240605_quote.zip", "{ms},18100.1,18100.4", "", "12:30", "12:30"),
    ("crypto/coinbase/tick/btcusd/20240605_trade.zip", "{ms},70000.5,0.01", "", "12:30", "12:30"),
    ("option/usa/minute/goog/20240605_quote_american.zip", QUOTE_BAR, OPTION, "09:30", "13:31"),
    ("indexoption/usa/minute/spx/20240605_quote_european.zip", QUOTE_BAR, OPTION, "09:30", "13:31"),
]


@pytest.mark.parametrize(
    ("where", "line", "contract", "wall", "utc"), MARKETS, ids=lambda value: str(value)[:50]
)
def test_every_market_has_its_zone(
    tmp_path: Path, where: str, line: str, contract: str, wall: str, utc: str
) -> None:
    file = one_member(tmp_path, where, [line.format(ms=milliseconds(wall))], contract)
    rejections = Rejections()
    (rows,) = rows_of(file, rejections).values()
    date = where.rpartition("/")[2][:8]
    assert pd.Timestamp(int(rows["event_ns"].iloc[0])) == pd.Timestamp(f"{date} {utc}")
    assert not rejections.total


def test_a_future_option_is_in_the_zone_of_its_future() -> None:
    assert zone_name("futureoption", "cme", "es") == zone_name("future", "cme", "es") == "UTC"
    assert zone_name("futureoption", "comex", "og") == "UTC"
    assert zone_name("futureoption", "ice", "dx") == "America/New_York"


@pytest.mark.parametrize(
    "where", ["crypto/okx/tick/btcusd/20240605_trade.zip", "forex/dukascopy/tick/eurusd/20240605_quote.zip"]
)
def test_a_market_without_a_zone_is_refused_unless_the_caller_says_it(tmp_path: Path, where: str) -> None:
    line = "3600000,70000.5,0.01" if "crypto" in where else "3600000,1.1,1.2"
    file = one_member(tmp_path, where, [line])
    market = where.split("/")[1]
    with pytest.raises(FrameError, match=f"{market}.*zone="):
        rows_of(file)
    (rows,) = rows_of(file, zone="Asia/Tokyo").values()
    assert pd.Timestamp(int(rows["event_ns"].iloc[0])) == pd.Timestamp("2024-06-04T16:00")
    with pytest.raises(FrameError, match="no time zone 'Mars/Olympus'"):
        rows_of(file, zone="Mars/Olympus")


@pytest.mark.parametrize(
    ("date", "walls", "right", "aside"),
    [
        (
            "20241103",
            ["00:30", "01:30", "02:30"],
            ["05:30", "08:30"],
            1,
        ),  # the hour 01:00 comes twice in Chicago
        ("20240310", ["01:30", "02:30", "03:30"], ["07:30", "08:30"], 1),  # the hour 02:00 does not come
    ],
)
def test_what_the_change_of_clocks_hides_is_set_aside(
    tmp_path: Path, date: str, walls: list[str], right: list[str], aside: int
) -> None:
    lines = [BAR.format(ms=milliseconds(wall)) for wall in walls]
    file = one_member(tmp_path, f"index/usa/minute/spx/{date}_trade.zip", lines)
    rejections = Rejections()
    candles = rows_of(file, rejections)["candles"]
    assert pd.to_datetime(candles["event_ns"]).dt.strftime("%H:%M").tolist() == right
    assert rejections.total == aside
    assert "line 2" in next(iter(rejections.examples.values()))


def test_a_market_in_utc_has_no_such_hour(tmp_path: Path) -> None:
    lines = [BAR.format(ms=milliseconds(f"0{hour}:30")) for hour in range(5)]
    file = one_member(tmp_path, "future/comex/minute/gc/20241103_trade.zip", lines, "202412")
    rejections = Rejections()
    assert len(rows_of(file, rejections)["candles"]) == 5
    assert not rejections.total


def test_wall_times_over_a_year_agree_with_pandas() -> None:
    wall = pd.date_range("2024-01-01", "2025-01-01", freq="17min")
    for name in ("America/Chicago", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"):
        right = wall.tz_localize(name, ambiguous="NaT", nonexistent="NaT")
        for day, rows in pd.Series(range(len(wall))).groupby(wall.normalize()).groups.items():
            got, untold = instants(wall[rows].as_unit("ns").asi8, zone_of(name))
            known = right[rows].notna()
            assert (untold is None) == known.all(), day
            assert np.array_equal(got[known], right[rows][known].tz_convert(None).as_unit("ns").asi8)


def test_hours_and_days_are_dated_in_the_zone(tmp_path: Path) -> None:
    days = [
        "20240308 00:00,10000,20000,9000,15000,100",
        "20240311 00:00,10000,20000,9000,15000,100",
        "2024,1,1,1,1,1",
    ]
    rejections = Rejections()
    candles = rows_of(one_member(tmp_path, "equity/usa/daily/spy.zip", days), rejections)["candles"]
    assert pd.to_datetime(candles["event_ns"]).astype(str).tolist() == [
        "2024-03-08 05:00:00",
        "2024-03-11 04:00:00",
    ]
    assert (candles["every_ns"] == 86_400 * 10**9).all()
    assert sum(rejections.counts.values()) == 1
    hours = ["20240308 09:00,1.1,1.2,1.0,1.15,0,1.2,1.3,1.1,1.25,0"]
    quotes = rows_of(one_member(tmp_path, "forex/fxcm/hour/eurusd.zip", hours))["quotes"]
    assert pd.Timestamp(int(quotes["event_ns"].iloc[0])) == pd.Timestamp("2024-03-08T15:00")
