"""Private accounts: proved by ``tests/wire/test_accounts.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.wire.accounts_server import AccountsServer
from tests.wire.feed_case import Case, Stage
from workstation.feeds.accounts import Accounts


@asynccontextmanager
async def stage(**options: Any) -> AsyncIterator[Stage]:
    """A feed of four accounts against a server of its own."""
    async with AccountsServer() as server:
        made = Stage()
        made.feed = Accounts(venues=server.venues, **options)
        made.channels, made.unknown = ("positions", "fills"), "orders"
        yield made


CASE = Case(stage, {"poll_s": 0.05}, market=False)
