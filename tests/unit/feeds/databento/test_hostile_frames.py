"""No bytes the gateway may send stop the decoder, and none cost another frame its rows."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("databento_dbn", reason="the vendor's encoder is not installed: databento")

from tests.unit.feeds.files.dbn_files import consolidated, dbn, mapping, statistic, trade
from workstation.feeds.databento.decode import decode

CHANNEL = "TEST.HOSTILE/records"
NAMED = bytes(mapping(4242, "SPY   261218C00600000"))
GOOD = bytes(trade(22, 4242, sequence=4711))
RECORDS = [
    bytes(trade(22, 4242)), bytes(consolidated(dbn.RType.CMBP_1, 30, 4242, 1.0, 1.1)), bytes(statistic(22, 4242, 5)), NAMED,
    bytes(dbn.SystemMsg(ts_event=1, msg="x", code=dbn.SystemCode.HEARTBEAT)),
]  # fmt: skip


def survivors(payload: bytes) -> int:
    frames = pd.DataFrame(
        {"payload": [NAMED + GOOD, payload, NAMED + GOOD], "channel": CHANNEL, "seen_ns": 1}
    )
    found = {batch.table: batch.frame for batch in decode(frames)}
    return int((found["trades"]["venue_seq"] == 4711).sum())


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(payload: bytes) -> None:
    assert survivors(payload) >= 2


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RECORDS), st.data())
def test_any_byte_of_a_record(record: bytes, data: st.DataObject) -> None:
    bent = bytearray(record)
    for _ in range(data.draw(st.integers(1, 4))):
        bent[data.draw(st.integers(0, len(bent) - 1))] = data.draw(st.integers(0, 255))
    assert survivors(bytes(bent)) >= 2


def test_a_channel_that_is_none_is_told() -> None:
    frames = pd.DataFrame({"payload": [GOOD], "channel": "elsewhere", "seen_ns": 1})
    assert decode(frames)[0].frame["event"].astype(str).tolist() == ["rejected"]
