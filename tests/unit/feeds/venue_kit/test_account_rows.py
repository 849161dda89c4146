"""What account decoders do with rows that are out of the ordinary."""

from __future__ import annotations

import math

import pytest

from workstation.feeds.binance import account as binance
from workstation.feeds.binance import private as binance_private
from workstation.feeds.bybit import account as bybit
from workstation.feeds.bybit import private as bybit_private
from workstation.feeds.deribit import account as deribit
from workstation.feeds.deribit import private as deribit_private
from workstation.feeds.okx import account as okx
from workstation.feeds.okx import private as okx_private
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


def test_what_bybit_lends_is_no_balance() -> None:
    coins = [
        {"coin": "USDT", "walletBalance": "1200", "spotBorrow": "200", "availableToWithdraw": "0"},
        {"coin": "ETH", "walletBalance": "0", "spotBorrow": "0.06142", "availableToWithdraw": ""},
    ]
    found = bybit.balances({"result": {"list": [{"coin": coins}]}}, Reading("bybit"))["balances"]
    assert [(row["currency"], row["total"]) for row in found] == [("USDT", 1000.0), ("ETH", -0.06142)]


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


NOW = 1_774_000_000_000_000_000


def test_binance_options_count_contracts_of_their_unit() -> None:
    reading = Reading("binance", seen_ns=NOW)
    held = {
        "symbol": "DOGE-260327-0.2-C",
        "side": "LONG",
        "quantity": "3",
        "entryPrice": "0.01",
        "markPrice": "0.02",
    }
    with pytest.raises(FrameError, match="contract size is not known"):
        binance.options([held], reading)
    assert [call.method for call in binance.terms(binance.OPTIONS, [held], reading)] == [binance.CONTRACTS]
    assert binance.terms(binance.OPTIONS, [held], reading) == []  # asked for a moment ago
    listing = {
        "optionSymbols": [
            {"symbol": "DOGE-260327-0.2-C", "unit": 100},
            {"symbol": "BTC-260327-70000-C", "unit": 1},
        ]
    }
    binance.exchange_info(listing, reading)
    position = binance.options([held], reading)["positions"][0]
    assert [position[name] for name in ("quantity", "entry", "mark")] == pytest.approx(
        [300.0, 0.0001, 0.0002]
    )
    trade = {
        "symbol": "DOGE-260327-0.2-C",
        "side": "SELL",
        "quantity": "-3",
        "price": "0.01",
        "time": NOW // 10**6,
        "tradeId": 1,
    }
    fill = binance.trades([trade], reading)["fills"][0]
    assert [fill["size"], fill["price"]] == pytest.approx([300.0, 0.0001])


def test_an_expired_binance_option_takes_the_unit_all_of_its_underlying_have() -> None:
    gone = {
        "symbol": "DOGE-260320-0.1-C", "positionSide": "LONG", "quantity": "2", "markPrice": "0.3", "id": "1", "createDate": NOW // 10**6,
    }  # fmt: skip
    for told, size in (((100, 100), 200.0), ((100, 1000), None)):
        reading = Reading("binance", seen_ns=NOW)
        binance.terms(binance.EXERCISES, [gone], reading)
        listed = [{"symbol": f"DOGE-260327-0.{place}-C", "unit": unit} for place, unit in enumerate(told, 2)]
        binance.exchange_info({"optionSymbols": listed}, reading)
        if size is None:
            with pytest.raises(FrameError, match="contract size is not known"):
                binance.exercises([gone], reading)
        else:
            assert binance.exercises([gone], reading)["fills"][0]["size"] == size


def test_okx_needs_both_parts_of_a_contract_size() -> None:
    for listed in (
        {"instId": "BTC-USDT-SWAP", "ctVal": "0.01", "ctValCcy": "BTC"},
        {"instId": "BTC-USDT-SWAP", "ctVal": "0.01", "ctMult": "1", "ctValCcy": "USDT"},
        {"instId": "BTC-USD-SWAP", "ctVal": "100", "ctMult": "1", "ctValCcy": "BTC"},
    ):
        reading = Reading("okx", unread=[])
        okx.instruments({"data": [listed]}, reading)
        assert reading.sizes == {} and len(reading.unread or ()) == 1


def sides(rows: list[dict[str, object]]) -> list[tuple[object, object, object]]:
    return sorted((row["quantity"], row["position_side"], row["margin_mode"]) for row in rows)


def test_long_and_short_cross_and_isolated_are_positions_of_their_own() -> None:
    """Two rows of one contract at each venue that has them; the order plays no part."""
    plain = {"entryPrice": "70000"}
    futures = [
        {"symbol": "BTCUSDT", "positionSide": "LONG", "positionAmt": "1", "isolatedMargin": "0", **plain},
        {
            "symbol": "BTCUSDT",
            "positionSide": "SHORT",
            "positionAmt": "-0.4",
            "isolatedMargin": "12.5",
            **plain,
        },
    ]
    linear = [
        {"symbol": "BTCUSDT", "side": "Buy", "size": "1", "positionIdx": 1, "avgPrice": "70000"},
        {"symbol": "BTCUSDT", "side": "Sell", "size": "0.4", "positionIdx": 2, "avgPrice": "71000"},
    ]
    swap = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "avgPx": "70000"}
    swaps = [
        {**swap, "pos": "100", "posSide": "long", "mgnMode": "cross"},
        {**swap, "pos": "40", "posSide": "short", "mgnMode": "cross"},
        {**swap, "pos": "-20", "posSide": "net", "mgnMode": "isolated"},
    ]
    for order in (1, -1):
        got = binance.futures(futures[::order], Reading("binance"))["positions"]
        assert sides(got) == [(-0.4, "short", "isolated"), (1.0, "long", "cross")]
        got = bybit.positions({"result": {"list": linear[::order]}}, Reading("bybit"))["positions"]
        assert sides(got) == [(-0.4, "short", ""), (1.0, "long", "")]
        got = okx.positions({"data": swaps[::order]}, Reading("okx", sizes={"BTC-USDT-SWAP": 0.01}))[
            "positions"
        ]
        assert sides(got) == [(-0.4, "short", "cross"), (-0.2, "", "isolated"), (1.0, "long", "cross")]


def test_rows_that_do_not_say_their_side_are_told_apart_or_summed() -> None:
    row = {"symbol": "BTCUSDT", "size": "1", "avgPrice": "70000", "unrealisedPnl": "5"}
    both = [{**row, "side": "Buy"}, {**row, "side": "Sell", "size": "0.4"}]
    assert sides(bybit.positions({"result": {"list": both}}, Reading("bybit"))["positions"]) == [
        (-0.4, "short", ""),
        (1.0, "long", ""),
    ]
    same = [{**row, "side": "Buy"}, {**row, "side": "Buy", "size": "3", "avgPrice": "74000"}]
    (held,) = bybit.positions({"result": {"list": same}}, Reading("bybit"))["positions"]
    assert (held["quantity"], held["entry"], held["unrealised"]) == (4.0, 73_000.0, 10.0)


@pytest.mark.parametrize(
    ("side", "closed", "kept"),
    [
        ("Buy", "0", "long"),
        ("Buy", "0.1", "short"),
        ("Sell", "0", "short"),
        ("Sell", "0.1", "long"),
        ("Sell", "", ""),
    ],
)
def test_a_bybit_execution_in_hedge_mode_belongs_to_a_side(side: str, closed: str, kept: str) -> None:
    row = {
        "symbol": "BTCUSDT", "side": side, "execPrice": "70000", "execQty": "0.1", "execType": "Trade", "execId": "1",
        "execTime": str(NOW // 10**6), "closedSize": closed,
    }  # fmt: skip
    answer = {"result": {"list": [row]}}
    assert bybit.executions(answer, Reading("bybit"))["fills"][0]["position_side"] == ""
    hedged = Reading("bybit", two_sided={"BTCUSDT"})
    assert bybit.executions(answer, hedged)["fills"][0]["position_side"] == kept
    unknown = {"result": {"list": [{**row, "execType": "Gift"}, row]}}
    hedged.unread = []
    assert len(bybit.executions(unknown, hedged)["fills"]) == 1 and "'Gift'" in hedged.unread[0].problem


@pytest.mark.parametrize(
    ("coin", "total"),
    [
        ({"walletBalance": "1200", "spotBorrow": "200"}, 1000.0),
        ({"walletBalance": "0", "spotBorrow": "0.06142"}, -0.06142),
        ({"walletBalance": "5", "spotBorrow": ""}, 5.0),
        ({"walletBalance": "5"}, 5.0),
    ],
)
def test_a_bybit_balance_is_less_what_is_borrowed(coin: dict[str, str], total: float) -> None:
    answer = {"result": {"list": [{"coin": [{"coin": "ETH", **coin}]}]}}
    assert bybit.balances(answer, Reading("bybit"))["balances"][0]["total"] == total


@pytest.mark.parametrize(
    ("told", "total"),
    [
        ({"cashBal": "0.5", "eq": "0.51", "liab": "", "upl": "0.01"}, 0.5),
        ({"cashBal": "1200", "eq": "1003", "liab": "200", "upl": "3"}, 1000.0),
        ({"cashBal": "-200", "eq": "-200", "liab": "200", "upl": ""}, -200.0),
    ],
)
def test_an_okx_balance_is_less_what_is_owed(told: dict[str, str], total: float) -> None:
    answer = {"data": [{"details": [{"ccy": "USDT", **told}]}]}
    assert okx.balances(answer, Reading("okx"))["balances"][0]["total"] == total


def test_negative_balances_stay_negative() -> None:
    owed = [{"asset": "USDT", "balance": "-12.5", "availableBalance": "0"}]
    assert binance.futures_balance(owed, Reading("binance"))["balances"][0]["total"] == -12.5
    answer = {"result": {"summaries": [{"currency": "USDC", "balance": -3.0}]}}
    assert deribit.balances(answer, Reading("deribit"))["balances"][0]["total"] == -3.0


@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_an_okx_fill_has_the_margin_mode_of_its_bill(mode: str) -> None:
    fill = {
        "instId": "BTC-USDT-SWAP", "instType": "SWAP", "tradeId": "5", "billId": "905", "fillPx": "70000", "fillSz": "10",
        "side": "buy", "posSide": "net", "fee": "-1", "feeCcy": "USDT", "ts": "1774000000000",
    }  # fmt: skip
    bill = {"billId": "905", "instId": "BTC-USDT-SWAP", "type": "2", "mgnMode": mode, "ts": "1774000000000"}
    others = [
        {**bill, "billId": None},
        {**bill, "billId": "906", "mgnMode": "odd"},
        {**bill, "mgnMode": ""},
        "x",
    ]
    reading = Reading("okx", sizes={"BTC-USDT-SWAP": 0.01}, unread=[])
    assert okx.bills({"data": [*others, bill]}, reading) == {"fills": []}
    assert len(reading.unread or []) == 3
    rows = okx.fills({"data": [fill, {**fill, "billId": "999"}]}, reading)["fills"]
    assert [row["margin_mode"] for row in rows] == [mode, ""]
    calls = [request.params.get("type") for request in okx.requests([], 0) if request.channel == "fills"]
    assert calls[0] == "2", "modes are known before the fills are read"


def test_what_a_pushed_message_does_not_tell_whole_is_asked_for_again() -> None:
    """A contract of unknown size, a delivery, funding, a position that moved without a trade."""
    okx_position = {"instId": "BTC-USD-260327-70000-C", "instType": "OPTION", "pos": "3", "posSide": "net"}
    option = {"m": "ORDER", "B": [], "P": [{"s": "DOGE-260327-0.2-C", "c": "-1", "a": "0.1"}]}
    settled = {
        "instrument_name": "BTC-PERPETUAL",
        "kind": "future",
        "direction": "zero",
        "size": 0.0,
        "size_currency": 0.0,
    }
    changes = {"params": {"data": {"trades": [], "positions": [settled]}}}
    delivery = {"category": "option", "symbol": "BTC-26DEC25-100000-C", "execType": "Delivery", "execId": "1"}
    for venue, decode, topic, message in (
        ("okx", okx_private.decode, "positions", {"data": [okx_position]}),
        (
            "binance",
            binance_private.decode,
            "options/BALANCE_POSITION_UPDATE",
            {"stream": "x", "data": option},
        ),
        ("binance", binance_private.decode, "futures/ACCOUNT_UPDATE", {"a": {"m": "FUNDING_FEE", "B": []}}),
        ("deribit", deribit_private.decode, deribit_private.CHANGES, changes),
        ("bybit", bybit_private.decode, "execution", {"data": [delivery]}),
    ):
        found = decode(topic, message, Reading(venue))
        assert found.again and not found.rows.get("fills"), venue
    assert found.rows == {"fills": []}
    gone = deribit_private.decode(deribit_private.CHANGES, changes, Reading("deribit")).rows["positions"]
    assert [(row["instrument"], row["quantity"]) for row in gone] == [("BTC/USD:BTC", 0.0)]


def test_topics_that_were_not_asked_for_are_named() -> None:
    for decode in (okx_private.decode, bybit_private.decode, binance_private.decode, deribit_private.decode):
        with pytest.raises(FrameError, match=r"'tickers'|no data"):
            decode("tickers", {"data": []}, Reading("okx"))
