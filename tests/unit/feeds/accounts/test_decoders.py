"""What account decoders do with rows that are out of the ordinary."""

from __future__ import annotations

import math

import pytest

from workstation.feeds.binance import account as binance
from workstation.feeds.bybit import account as bybit
from workstation.feeds.deribit import account as deribit
from workstation.feeds.okx import account as okx
from workstation.feeds.venue_kit.account_rows import Reading, answer_of, number, settled_at, side_of, units
from workstation.market.errors import FrameError, SymbolError


def test_what_cannot_be_read_is_named() -> None:
    with pytest.raises(FrameError, match="no JSON"):
        answer_of(b"<html>")
    with pytest.raises(FrameError, match="'soon' is no number"):
        number("soon")
    with pytest.raises(FrameError, match="side 'both'"):
        side_of("both")
    assert math.isnan(number("")) and math.isnan(number(None))


def test_okx_contracts_need_their_size() -> None:
    held = {
        "instId": "BTC-USD-260327-70000-C",
        "instType": "OPTION",
        "pos": "3",
        "posSide": "net",
        "avgPx": "0.03",
    }
    with pytest.raises(FrameError, match="BTC-USD-260327-70000-C: its contract size is not known"):
        okx.positions({"data": [held]}, Reading("okx"))
    reading = Reading("okx", sizes={"BTC-USD-260327-70000-C": 0.01})
    assert okx.positions({"data": [held]}, reading)["positions"][0]["quantity"] == pytest.approx(0.03)
    asked = okx.terms(okx.POSITIONS, {"data": [held]}, Reading("okx"))
    assert [dict(call.params) for call in asked] == [
        {"instType": "OPTION", "instFamily": "BTC-USD", "instId": "BTC-USD-260327-70000-C"}
    ]
    assert okx.terms(okx.POSITIONS, {"data": [held]}, reading) == []


def test_a_deribit_symbol_that_is_no_combo_is_not_passed_over() -> None:
    trade = {
        "trade_id": "1",
        "timestamp": 1,
        "instrument_name": "BTC-99XXX26-1-C",
        "direction": "buy",
        "amount": 1,
        "price": 0.1,
    }
    with pytest.raises(SymbolError):
        deribit.trades({"result": {"trades": [trade]}}, Reading("deribit"))


def test_units_and_settlement_prices() -> None:
    assert units("BTC/USD:BTC-261225", 7_000.0, 70_000.0) == pytest.approx(0.1)
    assert units("BTC/USDT:USDT", 0.1, 70_000.0) == 0.1
    assert settled_at("BTC/USD:BTC-260327-70000-P", 56_000.0) == pytest.approx(0.25)
    assert settled_at("BTC/USDT:USDT-260327-70000-C", 60_000.0) == 0.0
    assert settled_at("BTC/USD:BTC-260327", 60_000.0) == 60_000.0


def test_pages_go_on_until_the_end() -> None:
    page = {"result": {"trades": [{"timestamp": 50}], "has_more": True}}
    assert deribit.more(deribit.TRADES, page, {"start_timestamp": 10}) == {"start_timestamp": 50}
    assert deribit.more(deribit.TRADES, page, {"start_timestamp": 50}) == {"start_timestamp": 51}
    assert (
        deribit.more(deribit.TRADES, {"result": {"trades": [], "has_more": True}}, {"start_timestamp": 1})
        is None
    )
    listed = {"result": {"list": [{}], "nextPageCursor": "b"}}
    assert bybit.more(bybit.EXECUTIONS, listed, {"cursor": "a"}) == {"cursor": "b"}
    assert bybit.more(bybit.EXECUTIONS, listed, {"cursor": "b"}) is None
    full = {"data": [{"billId": str(place)} for place in range(okx.PAGE)]}
    assert okx.more(okx.FILLS, full, {}) == {"after": "99"}
    assert okx.more(okx.FILLS, {"data": full["data"][:3]}, {}) is None
    trades = [{"time": 7}] * 2
    assert binance.more(binance.TRADES, trades, {"limit": 2, "startTime": 7}) == {"limit": 2, "startTime": 8}
    assert binance.more(binance.TRADES, trades, {"limit": 3, "startTime": 7}) is None
