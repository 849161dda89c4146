"""The synthetic market as a feed: paced by a clock or as fast as it is read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from workstation.feeds.feed import Batch, Capabilities, Feed, Subscription
from workstation.feeds.synthetic.assets import FLAVOURS
from workstation.feeds.synthetic.market import ORDER, SyntheticMarket
from workstation.market.errors import FeedError
from workstation.market.instants import MILLISECOND_NS, SECOND_NS
from workstation.market.tables import HEALTH

HISTORY_STEP_NS = 5 * SECOND_NS
HISTORY_OPTION_SHARE = 0.35


@dataclass(frozen=True)
class SyntheticParameters:
    """What the synthetic market is like and how it is paced.

    Attributes
    ----------
    seed, flavour
        Same seed, flavour, start and grid: same rows. Flavours: ``crypto`` (BTC, ETH), ``us`` (SPX, SPY, NVDA, AAPL).
    rate
        Mean trades and quotes per second over everything.
    start_ns
        Event time at which the live part begins; None: the clock's now, and event time keeps wall time.
    duration_s
        Length of the live part; None: without end.
    speed
        Event seconds per wall second, or ``max``: as fast as it is read.
    history_minutes, history_rate, history_marks_every_s
        What ``snapshot`` brings of the time before the start, and how densely.
    marks_every_s
        Time between two refreshes of a chain.
    slice_ms
        The grid: one slice is drawn, and its batches come, at a time.
    jump_after_s
        How far behind the wall clock it may fall before it leaves the time out, with a ``gap`` row.
    """

    seed: int = 0
    flavour: str = "crypto"
    rate: float = 10_000.0
    start_ns: int | None = None
    duration_s: float | None = None
    speed: float | Literal["max"] = 1.0
    history_minutes: float = 45.0
    history_rate: float = 100.0
    history_marks_every_s: float = 60.0
    marks_every_s: float = 1.5
    slice_ms: int = 100
    jump_after_s: float = 30.0


class Synthetic(Feed):
    """A seeded market of spot, perpetuals or equities and full option chains; needs no network.

    Channels: ``trades``, ``quotes``, ``marks``, ``liquidations``, each alone or for one underlying
    (``marks.BTC``); none: all of them.

    Examples
    --------
    >>> feed = Synthetic(seed=1, start_ns=1_767_225_600_000_000_000, speed="max", history_minutes=0.0, duration_s=0.2)
    >>> async def first():
    ...     await feed.connect()
    ...     await feed.subscribe(["trades.BTC"])
    ...     return [batch.table async for batch in feed.batches()]
    >>> asyncio.run(first())
    ['trades', 'heartbeat', 'trades', 'heartbeat']
    """

    name = "synthetic"
    capabilities = Capabilities(
        tables=frozenset({"instruments", "trades", "quotes", "marks", "liquidations", "heartbeat", "health"}),
        simulated_clock=True,
        invented=True,
        notes="Invented prices: for demonstration and tests, never evidence of how a market behaves.",
    )

    def __init__(
        self,
        parameters: SyntheticParameters | None = None,
        *,
        clock: Callable[[], int] | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        **overrides: Any,
    ) -> None:
        self.parameters = replace(parameters or SyntheticParameters(), **overrides)
        if self.parameters.flavour not in FLAVOURS:
            known = ", ".join(FLAVOURS)
            raise FeedError(f"no flavour {self.parameters.flavour!r}; known are {known}", fatal=True)
        self._clock, self._sleep = clock or steady_clock(), sleep
        self._market: SyntheticMarket | None = None
        self._start_ns = 0
        self._wanted: dict[str, np.ndarray | None] = dict.fromkeys(ORDER)
        self._told_history = False
        self._closed = True

    @property
    def market(self) -> SyntheticMarket:
        """The market being drawn; ``FeedError`` before ``connect``."""
        if self._market is None:
            raise FeedError("connect() the synthetic feed before using it")
        return self._market

    async def connect(self) -> None:
        """Open the market, the first time at its start; a later call goes on where it was."""
        self._closed = False
        if self._market is None:
            p = self.parameters
            grid = p.slice_ms * MILLISECOND_NS
            start = self._clock() if p.start_ns is None else p.start_ns
            self._start_ns = start - start % grid
            history_ns = int(p.history_minutes * 60) * SECOND_NS
            self._market = SyntheticMarket(FLAVOURS[p.flavour], p.seed, self._start_ns - history_ns)

    async def instruments(self) -> pd.DataFrame:
        """Terms of every line and every listed option."""
        return self.market.instruments()

    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        """Take what is asked for, refuse what does not exist."""
        owners = self.market.owners()
        wanted: dict[str, list[np.ndarray] | None] = {}
        rejected: dict[str, str] = {}
        for channel in channels or ORDER:
            table, _, underlying = channel.partition(".")
            if table not in ORDER:
                rejected[channel] = f"no table {table!r}; known are {', '.join(ORDER)}"
            elif underlying and underlying not in owners:
                rejected[channel] = f"unknown underlying {underlying!r}; known are {', '.join(owners)}"
            elif not underlying:
                wanted[table] = None
            elif wanted.get(table, []) is not None:
                wanted.setdefault(table, []).append(owners[underlying])  # type: ignore[union-attr]
        self._wanted = {t: None if codes is None else np.concatenate(codes) for t, codes in wanted.items()}
        accepted = tuple(channel for channel in (channels or ORDER) if channel not in rejected)
        return Subscription(accepted, rejected)

    async def snapshot(self) -> list[Batch]:
        """The history before the start, coarser, the first time; the newest marks later."""
        p, market = self.parameters, self.market
        if self._told_history or market.now_ns >= self._start_ns:
            return self._chosen(market.marks()) if p.start_ns is None else []
        self._told_history = True
        return await self._history(self._start_ns)

    async def _history(self, until_ns: int) -> list[Batch]:
        """What happens up to ``until_ns``, at the density of history."""
        p, market = self.parameters, self.market
        batches: list[Batch] = []
        block_ns = 10 * SECOND_NS
        while market.now_ns < until_ns:
            block_end = min(market.now_ns - market.now_ns % block_ns + block_ns, until_ns)
            while market.now_ns < block_end:
                step_end = market.now_ns - market.now_ns % HISTORY_STEP_NS + HISTORY_STEP_NS
                market.advance(
                    min(step_end, block_end), rate=p.history_rate,
                    marks_every_s=p.history_marks_every_s, option_share=HISTORY_OPTION_SHARE,
                )  # fmt: skip
            batches += self._chosen(market.drain())
            await asyncio.sleep(0)
        return batches

    async def batches(self) -> AsyncIterator[Batch]:
        """Slices as their time comes; ends after ``duration_s``. On wall time, what passed meanwhile comes first."""
        p, market = self.parameters, self.market
        end_ns = None if p.duration_s is None else self._start_ns + int(p.duration_s * SECOND_NS)
        if p.start_ns is None:
            now_ns = self._clock()
            for batch in await self._history(now_ns - now_ns % (p.slice_ms * MILLISECOND_NS)):
                yield batch
        began_ns = market.now_ns if p.start_ns is None else self._clock()
        offset_ns = market.now_ns
        while not self._closed and (end_ns is None or market.now_ns < end_ns):
            grid = p.slice_ms * MILLISECOND_NS
            target = market.now_ns + grid
            behind = await self._pace(began_ns, offset_ns, target)
            if p.start_ns is None and behind > p.jump_after_s:
                yield self._jumped(behind)
                continue
            market.advance(target, rate=p.rate, marks_every_s=p.marks_every_s)
            for batch in self._chosen(market.drain()):
                yield batch

    async def _pace(self, began_ns: int, offset_ns: int, target_ns: int) -> float:
        """Wait until the wall clock has reached ``target_ns`` of event time; seconds by which it is past it."""
        speed = self.parameters.speed
        if speed == "max":
            await asyncio.sleep(0)
            return 0.0
        due_ns = began_ns + (target_ns - offset_ns) / float(speed)
        wait = (due_ns - self._clock()) / SECOND_NS
        await self._sleep(max(wait, 0.0))
        return -wait

    def _jumped(self, behind_s: float) -> Batch:
        grid, market = self.parameters.slice_ms * MILLISECOND_NS, self.market
        start = market.now_ns
        market.skip(start + int(behind_s * SECOND_NS) // grid * grid)
        row = {
            "event_ns": market.now_ns, "seen_ns": self._clock(), "feed": self.name, "event": "gap", "start_ns": start,
            "end_ns": market.now_ns, "recoverable": False,
            "detail": f"fell {behind_s:.1f} s behind the clock; nothing was drawn for that time",
        }  # fmt: skip
        return Batch("health", HEALTH.conform(pd.DataFrame([row])))

    def _chosen(self, batches: list[Batch]) -> list[Batch]:
        chosen: list[Batch] = []
        for batch in batches:
            if batch.table == "heartbeat":
                chosen.append(batch)
            elif batch.table in self._wanted:
                codes = self._wanted[batch.table]
                frame = batch.frame
                if codes is not None:
                    frame = frame[np.isin(frame["instrument"].cat.codes, codes)].reset_index(drop=True)
                if len(frame):
                    chosen.append(Batch(batch.table, frame))
        return chosen

    async def close(self) -> None:
        """Stop drawing; the market keeps its place."""
        self._closed = True


def steady_clock() -> Callable[[], int]:
    """A clock in ns that starts at the wall clock's time and goes on by the monotonic one: it never steps.

    Examples
    --------
    >>> clock = steady_clock()
    >>> clock() <= clock()
    True
    """
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: offset + time.monotonic_ns()
