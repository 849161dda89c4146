"""No bytes Binance may send stop the decoder, and none cost another frame its rows."""

from __future__ import annotations

import json

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.feeds.venue_kit.hostile_frames import Hostile
from tests.wire.binance_server import CALL, PERPETUAL, PUT, listing, option_listing, option_mark
from workstation.feeds.binance.decode import decode

GOOD = {"s": PERPETUAL, "a": 5933014, "p": "50000.1", "q": "0.25", "T": 1765983420777, "m": True}
PRINT = {
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
BOOK = {
    "u": 400900217,
    "s": PERPETUAL,
    "b": "25.3519",
    "B": "31.21",
    "a": "25.3652",
    "A": "0.00",
    "T": 1765983420777,
}
MARK = {"E": 1562305380000, "s": PERPETUAL, "p": "11794.15", "i": "11784.62", "r": "", "T": 0}
FORCED = {
    "s": PERPETUAL,
    "S": "SELL",
    "q": "0.020",
    "p": "9910",
    "ap": "9900",
    "z": "0.014",
    "T": 1568014460893,
}
INTEREST = {"symbol": CALL, "sumOpenInterest": "321.5", "timestamp": "1789939517455"}


def push(channel: str, data: object, *path: object) -> tuple[str, object, tuple[object, ...]]:
    return channel, {"stream": channel.partition("/")[2], "data": data}, ("data", *path)


def encode(message: object) -> bytes:
    return json.dumps(message).encode()


def decode_named(frames: pd.DataFrame) -> list:
    """The decoder, its good print renamed: numbers are ids here."""
    batches = decode(frames)
    for batch in batches:
        if batch.table == "trades":
            batch.frame["trade_id"] = batch.frame["trade_id"].replace("5933014", "good")
    return batches


HOSTILE = Hostile(
    decode_named,
    ("market/btcusdt@aggTrade", encode(push("market/btcusdt@aggTrade", GOOD)[1])),
    [
        push("market/btcusdt@aggTrade", GOOD | {"a": 1}),
        push("public/btcusdt@optionTrade", PRINT),
        push("market/btcusdt@optionMarkPrice", [option_mark(CALL)], 0),
        push("public/btcusdt@bookTicker", BOOK),
        push("market/btcusdt@markPrice@1s", MARK),
        push("market/btcusdt@forceOrder", {"o": FORCED}, "o"),
        ("GET eapi/v1/openInterest?x", [INTEREST], (0,)),
        ("GET eapi/v1/exchangeInfo", {"optionSymbols": [option_listing(PUT)]}, ("optionSymbols", 0)),
        ("GET fapi/v1/exchangeInfo", {"symbols": [listing(PERPETUAL)]}, ("symbols", 0)),
    ],
    encode,
)
decode(
    pd.DataFrame(
        {
            "channel": ["GET eapi/v1/exchangeInfo"],
            "payload": [encode({"optionSymbols": [option_listing(CALL)]})],
        }
    )
)


@settings(max_examples=30)
@given(st.binary(max_size=80), st.sampled_from([channel for channel, _, _ in HOSTILE.messages] + [""]))
def test_any_bytes(payload: bytes, channel: str) -> None:
    assert HOSTILE.survivors(payload, channel) == 2


@settings(max_examples=60)
@given(st.data())
def test_any_field_of_any_value(data: st.DataObject) -> None:
    channel, payload = HOSTILE.bent(data)
    assert HOSTILE.survivors(payload, channel) == 2


@settings(max_examples=30)
@given(st.data())
def test_any_cut(data: st.DataObject) -> None:
    channel, payload = HOSTILE.cut(data)
    assert HOSTILE.survivors(payload, channel) >= 2
