"""No frame stops the decoder of Interactive Brokers' states, and none costs another its rows."""

from __future__ import annotations

import json

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.feeds.venue_kit.hostile_frames import ODD
from workstation.feeds.ibkr.decode import decode

STATE = {
    "symbol": "SPY   261218C00600000", "time_ns": 1_796_053_000_000_000_000, "bid": 5.0, "ask": 5.1, "bid_size": 1.0, "ask_size": 2.0,
    "open_interest": 7.0, "model_iv": 0.2, "delta": 0.5, "vega": 0.6, "theta": -0.1, "volume": 3.0, "underlying": 600.0,
}  # fmt: skip
GOOD = json.dumps(STATE | {"bid": 4.25}).encode()


def survivors(payload: bytes) -> int:
    frames = pd.DataFrame({"payload": [GOOD, payload, GOOD], "channel": "ticks.X", "seen_ns": 1})
    found = {batch.table: batch.frame for batch in decode(frames)}
    return int((found["quotes"]["bid"] == 4.25).sum())


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(STATE)), ODD)
def test_any_field_of_any_value(field: str, value: object) -> None:
    assert survivors(json.dumps(STATE | {field: value}).encode()) == 2


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes(payload: bytes) -> None:
    assert survivors(payload) == 2


def test_what_is_below_zero_is_missing() -> None:
    state = STATE | {"bid": -1, "bid_size": 5, "open_interest": -1, "volume": -1, "model_iv": -1}
    frames = pd.DataFrame({"payload": [json.dumps(state).encode(), GOOD], "channel": "ticks.X", "seen_ns": 1})
    first = next(batch.frame for batch in decode(frames) if batch.table == "marks").iloc[0]
    assert first[["bid", "bid_size", "open_interest", "volume_24h", "mark_iv"]].isna().all()
