"""Databento through its own client against the local gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pandas as pd
import pytest

from tests.wire.feed_case import Case, NotStaged, Stage
from workstation.feeds.feed import Batch, Feed

pytest.importorskip("databento", reason="the vendor's client is not installed: pip install databento")

from tests.wire.databento_server import KEY, DatabentoServer
from workstation.feeds.databento import Databento
from workstation.feeds.databento.decode import decode


class DatabentoStage(Stage):
    channels = ("trades/SPY.OPT", "statistics/SPY.OPT")
    unknown = "trades/NOSUCH.OPT"

    def __init__(self, server: DatabentoServer, **options: Any) -> None:
        self.server = server
        self.feed = self._made(**options)

    def _made(self, **options: Any) -> Databento:
        settings = {
            "key": KEY, "host": "127.0.0.1", "port": self.server.port, "schemas": ("trades", "statistics"), "pace_s": 0.0,
            "timeout_s": 5.0, "heartbeat_s": 4.0,
        } | options  # fmt: skip
        return Databento(("SPY.OPT",), **settings)

    async def prints(self, count: int) -> list[str]:
        made = [self.server.print() for _ in range(count)]
        await self.server.push(*made)
        return [str(each.sequence) for each in made]

    async def unpushed(self, count: int) -> list[str]:
        if self.server.running:
            raise NotStaged("prints that are not pushed: the gateway says what it skips")
        made = [str(self.server.print().sequence) for _ in range(count)]
        await self.server.start()
        return made

    async def again(self) -> None:
        raise NotStaged("a repeated print: none carries an id, and the gateway repeats none but in a replay")

    async def out_of_order(self) -> list[str]:
        first, second = self.server.print(), self.server.print()
        await self.server.push(second)
        await self.server.push(first)
        return [str(second.sequence), str(first.sequence)]

    async def malformed(self) -> None:
        await self.server.push_raw(bytes((10, 0)) + bytes(38))

    async def error_in_band(self) -> None:
        import databento_dbn as dbn

        await self.server.push(
            dbn.ErrorMsg(ts_event=1, err="no such symbol", code=dbn.ErrorCode.SYMBOL_RESOLUTION_FAILED)
        )

    async def silence(self) -> None:
        self.server.silent = True

    async def restart(self) -> None:
        await self.server.stop()

    def unauthorised(self) -> Feed:
        return self._made(key="db-wrong00000000000000000000")

    def slow(self) -> Feed:
        return self._made(capacity=600)

    def decoder(self) -> Callable[[pd.DataFrame], list[Batch]]:
        return decode


@asynccontextmanager
async def stage(**options: Any) -> AsyncIterator[Stage]:
    """A feed of one parent symbol against a gateway of its own."""
    async with DatabentoServer() as server:
        yield DatabentoStage(server, **options)


CASE = Case(stage, {"heartbeat_s": 0.4})
