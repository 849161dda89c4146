"""Times of a table: units, zones, doubled and missing hours; the oracle is zoneinfo and plain arithmetic."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.unit.feeds.files.tables import mapped, utc
from workstation.feeds.files.times import times
from workstation.market.errors import FrameError
from workstation.market.tables import NO_TIME

MAPPING = """
table: trades
time: {{column: t, {time}}}
instrument: {{constant: BTC/USD}}
columns: {{price: p, size: s}}
"""
MOMENT = dt.datetime(2025, 1, 1, 0, 0, 0, 123_456, tzinfo=dt.UTC)
MICROSECONDS = 1_735_689_600_123_456


def csv(*times: object) -> str:
    return "t,p,s\n" + "".join(f"{time},1,1\n" for time in times)


def read(folder: Path, time: str, *times: object) -> tuple[list[str], dict[str, int]]:
    frame, rejections = mapped(folder, MAPPING.format(time=time), csv(*times))
    return utc(frame["event_ns"]) if len(frame) else [], rejections.counts


@pytest.mark.parametrize(
    ("unit", "written"),
    [
        ("s", "1735689600.123456"), ("ms", "1735689600123.456"), ("us", "1735689600123456"),
        ("ns", "1735689600123456000"), ("iso", "2025-01-01T00:00:00.123456Z"), ("iso", "2025-01-01 00:00:00.123456"),
        ("iso", "2025-01-01T01:00:00.123456+01:00"), ("iso", "2025-01-01 00:00:00.123456 UTC"),
        ("'%d.%m.%Y %H:%M:%S.%f'", "01.01.2025 00:00:00.123456"), ("us", "1.735689600123456e15"),
    ],
)  # fmt: skip
def test_every_way_of_writing_a_moment(tmp_path: Path, unit: str, written: str) -> None:
    times, aside = read(tmp_path, f"format: {unit}", written)
    assert times == ["2025-01-01T00:00:00.123456"]
    assert not aside


WRONG_UNIT = [("ms", MICROSECONDS, "microseconds"), ("s", MICROSECONDS, "microseconds"), ("us", MICROSECONDS // 1000, "milliseconds"),
              ("ns", MICROSECONDS // 10**6, "seconds"), ("ms", MICROSECONDS * 1000, "nanoseconds")]  # fmt: skip


@pytest.mark.parametrize(("unit", "value", "likely"), WRONG_UNIT)
@pytest.mark.parametrize("kind", ["csv", "int64", "float64", "uint64", "text"])
def test_a_time_of_another_unit_is_told_with_the_unit_it_fits(
    tmp_path: Path, unit: str, value: int, likely: str, kind: str
) -> None:
    good = MICROSECONDS * 1000 // {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    if kind == "csv":
        content: str | pa.Table = csv(good, value)
    else:
        typed = [str(good), str(value)] if kind == "text" else np.array([good, value], dtype=kind)
        content = pa.table({"t": typed, "p": [1.0, 1.0], "s": [1.0, 1.0]})
    frame, rejections = mapped(tmp_path, MAPPING.format(time=f"format: {unit}"), content)
    assert len(frame) == 1
    assert pd.Timestamp(frame["event_ns"][0]).year == 2025
    (reason,) = rejections.counts
    assert likely in reason
    assert "2025-01-01" in reason
    if kind != "float64":
        assert str(value) in reason


@pytest.mark.parametrize("value", ["99999999999999999", "9223372036855", "-1", "0", "1e300", "-9e18", "99999999999999999999999"])  # fmt: skip
def test_no_time_wraps_around(tmp_path: Path, value: str) -> None:
    times, aside = read(tmp_path, "format: ms", value, 1_735_689_600_123)
    assert times == ["2025-01-01T00:00:00.123000"]
    assert sum(aside.values()) == 1


@pytest.mark.parametrize("word", ["", "NaN", "null", "NA", "-", "abc", "12:30", "1_000"])
@pytest.mark.parametrize("form", ["ms", "iso"])
def test_no_time_sets_one_row_aside(tmp_path: Path, word: str, form: str) -> None:
    good = "1735689600123" if form == "ms" else "2025-01-01T00:00:00.123Z"
    times, aside = read(tmp_path, f"format: {form}", word, good)
    assert times == ["2025-01-01T00:00:00.123000"]
    assert aside == {"no time in t": 1}


@pytest.mark.parametrize(
    "written", ["1850-01-01T00:00:00", "9999-12-31T00:00:00", "1989-12-31T23:59:59Z", "2101-01-01"]
)
def test_written_times_outside_the_centuries_are_set_aside(tmp_path: Path, written: str) -> None:
    times, aside = read(tmp_path, "format: iso", "2025-01-01", written)
    assert times == ["2025-01-01T00:00:00"]
    assert list(aside) == [f"time outside 1990-2100 in t: '{written}'"]


def test_written_times_of_all_precisions_and_zones_stand_side_by_side(tmp_path: Path) -> None:
    times, aside = read(
        tmp_path, "format: iso, zone: America/New_York",
        "2025-07-01T09:30:00", "2025-07-01T09:30:00Z", "2025-07-01 09:30:00.123456789+02:00", "2025-07-01", "31/12/2025",
    )  # fmt: skip
    assert times == [
        "2025-07-01T13:30:00",
        "2025-07-01T09:30:00",
        "2025-07-01T07:30:00.123456789",
        "2025-07-01T04:00:00",
    ]
    assert aside == {"no time in t": 1}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York", "Asia/Tokyo"])
def test_typed_times_go_by_their_own_unit_and_zone(tmp_path: Path, unit: str, zone: str | None) -> None:
    moment = dt.datetime(2025, 7, 1, 9, 30, tzinfo=ZoneInfo(zone) if zone else None)
    column = pa.array([moment, None], pa.timestamp(unit, tz=zone))
    table = pa.table({"t": column, "p": [1.0, 1.0], "s": [1.0, 1.0]})
    frame, rejections = mapped(tmp_path, MAPPING.format(time="format: ms, zone: Europe/Berlin"), table)
    said = moment if zone else moment.replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert frame["event_ns"].tolist() == [int(said.timestamp()) * 10**9]
    assert rejections.counts == {"no time in t": 1}


NOVEMBER = ["2025-11-02T00:59:00", "2025-11-02T01:30:00", "2025-11-02T01:59:59", "2025-11-02T01:00:00",
            "2025-11-02T01:30:00", "2025-11-02T02:00:00"]  # fmt: skip
ZONES = {
    "America/New_York": (NOVEMBER, ["04:59", "05:30", "05:59", "06:00", "06:30", "07:00"]),
    "Europe/Berlin": (
        [f"2025-10-26T0{clock}" for clock in ("1:59:00", "2:00:00", "2:30:00", "2:00:00", "2:15:00", "3:00:00")],
        ["23:59", "00:00", "00:30", "01:00", "01:15", "02:00"],
    ),
    "Australia/Lord_Howe": (  # the clock goes back half an hour
        [f"2025-04-06T0{clock}" for clock in ("1:29:00", "1:30:00", "1:59:00", "1:31:00", "1:45:00", "2:00:00")],
        ["14:29", "14:30", "14:59", "15:01", "15:15", "15:30"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
def test_only_what_cannot_be_told_of_a_doubled_hour_is_set_aside(tmp_path: Path, zone: str) -> None:
    written, right = ZONES[zone]
    times, aside = read(tmp_path, f"format: iso, zone: {zone}", *written)
    assert [time[11:16] for time in times] == [right[0], right[-1]]
    (reason,) = aside
    assert aside[reason] == 4
    assert "happens twice" in reason
    assert zone in reason


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("rows", [2, 100])
def test_the_order_of_the_file_tells_the_doubled_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str, rows: int
) -> None:
    monkeypatch.setattr("workstation.feeds.files.table.ROWS", rows)
    written, right = ZONES[zone]
    times, aside = read(tmp_path, f"format: iso, zone: {zone}, ambiguous: by order", *written)
    assert [time[11:16] for time in times] == right
    assert not aside


def test_an_order_that_runs_back_twice_tells_nothing(tmp_path: Path) -> None:
    times, aside = read(
        tmp_path,
        "format: iso, zone: America/New_York, ambiguous: by order",
        *NOVEMBER[:5],
        "2025-11-02T01:10:00",
    )
    assert len(times) == 5
    assert list(aside.values()) == [1]


@pytest.mark.parametrize(("which", "hour"), [("first", "05:30"), ("second", "06:30")])
def test_the_mapping_may_say_which_hour_is_meant(tmp_path: Path, which: str, hour: str) -> None:
    times, aside = read(
        tmp_path, f"format: iso, zone: America/New_York, ambiguous: {which}", "2025-11-02T01:30:00"
    )
    assert times == [f"2025-11-02T{hour}:00"]
    assert not aside


def test_an_hour_that_does_not_exist_is_set_aside(tmp_path: Path) -> None:
    times, aside = read(
        tmp_path, "format: iso, zone: America/New_York, ambiguous: first", "2025-03-09T01:59:59", "2025-03-09T02:30:00",
        "2025-03-09T03:00:00",
    )  # fmt: skip
    assert times == ["2025-03-09T06:59:59", "2025-03-09T07:00:00"]
    assert list(aside) == ["local time in t does not exist in America/New_York (clocks went forward over it)"]


ONE_TIME = """
table: trades
time: {{{time}}}
instrument: {{constant: BTC/USD}}
columns: {{price: p, size: s}}
"""


@pytest.mark.parametrize(
    ("time", "name", "right"),
    [
        ("constant: 2025-07-01T16:00:00, zone: America/New_York", "x.csv", "2025-07-01T20:00:00"),
        ("constant: 2025-07-01T16:00:00Z", "x.csv", "2025-07-01T16:00:00"),
        ("constant: 1751385600000, format: ms", "x.csv", "2025-07-01T16:00:00"),
        (r"file_name: 'chain_(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)T(?P<hour>\d\d)(?P<minute>\d\d)'",
         "chain_20250701T1605.csv", "2025-07-01T16:05:00"),
        (r"file_name: '(?P<day>\d\d)-(?P<month>\d\d)-(?P<year>\d\d)', at: 16:00, zone: America/New_York",
         "spx_01-07-25.csv", "2025-07-01T20:00:00"),
    ],
)  # fmt: skip
def test_one_time_for_the_file(tmp_path: Path, time: str, name: str, right: str) -> None:
    frame, rejections = mapped(tmp_path, ONE_TIME.format(time=time), "p,s\n1,1\n2,1\n", name)
    assert utc(frame["event_ns"]) == [right] * 2
    assert not rejections.counts


@pytest.mark.parametrize(
    ("time", "problem"),
    [
        (r"file_name: '(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)'", "time of day"),
        (r"file_name: '(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)', at: '16:00'", "does not fit"),
        ("file_name: '(', at: '16:00'", "file_name|unterminated|missing"),
        ("constant: 1850-01-01", "outside 1990-2100"),
        ("constant: 2025-11-02T01:30:00, zone: America/New_York", "happens twice"),
        ("column: p, zone: Mars/Olympus", "no time zone"),
        ("column: p, format: minutes", "format"),
        ("column: p, constant: 2025-01-01", "exactly one"),
        ("column: p, ambiguous: maybe", "ambiguous"),
    ],
)  # fmt: skip
def test_what_a_mapping_cannot_mean_is_named(tmp_path: Path, time: str, problem: str) -> None:
    with pytest.raises(FrameError, match=problem):
        mapped(tmp_path, ONE_TIME.format(time=time), "p,s\n1,1\n", "x.csv")


def test_other_columns_of_time_have_a_unit_too(tmp_path: Path) -> None:
    mapping = MAPPING.format(time="format: us").replace(
        "size: s", "size: s, seen_ns: {column: seen, format: us}"
    )
    text = f"t,p,s,seen\n{MICROSECONDS},1,1,{MICROSECONDS + 5}\n{MICROSECONDS},1,1,\n{MICROSECONDS},1,1,7\n"
    frame, rejections = mapped(tmp_path, mapping, text)
    assert (frame["seen_ns"] - frame["event_ns"]).tolist()[0] == 5_000
    assert frame["seen_ns"].tolist()[1] == 0
    assert sum(rejections.counts.values()) == 1


@pytest.mark.parametrize(
    ("array", "form", "told"),
    [
        (pa.array([1735689600.5], pa.float32()), "s", "7 digits"),
        (pa.array([1000.0], pa.float16()), "ms", "7 digits"),
        (pa.array([5], pa.time32("s")), "iso", "time of day"),
        (pa.array([5], pa.duration("us")), "us", "span"),
        (pa.nulls(1), "iso", "no time in t"),
        (pa.array([45658.5]), "s", "excel"),
        (pa.array([1.0e300]), "excel", "spreadsheet"),
        (pa.array(["x"]), "excel", "no time"),
    ],
)
def test_what_holds_no_time_is_told_with_the_reason(array: pa.Array, form: str, told: str) -> None:
    found = times(array, "t", form)
    assert found.ns.tolist() == [NO_TIME] and told in found.problems[0][1]


@pytest.mark.parametrize(
    "array", [pa.array([45658.5, None]), pa.array(["45658.5", ""]), pa.array(["45658.5", None])]
)
def test_days_of_a_spreadsheet_are_wall_time(array: pa.Array) -> None:
    noon = pd.Timestamp("2025-01-01 12:00", tz="America/New_York").value
    assert times(array, "t", "excel", "America/New_York").ns.tolist() == [noon, NO_TIME]


def test_views_of_strings_are_strings() -> None:
    found = times(pa.array(["2025-01-01T00:00:00Z"], pa.string_view()), "t", "iso")
    assert found.ns.tolist() == [pd.Timestamp("2025-01-01").value]
