"""Deribit against the local server that speaks its wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pandas as pd

from tests.wire.deribit_server import CALL, OPTION_TRADES, DeribitServer
from tests.wire.feed_case import Case, Stage
from workstation.feeds.deribit import Deribit
from workstation.feeds.deribit.decode import decode
from workstation.feeds.feed import Batch, Feed


class DeribitStage(Stage):
    channels = (OPTION_TRADES, f"ticker.{CALL}.100ms")
    unknown = "ticker.BTC-1JAN30-1-C.100ms"

    def __init__(self, server: DeribitServer, **options: Any) -> None:
        self.server = server
        self.feed = self._made(**options)

    def _made(self, **options: Any) -> Deribit:
        settings = {
            "currencies": ("BTC",),
            "urls": self.server.urls,
            "pace_s": 0.0,
            "timeout_s": 5.0,
        } | options
        return Deribit(**settings)

    async def prints(self, count: int) -> list[str]:
        made = [self.server.trade() for _ in range(count)]
        await self.server.push(OPTION_TRADES, made)
        return [each["trade_id"] for each in made]

    async def unpushed(self, count: int) -> list[str]:
        return [self.server.trade()["trade_id"] for _ in range(count)]

    async def again(self) -> None:
        await self.server.push(OPTION_TRADES, [self.server.history[-1]])

    async def out_of_order(self) -> list[str]:
        first, second = self.server.trade(), self.server.trade()
        await self.server.push(OPTION_TRADES, [second])
        await self.server.push(OPTION_TRADES, [first])
        return [second["trade_id"], first["trade_id"]]

    async def malformed(self) -> None:
        await self.server.push_raw(b'{"jsonrpc":"2.0","method":')

    async def error_in_band(self) -> None:
        await self.server.push_raw(
            b'{"jsonrpc":"2.0","id":null,"error":{"code":11094,"message":"internal_server_error"}}'
        )

    async def silence(self) -> None:
        self.server.silent = True

    async def restart(self) -> None:
        await self.server.stop()
        await self.server.start()

    def unauthorised(self) -> Feed:
        return self._made(api_key="key", secret="wrong")

    def slow(self) -> Feed:
        return self._made(capacity=10)

    def decoder(self) -> Callable[[pd.DataFrame], list[Batch]]:
        return decode


@asynccontextmanager
async def stage(**options: Any) -> AsyncIterator[Stage]:
    """A feed of one coin against a server of its own."""
    async with DeribitServer() as server:
        yield DeribitStage(server, **options)


CASE = Case(stage, {"keepalive_s": 0.1})
