"""A feed over one socket: its life, its frame queue, its gaps; what the frames mean is the venue's."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import pandas as pd

from workstation.feeds.feed import Batch, Feed, Gap
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.feeds.venue_kit.gap_detector import Hole
from workstation.feeds.venue_kit.health_rows import HealthRows, Row
from workstation.market.errors import FeedError
from workstation.market.instants import SECOND_NS

LOST_MARGIN_NS = 2 * SECOND_NS
"""How far around lost prints a backfill asks: the venue's clock is not ours, and channels gather for 100 ms."""


class Connection(Protocol):
    """What a socket feed asks of its connection."""

    def heard_ns(self) -> int:
        """When the last frame or pong came, by ``time.monotonic_ns``; 0 when nothing did."""

    async def shut(self) -> None:
        """Close the socket; may be called more than once."""


class Queue(Protocol):
    """What a socket feed asks of its queue: ``FrameQueue``, or one of the venue's own."""

    def __len__(self) -> int: ...
    def wake(self) -> None: ...
    async def arrived(self) -> None: ...
    def drain(self) -> Any: ...


Wire = TypeVar("Wire", bound=Connection)


class SocketFeed(Feed, Generic[Wire]):
    """Batches of a queue that a socket fills, until the socket is lost.

    A venue implements ``connect`` (make the connection, ``_adopt`` it), ``_read`` (what drained frames mean) and the rest
    of ``Feed``.

    Parameters
    ----------
    queue
        Where frames wait.
    pace_s
        How long frames gather into one batch.
    """

    def __init__(self, queue: Queue, pace_s: float) -> None:
        self._queue, self._pace_s = queue, pace_s
        self._health = HealthRows(self.name)
        self._wire: Wire | None = None
        self._lost = ""
        self._heard_ns = 0
        self._gaps: list[Gap] = []
        self._untaken: deque[Batch] = deque()

    # -- life ---------------------------------------------------------------------------------------------

    async def batches(self) -> AsyncIterator[Batch]:
        """Batches as they come; frames before the rows decoded from them. Raises ``FeedError`` on a lost socket.

        What was read when the iteration is closed comes first of the next one: its prints count as seen, and no backfill brings them.
        """
        while True:
            while self._untaken:
                yield self._untaken.popleft()
            await self._queue.arrived()
            if not self._lost:
                await asyncio.sleep(self._pace_s)
            self._untaken.extend(self._read(self._queue.drain()))
            while self._untaken:
                yield self._untaken.popleft()
            if self._lost and not len(self._queue):
                raise FeedError(f"{self.name}: the socket is gone: {self._lost}")

    def open_gaps(self) -> list[Gap]:
        """Gaps announced since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def heard_ns(self) -> int:
        """When the last frame or pong came."""
        if self._wire is not None:
            self._heard_ns = max(self._heard_ns, self._wire.heard_ns())
        return self._heard_ns

    async def close(self) -> None:
        """Close socket and session; may be called at any time, more than once."""
        self.heard_ns()
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.shut()
            self._lost = self._lost or "closed by us"
            self._queue.wake()

    # -- for the venue ------------------------------------------------------------------------------------

    @abstractmethod
    def _read(self, drained: Any) -> list[Batch]:
        """Frames, the rows decoded from them, and what is to tell about them."""

    @property
    def _connected(self) -> Wire:
        if self._wire is None:
            raise FeedError(f"{self.name} is not connected; call connect() first")
        return self._wire

    def _adopt(self, make: Callable[[Callable[[str], None]], Wire]) -> Wire:
        """Make the connection with a function it calls once it is lost, with the reason; it is the feed's from now on."""
        result: list[Wire] = []

        def lost(reason: str) -> None:
            if result and result[0] is self._wire:
                self._lost = self._lost or reason
                self._queue.wake()

        self._lost = ""
        result.append(make(lost))
        self._wire = result[0]
        return result[0]

    def _decoded(
        self, raw: Sequence[RawFrame], decode: Callable[[pd.DataFrame], Iterable[Batch]]
    ) -> list[Batch]:
        """Raw frames as they came, then the rows decoded from them."""
        frames = self._health.frames(raw)
        return [Batch("frames", frames), *decode(frames)]

    def _told_holes(
        self, holes: Sequence[Hole], channel: Callable[[str], str], time_ns: int, key: str = ""
    ) -> list[Row]:
        """Open holes among prints for a backfill; the rows that tell of them."""
        gaps = [
            Gap(channel(hole.instrument), hole.instrument, hole.first, hole.last, hole.start_ns, hole.end_ns)
            for hole in holes
        ]
        self._gaps += gaps
        return [self._health.gap(gap, time_ns, key=key) for gap in gaps]

    def _told_lost(
        self, channel: str, instrument: str, prints: int, first_ns: int, last_ns: int
    ) -> list[Row]:
        """Prints without place: a gap by time, since what their numbers were is lost with them."""
        gap = Gap(channel, instrument, 0, 0, first_ns - LOST_MARGIN_NS, last_ns + LOST_MARGIN_NS)
        self._gaps.append(gap)
        return self._health.dropped(gap, prints=prints, first_ns=first_ns, last_ns=last_ns)

    def _told_conflated(self, counts: dict[str, int]) -> list[Row]:
        return [self._health.conflated(counts, time.time_ns())] if counts else []

    def _with_health(self, batches: list[Batch], told: list[Row]) -> list[Batch]:
        return [*batches, self._health.batch(told)] if told else batches
