"""No bytes the venue may send stop the decoder: a damaged frame is set aside, and costs no other frame its rows."""

from __future__ import annotations

import json

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.deribit_server import CALL, PERPETUAL, future_ticker, notification, option_ticker
from workstation.feeds.deribit.decode import decode

PRINT = {
    "trade_seq": 7, "trade_id": "1", "timestamp": 1584058044032, "instrument_name": PERPETUAL, "price": 4000.0,
    "amount": 1000.0, "direction": "sell", "index_price": 4010.0, "mark_price": 4001.0, "liquidation": "T",
}  # fmt: skip
GOOD = notification("trades.future.BTC.100ms", [PRINT])
MESSAGES = (
    ("trades.future.BTC.100ms", [PRINT]),
    (f"ticker.{CALL}.100ms", option_ticker(CALL)),
    (f"ticker.{PERPETUAL}.100ms", future_ticker(PERPETUAL)),
    ("markprice.options.btc_usd", [{"timestamp": 1, "mark_price": 0.1, "iv": 0.9, "instrument_name": CALL}]),
    ("deribit_price_index.btc_usd", {"timestamp": 1, "price": 3937.89, "index_name": "btc_usd"}),
)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=12),
    st.lists(st.integers(), max_size=2), st.just({}), st.sampled_from([0, -1, 2**63, 1e300, "", "BTC-FS-25DEC26_PERP"]),
)  # fmt: skip


def good_rows(payload: bytes, channel: str = "") -> int:
    """Decode the payload among good ones; the number of prints of the good ones that came through."""
    frames = pd.DataFrame({"payload": [GOOD, payload, GOOD], "channel": ["", channel, ""]})
    batches = {batch.table: batch.frame for batch in decode(frames)}
    return int((batches["trades"]["venue_seq"] == 7).sum())


@settings(max_examples=200)
@given(st.binary(max_size=80))
def test_any_bytes(payload: bytes) -> None:
    assert good_rows(payload) == 2
    assert good_rows(payload, channel="public/get_last_trades_by_currency?x") == 2


@settings(max_examples=300)
@given(st.sampled_from(MESSAGES), st.data())
def test_any_field_of_any_value(message: tuple[str, object], data: st.DataObject) -> None:
    channel, body = message
    one = dict(body[0] if isinstance(body, list) else body)  # type: ignore[call-overload]
    one[data.draw(st.sampled_from(sorted(one)))] = data.draw(ODD)
    if one.get("trade_seq") == 7:
        one["trade_seq"] = 8
    payload = notification(channel, [one] if isinstance(body, list) else one)
    json.loads(payload)
    assert good_rows(payload) == 2


@settings(max_examples=200)
@given(st.sampled_from(MESSAGES), st.integers(0, 400), st.integers(0, 400))
def test_any_cut(message: tuple[str, object], start: int, end: int) -> None:
    payload = notification(*message).replace(b'"trade_seq":7', b'"trade_seq":8')
    assert good_rows(payload[:start] + payload[end:]) == 2
