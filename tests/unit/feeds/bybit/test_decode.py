"""Bybit's decoder: hand-checked values, units, sides, what is set aside and why; recorded frames against a reading of their own."""

from __future__ import annotations

import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workstation.feeds.bybit.decode import decode
from workstation.market.tables import TradeFlag

TICKER = {
    "symbol": "BTC-6JAN23-17500-C", "bidPrice": "0", "bidSize": "0", "bidIv": "0", "askPrice": "10", "askSize": "5.1",
    "askIv": "0.514", "lastPrice": "10", "highPrice24h": "25", "lowPrice24h": "5", "markPrice": "7.86976724",
    "indexPrice": "16823.73", "markPriceIv": "0.4896", "underlyingPrice": "16815.1", "openInterest": "49.85",
    "turnover24h": "446802.8473", "volume24h": "26.55", "totalVolume": "86", "totalTurnover": "1437431", "delta": "0.047831",
    "gamma": "0.00021453", "vega": "0.81351067", "theta": "-19.9115368", "predictedDeliveryPrice": "0", "change24h": "-0.33333334",
}  # fmt: skip
PRINT = {
    "T": 1709891679000,
    "s": "BTC-29MAR24-70000-C",
    "S": "Buy",
    "v": "0.010",
    "p": "27451.00",
    "L": "PlusTick",
    "i": "a-1",
    "BT": False,
}


def pushed(topic: str, data: Any, **fields: Any) -> bytes:
    return json.dumps(
        {"topic": topic, "type": "snapshot", "ts": 1709891679005, "data": data} | fields
    ).encode()


def rows(channel: str, *payloads: bytes, seen_ns: int = 5) -> dict[str, pd.DataFrame]:
    frames = pd.DataFrame({"payload": list(payloads), "channel": channel, "seen_ns": seen_ns})
    return {batch.table: batch.frame for batch in decode(frames)}


def answered(call: str, category: str, *items: dict[str, Any]) -> dict[str, pd.DataFrame]:
    body = {
        "retCode": 0,
        "retMsg": "OK",
        "result": {"category": category, "list": list(items)},
        "time": 1709891679005,
    }
    return rows(f"GET v5/market/{call}?category={category}", json.dumps(body).encode())


def test_an_option_ticker_in_natural_units() -> None:
    row = rows(
        "option/tickers.BTC-6JAN23-17500-C", pushed("tickers.BTC-6JAN23-17500-C", TICKER, ts=1672917511074)
    )["marks"].iloc[0]
    assert row["instrument"] == "BTC/USDC:USDC-230106-17500-C"
    assert row["event_ns"] == 1_672_917_511_074_000_000 == row["open_interest_ns"]
    expected = {
        "ask": 10.0, "ask_size": 5.1, "ask_iv": 0.514, "mark": 7.86976724, "mark_iv": 0.4896, "index": 16823.73, "forward": 16815.1,
        "open_interest": 49.85, "delta": 0.047831, "gamma": 0.00021453, "vega": 81.351067, "theta": -19.9115368 * 365,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    assert row[["bid", "bid_size", "bid_iv", "rho"]].isna().all()


def test_a_print_happened_at_its_own_time_and_side() -> None:
    table = rows(
        "option/publicTrade.BTC",
        pushed("publicTrade.BTC", [PRINT, PRINT | {"i": "a-2", "S": "Sell", "BT": True, "iv": "0.5"}]),
    )["trades"]
    assert table["event_ns"].tolist() == [1_709_891_679_000_000_000] * 2
    assert table["side"].tolist() == [1, -1]
    assert table[["price", "size"]].iloc[0].tolist() == [27451.0, 0.01]
    assert table["flags"].tolist() == [0, int(TradeFlag.BLOCK)]
    assert table["trade_id"].tolist() == ["a-1", "a-2"]
    assert math.isnan(table["iv"].iloc[0])
    assert table["iv"].iloc[1] == 0.5


def test_the_channel_tells_spot_from_linear_and_inverse_sizes_are_coins() -> None:
    def row(channel: str, symbol: str) -> pd.Series:
        made = PRINT | {"s": symbol, "p": "50000", "v": "100"}
        return rows(channel, pushed(channel.partition("/")[2], [made]))["trades"].iloc[0]

    assert row("spot/publicTrade.BTCUSDT", "BTCUSDT")[["instrument", "size"]].tolist() == ["BTC/USDT", 100.0]
    assert row("linear/publicTrade.BTCUSDT", "BTCUSDT")[["instrument", "size"]].tolist() == [
        "BTC/USDT:USDT",
        100.0,
    ]
    assert row("inverse/publicTrade.BTCUSD", "BTCUSD")[["instrument", "size"]].tolist() == [
        "BTC/USD:BTC",
        0.002,
    ]
    assert row("inverse/publicTrade.BTCUSDH24", "BTCUSDH24")["instrument"] == "BTC/USD:BTC-240329"


def test_a_linear_ticker_gives_what_changed_and_no_half_quotes() -> None:
    whole = {
        "symbol": "BTCUSDT",
        "bid1Price": "1",
        "markPrice": "50010",
        "indexPrice": "50000",
        "openInterest": "7",
        "nextFundingTime": "",
    }
    first, second = rows(
        "linear/tickers.BTCUSDT", pushed("tickers.BTCUSDT", whole), pushed("tickers.BTCUSDT", {"symbol": "BTCUSDT", "bid1Price": "2"}, type="delta")
    )["marks"].to_dict("records")  # fmt: skip
    assert (first["mark"], first["index"], first["open_interest"]) == (50010.0, 50000.0, 7.0)
    assert all(math.isnan(second[name]) for name in ("bid", "ask", "mark", "index", "open_interest"))
    inverse = {
        "symbol": "BTCUSD",
        "openInterest": "8000000",
        "openInterestValue": "160",
        "volume24h": "5000000",
        "turnover24h": "100",
    }
    row = rows("inverse/tickers.BTCUSD", pushed("tickers.BTCUSD", inverse))["marks"].iloc[0]
    assert row[["open_interest", "volume_24h"]].tolist() == [160.0, 100.0]


def test_the_side_of_a_liquidation_is_the_position_it_closed() -> None:
    made = [
        {"T": 1739502302929, "s": "ROSEUSDT", "S": side, "v": "20000", "p": "0.04499"}
        for side in ("Sell", "Buy")
    ]
    table = rows("linear/allLiquidation.ROSEUSDT", pushed("allLiquidation.ROSEUSDT", made))["liquidations"]
    assert table["side"].tolist() == [1, -1]
    assert table["usd"].tolist() == pytest.approx([899.8, 899.8])


def test_the_best_level_and_an_empty_side() -> None:
    book = {"s": "BTCUSDT", "b": [["16493.50", "0.006"]], "a": [], "u": 18521288, "seq": 7961638724}
    row = rows("linear/orderbook.1.BTCUSDT", pushed("orderbook.1.BTCUSDT", book))["quotes"].iloc[0]
    assert row[["bid", "bid_size"]].tolist() == [16493.5, 0.006]
    assert row[["ask", "ask_size"]].isna().all()
    assert not rows("linear/orderbook.50.BTCUSDT", pushed("orderbook.50.BTCUSDT", book))


def test_answers_are_read_like_pushes() -> None:
    state = {
        name.replace("bid", "bid1").replace("ask", "ask1").replace("PriceIv", "Iv"): value
        for name, value in TICKER.items()
    }
    row = answered("tickers", "option", state)["marks"].iloc[0]
    assert (row["ask"], row["ask_iv"], row["mark_iv"], row["mark"]) == (10.0, 0.514, 0.4896, 7.86976724)
    past = {
        "execId": "a-1",
        "symbol": PRINT["s"],
        "price": "27451",
        "size": "0.01",
        "side": "Buy",
        "time": "1709891679000",
        "isBlockTrade": False,
    }
    live = rows("option/publicTrade.BTC", pushed("publicTrade.BTC", [PRINT]))["trades"]
    pd.testing.assert_frame_equal(answered("recent-trade", "option", past)["trades"], live)
    perpetual = {
        "symbol": "BTCUSD",
        "bid1Price": "50000",
        "bid1Size": "1000",
        "ask1Price": "50010",
        "ask1Size": "0",
        "markPrice": "50001",
    }
    assert answered("tickers", "inverse", perpetual)["quotes"].iloc[0][["bid", "bid_size"]].tolist() == [
        50000.0,
        0.02,
    ]


def test_a_quarterly_code_is_believed_only_with_the_venues_day() -> None:
    def listed(symbol: str, day: str) -> dict[str, pd.DataFrame]:
        delivery = int(dt.datetime.fromisoformat(f"{day}T08:00+00:00").timestamp() * 1000)
        item = {"symbol": symbol, "deliveryTime": str(delivery), "priceFilter": {"tickSize": "0.5"}}
        return answered("instruments-info", "inverse", item)

    row = listed("BTCUSDH26", "2026-03-27")["instruments"].iloc[0]
    assert row[["instrument", "kind", "multiplier", "inverse"]].tolist() == [
        "BTC/USD:BTC-260327",
        "future",
        1.0,
        True,
    ]
    assert "delivers on 2026-03-26" in listed("BTCUSDH26", "2026-03-26")["health"]["detail"].iloc[0]


def test_a_bad_item_costs_neither_its_frame_nor_its_neighbours() -> None:
    bad = [
        PRINT | {"i": "b", "p": "cheap"},
        PRINT | {"i": "c", "v": "-1"},
        PRINT | {"i": "d", "s": "BTC-COMBO"},
        PRINT | {"i": "e", "S": "?"},
        7,
    ]
    payloads = [
        pushed("publicTrade.BTC", [PRINT, *bad, PRINT | {"i": "z"}]), b"", b"{", b"[]", b"null", b'{"topic":"publicTrade.BTC"}', b"\xff\xfe",
        pushed("publicTrade.BTC", [PRINT | {"i": "y", "p": "1e400"}]), pushed("publicTrade.BTC", [PRINT | {"i": "x"}]),
    ]  # fmt: skip
    tables = rows("option/publicTrade.BTC", *payloads)
    assert tables["trades"]["trade_id"].tolist() == ["a-1", "z", "x"]
    assert tables["health"]["event"].eq("rejected").all()
    assert len(tables["health"]) == 5 + 6 + 1


def test_errors_of_the_venue_are_refusals_and_answers_are_no_rows() -> None:
    said = rows(
        "",
        b'{"success":false,"ret_msg":"error:handler not found,topic:x","op":"subscribe"}',
        b'{"success":true,"ret_msg":"pong","op":"ping"}',
    )
    assert said["health"][["event", "detail"]].values.tolist() == [
        ["refused", "venue error: error:handler not found,topic:x"]
    ]
    told = rows(
        "GET v5/market/tickers?category=option", b'{"retCode":10001,"retMsg":"params error","result":{}}'
    )
    assert told["health"]["detail"].tolist() == ["venue error: 10001 params error"]
    assert "is not known" in rows("option/astrology.BTC", b"{}")["health"]["detail"].iloc[0]


def test_recorded_frames_against_a_reading_of_their_own(sample_data: Path) -> None:
    crypto = sample_data / "crypto_options"
    lines = (crypto / "ws_messages_tardis" / "bybit_options_messages.jsonl").read_bytes().splitlines()
    payloads = [line for line in lines if line.strip()] + [
        (crypto / "venue_fixtures_nautilus" / "bybit_ws_ticker_option.json").read_bytes()
    ]
    tables = {batch.table: batch.frame for batch in decode(pd.DataFrame({"payload": payloads}))}
    read = [json.loads(payload) for payload in payloads]
    tickers = [message for message in read if message["topic"].startswith("tickers.")]
    prints = [
        (message, each)
        for message in read
        if message["topic"].startswith("publicTrade.")
        for each in message["data"]
    ]
    assert len(tables["marks"]) == len(tickers) == 3
    assert len(tables["trades"]) == len(prints) == 1
    assert set(tables) == {"marks", "trades"}
    for row, message in zip(tables["marks"].to_dict("records"), tickers, strict=True):
        said = message["data"]
        for ours, theirs, scale in (
            ("bid", "bidPrice", 1), ("ask", "askPrice", 1), ("bid_size", "bidSize", 1), ("ask_size", "askSize", 1), ("last", "lastPrice", 1),
            ("mark", "markPrice", 1), ("bid_iv", "bidIv", 1), ("ask_iv", "askIv", 1), ("mark_iv", "markPriceIv", 1), ("delta", "delta", 1),
            ("gamma", "gamma", 1), ("vega", "vega", 100), ("theta", "theta", 365), ("forward", "underlyingPrice", 1), ("index", "indexPrice", 1),
        ):  # fmt: skip
            value = float(said[theirs]) * scale
            missing = value == 0.0 and not ours.startswith(("delta", "gamma", "vega", "theta"))
            assert math.isnan(row[ours]) if missing else row[ours] == pytest.approx(value, rel=1e-12), ours
        assert row["open_interest"] == float(said["openInterest"])
        assert row["event_ns"] == message["ts"] * 1_000_000
    row, (_, said) = tables["trades"].iloc[0], prints[0]
    assert row[["price", "size", "side", "trade_id"]].tolist() == [
        float(said["p"]),
        float(said["v"]),
        -1,
        said["i"],
    ]
