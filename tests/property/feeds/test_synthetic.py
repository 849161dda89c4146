"""The synthetic market's rows are a function of its seed, start and grid."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tests.property.effort import effort
from tests.unit.feeds.scripted import START_NS, FakeTime
from workstation.feeds.synthetic import Synthetic


def digest(batches: list[tuple[str, pd.DataFrame]]) -> str:
    """SHA-256 over every row of every batch, in order, instruments by name."""
    total = hashlib.sha256()
    for table, frame in batches:
        total.update(table.encode())
        for name in frame.columns:
            column = frame[name]
            values = column.astype("str") if isinstance(column.dtype, pd.CategoricalDtype) else column
            total.update(pd.util.hash_pandas_object(values, index=False).to_numpy().tobytes())
    return total.hexdigest()


async def drawn(time: FakeTime | None = None, **options: Any) -> list[tuple[str, pd.DataFrame]]:
    options = {"duration_s": 1.0, "rate": 500.0, "history_minutes": 0.25, "start_ns": START_NS} | options
    extra = {"clock": time.clock, "sleep": time.sleep} if time else {"speed": "max"}
    feed = Synthetic(**options, **extra)
    await feed.connect()
    await feed.subscribe()
    rows = [("instruments", await feed.instruments())]
    rows += [tuple(batch) for batch in await feed.snapshot()]
    rows += [(batch.table, batch.frame) async for batch in feed.batches()]
    return rows


@effort(6)
@given(seed=st.integers(0, 2**31), flavour=st.sampled_from(["crypto", "us"]))
def test_same_seed_same_rows_other_seed_other_rows(seed, flavour):
    first = asyncio.run(drawn(seed=seed, flavour=flavour))
    again = asyncio.run(drawn(seed=seed, flavour=flavour))
    other = asyncio.run(drawn(seed=seed + 1, flavour=flavour))
    assert digest(first) == digest(again) != digest(other)


@effort(5)
@given(speed=st.sampled_from([0.25, 1.0, 50.0]), seed=st.integers(0, 100))
def test_pace_does_not_change_the_rows(speed, seed):
    unpaced = asyncio.run(drawn(seed=seed))
    assert digest(asyncio.run(drawn(FakeTime(), seed=seed, speed=speed))) == digest(unpaced)


def test_at_wall_pace_event_time_is_wall_time():
    time = FakeTime()

    async def lags() -> list[int]:
        feed = Synthetic(rate=500.0, history_minutes=0.0, duration_s=2.0, clock=time.clock, sleep=time.sleep)
        await feed.connect()
        return [time.now_ns - int(batch.frame["event_ns"].max()) async for batch in feed.batches()]

    found = asyncio.run(lags())
    assert found
    assert min(found) >= 0
    assert max(found) <= 100_000_000


def test_what_it_sleeps_through_is_left_out_and_told():
    time = FakeTime()

    async def played() -> list[tuple[str, pd.DataFrame]]:
        feed = Synthetic(
            rate=500.0, history_minutes=0.0, duration_s=120.0, clock=time.clock, sleep=time.sleep
        )
        await feed.connect()
        rows = []
        async for batch in feed.batches():
            rows.append(tuple(batch))
            if len(rows) == 20:
                time.now_ns += 60_000_000_000
            if len(rows) > 200:
                break
        return rows

    rows = asyncio.run(played())
    gaps = [frame.iloc[0] for table, frame in rows if table == "health"]
    assert len(gaps) == 1
    start, end = int(gaps[0]["start_ns"]), int(gaps[0]["end_ns"])
    assert 59e9 < end - start <= 61e9
    ticks = pd.concat([frame["event_ns"] for table, frame in rows if table == "trades"])
    assert not ticks.between(start, end - 1).any()
