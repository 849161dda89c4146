"""Rows over Redis: each once, in order, with the number the collector gave it; what is lost is told, with its count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pandas as pd
import pytest
import redis

from tests.unit.conftest import ASOF, option_marks
from tests.wire.redis_server import RedisServer, wait
from workstation.bus.entries import ROWS, stream_key
from workstation.bus.feed import Bus
from workstation.bus.sink import BusSink
from workstation.desk import open_desk
from workstation.feeds import open_feed
from workstation.feeds.feed import Batch
from workstation.market.digest import digest
from workstation.market.errors import FeedError, WorkstationError
from workstation.streams.hub import Hub

pytestmark = pytest.mark.wire
SECONDS = 60.0


def trades(rows: int, first: int = 0) -> pd.DataFrame:
    steps = range(first, first + rows)
    return pd.DataFrame(
        {"event_ns": [ASOF + one for one in steps], "instrument": "BTC/USD:BTC", "price": 1.0, "size": 1.0, "trade_id": [str(one) for one in steps]}
    )  # fmt: skip


def publishing(sink: BusSink, first_seq: int = 1) -> Hub:
    hub = Hub(first_seq=first_seq)
    hub.attach(sink.name, sink.tables, sink.put)
    sink.start()
    return hub


async def read(batches: AsyncIterator[Batch], rows: int) -> list[Batch]:
    """Batches up to so many rows, health not counted."""
    found: list[Batch] = []
    while sum(len(one.frame) for one in found if one.table != "health") < rows:
        found.append(await asyncio.wait_for(anext(batches), SECONDS))
    return found


def seqs(found: list[Batch]) -> list[int]:
    return [seq for one in found if one.table != "health" for seq in one.frame["seq"].tolist()]


async def test_a_reader_goes_on_after_a_pause_without_loss(bus: RedisServer) -> None:
    sink = BusSink(bus.url)
    hub, feed = publishing(sink), Bus(bus.url)
    hub.publish("trades", trades(10))
    await feed.connect()
    async with aclosing(feed.batches()) as batches:  # type: ignore[type-var]
        assert seqs(await read(batches, 10)) == list(range(1, 11))
    await feed.close()
    for one in range(20):
        hub.publish("trades", trades(5, 10 + 5 * one))
    await feed.connect()
    async with aclosing(feed.batches()) as batches:  # type: ignore[type-var]
        found = await read(batches, 100)
    await feed.close()
    sink.close()
    assert seqs(found) == list(range(11, 111)) and all(one.table == "trades" for one in found)
    assert pd.concat([one.frame for one in found])["trade_id"].tolist() == [
        str(one) for one in range(10, 110)
    ]


async def test_what_was_trimmed_is_a_gap_with_its_count(bus: RedisServer) -> None:
    sink = BusSink(bus.url)
    hub, feed = publishing(sink), Bus(bus.url)
    hub.publish("trades", trades(10))
    await feed.connect()
    async with aclosing(feed.batches()) as batches:  # type: ignore[type-var]
        await read(batches, 10)
        for one in range(7):
            hub.publish("trades", trades(3, 10 + 3 * one))
            wait(lambda rows=13 + 3 * one: sink.sent_rows == rows, "not sent")  # an entry each
        with redis.Redis(port=bus.port) as client:
            client.xtrim(stream_key("workstation", ROWS), maxlen=2, approximate=False)
        found = await read(batches, 6)
    await feed.close()
    sink.close()
    gap = found[0].frame
    assert found[0].table == "health" and gap["event"].tolist() == ["gap"] and gap["count"].tolist() == [15]
    assert (gap["start_ns"].iloc[0], gap["end_ns"].iloc[0]) == (ASOF + 9, ASOF + 27)
    assert seqs(found) == list(range(26, 32))


async def test_redis_restarts_and_nothing_is_lost_that_was_not_sent(tmp_path: Path) -> None:
    server = RedisServer(tmp_path).start()
    sink = BusSink(server.url)
    hub, feed = publishing(sink), Bus(server.url)
    hub.publish("trades", trades(10))
    await feed.connect()
    async with aclosing(feed.batches()) as batches:  # type: ignore[type-var]
        await read(batches, 10)
        server.stop()
        hub.publish("trades", trades(10, 10))
        with pytest.raises(FeedError, match="does not answer"):
            await read(batches, 10)
    with pytest.raises(FeedError, match="does not answer"):
        await feed.connect()
    server.start()
    hub.publish("trades", trades(10, 20))
    await feed.connect()
    async with aclosing(feed.batches()) as batches:  # type: ignore[type-var]
        found = await read(batches, 20)
    await feed.close()
    sink.close()
    server.stop()
    assert seqs(found) == list(range(11, 31)) and sink.dropped_rows == 0


async def test_what_the_collector_could_not_send_is_a_gap(tmp_path: Path) -> None:
    server = RedisServer(tmp_path).start()
    sink = BusSink(server.url, waiting=4)
    hub, feed = publishing(sink), Bus(server.url)
    hub.publish("trades", trades(10))
    await feed.connect()
    async with aclosing(feed.batches()) as batches:  # type: ignore[type-var]
        await read(batches, 10)
    await feed.close()
    server.stop()
    for one in range(80):
        hub.publish("trades", trades(1, 10 + one))
    wait(lambda: sink.dropped_rows > 0, "nothing was dropped")
    server.start()
    kept = 80 - sink.dropped_rows
    await feed.connect()
    async with aclosing(feed.batches()) as batches:  # type: ignore[type-var]
        found = await read(batches, kept)
    await feed.close()
    sink.close()
    server.stop()
    lost = sum(int(one.frame["count"].sum()) for one in found if one.table == "health")
    assert lost == sink.dropped_rows and len(seqs(found)) + lost == 80 and seqs(found)[-1] == 90


async def test_a_collector_that_counts_from_one_again_is_refused_and_one_that_goes_on_is_not(
    bus: RedisServer,
) -> None:
    feed, first = Bus(bus.url), BusSink(bus.url)
    publishing(first).publish("trades", trades(10))
    await feed.connect()
    async with aclosing(feed.batches()) as batches:  # type: ignore[type-var]
        await read(batches, 10)
        first.close()
        second = BusSink(bus.url)
        publishing(second, first_seq=15).publish("trades", trades(5, 10))
        found = await read(batches, 5)
        assert seqs(found) == list(range(15, 20)) and "began anew" in found[0].frame["detail"].iloc[0]
        second.close()
        third = BusSink(bus.url)
        publishing(third).publish("trades", trades(5))
        with pytest.raises(FeedError, match="restart the page server") as refused:
            await read(batches, 5)
        assert refused.value.fatal
        third.close()
    await feed.close()


async def test_a_killed_collector_that_published_more_than_it_kept_is_followed_by_the_next(
    bus: RedisServer,
) -> None:
    feed, killed = Bus(bus.url), BusSink(bus.url)
    assert killed.published_seq() == 0
    publishing(killed).publish("trades", trades(10))
    await feed.connect()
    async with aclosing(feed.batches()) as batches:  # type: ignore[type-var]
        await read(batches, 10)
        following = BusSink(bus.url)
        hub = publishing(following, first_seq=4)  # its history ends with 3
        hub.number_from(following.published_seq() + 1)
        hub.publish("trades", trades(5, 10))
        found = await read(batches, 5)
    assert seqs(found) == list(range(11, 16)) and "began anew" in found[0].frame["detail"].iloc[0]
    wait(lambda: following.sent_rows == 5, "not sent")
    assert following.published_seq() == 15
    await feed.close()
    killed.close()
    following.close()


def test_no_bus_numbers_nothing(caplog: pytest.LogCaptureFixture) -> None:
    sink = BusSink("redis://127.0.0.1:1/0")
    assert sink.published_seq() == 0 and "numbered from the history on" in caplog.text
    sink.close()


def test_a_page_process_sees_the_collectors_rows_and_runs_no_engine(bus: RedisServer) -> None:
    sink = BusSink(bus.url)
    collector = open_desk([], sinks=[sink])
    sink.start()
    collector.hub.publish("marks", option_marks())
    collector.hub.publish("trades", trades(400))
    collector.hub.publish("marks", option_marks(event_ns=ASOF + 60 * 10**9))
    page = open_desk([open_feed("bus", url=bus.url)])
    with page:
        wait(lambda: page.hub.next_seq == collector.hub.next_seq, "the rows did not come")
        page.hub.publish(
            "fills",
            pd.DataFrame(
                {"event_ns": [ASOF], "instrument": "BTC/USD:BTC", "side": 1, "price": 1.0, "size": 1.0}
            ),
        )
        page.report(pd.DataFrame({"event_ns": [ASOF], "event": ["failed"], "detail": ["of this page"]}))
        collector.hub.publish("trades", trades(5, 400))
        collector.hub.publish("trades", trades(5, 400).assign(venue="other"))  # ids are each venue's own
        wait(
            lambda: page.hub.next_seq == collector.hub.next_seq,
            "a row of the page's own stopped the collector's",
        )
        for table in ("trades", "marks", "levels", "exposures"):
            held = collector.board.latest(table)
            assert len(held) and digest([page.board.latest(table)]) == digest([held]), table
        assert page.hub.engines == {} and page.hub.rejected.total() == 0
        assert page.board.latest("fills")["seq"].tolist() == [0]
    sink.close()


async def test_instruments_outlive_the_trim(bus: RedisServer) -> None:
    sink = BusSink(bus.url)
    hub, feed = publishing(sink), Bus(bus.url)
    term = {"event_ns": [ASOF], "instrument": "OWN/USD", "kind": "spot", "underlying": "OWN"}
    hub.publish("instruments", pd.DataFrame(term))
    hub.publish("trades", trades(1))
    wait(lambda: sink.sent_rows == 2, "not sent")
    with redis.Redis(port=bus.port) as client:
        client.xtrim(stream_key("workstation", ROWS), maxlen=0, approximate=False)
    await feed.connect()
    found = await feed.instruments()
    await feed.close()
    sink.close()
    assert found["instrument"].tolist() == ["OWN/USD"] and found["seq"].tolist() == [0]


def test_the_bus_stands_alone_and_names_what_is_wrong() -> None:
    with pytest.raises(FeedError, match="stands alone"):
        open_desk(["synthetic", "bus"])
    with pytest.raises(WorkstationError, match="no address of Redis"):
        BusSink("http://127.0.0.1:1")
    told = asyncio.run(Bus("redis://user:secret@127.0.0.1:1/0").reach())
    assert not told[0].ok and "redis-server" in told[0].detail and "secret" not in told[0].detail
