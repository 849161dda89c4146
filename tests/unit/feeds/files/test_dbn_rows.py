"""Trades, quotes and bars of DBN records: what counts as a print, and what is not known."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from tests.unit.feeds.files.dbn_files import (
    ES,
    OPRA,
    UNDEFINED_PRICE,
    UNDEFINED_TIME,
    T,
    bar,
    consolidated,
    dbn,
    header,
    price,
    tables,
    top,
    trade,
    write,
)  # fmt: skip
from workstation.feeds.files import Rejections

GLBX = header("GLBX.MDP3", ES)
SIDE, ACTION = dbn.Side, dbn.Action


def test_the_side_is_the_venues_only_where_it_says_one(tmp_path: Path) -> None:
    records = [trade(1, 118, side=side) for side in (SIDE.BID, SIDE.ASK, SIDE.NONE)]
    trades = tables(write(tmp_path / "a.dbn", GLBX, records))["trades"]
    assert trades["side"].tolist() == [1, -1, 0]
    assert trades["side_source"].tolist() == ["venue", "venue", ""]


def test_a_fill_is_not_a_print(tmp_path: Path) -> None:
    def order(action: str, side: str) -> object:
        return dbn.MBOMsg(1, 118, T, 9, price(5300.25), 2, action, side, T + 100, sequence=77)

    records = [order(ACTION.TRADE, SIDE.ASK), order(ACTION.FILL, SIDE.BID), order(ACTION.CANCEL, SIDE.BID)]
    rejections = Rejections()
    trades = tables(write(tmp_path / "a.dbn", GLBX, records), rejections)["trades"]
    assert trades[["price", "size", "side", "venue_seq"]].values.tolist() == [[5300.25, 2.0, -1, 77]]
    assert rejections.counts == {"order-book event (no table keeps orders)": 2}


@pytest.mark.parametrize("action", [ACTION.ADD, ACTION.CANCEL, ACTION.MODIFY, ACTION.FILL, ACTION.CLEAR])
def test_only_action_t_prints(tmp_path: Path, action: str) -> None:
    found = tables(write(tmp_path / "a.dbn", GLBX, [top(1, 118, 5300.0, 5300.25, action=action)]))
    assert len(found["quotes"]) == 1
    assert "trades" not in found


def test_a_record_of_the_trades_schema_that_is_no_trade_is_counted(tmp_path: Path) -> None:
    rejections = Rejections()
    file = write(tmp_path / "a.dbn", GLBX, [trade(1, 118), trade(1, 118, action=ACTION.FILL)])
    assert len(tables(file, rejections)["trades"]) == 1
    assert rejections.counts == {"record of schema trades that is no trade": 1}


def test_a_print_without_price_or_size_is_set_aside(tmp_path: Path) -> None:
    records = [
        trade(1, 118), trade(1, 118, price=UNDEFINED_PRICE), trade(1, 118, size=2**32 - 1), trade(1, 118, size=0),
        trade(1, 118, value=-37.63),
    ]  # fmt: skip
    rejections = Rejections()
    trades = tables(write(tmp_path / "a.dbn", GLBX, records), rejections)["trades"]
    assert trades["price"].tolist() == [1.0, -37.63], "a future can trade below zero"
    assert rejections.counts == {
        "trade without a price": 1, "trade without a size": 1, "a trade of size 0": 1,
    }  # fmt: skip


def test_the_receive_time_stands_for_an_undefined_event_time(tmp_path: Path) -> None:
    records = [
        trade(1, 118, at=T),
        trade(1, 118, ts_event=UNDEFINED_TIME, ts_recv=T + 7),
        trade(1, 118, ts_recv=UNDEFINED_TIME),
        trade(1, 118, ts_recv=0),
        trade(1, 118, ts_event=UNDEFINED_TIME, ts_recv=UNDEFINED_TIME),
        trade(1, 118, ts_event=5, ts_recv=5),
        trade(1, 118, ts_event=2**63 + 5, ts_recv=T),
    ]
    rejections = Rejections()
    trades = tables(write(tmp_path / "a.dbn", GLBX, records), rejections)["trades"]
    assert trades["event_ns"].tolist() == [T, T + 7, T, T]
    assert trades["seen_ns"].tolist() == [T + 100, T + 7, 0, 0]
    assert rejections.counts == {"no time": 1, "time outside 1990-2100": 2}


def test_a_receive_time_that_is_not_to_be_relied_on_is_unknown(tmp_path: Path) -> None:
    trades = tables(write(tmp_path / "a.dbn", GLBX, [trade(1, 118, flags=dbn.F_BAD_TS_RECV)]))["trades"]
    assert trades["seen_ns"].tolist() == [0]


def test_an_empty_side_of_a_quote_is_missing(tmp_path: Path) -> None:
    records = [
        top(1, 118, None, 5300.25),
        top(1, 118, 5300.0, None),
        top(1, 118, None, None, action=ACTION.CLEAR),
    ]
    quotes = tables(write(tmp_path / "a.dbn", GLBX, records))["quotes"]
    expected = [[np.nan, np.nan, 5300.25, 6.0], [5300.0, 5.0, np.nan, np.nan], [np.nan] * 4]
    np.testing.assert_array_equal(quotes[["bid", "bid_size", "ask", "ask_size"]].to_numpy(), expected)


def test_the_published_mbp_1_record(tmp_path: Path) -> None:
    """Databento's sample of ES: 24 bid at 3720.25, 11 asked at 3720.50."""
    at = 1609160400006136329
    pair = dbn.BidAskPair(price(3720.25), price(3720.50), 24, 11)
    head = header("GLBX.MDP3", {"ESM6": [(dt.date(2020, 12, 28), dt.date(2020, 12, 29), 118)]})
    record = top(1, 118, 1.0, 2.0, ts_event=at, ts_recv=at + 100, levels=pair)
    quotes = tables(write(tmp_path / "es.dbn", head, [record]))["quotes"]
    assert quotes["event_ns"].tolist() == [at]
    assert quotes[["bid", "bid_size", "ask", "ask_size"]].iloc[0].tolist() == [3720.25, 24.0, 3720.5, 11.0]


def test_a_book_after_a_gap_is_told(tmp_path: Path) -> None:
    records = [top(1, 118, 1.0, 2.0, flags=dbn.F_MAYBE_BAD_BOOK), top(1, 118, 1.0, 2.0)]
    quotes = tables(write(tmp_path / "a.dbn", GLBX, records))["quotes"]
    assert quotes["condition"].tolist() == ["maybe bad book", ""]


def test_tcbbo_keeps_its_action_and_its_quote(tmp_path: Path) -> None:
    record = consolidated(dbn.RType.TCBBO, 22, 4242, 1.0, 1.1, side=SIDE.NONE, price=price(1.08))
    found = tables(write(tmp_path / "a.dbn", header("OPRA.PILLAR", OPRA), [record]))
    assert found["trades"][["price", "size", "side", "side_source"]].values.tolist() == [[1.08, 3.0, 0, ""]]
    assert found["quotes"][["bid", "ask"]].values.tolist() == [[1.0, 1.1]]


@pytest.mark.parametrize(
    ("rtype", "pair", "venue"),
    [
        (dbn.RType.CBBO_1S, dbn.ConsolidatedBidAskPair, "opra"), (dbn.RType.CBBO_1M, dbn.ConsolidatedBidAskPair, "opra"),
        (dbn.RType.BBO_1S, dbn.BidAskPair, "xcbo"), (dbn.RType.BBO_1M, dbn.BidAskPair, "xcbo"),
    ],
)  # fmt: skip
def test_an_intervals_quote_is_of_its_end(tmp_path: Path, rtype: int, pair: type, venue: str) -> None:
    message = dbn.CBBOMsg if pair is dbn.ConsolidatedBidAskPair else dbn.BBOMsg
    end = T + 60 * 10**9
    record = message(
        rtype, 22, 4242, UNDEFINED_TIME, UNDEFINED_PRICE, 0, SIDE.NONE, end,
        levels=pair(price(1.0), price(1.1), 4, 5),
    )  # fmt: skip
    found = tables(write(tmp_path / "a.dbn", header("OPRA.PILLAR", OPRA), [record]))
    assert list(found) == ["quotes"], "the last sale of an interval is not a print"
    assert found["quotes"][["event_ns", "bid", "bid_size", "venue"]].values.tolist() == [
        [end, 1.0, 4.0, venue]
    ]


def test_an_undefined_number_of_a_bar_is_missing(tmp_path: Path) -> None:
    record = dbn.OHLCVMsg(33, 1, 118, T, price(1.0), UNDEFINED_PRICE, price(0.5), price(1.0), 2**64 - 1)
    candles = tables(write(tmp_path / "a.dbn", GLBX, [record]))["candles"]
    assert candles[["high", "volume"]].isna().all(axis=None)
    assert candles[["open", "low", "close"]].values.tolist() == [[1.0, 0.5, 1.0]]


def test_bars_of_no_fixed_length_are_counted_with_the_remedy(tmp_path: Path) -> None:
    rejections = Rejections()
    file = write(tmp_path / "a.dbn", GLBX, [bar(1, 118, 1, 1, 1, 1, volume=1, rtype=0x24)])
    assert tables(file, rejections) == {}
    assert rejections.counts == {"schema ohlcv-eod has no table": 1}
    assert "export ohlcv-1d" in rejections.examples["schema ohlcv-eod has no table"]


def test_a_bar_without_any_price_is_set_aside(tmp_path: Path) -> None:
    none = dbn.OHLCVMsg(33, 1, 118, T, *[UNDEFINED_PRICE] * 4, 0)
    rejections = Rejections()
    candles = tables(write(tmp_path / "a.dbn", GLBX, [bar(1, 118, 1, 2, 1, 2, volume=5), none]), rejections)
    assert candles["candles"]["high"].tolist() == [2.0]
    assert rejections.counts == {"bar without any price": 1}
