"""The synthetic US options day as a feed: what came before the start at once, the rest at the clock's pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from workstation.feeds.feed import Batch, Capabilities, Feed, Subscription
from workstation.feeds.synthetic.feed import steady_clock
from workstation.feeds.synthetic.options_day import options_day
from workstation.market.errors import FeedError
from workstation.market.instants import MILLISECOND_NS, MINUTE_NS
from workstation.market.tables import HEARTBEAT

_ORDER = ("marks", "quotes", "trades")
_WARM_SLICES = 50
"""So many slices of the grid come as one batch before the start."""


@dataclass(frozen=True)
class OptionsDayParameters:
    """Parameters of ``OptionsDayFeed``.

    Attributes
    ----------
    seed, names, day, minutes, noise_per_s, parents_per_minute
        Of ``options_day``.
    warm_minutes
        How much of the day comes at once before the pace is kept.
    speed
        Event seconds per wall second after that.
    slice_ms
        The grid on which batches come.
    """

    seed: int = 0
    names: tuple[str, ...] = ("SPY", "NVDA")
    day: str = "2026-11-30"
    minutes: float = 60.0
    noise_per_s: float = 0.5
    parents_per_minute: float = 3.0
    warm_minutes: float = 31.0
    speed: float = 1.0
    slice_ms: int = 100


class OptionsDayFeed(Feed):
    """Prints, quotes, open interest and equities of a drawn US options day.

    Examples
    --------
    >>> feed = OptionsDayFeed(minutes=1.0, warm_minutes=1.0, names=("SPY",))
    >>> async def first():
    ...     await feed.connect()
    ...     return [batch.table async for batch in feed.batches()][:3]
    >>> asyncio.run(first())
    ['marks', 'quotes', 'trades']
    """

    name = "synthetic_options"
    capabilities = Capabilities(
        tables=frozenset({"instruments", "trades", "quotes", "marks", "heartbeat"}),
        simulated_clock=True,
        invented=True,
        notes="Invented prints: for demonstration and tests, never evidence of how a market behaves.",
    )

    def __init__(
        self,
        parameters: OptionsDayParameters | None = None,
        *,
        clock: Callable[[], int] | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        **changes: Any,
    ) -> None:
        self.parameters = replace(parameters or OptionsDayParameters(), **changes)
        if not self.parameters.speed > 0 or not self.parameters.slice_ms > 0:
            raise FeedError("speed and slice_ms must be positive", fatal=True)
        self._clock, self._sleep = clock or steady_clock(), sleep
        self._tables: dict[str, pd.DataFrame] = {}
        self._at: dict[str, np.ndarray] = {}
        self._now_ns = 0
        self._closed = True

    async def connect(self) -> None:
        """Draw the day, the first time, on a thread of its own."""
        self._closed = False
        if self._tables:
            return
        p = self.parameters
        drawn = await asyncio.to_thread(
            options_day, seed=p.seed, names=p.names, day=p.day, minutes=p.minutes, noise_per_s=p.noise_per_s,
            parents_per_minute=p.parents_per_minute,
        )  # fmt: skip
        self._tables = drawn.tables
        start = int(drawn.tables["instruments"]["event_ns"].min())
        end = start + int(p.minutes * MINUTE_NS)
        for table in _ORDER:
            frame = drawn.tables[table]
            seen = frame["seen_ns"].to_numpy()
            arrived = np.where(seen > 0, seen, frame["event_ns"].to_numpy())
            order = np.argsort(arrived, kind="stable")
            order = order[arrived[order] <= end + MINUTE_NS]
            self._tables[table] = frame.iloc[order].reset_index(drop=True)
            self._at[table] = arrived[order]
        self._now_ns = start

    async def instruments(self) -> pd.DataFrame:
        """Terms of every contract and equity."""
        if not self._tables:
            raise FeedError("connect() the options day before using it")
        return self._tables["instruments"]

    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        """All of it is given."""
        return Subscription(tuple(channels) or _ORDER)

    async def snapshot(self) -> list[Batch]:
        """Nothing: the day begins with its first batches."""
        return []

    async def batches(self) -> AsyncIterator[Batch]:
        """The day in slices; ends with it."""
        p = self.parameters
        grid = p.slice_ms * MILLISECOND_NS
        last = max((int(at[-1]) for at in self._at.values() if len(at)), default=0)
        warm = min(self._now_ns + int(p.warm_minutes * MINUTE_NS), last + 1)
        while not self._closed and self._now_ns < warm:
            for batch in self._slice(self._now_ns + _WARM_SLICES * grid):
                yield batch
            await asyncio.sleep(0)
        began, offset = self._clock(), self._now_ns
        while not self._closed and self._now_ns <= last:
            target = self._now_ns + grid
            due = began + (target - offset) / p.speed
            await self._sleep(max((due - self._clock()) / 1e9, 0.0))
            for batch in self._slice(target):
                yield batch

    def _slice(self, until_ns: int) -> list[Batch]:
        """What arrives before a time, and a heartbeat at it."""
        made = []
        for table in _ORDER:
            first, after = np.searchsorted(self._at[table], (self._now_ns, until_ns)).tolist()
            if self._now_ns <= int(self._at[table][0] if len(self._at[table]) else 0):
                first = 0
            if after > first:
                made.append(Batch(table, self._tables[table].iloc[first:after].reset_index(drop=True)))
        self._now_ns = until_ns
        beat = pd.DataFrame({"event_ns": [until_ns], "seen_ns": [until_ns], "feed": [self.name]})
        return [*made, Batch("heartbeat", HEARTBEAT.conform(beat))]

    async def close(self) -> None:
        """Stop; the day keeps its place."""
        self._closed = True
