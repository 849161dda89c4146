"""IQFeed against the local server that speaks its wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pandas as pd

from tests.wire.feed_case import Case, Stage
from tests.wire.iqfeed_server import CALL, IQFeedServer
from workstation.feeds.feed import Batch, Feed
from workstation.feeds.iqfeed import IQFeed
from workstation.feeds.iqfeed.decode import decode


class IQFeedStage(Stage):
    channels = ("level1.AAPL", f"level1.{CALL}")
    unknown = "level1.NOSUCH"

    def __init__(self, server: IQFeedServer, **options: Any) -> None:
        self.server = server
        self.feed = self._made(**options)

    def _made(self, **options: Any) -> IQFeed:
        settings = {"pace_s": 0.0, "timeout_s": 5.0} | self.server.options | options
        return IQFeed(["AAPL", CALL], **settings)

    async def prints(self, count: int) -> list[str]:
        made = [self.server.trade() for _ in range(count)]
        self.server.push(*made)
        return [each.trade_id for each in made]

    async def unpushed(self, count: int) -> list[str]:
        return [self.server.trade().trade_id for _ in range(count)]

    async def again(self) -> None:
        self.server.push(self.server.history["AAPL"][-1])

    async def out_of_order(self) -> list[str]:
        first, second = self.server.trade(), self.server.trade()
        self.server.push(second, first)
        return [second.trade_id, first.trade_id]

    async def malformed(self) -> None:
        self.server.push_raw(b"Q,AAPL,\x00\xff garbage\r\n")

    async def error_in_band(self) -> None:
        self.server.say("E,Unauthorized user ID.,")

    async def silence(self) -> None:
        self.server.silent = True

    async def restart(self) -> None:
        await self.server.stop()
        await self.server.start()

    def unauthorised(self) -> Feed:
        self.server.key = "right"
        return self._made(key="wrong")

    def slow(self) -> Feed:
        return self._made(capacity=10)

    def decoder(self) -> Callable[[pd.DataFrame], list[Batch]]:
        return decode


@asynccontextmanager
async def stage(**options: Any) -> AsyncIterator[Stage]:
    """A feed of two symbols against a server of its own."""
    async with IQFeedServer() as server:
        yield IQFeedStage(server, **options)


CASE = Case(stage, {"silence_s": 0.4})
