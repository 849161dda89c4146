"""The template venue against the local server that speaks its wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pandas as pd

from tests.wire.feed_case import Case, Stage
from tests.wire.template_server import TemplateServer
from workstation.feeds._template.decode import decode
from workstation.feeds._template.feed import Template
from workstation.feeds.feed import Batch, Feed


class TemplateStage(Stage):
    channels = ("trades.BTC-USD", "trades.ETH-USD")
    unknown = "trades.NO-SUCH"

    def __init__(self, server: TemplateServer, **options: Any) -> None:
        self.server = server
        self.feed = self._made(**options)

    def _made(self, **options: Any) -> Template:
        return Template(self.server.url, **{"pace_s": 0.0, "timeout_s": 5.0} | options)

    async def prints(self, count: int) -> list[str]:
        made = [self.server.trade() for _ in range(count)]
        await self.server.push(*made)
        return [each["id"] for each in made]

    async def unpushed(self, count: int) -> list[str]:
        return [self.server.trade()["id"] for _ in range(count)]

    async def again(self) -> None:
        await self.server.push(self.server.history[-1])

    async def out_of_order(self) -> list[str]:
        first, second = self.server.trade(), self.server.trade()
        await self.server.push(second)
        await self.server.push(first)
        return [second["id"], first["id"]]

    async def malformed(self) -> None:
        await self.server.push_raw(b'{"channel":"trades.BTC-USD","data":[{')

    async def error_in_band(self) -> None:
        await self.server.push_raw(b'{"error":"internal error"}')

    async def silence(self) -> None:
        self.server.silent = True

    async def restart(self) -> None:
        await self.server.stop()
        await self.server.start()

    def unauthorised(self) -> Feed:
        return self._made(token="wrong")

    def slow(self) -> Feed:
        return self._made(capacity=10)

    def decoder(self) -> Callable[[pd.DataFrame], list[Batch]]:
        return decode


@asynccontextmanager
async def stage(**options: Any) -> AsyncIterator[Stage]:
    """A feed against a server of its own."""
    async with TemplateServer() as server:
        yield TemplateStage(server, **options)


CASE = Case(stage, {"keepalive_s": 0.2})
