"""OKX against the local server that speaks its wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pandas as pd

from tests.wire.feed_case import Case, Stage
from tests.wire.okx_server import CALL, SWAP, OKXServer
from workstation.feeds.feed import Batch, Feed
from workstation.feeds.okx import OKX
from workstation.feeds.okx.decode import decode


class OKXStage(Stage):
    channels = ("option-trades/BTC-USD", f"tickers/{CALL}", f"trades-all/{SWAP}")
    unknown = "tickers/BTC-USD-300101-1-C"

    def __init__(self, server: OKXServer, **options: Any) -> None:
        self.server = server
        self.feed = self._made(**options)

    def _made(self, **options: Any) -> OKX:
        return OKX(**{"coins": ("BTC",), "urls": self.server.urls, "pace_s": 0.0, "timeout_s": 5.0} | options)

    async def prints(self, count: int) -> list[str]:
        made = [self.server.trade() for _ in range(count)]
        await self.server.prints(*made)
        return [each["tradeId"] for each in made]

    async def unpushed(self, count: int) -> list[str]:
        return [self.server.trade()["tradeId"] for _ in range(count)]

    async def again(self) -> None:
        await self.server.prints(self.server.history[-1])

    async def out_of_order(self) -> list[str]:
        first, second = self.server.trade(), self.server.trade()
        await self.server.prints(second)
        await self.server.prints(first)
        return [second["tradeId"], first["tradeId"]]

    async def malformed(self) -> None:
        await self.server.push_raw(b'{"arg":{"channel":"option-trades","instFamily":"BTC-USD"},"data":[{')

    async def error_in_band(self) -> None:
        await self.server.push_raw(
            b'{"event":"error","code":"63999","msg":"Internal system error","connId":"a"}'
        )

    async def silence(self) -> None:
        self.server.silent = True

    async def restart(self) -> None:
        await self.server.stop()
        await self.server.start()

    def slow(self) -> Feed:
        return self._made(capacity=10)

    def decoder(self) -> Callable[[pd.DataFrame], list[Batch]]:
        return decode


@asynccontextmanager
async def stage(**options: Any) -> AsyncIterator[Stage]:
    """A feed of one coin against a server of its own."""
    async with OKXServer() as server:
        yield OKXStage(server, **options)


CASE = Case(stage, {"keepalive_s": 0.1})
