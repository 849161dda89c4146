"""Binance against the local server that speaks its wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pandas as pd

from tests.wire.binance_server import CALL, BinanceServer
from tests.wire.feed_case import Case, Stage
from workstation.feeds.binance import Binance
from workstation.feeds.binance.decode import decode
from workstation.feeds.feed import Batch, Feed


class BinanceStage(Stage):
    channels = ("public/btcusdt@optionTrade", "market/btcusdt@optionMarkPrice", "market/btcusdt@aggTrade")
    unknown = "public/btc-300101-1-c@bookTicker"

    def __init__(self, server: BinanceServer, **options: Any) -> None:
        self.server = server
        self.feed = self._made(**options)

    def _made(self, **options: Any) -> Binance:
        return Binance(
            **{"coins": ("BTC",), "urls": self.server.urls, "pace_s": 0.0, "timeout_s": 5.0} | options
        )

    async def prints(self, count: int) -> list[str]:
        made = [self.server.trade() for _ in range(count)]
        await self.server.prints(*made)
        return [str(each["t"]) for each in made]

    async def unpushed(self, count: int) -> list[str]:
        return [str(self.server.trade()["t"]) for _ in range(count)]

    async def again(self) -> None:
        await self.server.prints(self.server.history[-1])

    async def out_of_order(self) -> list[str]:
        first, second = self.server.trade(CALL), self.server.trade(CALL)
        await self.server.prints(second)
        await self.server.prints(first)
        return [str(second["t"]), str(first["t"])]

    async def malformed(self) -> None:
        await self.server.push_raw(b'{"stream":"btcusdt@optionTrade","data":{')

    async def error_in_band(self) -> None:
        await self.server.push_raw(b'{"error":{"code":-1001,"msg":"Internal error"}}')

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
    async with BinanceServer() as server:
        yield BinanceStage(server, **options)


CASE = Case(stage, {"keepalive_s": 0.1})
