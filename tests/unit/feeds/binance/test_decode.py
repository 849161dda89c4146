"""Binance's decoder: hand-checked values, units of options, what is set aside and why; recorded frames against a reading of their own."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy.stats import norm

from tests.wire.binance_server import (
    CALL,
    FUTURE,
    PERPETUAL,
    PUT,
    SPOT,
    UNITS,
    listing,
    option_listing,
    option_mark,
)
from workstation.feeds.binance.decode import decode
from workstation.market.tables import TradeFlag

PRINT = {
    "e": "trade",
    "E": 1765983420778,
    "T": 1765983420777,
    "s": CALL,
    "t": 200,
    "p": "1420.000",
    "q": "1.54",
    "X": "MARKET",
    "S": "BUY",
    "m": False,
}
AGGREGATE = {
    "e": "aggTrade",
    "E": 123456789,
    "s": PERPETUAL,
    "a": 5933014,
    "p": "50000.1",
    "q": "0.25",
    "f": 100,
    "l": 105,
    "T": 1765983420777,
    "m": True,
}


def tables_of(*frames: tuple[str, Any], seen_ns: int = 5) -> dict[str, pd.DataFrame]:
    """Frames after the venue's list of options, as a feed brings them; messages as values or bytes."""
    listed = {"optionSymbols": [option_listing(name) for name in (CALL, PUT, UNITS)]}
    rows = [("GET eapi/v1/exchangeInfo", listed), *frames]
    made = [
        (channel, body if isinstance(body, bytes) else json.dumps(body).encode()) for channel, body in rows
    ]
    found = decode(pd.DataFrame(made, columns=["channel", "payload"]).assign(seen_ns=seen_ns))
    return {batch.table: batch.frame for batch in found}


def pushed(channel: str, *data: Any) -> dict[str, pd.DataFrame]:
    return tables_of(*((channel, {"stream": channel.partition("/")[2], "data": each}) for each in data))


def test_a_print_of_an_option() -> None:
    block = PRINT | {"t": 201, "S": "SELL", "X": "BLOCK"}
    table = pushed("public/btcusdt@optionTrade", PRINT, block)["trades"]
    row = table.iloc[0]
    assert row[["instrument", "price", "size", "side", "trade_id", "venue_seq"]].tolist() == [
        "BTC/USDT:USDT-261225-100000-C", 1420.0, 1.54, 1, "200", 200,
    ]  # fmt: skip
    assert row["event_ns"] == 1_765_983_420_777_000_000
    assert table["side"].tolist() == [1, -1]
    assert table["flags"].tolist() == [0, int(TradeFlag.BLOCK)]


def test_a_contract_of_many_coins_is_priced_per_coin() -> None:
    row = pushed("public/xrpusdt@optionTrade", PRINT | {"s": UNITS, "p": "19.03", "q": "3"})["trades"].iloc[0]
    assert row[["price", "size"]].tolist() == pytest.approx([0.1903, 300.0])
    mark = pushed(
        "market/xrpusdt@optionMarkPrice", [option_mark(UNITS, mp="19.0314", bo="18.9", bq="2", i="1.96")]
    )["marks"].iloc[0]
    assert mark[["mark", "bid", "bid_size", "index", "delta"]].tolist() == pytest.approx(
        [0.190314, 0.189, 200.0, 1.96, 0.41]
    )
    interest = {"e": "openInterest", "E": 1765983420500, "s": UNITS, "o": "7", "h": "1"}
    assert pushed("market/xrpusdt@optionOpenInterest@261225", [interest])["marks"][
        "open_interest"
    ].tolist() == [700.0]


def test_a_recorded_mark_is_black_scholes_per_coin_only_over_its_unit(sample_data: Path) -> None:
    """Without the unit the mark would be 19.03 dollars for a put on a coin of 1.96."""
    lines = (
        (sample_data / "crypto_options" / "ws_messages_tardis" / "binance_european_options_messages_v2.jsonl")
        .read_text()
        .splitlines()
    )
    said = next(json.loads(line)["data"][0] for line in lines if "xrpusdt@optionMarkPrice" in line)
    listed = {"optionSymbols": [option_listing("XRP-251219-2.05-P") | {"expiryDate": 1766131200000}]}
    frames = [
        ("GET eapi/v1/exchangeInfo", listed),
        ("market/xrpusdt@optionMarkPrice", {"stream": "x", "data": [said]}),
    ]
    batches = decode(
        pd.DataFrame(
            [(name, json.dumps(body).encode()) for name, body in frames], columns=["channel", "payload"]
        )
    )
    row = next(batch.frame for batch in batches if batch.table == "marks").iloc[0]
    years = (1766131200000 - said["E"]) / 1000 / 86400 / 365
    spot, strike, vol = float(said["i"]), 2.05, float(said["vo"])
    width = vol * math.sqrt(years)
    d1 = (math.log(spot / strike) + width**2 / 2) / width
    put = strike * norm.cdf(width - d1) - spot * norm.cdf(-d1)
    assert row["mark"] == pytest.approx(put, rel=0.01)
    assert row["delta"] == pytest.approx(norm.cdf(d1) - 1, abs=0.002)
    assert row["gamma"] == pytest.approx(norm.pdf(d1) / (spot * width), rel=0.005)
    assert row["vega"] == pytest.approx(spot * norm.pdf(d1) * math.sqrt(years), rel=0.005)
    assert row["theta"] == pytest.approx(-spot * norm.pdf(d1) * vol / (2 * math.sqrt(years)), rel=0.01)


def test_minus_one_and_zero_are_no_vol_and_no_price() -> None:
    row = pushed("market/btcusdt@optionMarkPrice", [option_mark(CALL, bo="0.0000")])["marks"].iloc[0]
    assert row[["bid", "ask_size", "ask_iv"]].isna().all()
    assert row[["ask", "bid_iv", "mark_iv", "vega", "theta"]].tolist() == pytest.approx(
        [4600.0, 0.45, 0.455, 12050.0, -40.25 * 365]
    )


def test_the_door_tells_spot_from_futures() -> None:
    future = pushed("market/btcusdt@aggTrade", AGGREGATE)["trades"].iloc[0]
    spot = pushed("spot/btcusdt@aggTrade", AGGREGATE)["trades"].iloc[0]
    assert future[["instrument", "side", "trade_id", "size"]].tolist() == [
        "BTC/USDT:USDT",
        -1,
        "5933014",
        0.25,
    ]
    assert spot["instrument"] == "BTC/USDT"
    untold = tables_of(("", {"stream": "btcusdt@aggTrade", "data": AGGREGATE}))
    assert "does not tell spot from futures" in untold["health"]["detail"].iloc[0]


def test_marks_quotes_and_liquidations_of_futures() -> None:
    mark = {
        "e": "markPriceUpdate",
        "E": 1562305380000,
        "s": FUTURE,
        "p": "11794.15",
        "ap": "1",
        "i": "11784.62",
        "P": "11784.25",
        "r": "",
        "T": 0,
    }
    row = pushed("market/btcusdt_261225@markPrice@1s", mark)["marks"].iloc[0]
    assert row[["instrument", "mark", "index"]].tolist() == ["BTC/USDT:USDT-261225", 11794.15, 11784.62]
    book = {"u": 400900217, "s": SPOT, "b": "25.3519", "B": "31.21", "a": "25.3652", "A": "0.00"}
    quote = pushed("spot/btcusdt@bookTicker", book)["quotes"].iloc[0]
    assert quote[["event_ns", "bid", "bid_size", "ask"]].tolist() == [5, 25.3519, 31.21, 25.3652]
    assert math.isnan(quote["ask_size"])
    order = {
        "s": PERPETUAL,
        "S": "SELL",
        "o": "LIMIT",
        "f": "IOC",
        "q": "0.020",
        "p": "9910",
        "ap": "9900",
        "X": "PARTIALLY_FILLED",
        "l": "0.014",
        "z": "0.014",
        "T": 1568014460893,
    }
    forced = pushed("market/!forceOrder@arr", {"e": "forceOrder", "E": 1, "o": order})["liquidations"].iloc[0]
    assert forced[["side", "price", "size"]].tolist() == [-1, 9900.0, 0.014]


def test_answers_are_read_like_pushes() -> None:
    past = [
        {
            "id": "200",
            "symbol": CALL,
            "price": "1420.000",
            "qty": "-1.54",
            "quoteQty": "-1",
            "side": -1,
            "time": 1765983420777,
        }
    ]
    live = pushed("public/btcusdt@optionTrade", PRINT | {"S": "SELL"})["trades"]
    pd.testing.assert_frame_equal(tables_of(("GET eapi/v1/trades?symbol=X", past))["trades"], live)
    aggregates = [{name: AGGREGATE[name] for name in ("a", "p", "q", "f", "l", "T", "m")}]
    answered = tables_of((f"GET fapi/v1/aggTrades?symbol={PERPETUAL}&limit=1000", aggregates))["trades"]
    pd.testing.assert_frame_equal(answered, pushed("market/btcusdt@aggTrade", AGGREGATE)["trades"])
    listed = tables_of(("GET fapi/v1/exchangeInfo", {"symbols": [listing(PERPETUAL), listing(FUTURE)]}))[
        "instruments"
    ]
    rows = listed.set_index("instrument")
    assert rows.loc["BTC/USDT:USDT-261225", "expiry_ns"] == 1_798_185_600_000_000_000
    assert rows.loc["BTC/USDT:USDT", "expiry_ns"] < 0
    assert rows["multiplier"].eq(1.0).all()


def test_an_option_whose_unit_no_list_told_is_rejected_not_guessed() -> None:
    table = pushed("public/btcusdt@optionTrade", PRINT | {"s": "BTC-271231-1000-C"}, PRINT)
    assert table["trades"]["trade_id"].tolist() == ["200"]
    assert "unit of BTC-271231-1000-C is not known" in table["health"]["detail"].iloc[0]


def test_a_bad_frame_costs_no_neighbour() -> None:
    bad = [
        PRINT | {"p": "0"},
        PRINT | {"q": "-1"},
        PRINT | {"S": "1"},
        PRINT | {"s": "BTC"},
        None,
        7,
        [PRINT | {"t": 300}, PRINT | {"t": "x"}],
    ]
    frames = [
        ("public/btcusdt@optionTrade", {"stream": "s", "data": each})
        for each in [PRINT, *bad, PRINT | {"t": 400}]
    ]
    tables = tables_of(
        *frames, ("", b"{}"), ("", b'{"result":null,"id":3}'), ("", b'{"error":{"code":2,"msg":"Invalid request"},"id":4}'),
        ("", b'{"e":"serverShutdown","E":1770123456789}'), ("market/x@astrology", b"{}"), ("market/btcusdt@kline_1m", b"{}"),
        ("GET eapi/v1/mark", b'{"code":-1121,"msg":"Invalid symbol."}'),
    )  # fmt: skip
    assert tables["trades"]["trade_id"].tolist() == ["200", "300", "400"]
    assert tables["health"]["event"].value_counts().to_dict() == {"rejected": 9, "refused": 2}


def test_recorded_frames_against_a_reading_of_their_own(sample_data: Path) -> None:
    lines = (
        (sample_data / "crypto_options" / "ws_messages_tardis" / "binance_european_options_messages_v2.jsonl")
        .read_bytes()
        .splitlines()
    )
    payloads = [line for line in lines if line.strip()]
    read = [json.loads(line) for line in payloads]
    every = [
        each
        for message in read
        for each in (message["data"] if isinstance(message["data"], list) else [message["data"]])
    ]
    listed = {"optionSymbols": [option_listing(symbol) for symbol in {each["s"] for each in every}]}
    frames = pd.DataFrame(
        {
            "channel": ["GET eapi/v1/exchangeInfo", *[""] * len(payloads)],
            "payload": [json.dumps(listed).encode(), *payloads],
        }
    )
    tables = {batch.table: batch.frame for batch in decode(frames)}
    assert set(tables) == {"instruments", "trades", "marks", "quotes"}
    prints = [each for each in every if each["e"] == "trade"]
    got = tables["trades"][["price", "size", "trade_id", "side", "event_ns"]].values.tolist()
    assert got == [
        [float(p["p"]), float(p["q"]), str(p["t"]), 1 if p["S"] == "BUY" else -1, p["T"] * 10**6]
        for p in prints
    ]
    books = [each for each in every if each["e"] == "bookTicker"]
    assert tables["quotes"][["bid", "bid_size", "ask", "ask_size"]].values.tolist() == [
        [float(b[key]) for key in "bBaA"] for b in books
    ]
    marks, interests = (
        [each for each in every if each["e"] == kind] for kind in ("markPrice", "openInterest")
    )
    rows = tables["marks"]
    assert len(rows) == len(marks) + len(interests) + sum(each["e"] == "24hrTicker" for each in every)
    assert rows["open_interest"].dropna().tolist() == [float(each["o"]) for each in interests]
    vols = rows[rows["mark_iv"].notna()]
    assert vols[["mark_iv", "delta", "gamma"]].values.tolist() == [
        [float(m[key]) for key in ("vo", "d", "g")] for m in marks
    ]
    assert vols["mark"].tolist() == pytest.approx(
        [float(m["mp"]) / (100 if m["s"].startswith("XRP") else 1) for m in marks]
    )
