"""No bytes Bybit may send stop the decoder, and none cost another frame its rows."""

from __future__ import annotations

import json

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.feeds.venue_kit.hostile_frames import Hostile
from tests.wire.bybit_server import CALL, INVERSE, LINEAR, contract_ticker, listing, option_ticker
from workstation.feeds.bybit.decode import decode
from workstation.feeds.bybit.names import DERIVATIVES
from workstation.feeds.venue_kit.symbol_table import UNREADABLE, SymbolTable

PRINT = {
    "T": 1709891679000,
    "s": CALL,
    "S": "Buy",
    "v": "0.01",
    "p": "4550",
    "i": "bad",
    "BT": False,
    "seq": 7,
    "iv": "0.5",
}
FORCED = {"T": 1739502302929, "s": LINEAR, "S": "Sell", "v": "2", "p": "50000"}
BOOK = {
    "s": LINEAR,
    "b": [["16493.50", "0.006"]],
    "a": [["16611.00", "0.029"]],
    "u": 18521288,
    "seq": 7961638724,
}


def push(data: object) -> dict[str, object]:
    return {"topic": "t", "type": "snapshot", "ts": 1709891679005, "data": data}


def answer(item: object) -> dict[str, object]:
    return {"retCode": 0, "retMsg": "OK", "result": {"list": [item]}, "time": 1709891679005}


HOSTILE = Hostile(
    decode,
    ("option/publicTrade.BTC", json.dumps(push([PRINT | {"i": "good"}])).encode()),
    [
        ("option/publicTrade.BTC", push([PRINT]), ("data", 0)),
        ("option/publicTrade.BTC", push([PRINT]), ()),
        (f"option/tickers.{CALL}", push(option_ticker(CALL)), ("data",)),
        (f"linear/tickers.{LINEAR}", push(contract_ticker("linear", LINEAR)), ("data",)),
        (f"inverse/tickers.{INVERSE}", push(contract_ticker("inverse", INVERSE)), ("data",)),
        (f"linear/orderbook.1.{LINEAR}", push(BOOK), ("data",)),
        (f"linear/allLiquidation.{LINEAR}", push([FORCED]), ("data", 0)),
        ("GET v5/market/tickers?category=option", answer(option_ticker(CALL, rest=True)), ("result", "list", 0)),
        ("GET v5/market/tickers?category=linear", answer(contract_ticker("linear", LINEAR)), ()),
        ("GET v5/market/instruments-info?category=option", answer(listing("option", CALL)), ("result", "list", 0)),
    ],
    lambda message: json.dumps(message).encode(),
)  # fmt: skip


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
    assert HOSTILE.survivors(payload, channel) == 2


def test_names_that_cannot_be_read_do_not_grow_memory() -> None:
    table = SymbolTable("bybit")
    for start in range(0, 3 * UNREADABLE, 1000):
        ids = table.ids([f"??{number}" for number in range(start, start + 1000)])
        assert (table.code[ids] == -1).all()
    assert len(table.reasons) <= UNREADABLE + 1
    assert len(table.code) <= UNREADABLE + 1
    ids = table.ids(["BTC-25DEC26-100000-C"])
    assert table.code[ids].item() >= 0
    before = len(DERIVATIVES.code)
    decode(
        pd.DataFrame({"payload": [json.dumps(push([PRINT | {"s": f"X{n}"} for n in range(50)])).encode()]})
    )
    assert len(DERIVATIVES.code) <= before + 50
