"""The synthetic market: no socket, so only the laws about rows, channels and life apply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.wire.feed_case import Case, Stage
from workstation.feeds.synthetic import Synthetic


class SyntheticStage(Stage):
    channels = ("trades", "marks.BTC")
    unknown = "trades.DOGE"

    def __init__(self) -> None:
        self.feed = Synthetic(
            start_ns=1_790_000_000_000_000_000, speed="max", duration_s=3.0, rate=500.0, history_minutes=0.2
        )


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """A second or so of a small market."""
    yield SyntheticStage()


CASE = Case(stage, {})
