"""A feed that does what a script says, and a clock that only moves when somebody sleeps."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pandas as pd

from workstation.feeds.feed import Batch, Capabilities, Feed, Gap, Subscription
from workstation.market.errors import FeedError
from workstation.market.tables import HEALTH, HEARTBEAT, INSTRUMENTS, TRADES

START_NS = 1_790_000_000_000_000_000
SECOND_NS = 1_000_000_000


class FakeTime:
    """``clock`` and ``sleep``: a sleep lets everything ready run, then moves the clock to the earliest wake-up."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self.now_ns = now_ns
        self.naps: list[float] = []
        self._sleepers: dict[asyncio.Future[None], int] = {}
        self._mover: asyncio.Task[None] | None = None

    def clock(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers[waiter] = self.now_ns + int(seconds * SECOND_NS)
        if self._mover is None or self._mover.done():
            self._mover = asyncio.ensure_future(self._move())
        try:
            await waiter
        finally:
            self._sleepers.pop(waiter, None)

    async def _move(self) -> None:
        while self._sleepers:
            for _ in range(30):
                await asyncio.sleep(0)
            if self._sleepers:
                waiter = min(self._sleepers, key=self._sleepers.__getitem__)
                self.now_ns = max(self.now_ns, self._sleepers.pop(waiter))
                if not waiter.done():
                    waiter.set_result(None)


def trades(ids: Sequence[str], event_ns: int, seen_ns: int = 0, instrument: str = "BTC/USD") -> Batch:
    """A batch of trades with these ids, a nanosecond apart."""
    rows = pd.DataFrame(
        {
            "event_ns": [event_ns + n for n in range(len(ids))],
            "seen_ns": seen_ns or event_ns,
            "instrument": instrument,
            "price": 100.0,
            "size": 1.0,
            "trade_id": list(ids),
        }
    )
    return Batch("trades", TRADES.conform(rows))


def health(event_ns: int, event: str, **fields: Any) -> Batch:
    """One row of health from the feed itself."""
    return Batch("health", HEALTH.conform(pd.DataFrame([{"event_ns": event_ns, "event": event, **fields}])))


def heartbeat(event_ns: int) -> Batch:
    """One heartbeat."""
    return Batch("heartbeat", HEARTBEAT.conform(pd.DataFrame({"event_ns": [event_ns]})))


class ScriptedFeed(Feed):
    """Each connection plays the next script: batches to give, seconds to wait, or an exception to raise.

    A script that runs out ends the feed; ``refuse`` maps a channel to a reason; ``fill`` is what a backfill brings.
    """

    name = "scripted"

    def __init__(
        self, time: FakeTime, *scripts: Sequence[Any], simulated: bool = False, backfill: bool = True
    ) -> None:
        self.capabilities = Capabilities(
            tables=frozenset({"trades", "health"}), backfill=backfill, simulated_clock=simulated
        )
        self.time, self.scripts = time, list(scripts)
        self.refuse: dict[str, str] = {}
        self.fill: list[Batch] | Exception = []
        self.gaps_asked: list[Gap] = []
        self.subscribed: list[tuple[str, ...]] = []
        self.at_connect: list[Exception | None] = []
        self.at_snapshot: list[Exception | None] = []
        self.fill_after_s: list[float] = []
        self.connects = self.closes = 0
        self.pong = False

    async def connect(self) -> None:
        self.connects += 1
        error = self.at_connect.pop(0) if self.at_connect else None
        if error is not None:
            raise error

    async def instruments(self) -> pd.DataFrame:
        return INSTRUMENTS.empty()

    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        self.subscribed.append(tuple(channels))
        accepted = tuple(c for c in channels if c not in self.refuse)
        return Subscription(accepted, {c: self.refuse[c] for c in channels if c in self.refuse})

    async def snapshot(self) -> list[Batch]:
        error = self.at_snapshot.pop(0) if self.at_snapshot else None
        if error is not None:
            raise error
        return []

    async def batches(self) -> AsyncIterator[Batch]:
        for step in self.scripts.pop(0) if self.scripts else ():
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, Batch):
                yield step
            else:
                await self.time.sleep(float(step))

    def heard_ns(self) -> int:
        return self.time.now_ns if self.pong else 0

    async def backfill(self, gap: Gap) -> list[Batch]:
        self.gaps_asked.append(gap)
        if self.fill_after_s:
            await self.time.sleep(self.fill_after_s.pop(0))
        if isinstance(self.fill, Exception):
            raise self.fill
        return self.fill

    async def close(self) -> None:
        self.closes += 1


class Sink:
    """What was published, table by table."""

    def __init__(self) -> None:
        self.frames: dict[str, list[pd.DataFrame]] = defaultdict(list)

    def __call__(self, table: str, frame: pd.DataFrame) -> None:
        self.frames[table].append(frame)

    def rows(self, table: str) -> pd.DataFrame:
        """All rows of a table so far."""
        return pd.concat(self.frames[table], ignore_index=True) if self.frames[table] else pd.DataFrame()

    @property
    def events(self) -> list[str]:
        """The events of the health rows, in order."""
        return self.rows("health")["event"].astype("str").tolist() if self.frames["health"] else []


LOST = FeedError("the socket closed")
