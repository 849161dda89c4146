"""Alpaca against the local server that speaks its wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pandas as pd

from tests.wire.alpaca_server import CALL, KEY, SECRET, AlpacaServer
from tests.wire.feed_case import Case, Stage
from workstation.feeds.alpaca import Alpaca
from workstation.feeds.alpaca.decode import decode
from workstation.feeds.alpaca.rows import trade_ids
from workstation.feeds.feed import Batch, Feed


def id_of(made: dict[str, Any]) -> str:
    """The id of a stock's print as rows carry it."""
    return trade_ids(pd.Series([made["t"]]).to_numpy(), [made["x"]], [made["i"]])[0]


class AlpacaStage(Stage):
    channels = ("stock/trades.SPY", f"option/quotes.{CALL}", f"option/trades.{CALL}")
    unknown = "option/quotes.SPY300101C00001000"

    def __init__(self, server: AlpacaServer, **options: Any) -> None:
        self.server = server
        self.feed = self._made(**options)

    def _made(self, **options: Any) -> Alpaca:
        settings = {
            "underlyings": ("SPY",), "urls": self.server.urls, "api_key": KEY, "secret": SECRET, "pace_s": 0.0, "timeout_s": 5.0,
            "audit_s": 0.1, "audit_lag_s": 0.0,
        } | options  # fmt: skip
        return Alpaca(**settings)

    async def prints(self, count: int) -> list[str]:
        made = [self.server.trade() for _ in range(count)]
        await self.server.prints(*made)
        return [id_of(each) for each in made]

    async def unpushed(self, count: int) -> list[str]:
        return [id_of(self.server.trade()) for _ in range(count)]

    async def again(self) -> None:
        await self.server.prints(self.server.history[-1])

    async def out_of_order(self) -> list[str]:
        first, second = self.server.trade(), self.server.trade()
        await self.server.prints(second)
        await self.server.prints(first)
        return [id_of(second), id_of(first)]

    async def malformed(self) -> None:
        await self.server.push_raw(b"\x91\x83\xa1T\xa1t\xa1S")

    async def error_in_band(self) -> None:
        await self.server.packed([{"T": "error", "code": 500, "msg": "internal error"}])

    async def silence(self) -> None:
        self.server.silent = True

    async def restart(self) -> None:
        await self.server.stop()
        await self.server.start()

    def unauthorised(self) -> Feed:
        return self._made(secret="wrong")

    def slow(self) -> Feed:
        return self._made(capacity=10, audit_s=0.0)

    def decoder(self) -> Callable[[pd.DataFrame], list[Batch]]:
        return decode


@asynccontextmanager
async def stage(**options: Any) -> AsyncIterator[Stage]:
    """A feed of one underlying against a server of its own."""
    async with AlpacaServer() as server:
        yield AlpacaStage(server, **options)


CASE = Case(stage, {"keepalive_s": 0.1})
