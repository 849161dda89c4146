"""Bybit against the local server that speaks its wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pandas as pd

from tests.wire.bybit_server import CALL, BybitServer
from tests.wire.feed_case import Case, Stage
from workstation.feeds.bybit import Bybit
from workstation.feeds.bybit.decode import decode
from workstation.feeds.feed import Batch, Feed

TRADES = "publicTrade.BTC"


class BybitStage(Stage):
    channels = (f"option/{TRADES}", f"option/tickers.{CALL}", "linear/publicTrade.BTCUSDT")
    unknown = "option/tickers.BTC-1JAN30-1-C"

    def __init__(self, server: BybitServer, **options: Any) -> None:
        self.server = server
        self.feed = self._made(**options)

    def _made(self, **options: Any) -> Bybit:
        settings = {
            "coins": ("BTC",),
            "urls": self.server.urls,
            "pace_s": 0.0,
            "timeout_s": 5.0,
            "audit_s": 0.1,
        } | options
        return Bybit(**settings)

    async def prints(self, count: int) -> list[str]:
        made = [self.server.trade() for _ in range(count)]
        await self.server.prints(TRADES, *made)
        return [each["i"] for each in made]

    async def unpushed(self, count: int) -> list[str]:
        return [self.server.trade()["i"] for _ in range(count)]

    async def again(self) -> None:
        await self.server.prints(TRADES, self.server.history[-1])

    async def out_of_order(self) -> list[str]:
        first, second = self.server.trade(), self.server.trade()
        await self.server.prints(TRADES, second)
        await self.server.prints(TRADES, first)
        return [second["i"], first["i"]]

    async def malformed(self) -> None:
        await self.server.push_raw(b'{"topic":"publicTrade.BTC","data":[{')

    async def error_in_band(self) -> None:
        await self.server.push_raw(b'{"success":false,"ret_msg":"internal error","conn_id":"c-1","op":"?"}')

    async def silence(self) -> None:
        self.server.silent = True

    async def restart(self) -> None:
        await self.server.stop()
        await self.server.start()

    def slow(self) -> Feed:
        return self._made(capacity=10, audit_s=0.0)

    def decoder(self) -> Callable[[pd.DataFrame], list[Batch]]:
        return decode


@asynccontextmanager
async def stage(**options: Any) -> AsyncIterator[Stage]:
    """A feed of one coin against a server of its own."""
    async with BybitServer() as server:
        yield BybitStage(server, **options)


CASE = Case(stage, {"keepalive_s": 0.1})
