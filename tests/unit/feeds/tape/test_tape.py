"""The tape: frames through decoders, heartbeats of quiet, laps, waits, history as its source."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.unit.feeds.scripted import SECOND_NS, START_NS, FakeTime
from workstation.feeds.feed import Batch
from workstation.feeds.tape.tape import FRAMES, Tape
from workstation.history import open_history
from workstation.market.errors import FeedError
from workstation.market.tables import FRAMES as FRAMES_TABLE
from workstation.market.tables import TRADES


def ticks(*seconds: float, first_seq: int = 0) -> pd.DataFrame:
    at = np.array(seconds)
    return pd.DataFrame(
        {
            "seq": np.arange(len(at)) + first_seq if first_seq else 0,
            "event_ns": START_NS + (at * SECOND_NS).astype(np.int64),
            "instrument": "BTC/USD",
            "price": 100.0 + at,
            "size": 1.0,
            "trade_id": [f"t{n}" for n in range(len(at))],
        }
    )


async def play(tape: Tape, most: int = 10_000) -> list[Batch]:
    await tape.connect()
    batches = []
    async for batch in tape.batches():
        batches.append(batch)
        if len(batches) == most:
            break
    return batches


def seconds_of(batches: list[Batch], table: str) -> list[float]:
    found = [batch.frame["event_ns"] for batch in batches if batch.table == table]
    return ((pd.concat(found) - START_NS) / SECOND_NS).tolist() if found else []


def test_quiet_gets_heartbeats_up_to_the_limit_and_none_where_they_were_recorded():
    batches = asyncio.run(play(Tape({"trades": ticks(0.0, 3.5, 500.0)}, speed="max", heartbeats=5)))
    assert seconds_of(batches, "heartbeat") == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    recorded = pd.DataFrame({"event_ns": [START_NS + SECOND_NS]})
    batches = asyncio.run(play(Tape({"trades": ticks(0.0, 3.5), "heartbeat": recorded}, speed="max")))
    assert seconds_of(batches, "heartbeat") == [1.0]


def test_long_gaps_are_cut_short_in_real_time_only():
    time = FakeTime()
    tape = Tape(
        {"trades": ticks(0.0, 1.0, 21_600.0, 21_601.0)}, speed=1.0, max_wait_s=4.0, heartbeats=0,
        clock=time.clock, sleep=time.sleep,
    )  # fmt: skip
    batches = asyncio.run(play(tape))
    assert time.naps == [1.0, 4.0, 1.0]
    assert seconds_of(batches, "trades") == [0.0, 1.0, 21_600.0, 21_601.0]


def test_frames_are_decoded_in_the_groups_in_which_they_came():
    payloads = [b"a", b"b", b"c", b"d"]
    frames = FRAMES_TABLE.conform(
        pd.DataFrame(
            {
                "seq": [1, 2, 7, 8],
                "event_ns": START_NS + np.array([0, 99_999_999, 100_000_000, 100_000_001]),
                "feed": "venue",
                "channel": "trades",
                "payload": payloads,
            }
        )
    )
    asked: list[list[bytes]] = []

    def decode(rows: pd.DataFrame) -> list[Batch]:
        asked.append(rows["payload"].tolist())
        made = rows[["event_ns"]].assign(instrument="BTC/USD", price=1.0, size=1.0)
        return [Batch("trades", TRADES.conform(made))]

    batches = asyncio.run(play(Tape({"frames": frames}, tables=FRAMES, speed="max", decoder=decode)))
    assert asked == [[b"a", b"b"], [b"c", b"d"]]
    assert [batch.table for batch in batches] == ["frames", "trades"] * 2


def test_frames_without_a_decoder_are_told_once():
    frames = pd.DataFrame({"event_ns": [START_NS, START_NS + 1], "feed": "nobody", "payload": [b"1", b"2"]})
    batches = asyncio.run(play(Tape({"frames": frames}, tables=FRAMES, speed="max", longest_rows=1)))
    told = [batch.frame for batch in batches if batch.table == "health"]
    assert len(told) == 1
    assert "no decoder for frames of feed 'nobody'" in told[0]["detail"].iloc[0]


def test_a_loop_goes_on_later_in_time_with_other_ids():
    batches = asyncio.run(
        play(Tape({"trades": ticks(0.0, 1.5)}, speed="max", loop=True, heartbeats=0), most=6)
    )
    event = pd.concat([batch.frame["event_ns"] for batch in batches])
    assert event.is_monotonic_increasing
    assert event.is_unique
    assert pd.concat([batch.frame["trade_id"] for batch in batches]).is_unique


def test_start_and_end_are_half_open_and_take_text():
    start = pd.Timestamp(START_NS + SECOND_NS, tz="UTC")
    tape = Tape(
        {"trades": ticks(0.0, 1.0, 2.0, 3.0)},
        start=start,
        end=str(start + pd.Timedelta(seconds=2)),
        speed="max",
    )
    assert seconds_of(asyncio.run(play(tape)), "trades") == [1.0, 2.0]


def test_a_pause_holds_the_tape_and_a_second_connection_goes_on():
    async def played() -> list[float]:
        tape = Tape({"trades": ticks(0.0, 1.0, 2.0)}, speed="max", heartbeats=0)
        first = await play(tape, most=1)
        await tape.close()
        await tape.connect()
        tape.pause()
        rest = asyncio.ensure_future(play(tape))
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert not rest.done()
        tape.resume()
        return seconds_of(first, "trades") + seconds_of(await rest, "trades")

    assert asyncio.run(played()) == [0.0, 1.0, 2.0]


def test_history_is_played_in_the_order_of_acceptance(tmp_path: Path):
    history = open_history(str(tmp_path / "lake"))
    try:
        late = ticks(0.0, 2.0, 1.0, first_seq=1)
        quote = pd.DataFrame(
            {"seq": [9], "event_ns": [START_NS + 3 * SECOND_NS], "instrument": "BTC/USD", "bid": 1.0}
        )
        history.write("trades", TRADES.conform(late))
        history.write("quotes", quote)
        batches = asyncio.run(play(Tape(history, speed="max", heartbeats=0)))
    finally:
        history.close()
    assert seconds_of(batches, "trades") == [0.0, 2.0, 1.0]
    assert batches[-1].table == "quotes"


@pytest.mark.parametrize(
    ("options", "words"),
    [({"speed": 0.0}, "speed must be positive"), ({"tables": ("footprints",)}, "no table 'footprints'")],
)
def test_what_cannot_be_played_is_refused(options: dict[str, Any], words: str):
    with pytest.raises(FeedError, match=words) as refused:
        Tape({"trades": ticks(0.0)}, **options)
    assert refused.value.fatal


def test_an_empty_recording_is_refused():
    with pytest.raises(FeedError, match="holds none of") as refused:
        asyncio.run(play(Tape({})))
    assert refused.value.fatal


def test_a_window_read_once_more_instruments_are_known_keeps_its_rows_and_their_type() -> None:
    from workstation.feeds.tape.merge import Merge

    def one(name: str, seq: int) -> pd.DataFrame:
        row = {"seq": [seq], "event_ns": [seq], "instrument": [name], "price": 1.0, "size": 1.0}
        return TRADES.conform(pd.DataFrame(row))

    merge = Merge(("trades",), longest_rows=10, longest_ns=10**9)
    for window in (one("TAPE-FIRST/USD", 1), one("TAPE-SECOND/USD", 2)):
        merge.push({"trades": window})
    (run,) = merge.pop(None)
    assert run.frame["instrument"].cat.codes.ge(0).all()
    assert run.frame["instrument"].tolist() == ["TAPE-FIRST/USD", "TAPE-SECOND/USD"]
