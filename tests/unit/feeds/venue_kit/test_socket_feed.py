"""A socket feed whose iteration is closed and begun again."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pandas as pd

from workstation.feeds.feed import Batch, Capabilities, Subscription
from workstation.feeds.venue_kit.frame_queue import Drained, FrameQueue
from workstation.feeds.venue_kit.socket_feed import SocketFeed
from workstation.market.tables import TABLES


class OneFrameOneRow(SocketFeed[Any]):
    """Each drain gives its frames, then one table of rows with their payloads."""

    name = "scripted"
    capabilities = Capabilities(tables=frozenset({"frames", "trades"}))

    def __init__(self) -> None:
        self.queue = FrameQueue(10, is_print=lambda channel: True, prints_in=lambda payload: 1)
        super().__init__(self.queue, 0.0)

    def _read(self, drained: Drained) -> list[Batch]:
        rows = pd.DataFrame({"trade_id": [frame.payload.decode() for frame in drained.frames]})
        return [Batch("frames", self._health.frames(drained.frames)), Batch("trades", rows)]

    async def connect(self) -> None:
        raise NotImplementedError

    async def instruments(self) -> pd.DataFrame:
        return TABLES["instruments"].empty()

    async def subscribe(self, channels: Any = ()) -> Subscription:
        return Subscription((), {})

    async def snapshot(self) -> list[Batch]:
        return []

    async def backfill(self, gap: Any) -> list[Batch]:
        return []


async def test_rows_read_before_the_iteration_was_closed_come_first_of_the_next() -> None:
    feed = OneFrameOneRow()
    feed.queue.put("trades", b"1", 0)
    async with aclosing(feed.batches()) as batches:  # type: ignore[type-var]
        assert (await anext(batches)).table == "frames"
    feed.queue.put("trades", b"2", 0)
    found = []
    async with aclosing(feed.batches()) as batches:  # type: ignore[type-var]
        while len(found) < 2:
            batch = await anext(batches)
            if batch.table == "trades":
                found += batch.frame["trade_id"].tolist()
    assert found == ["1", "2"], "each once, in the order they came"
