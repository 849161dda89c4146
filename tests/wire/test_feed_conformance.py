"""The laws of a feed, written once and held by every feed ``open_feed`` knows."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pandas as pd
import pytest

import workstation.bus  # noqa: F401 - registers its feed
from tests.unit.feeds.scripted import Sink
from tests.wire.feed_case import Case, NotStaged, Stage
from workstation.feeds import FEEDS
from workstation.feeds.feed import Batch, Feed
from workstation.feeds.supervision.supervisor import SupervisionParameters, Supervisor
from workstation.market.errors import FeedError
from workstation.market.tables import TABLES

pytestmark = pytest.mark.wire
PATIENCE_S = 15.0
QUICK = SupervisionParameters(backoff_first_s=0.05, backoff_cap_s=0.2, watch_every_s=0.05)


def case_of(name: str) -> Case:
    """The feed's case; a feed without one fails the suite."""
    return importlib.import_module(f"tests.wire.cases.{name}").CASE


@pytest.fixture(params=["_template", *sorted(FEEDS)])
def case(request: pytest.FixtureRequest) -> Case:
    found = case_of(request.param)
    if not found.market:
        pytest.skip(f"{request.param} brings no market data; its laws are in test_{request.param}.py")
    return found


@asynccontextmanager
async def staged(case: Case, **options: Any) -> AsyncIterator[Stage]:
    """A stage; what it cannot show skips the test."""
    async with case.stage(**options) as stage:
        try:
            yield stage
        except NotStaged as missing:
            pytest.skip(f"this feed's venue cannot show {missing}")
        finally:
            await stage.feed.close()


async def until(true: Callable[[], Any], what: str) -> None:
    """Poll until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def supervised(stage: Stage, *channels: str) -> AsyncIterator[tuple[Supervisor, Sink]]:
    """The stage's feed under supervision, subscribed and live."""
    sink = Sink()
    supervisor = Supervisor(stage.feed, sink, channels or stage.channels, QUICK)
    task = asyncio.create_task(supervisor.run())
    try:
        await until(
            lambda: supervisor.status()["state"] in ("live", "ended", "failed"), "the feed to be live"
        )
        yield supervisor, sink
    finally:
        await supervisor.stop()
        await task


def ids(sink: Sink) -> list[str]:
    """Ids of the prints published; the venue's number of a print that has no id."""
    trades = sink.rows("trades")
    if not len(trades):
        return []
    numbers = trades["venue_seq"].astype("str")
    return trades["trade_id"].where(trades["trade_id"] != "", numbers).tolist()


async def test_instruments_conform_and_name_their_kind(case: Case):
    async with staged(case) as stage:
        await stage.feed.connect()
        rows = TABLES["instruments"].conform(await stage.feed.instruments())
        assert len(rows)
        assert (rows["kind"] != "").all()
        assert rows["instrument"].is_unique


async def test_subscribe_answers_for_every_channel(case: Case):
    async with staged(case) as stage:
        await stage.feed.connect()
        await stage.feed.instruments()
        said = await stage.feed.subscribe((*stage.channels, stage.unknown))
        assert set(said.accepted) == set(stage.channels)
        assert set(said.rejected) == {stage.unknown}
        assert said.rejected[stage.unknown]


async def test_batches_fit_their_tables_and_the_capabilities_name_them(case: Case):
    async with staged(case) as stage:
        feed = stage.feed
        await feed.connect()
        await feed.instruments()
        await feed.subscribe(stage.channels)
        got: list[Batch] = list(await feed.snapshot())
        try:
            await stage.prints(3)
        except NotStaged:
            got += [batch async for batch in feed.batches()]
        else:
            async for batch in feed.batches():
                got.append(batch)
                if batch.table == "trades":
                    break
        assert "trades" in {batch.table for batch in got}
        for table, frame in got:
            assert table in feed.capabilities.tables
            conformed = TABLES[table].conform(frame)
            pd.testing.assert_frame_equal(conformed, frame)
            assert (frame["seq"] == 0).all()
            assert len(frame)


async def test_close_may_come_twice_and_before_connect(case: Case):
    async with staged(case) as stage:
        await stage.feed.close()
        await stage.feed.connect()
        await stage.feed.close()
        await stage.feed.close()


async def test_a_supervised_feed_lives_and_stops(case: Case):
    async with staged(case) as stage, supervised(stage) as (supervisor, sink):
        try:
            printed = await stage.prints(2)
        except NotStaged:
            await until(lambda: len(sink.rows("trades")), "rows")
        else:
            await until(lambda: ids(sink) == printed, "the prints")
        assert "connected" in sink.events
    assert supervisor.status()["state"] in ("stopped", "ended")


async def test_a_channel_that_does_not_exist_is_a_health_row_and_costs_nothing_else(case: Case):
    async with staged(case) as stage, supervised(stage, *stage.channels, stage.unknown) as (_, sink):
        with suppress(NotStaged):
            await stage.prints(1)
        await until(lambda: len(sink.rows("trades")), "rows of the good channels")
        refused = sink.rows("health").query("event == 'refused'")
        assert stage.unknown in refused["channel"].astype(str).tolist()


async def test_a_malformed_frame_is_set_aside_and_the_stream_goes_on(case: Case):
    async with staged(case) as stage, supervised(stage) as (supervisor, sink):
        await stage.malformed()
        printed = await stage.prints(1)
        await until(lambda: ids(sink) == printed, "the print after the bad frame")
        await until(lambda: "rejected" in sink.events, "a rejected row")
        assert supervisor.status()["reconnects"] == 0


async def test_an_error_in_band_is_told_and_the_stream_goes_on(case: Case):
    async with staged(case) as stage, supervised(stage) as (_, sink):
        await stage.error_in_band()
        printed = await stage.prints(1)
        await until(lambda: ids(sink) == printed, "the print after the error")
        await until(lambda: "refused" in sink.events or "rejected" in sink.events, "a row about the error")


async def test_a_gap_is_told_and_backfilled(case: Case):
    async with staged(case) as stage, supervised(stage) as (_, sink):
        before = await stage.prints(1)
        await until(lambda: ids(sink) == before, "the first print")
        missed = await stage.unpushed(3)
        after = await stage.prints(1)
        await until(lambda: set(ids(sink)) == {*before, *missed, *after}, "the missed prints")
        assert len(ids(sink)) == 5
        assert "gap" in sink.events
        await until(lambda: "backfilled" in sink.events, "a backfilled row")


async def test_a_repeated_print_is_published_once_and_told(case: Case):
    async with staged(case) as stage, supervised(stage) as (_, sink):
        printed = await stage.prints(1)
        await until(lambda: ids(sink) == printed, "the print")
        await stage.again()
        later = await stage.prints(1)
        await until(lambda: later[0] in ids(sink), "the next print")
        assert ids(sink) == printed + later
        assert "duplicate" in sink.events


async def test_prints_out_of_order_are_all_kept(case: Case):
    async with staged(case) as stage, supervised(stage) as (_, sink):
        first = await stage.prints(1)
        printed = await stage.out_of_order()
        await until(lambda: set(ids(sink)) == {*first, *printed}, "both prints")
        assert len(ids(sink)) == 3


async def test_a_half_open_socket_is_given_up(case: Case):
    async with staged(case, **case.options) as stage, supervised(stage) as (_, sink):
        await stage.silence()
        await until(lambda: "disconnected" in sink.events, "the silent socket to be given up")


async def test_a_restart_of_the_venue_is_survived_without_loss(case: Case):
    async with staged(case) as stage, supervised(stage) as (supervisor, sink):
        before = await stage.prints(2)
        await until(lambda: ids(sink) == before, "prints before")
        await stage.restart()
        missed = await stage.unpushed(2)
        await until(lambda: "resubscribed" in sink.events, "the feed to be back")
        after = await stage.prints(1)
        await until(lambda: set(ids(sink)) == {*before, *missed, *after}, "all prints")
        assert len(ids(sink)) == 5
        assert supervisor.status()["reconnects"] >= 1


async def test_a_slow_consumer_loses_no_print_in_silence(case: Case):
    async with staged(case) as stage:
        stage.feed = stage.slow()
        feed = stage.feed
        await feed.connect()
        await feed.instruments()
        await feed.subscribe(stage.channels)
        printed = [one for _ in range(40) for one in await stage.prints(1)]
        await asyncio.sleep(0.3)
        got: list[Batch] = []

        async def take() -> None:
            async for batch in feed.batches():
                got.append(batch)  # noqa: PERF401 - looked at while it fills

        def received() -> int:
            return sum(len(batch.frame) for batch in got if batch.table == "trades")

        def told() -> int:
            rows = [batch.frame for batch in got if batch.table == "health"]
            return sum(int(frame.loc[frame["event"] == "gap", "count"].sum()) for frame in rows)

        taker = asyncio.create_task(take())
        try:
            await until(
                lambda: received() + told() >= len(printed), "every print to come or to be told as lost"
            )
        finally:
            taker.cancel()
            await asyncio.wait([taker])
        assert told() > 0, "the queue did not overflow: nothing was tried"
        assert received() + told() == len(printed)


async def test_refused_credentials_are_fatal(case: Case):
    async with staged(case) as stage:
        feed = stage.unauthorised()
        try:
            with pytest.raises(FeedError) as refused:
                await feed.connect()
                await feed.instruments()
                await feed.subscribe(stage.channels)
        finally:
            await feed.close()
        assert refused.value.fatal


async def test_decoding_is_pure(case: Case):
    async with staged(case) as stage, supervised(stage) as (_, sink):
        decode = stage.decoder()
        await stage.malformed()
        await stage.prints(3)
        await until(lambda: len(ids(sink)) == 3, "the prints")
        frames = sink.rows("frames")
        kept = frames.copy(deep=True)
        first, second = decode(frames), decode(frames)
        pd.testing.assert_frame_equal(frames, kept)
        assert [batch.table for batch in first] == [batch.table for batch in second]
        for one, other in zip(first, second, strict=True):
            pd.testing.assert_frame_equal(one.frame, other.frame)


def test_every_feed_keeps_to_the_protocol():
    for name in FEEDS:
        feed = type(case_feed(name))
        assert issubclass(feed, Feed)
        assert feed.__doc__
        assert feed.capabilities.notes, f"{name}: capabilities say nothing of what it cannot do"
        for method in ("connect", "instruments", "subscribe", "snapshot", "close", "backfill"):
            assert inspect.iscoroutinefunction(getattr(feed, method)), f"{name}.{method}"


def case_feed(name: str) -> Feed:
    """The feed of a fresh stage."""

    async def made() -> Feed:
        async with case_of(name).stage() as stage:
            await stage.feed.close()
            return stage.feed

    return asyncio.run(made())
