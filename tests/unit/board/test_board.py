"""The board keeps the newest state of each table, and says when it changed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workstation.board.board import Board
from workstation.board.retention import PENDING_BATCHES
from workstation.market.tables import TABLES

HOUR_NS = 3_600 * 10**9


def conformed(table: str, **columns: object) -> pd.DataFrame:
    return TABLES[table].conform(pd.DataFrame(columns))


def trades(first: int, count: int, instrument: str = "BOARD-A") -> pd.DataFrame:
    times = np.arange(first, first + count)
    return conformed(
        "trades", event_ns=times, instrument=[instrument] * count, price=times * 1.0, size=np.ones(count)
    )


def test_a_tail_keeps_the_last_rows_in_order_whether_read_or_not() -> None:
    board = Board()
    for batch in range(3 * PENDING_BATCHES):
        board.add("trades", trades(batch * 100, 100))
    kept = board.latest("trades")
    assert len(kept) == 20_000
    assert kept["event_ns"].iloc[-1] == 3 * PENDING_BATCHES * 100 - 1
    assert (np.diff(kept["event_ns"]) == 1).all()


def test_marks_are_the_newest_row_per_instrument() -> None:
    board = Board()
    for time, iv in ((1, 0.5), (2, 0.6)):
        board.add("marks", conformed("marks", event_ns=[time], instrument=["BOARD-A"], mark_iv=[iv]))
    board.add("marks", conformed("marks", event_ns=[1], instrument=["BOARD-B"], mark_iv=[0.4]))
    assert dict(zip(board.latest("marks")["instrument"], board.latest("marks")["mark_iv"], strict=True)) == {
        "BOARD-A": 0.6,
        "BOARD-B": 0.4,
    }


def test_exposures_are_the_newest_snapshot_of_each_underlying() -> None:
    board = Board()
    for time, underlying, strikes in ((1, "BTC", [1.0, 2.0]), (2, "BTC", [2.0, 3.0]), (1, "ETH", [5.0])):
        rows = len(strikes)
        board.add(
            "exposures",
            conformed("exposures", event_ns=[time] * rows, underlying=[underlying] * rows, strike=strikes),
        )
    newest = board.latest("exposures")
    assert sorted(zip(newest["underlying"], newest["strike"], strict=True)) == [
        ("BTC", 2.0),
        ("BTC", 3.0),
        ("ETH", 5.0),
    ]


def test_levels_reach_back_36_hours() -> None:
    board = Board()
    for hours in (0, 10, 40):
        board.add("levels", conformed("levels", event_ns=[hours * HOUR_NS], underlying=["BTC"]))
    assert (board.latest("levels")["event_ns"] // HOUR_NS).tolist() == [10, 40]


def test_versions_grow_only_with_rows() -> None:
    board = Board()
    before = board.version("trades")
    board.add("trades", trades(0, 0))
    assert board.version("trades") == before
    board.add("trades", trades(0, 1))
    assert board.version("trades") == before + 1


def candle(start: int, close: float, closed: bool = True, revision: int = 0) -> pd.DataFrame:
    return conformed(
        "candles", event_ns=[start], instrument=["BOARD-A"], every_ns=[10], close=[close], closed=[closed],
        revision=np.array([revision], dtype=np.int32),
    )  # fmt: skip


def test_the_candle_in_progress_stands_last_and_a_revision_replaces() -> None:
    board = Board()
    board.add("candles", candle(0, 1.0))
    board.add("candles", candle(10, 2.0))
    board.add("candles", candle(0, 1.5, revision=1))
    board.set_forming(candle(20, 3.0, closed=False))
    shown = board.candles("BOARD-A", 10)
    assert shown["event_ns"].tolist() == [0, 10, 20]
    assert shown["close"].tolist() == [1.5, 2.0, 3.0]
    assert not shown["closed"].iloc[-1]
    board.add("candles", candle(20, 3.5))
    assert board.candles("BOARD-A", 10)["close"].tolist() == [1.5, 2.0, 3.5], (
        "final, whatever was in progress"
    )
    assert board.candles("BOARD-A", 60).empty
    assert board.candles("", 10).empty
    assert board.candles("NEVER HEARD OF", 10).empty


def test_candles_of_options_are_bounded_together_and_found_one_by_one() -> None:
    board = Board()
    for minute in range(60):
        names = [f"BOARD/USD:BOARD-261225-{strike}-C" for strike in range(1_000, 2_000)]
        board.add(
            "candles",
            conformed("candles", event_ns=[minute * 60] * 1_000, instrument=names, every_ns=[60] * 1_000),
        )
        board.add(
            "candles", conformed("candles", event_ns=[minute * 60], instrument=["BOARD-A"], every_ns=[60])
        )
    kept = board.latest("candles")
    options = kept["instrument"].astype("str").str.endswith("-C").sum()
    assert 20_000 <= options < 22_000
    assert len(board.candles("BOARD-A", 60)) == 60
    assert board.candles("BOARD/USD:BOARD-261225-1500-C", 60)["event_ns"].tolist()[-3:] == [3420, 3480, 3540]


def test_traded_counts_closed_and_forming_candles_of_all_but_options() -> None:
    board = Board()
    for begin in (0, 10):
        names = ["BOARD-A", "BOARD-B", "BOARD/USD:BOARD-261225-1500-C"]
        board.add(
            "candles",
            conformed("candles", event_ns=[begin] * 3, instrument=names, every_ns=[10] * 3, trades=[2, 5, 9]),
        )
    assert board.traded() == {"BOARD-A": 4, "BOARD-B": 10}
    board.set_forming(conformed("candles", event_ns=[20], instrument=["BOARD-A"], every_ns=[10], trades=[3]))
    assert board.traded() == {"BOARD-A": 7, "BOARD-B": 10}
    board.set_forming(conformed("candles", event_ns=[20], instrument=["BOARD-A"], every_ns=[10], trades=[4]))
    assert board.traded()["BOARD-A"] == 8, "what forms replaces what formed"


def test_what_came_since_is_found_waiting_or_merged() -> None:
    board = Board()
    for first in (0, 10, 20):
        for name in ("BOARD-A", "BOARD-B"):
            rows = trades(first, 10, name)
            rows["seq"] = np.arange(2 * first, 2 * first + 10) + (10 if name == "BOARD-B" else 0)
            board.add("trades", rows)
        if first == 10:
            board.latest("trades")
    newest, columns = board.since("trades", "BOARD-A", 23, ["event_ns", "seq"])
    assert newest == 59
    assert columns["seq"].tolist() == [*range(24, 30), *range(40, 50)]
    newest, columns = board.since("trades", "BOARD-A", newest, ["event_ns"])
    assert newest == 59
    assert columns["event_ns"].tolist() == []


def test_what_was_handed_out_does_not_change_afterwards() -> None:
    board = Board()
    board.add("trades", trades(0, 5))
    kept = board.latest("trades")
    copy = kept.copy(deep=True)
    board.add("trades", trades(5, 5))
    board.latest("trades")
    pd.testing.assert_frame_equal(kept, copy)


def test_intensity_keeps_the_last_rows_of_every_instrument_however_lively_its_neighbour() -> None:
    board = Board()
    quiet = conformed(
        "intensity", event_ns=np.arange(50), instrument=["BOARD-A"] * 50, smoothed=np.arange(50.0)
    )
    board.add("intensity", quiet)
    for batch in range(300):
        times = 100 + 50 * batch + np.arange(50)
        board.add(
            "intensity",
            conformed("intensity", event_ns=times, instrument=["BOARD-B"] * 50, smoothed=times * 1.0),
        )
    kept = board.latest("intensity")
    of = kept["instrument"].astype("str")
    assert (of == "BOARD-A").sum() == 50
    assert 3_000 <= (of == "BOARD-B").sum() <= 4_600 + 50 * PENDING_BATCHES
    assert kept["event_ns"].iloc[-1] == 100 + 50 * 300 - 1
    for _ in range(3):
        board.add("intensity", conformed("intensity", event_ns=times, instrument=["BOARD-B"] * 50))
        kept = board.latest("intensity")
    assert (kept["instrument"].astype("str") == "BOARD-B").sum() <= 3_000 + 1_500 + 50


def test_the_same_candles_are_found_once_and_anew_when_they_change() -> None:
    board = Board()
    row = {
        "instrument": ["BOARD-A"],
        "every_ns": [10],
        "open": [1.0],
        "high": [1.0],
        "low": [1.0],
        "close": [1.0],
    }
    board.add("candles", conformed("candles", event_ns=[0], closed=[True], **row))
    first = board.candles("BOARD-A", 10)
    assert board.candles("BOARD-A", 10) is first
    board.set_forming(conformed("candles", event_ns=[10], closed=[False], **row))
    assert board.candles("BOARD-A", 10)["event_ns"].tolist() == [0, 10]
    board.add("candles", conformed("candles", event_ns=[10], closed=[True], **row))
    board.set_forming(conformed("candles", event_ns=[20], closed=[False], **row))
    assert board.candles("BOARD-A", 10)["event_ns"].tolist() == [0, 10, 20]
    assert board.candles("BOARD-A", 10)["closed"].tolist() == [True, True, False]
