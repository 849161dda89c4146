"""The bus: rows of other processes by Redis Streams, proved by ``tests/wire/test_bus.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.wire.feed_case import Case, Stage
from workstation.bus.feed import Bus


@asynccontextmanager
async def stage(**options: Any) -> AsyncIterator[Stage]:
    """A feed that has no server yet; what it brings is any feed's."""
    made = Stage()
    made.feed = Bus(**options)
    yield made


CASE = Case(stage, {}, market=False)
