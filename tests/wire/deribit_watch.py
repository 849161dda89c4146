"""Watching the Deribit feed against its local server: what it gave, polled for, never slept for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pandas as pd

from tests.wire.deribit_server import CALL, OPTION_TRADES, DeribitServer
from workstation.feeds.deribit import Deribit
from workstation.feeds.feed import Batch
from workstation.feeds.supervision.supervisor import SupervisionParameters, Supervisor

PATIENCE_S = 10.0


def feed_of(server: DeribitServer, **options: Any) -> Deribit:
    settings = {"currencies": ("BTC",), "urls": server.urls, "pace_s": 0.0, "timeout_s": 5.0} | options
    return Deribit(**settings)


async def until(true: Callable[[], Any], what: str = "") -> None:
    """Poll until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what or true}"
        await asyncio.sleep(0.005)


class Watcher:
    """Takes a feed's batches on a task of its own."""

    def __init__(self, feed: Deribit) -> None:
        self.got: list[Batch] = []
        self._task = asyncio.ensure_future(self._take(feed))

    async def _take(self, feed: Deribit) -> None:
        async for batch in feed.batches():
            self.got.append(batch)

    def rows(self, table: str) -> pd.DataFrame:
        frames = [batch.frame for batch in self.got if batch.table == table]
        return (
            pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({"event": [], "venue_seq": []})
        )

    def events(self, event: str) -> pd.DataFrame:
        health = self.rows("health")
        return health[health["event"].astype("str") == event]

    def seqs(self) -> list[int]:
        return self.rows("trades")["venue_seq"].tolist()

    async def error(self) -> BaseException | None:
        await until(self._task.done, "the feed to fail")
        return self._task.exception()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


@asynccontextmanager
async def watched(feed: Deribit, *channels: str) -> AsyncIterator[Watcher]:
    """A connected, subscribed feed and what it gives."""
    try:
        await feed.connect()
        await feed.subscribe(channels or (OPTION_TRADES, f"ticker.{CALL}.100ms"))
        watcher = Watcher(feed)
        try:
            yield watcher
        finally:
            await watcher.stop()
    finally:
        await feed.close()


@asynccontextmanager
async def supervised(feed: Deribit) -> AsyncIterator[Any]:
    """A feed under supervision and what it publishes."""
    desk = Published()
    quick = SupervisionParameters(backoff_first_s=0.01, backoff_cap_s=0.05, watch_every_s=0.02)
    supervisor = Supervisor(feed, desk.take, (OPTION_TRADES,), quick)
    running = asyncio.ensure_future(supervisor.run())
    try:
        await until(lambda: supervisor.status()["state"] == "live")
        yield desk
    finally:
        await supervisor.stop()
        await running


class Published(Watcher):
    """What a supervisor publishes."""

    def __init__(self) -> None:
        self.got = []

    def take(self, table: str, frame: pd.DataFrame) -> None:
        self.got.append(Batch(table, frame))
