"""Cboe's pages: the time of their quotes, greeks without a vol, one-sided quotes, lines of junk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.feeds.files.tables import rows
from tests.unit.feeds.files.test_damage import OPTION, PAGE
from tests.unit.feeds.files.test_readers import CBOE_CSV
from workstation.market.errors import FrameError

STAMP = "September 14, 2023 at 4:31 PM EDT"
CLOSE = "2023-09-14T16:00"


def new_york(text: str) -> int:
    return int(pd.Timestamp(text, tz="America/New_York").value)


@pytest.mark.parametrize(
    ("saved", "quoted"),
    [
        (STAMP, "2023-09-14T16:31"), ("September 14, 2023 at 11:05 AM EDT", "2023-09-14T11:05"),
        ("September 14, 2023 at 9:05 PM EDT", CLOSE), ("September 15, 2023 at 8:00 AM EDT", CLOSE),
        ("September 17, 2023 at 6:00 PM EDT", "2023-09-15T16:00"), ("June 11, 2022, 8:47 PM EDT", "2022-06-10T16:00"),
        ("July 4, 2023 at 11:00 AM EDT", "2023-07-03T13:00"), ("November 25, 2022 at 5:00 PM EST", "2022-11-25T13:00"),
    ],
)  # fmt: skip
def test_a_page_holds_the_quotes_of_the_last_session(tmp_path: Path, saved: str, quoted: str) -> None:
    path = tmp_path / "quotedata.csv"
    path.write_text(CBOE_CSV.replace(STAMP, saved))
    tables, _ = rows("cboe", path)
    assert set(tables["marks"]["event_ns"]) == set(tables["quotes"]["event_ns"]) == {new_york(quoted)}


@pytest.mark.parametrize(
    ("saved", "last_trade", "quoted"),
    [
        ("2026-07-24 19:44:38", None, "2026-07-24T15:44:38"), ("2026-07-25 03:44:38", "2026-07-24T15:59:59", "2026-07-24T16:00"),
        ("2026-07-24 19:44:38", "2026-07-23T15:10:00", "2026-07-23T16:00"), ("2026-07-26 16:00:00", None, "2026-07-24T16:00"),
    ],
)  # fmt: skip
def test_the_last_trade_tells_the_session(
    tmp_path: Path, saved: str, last_trade: str | None, quoted: str
) -> None:
    options = [OPTION | {"last_trade_time": last_trade}, OPTION | {"option": "AAPL260821C00330000"}]
    path = tmp_path / "AAPL.json"
    path.write_text(json.dumps(PAGE | {"timestamp": saved, "data": PAGE["data"] | {"options": options}}))  # type: ignore[operator]
    tables, _ = rows("cboe", path)
    assert set(tables["marks"]["event_ns"]) == {new_york(quoted)}


def test_a_foreign_time_zone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "quotedata.csv"
    path.write_text(CBOE_CSV.replace("PM EDT", "PM CET"))
    with pytest.raises(FrameError, match="time zone CET"):
        rows("cboe", path)


def test_greeks_without_a_vol_are_the_vendors(tmp_path: Path) -> None:
    path = tmp_path / "quotedata.csv"
    path.write_text(CBOE_CSV.replace("0.1012,0.52,0.0091", "0,1,0"))
    marks = rows("cboe", path)[0]["marks"]
    assert np.isnan(marks["mark_iv"]).all()
    np.testing.assert_equal(marks[["delta", "gamma"]].values.tolist(), [[1.0, 0.0], [np.nan, np.nan]])


def test_one_side_of_a_quote_gives_no_mid(tmp_path: Path) -> None:
    path = tmp_path / "quotedata.csv"
    path.write_text(CBOE_CSV)
    marks = rows("cboe", path)[0]["marks"]
    np.testing.assert_allclose(marks["mark"], [21.35, np.nan])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("junk\n", "a line of other than 22 fields"),
        ("Fri Sep 15 2023," + "0," * 9 + "0,4510.00," + ",0" * 9 + "\n", "symbol"),
        (",,,,,,,,,,,,,,,,,,,,,\n", "no instrument named"),
    ],
)  # fmt: skip
def test_lines_that_are_no_quotes_are_counted(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "quotedata.csv"
    path.write_text(CBOE_CSV + line)
    tables, rejections = rows("cboe", path)
    assert len(tables["marks"]) == 2
    assert reason in rejections.counts
    assert "line 6" in rejections.examples[reason]


@pytest.mark.parametrize(
    ("call", "put", "left"), [("x", "1", "SPXW  230915P04510000"), ("1", "x", "SPXW  230915C04510000")]
)
def test_a_cell_that_is_no_number_costs_its_own_side_alone(
    tmp_path: Path, call: str, put: str, left: str
) -> None:
    path = tmp_path / "quotedata.csv"
    path.write_text(
        f"{CBOE_CSV}Fri Sep 15 2023,SPXW230915C04510000,{call}{',1' * 8},4510.00,SPXW230915P04510000,{put}{',1' * 8}\n"
    )
    tables, rejections = rows("cboe", path)
    assert len(tables["marks"]) == 3 and left in tables["marks"]["instrument"].tolist()
    assert rejections.counts == {"not a number": 1} and "line 6" in rejections.examples["not a number"]
