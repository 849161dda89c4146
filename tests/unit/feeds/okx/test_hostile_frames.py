"""No bytes OKX may send stop the decoder, and none cost another frame its rows."""

from __future__ import annotations

import json

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.feeds.venue_kit.hostile_frames import Hostile
from tests.wire.okx_server import CALL, PUT, SWAP, OKXServer, listing, summary, ticker
from workstation.feeds.okx.decode import decode

PRINT = {
    "instId": CALL,
    "tradeId": "38",
    "px": "0.045",
    "sz": "2",
    "side": "sell",
    "ts": "1672286551080",
    "fillVol": "0.5066",
}
BOOK = {
    "asks": [["8446", "95", "0", "3"]],
    "bids": [],
    "ts": "1597026383085",
    "checksum": 0,
    "seqId": 363996337,
}
FORCED = {"details": [{"bkPx": "50000", "side": "buy", "sz": "100", "ts": "1692266434010"}], "instId": SWAP}
STATE = {"instId": CALL, "ts": "1640183217591", "markPx": "0.1", "oi": "36", "oiCcy": "3.6", "idxPx": "1"}


def push(channel: str, item: object) -> tuple[str, dict[str, object], tuple[str, int]]:
    return channel, {"arg": OKXServer.argument(channel), "data": [item]}, ("data", 0)


def encode(message: object) -> bytes:
    return json.dumps(message).encode()


LISTED = {"code": "0", "data": [listing(name) for name in (CALL, PUT, SWAP)]}
HOSTILE = Hostile(
    decode,
    ("option-trades/BTC-USD", encode(push("option-trades/BTC-USD", PRINT | {"tradeId": "good"})[1])),
    [
        push("option-trades/BTC-USD", PRINT),
        push("opt-summary/BTC-USD", summary(CALL)),
        push(f"tickers/{SWAP}", ticker(SWAP)),
        push(f"bbo-tbt/{SWAP}", BOOK),
        push("liquidation-orders/SWAP", FORCED),
        *(push(f"{name}/{CALL}", STATE) for name in ("mark-price", "open-interest", "index-tickers")),
        ("GET api/v5/public/instruments?x", {"code": "0", "data": [listing(PUT)]}, ("data", 0)),
        ("GET api/v5/public/opt-summary?x", {"code": "0", "msg": "", "data": [summary(CALL)]}, ()),
    ],
    encode,
)
decode(pd.DataFrame({"channel": ["GET api/v5/public/instruments?x"], "payload": [encode(LISTED)]}))


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
