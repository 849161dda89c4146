"""A tape gives every row of a recording once, in the order of acceptance, whatever the window, bound or pace."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tests.property.effort import effort
from tests.unit.feeds.scripted import FakeTime
from workstation.feeds.tape.tape import FramesOf, Tape
from workstation.market.tables import TABLES

START = 1_700_000_000_000_000_000
MS = 1_000_000


@st.composite
def recordings(draw: st.DrawFn) -> dict[str, pd.DataFrame]:
    """Rows accepted by a hub: a clock that goes on, rows at most 5 s late, tables mixed, ``seq`` along it."""
    count = draw(st.integers(1, 25))
    numbered = draw(st.booleans())
    waits = draw(
        st.lists(st.sampled_from([0, 1, 30, 400, 3_000, 90_000, 40_000_000]), min_size=count, max_size=count)
    )
    late = draw(st.lists(st.sampled_from([0, 0, 0, 50, 5_000]), min_size=count, max_size=count))
    table = draw(st.lists(st.sampled_from(["trades", "quotes", "marks"]), min_size=count, max_size=count))
    clock = START + np.cumsum(waits) * MS
    event = np.maximum(clock - np.array(late) * MS * numbered, START)
    frames: dict[str, pd.DataFrame] = {}
    for name in set(table):
        at = np.array([n for n, one in enumerate(table) if one == name])
        rows: dict[str, Any] = {"event_ns": event[at], "instrument": "BTC/USD", "seq": (at + 1) * numbered}
        if name == "trades":
            rows |= {"price": 1.0 + at, "size": 1.0, "trade_id": [str(n) for n in at]}
        else:
            rows["bid"] = 1.0 + at
        frames[name] = (
            TABLES[name].conform(pd.DataFrame(rows)).sort_values("event_ns", kind="stable", ignore_index=True)
        )
    return frames


async def play(
    frames: dict[str, pd.DataFrame], time: FakeTime | None = None, **options: Any
) -> list[tuple[str, int, float]]:
    """Every row as (table, event_ns, its number)."""
    extra = {"clock": time.clock, "sleep": time.sleep} if time else {}
    tape = Tape(frames, heartbeats=3, **extra, **options)
    await tape.connect()
    rows: list[tuple[str, int, float]] = []
    async for batch in tape.batches():
        assert len(batch.frame) <= tape.parameters.longest_rows
        assert (batch.frame["seq"] == 0).all()
        number = {"trades": "price", "quotes": "bid", "marks": "bid"}.get(batch.table)
        numbers = batch.frame[number] if number else np.zeros(len(batch.frame))
        rows += [
            (batch.table, int(e), float(n)) for e, n in zip(batch.frame["event_ns"], numbers, strict=True)
        ]
    return rows


@effort(25)
@given(frames=recordings(), window=st.sampled_from([6.0, 60.0, 3_600.0]), longest=st.integers(1, 20))
def test_rows_do_not_depend_on_window_or_bound(frames, window, longest):
    whole = asyncio.run(play(frames, speed="max", window_s=1e9, longest_rows=10**6))
    parts = asyncio.run(play(frames, speed="max", window_s=window, longest_rows=longest))
    assert parts == whole
    data = [row for row in whole if row[0] != "heartbeat"]
    assert len(data) == sum(map(len, frames.values()))
    if all((frame["seq"] > 0).all() for frame in frames.values()):
        assert [number for _, _, number in data] == sorted(number for _, _, number in data)
    else:
        assert [event for _, event, _ in data] == sorted(event for _, event, _ in data)


@effort(15)
@given(frames=recordings(), speed=st.sampled_from([0.5, 1.0, 60.0]))
def test_rows_do_not_depend_on_pace(frames, speed):
    time = FakeTime()
    paced = asyncio.run(play(frames, time, speed=speed, max_wait_s=5.0))
    assert paced == asyncio.run(play(frames, speed="max"))
    assert all(nap <= 5.0 for nap in time.naps)


@effort(25)
@given(frames=recordings(), share=st.floats(0.0, 1.0))
def test_never_looks_ahead(frames, share):
    """What a tape gave of the past does not change when the future is cut off."""
    last = max(int(frame["event_ns"].max()) for frame in frames.values())
    cut = START + int((last - START) * share) + 1
    whole = asyncio.run(play(frames, speed="max"))
    cut_frames = {name: FramesOf({name: frame}).read(name, None, cut) for name, frame in frames.items()}
    cut_frames = {name: frame for name, frame in cut_frames.items() if len(frame)}
    past = asyncio.run(play(cut_frames, speed="max")) if cut_frames else []
    assert [row for row in past if row[0] != "heartbeat"] == [
        row for row in whole if row[0] != "heartbeat" and row[1] < cut
    ]


@effort(15)
@given(frames=recordings())
def test_a_paced_tape_gives_no_row_before_its_time(frames):
    time = FakeTime()

    async def watch() -> None:
        tape = Tape(frames, heartbeats=3, speed=1.0, max_wait_s=1e9, clock=time.clock, sleep=time.sleep)
        await tape.connect()
        began, first = time.now_ns, None
        async for batch in tape.batches():
            newest = int(batch.frame["event_ns"].max())
            first = newest if first is None else first
            assert time.now_ns - began >= newest - first - 1_000

    asyncio.run(watch())
