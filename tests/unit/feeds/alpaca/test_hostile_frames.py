"""No bytes Alpaca may send stop the decoder, and none cost another frame its rows."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.feeds.venue_kit.hostile_frames import Hostile
from tests.wire.alpaca_server import CALL, contract, rfc, stamp
from workstation.feeds.alpaca.decode import decode

NOW = 1_796_053_000_123_456_789
GOOD = "20261130-V-7"


def print_of(number: int) -> dict[str, Any]:
    return {
        "T": "t",
        "S": "SPY",
        "t": stamp(NOW),
        "p": 600.0,
        "s": 100,
        "x": "V",
        "c": ["@"],
        "i": number,
        "z": "B",
    }


QUOTE = {
    "T": "q",
    "S": CALL,
    "t": stamp(NOW),
    "bx": "C",
    "bp": 5.0,
    "bs": 1,
    "ax": "A",
    "ap": 5.1,
    "as": 2,
    "c": "A",
}
CORRECTION = {
    "T": "c", "S": "SPY", "t": stamp(NOW), "x": "V", "oi": 7, "op": 600.0, "os": 1, "ci": 8, "cp": 601.0, "cs": 1, "cc": ["@"],
}  # fmt: skip
SNAPSHOT = {
    "latestQuote": {"t": rfc(NOW), "bp": 5.0, "bs": 1, "ap": 5.1, "as": 2, "c": "A"}, "greeks": {"delta": 0.5, "gamma": 0.01},
    "latestTrade": {"t": rfc(NOW), "p": 5.0, "s": 1}, "dailyBar": {"v": 3}, "impliedVolatility": 0.2,
}  # fmt: skip
PAST = {"t": rfc(NOW), "p": 5.0, "s": 1, "x": "N", "c": "S"}


def packed(message: Any) -> bytes:
    return msgspec.msgpack.encode(message)


def hostile(messages: list[tuple[str, Any, tuple[Any, ...]]], encode: Any) -> Hostile:
    return Hostile(decode, ("stock/trades", packed([print_of(7)])), messages, encode)


PUSHED = hostile(
    [
        ("stock/trades", [print_of(9)], (0,)),
        ("option/quotes", [QUOTE], (0,)),
        ("stock/trades", [CORRECTION], (0,)),
        ("option/trades", [{"T": "error", "code": 407, "msg": "slow client"}], (0,)),
    ],
    packed,
)
ANSWERED = hostile(
    [
        ("GET v2/options/contracts?x=1", {"option_contracts": [contract(CALL)]}, ("option_contracts", 0)),
        ("GET v1beta1/options/snapshots/SPY", {"snapshots": {CALL: SNAPSHOT}}, ("snapshots", CALL)),
        ("GET v1beta1/options/snapshots/SPY", {"snapshots": {CALL: SNAPSHOT}}, ("snapshots", CALL, "latestQuote")),
        ("GET v2/stocks/snapshots", {"SPY": SNAPSHOT}, ()),
        ("GET v1beta1/options/trades", {"trades": {CALL: [PAST]}}, ("trades", CALL, 0)),
        ("GET v2/stocks/trades", {"trades": {"SPY": [PAST]}}, ("trades",)),
    ],
    lambda message: json.dumps(message).encode(),
)  # fmt: skip


def survivors(which: Hostile, payload: bytes, channel: str) -> int:
    name, good = which.good
    frames = pd.DataFrame({"payload": [good, payload, good], "channel": [name, channel, name]})
    batches = {batch.table: batch.frame for batch in decode(frames)}
    return int((batches["trades"]["trade_id"] == GOOD).sum())


@settings(max_examples=30, deadline=None)
@given(
    st.binary(max_size=60),
    st.sampled_from(["option/trades", "stock/quotes", "", "GET v2/options/contracts", "GET no/such"]),
)
def test_any_bytes(payload: bytes, channel: str) -> None:
    assert survivors(PUSHED, payload, channel) == 2


@pytest.mark.parametrize("which", [PUSHED, ANSWERED], ids=["pushed", "answered"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_field_of_any_value(which: Hostile, data: st.DataObject) -> None:
    try:
        channel, payload = which.bent(data)
    except OverflowError:  # a whole number that msgpack cannot write is none that can come
        return
    assert survivors(which, payload, channel) >= 2


@pytest.mark.parametrize("which", [PUSHED, ANSWERED], ids=["pushed", "answered"])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_cut(which: Hostile, data: st.DataObject) -> None:
    channel, payload = which.cut(data)
    assert survivors(which, payload, channel) >= 2
