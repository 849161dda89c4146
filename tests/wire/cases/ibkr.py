"""Interactive Brokers: no tape, so that its laws are proved by ``tests/wire/test_ibkr.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.wire.feed_case import Case, Stage
from tests.wire.ibkr_server import IBKRServer

pytest.importorskip("ib_async", reason="the client of TWS is not installed: pip install 'workstation[ibkr]'")

from workstation.feeds.ibkr import IBKR


@asynccontextmanager
async def stage(**options: Any) -> AsyncIterator[Stage]:
    """A feed of one underlying against a stand-in of TWS of its own."""
    async with IBKRServer() as server:
        made = Stage()
        made.feed = IBKR(("SPY",), port=server.port, **options)
        yield made


CASE = Case(stage, {"keepalive_s": 0.2}, market=False)
