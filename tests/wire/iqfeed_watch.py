"""Watching the IQFeed feed against its local server: what it gave, polled for, never slept for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pandas as pd

from tests.unit.feeds.scripted import Sink
from tests.wire.iqfeed_server import CALL, IQFeedServer
from workstation.feeds.feed import Batch
from workstation.feeds.iqfeed import IQFeed
from workstation.feeds.supervision.supervisor import SupervisionParameters, Supervisor
from workstation.market.tables import TABLES

PATIENCE_S = 15.0
QUICK = SupervisionParameters(backoff_first_s=0.01, backoff_cap_s=0.05, watch_every_s=0.02)


def feed_of(server: IQFeedServer, **options: Any) -> IQFeed:
    return IQFeed(["AAPL", CALL], **({"pace_s": 0.0, "timeout_s": 5.0} | server.options | options))


async def until(true: Callable[[], Any], what: str) -> None:
    """Poll until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        await asyncio.sleep(0.005)


class Watcher:
    """Takes a feed's batches on a task of its own."""

    def __init__(self, feed: IQFeed) -> None:
        self.got: list[Batch] = []
        self.task = asyncio.ensure_future(self._take(feed))

    async def _take(self, feed: IQFeed) -> None:
        async for batch in feed.batches():
            self.got.append(batch)

    def rows(self, table: str) -> pd.DataFrame:
        return TABLES[table].concat([batch.frame for batch in self.got if batch.table == table])

    def events(self, event: str) -> pd.DataFrame:
        health = self.rows("health")
        return health[health["event"].astype("str") == event]


@asynccontextmanager
async def watched(feed: IQFeed, *channels: str) -> AsyncIterator[Watcher]:
    """A connected, subscribed feed and what it gives."""
    await feed.connect()
    try:
        await feed.subscribe(channels)
        watcher = Watcher(feed)
        try:
            yield watcher
        finally:
            watcher.task.cancel()
            await asyncio.wait([watcher.task])
    finally:
        await feed.close()


@asynccontextmanager
async def supervised(feed: IQFeed) -> AsyncIterator[tuple[Supervisor, Sink]]:
    sink = Sink()
    supervisor = Supervisor(feed, sink, (), QUICK)
    running = asyncio.ensure_future(supervisor.run())
    try:
        await until(lambda: supervisor.status()["state"] in ("live", "failed"), "the feed to be live")
        yield supervisor, sink
    finally:
        await supervisor.stop()
        await running
