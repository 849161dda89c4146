"""What a feed is: the protocol every venue, tape and synthetic market speaks to the desk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd


class Batch(NamedTuple):
    """Rows of one table, conformed to its schema, in the order they arrived; ``seq`` still 0."""

    table: str
    frame: pd.DataFrame


@dataclass(frozen=True)
class Subscription:
    """What became of a subscribe call, per channel."""

    accepted: tuple[str, ...] = ()
    rejected: Mapping[str, str] = field(default_factory=dict)
    """Channel -> the venue's reason."""


@dataclass(frozen=True)
class Gap:
    """A hole in a channel: what is missing, and how a backfill finds it."""

    channel: str
    instrument: str
    first_missing: int
    last_missing: int
    """Venue sequence numbers, both inclusive; 0, 0 when only times are known."""
    start_ns: int
    end_ns: int


class Reached(NamedTuple):
    """One thing tried of a venue: whether it works, and what to do when it does not."""

    what: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Capabilities:
    """What a feed can and cannot give."""

    tables: frozenset[str]
    backfill: bool = False
    simulated_clock: bool = False
    """True when time is the data's (tape, synthetic): the hub then takes heartbeats from the feed only."""
    invented: bool = False
    """True when nothing it gives happened anywhere: a store is told, and by default takes none of it."""
    numbered: bool = False
    """True when another hub numbered its rows: the desk keeps ``seq``, runs no engines and records nothing."""
    notes: str = ""
    """What it cannot do and what has not been tried on the live venue."""


class Feed(ABC):
    """A source of columnar batches.

    Life: ``connect`` -> ``instruments`` -> ``subscribe`` -> ``snapshot`` -> iterate ``batches`` -> ``close``.
    ``batches`` ends by itself only when there is nothing more to come (a tape's end); a lost connection raises
    ``FeedError``, after which the supervision connects and subscribes anew. Raw frames come out as batches of
    the ``frames`` table before the rows decoded from them; health rows come in the same stream. Decoding is a
    pure function of the frame, so a replay of the frames runs the same decoder.
    """

    name: str
    capabilities: Capabilities

    def follow(self, board: Any) -> None:
        """Bring to a board what is published beside rows; called once, before ``connect``, of a feed of numbered rows."""
        return

    @abstractmethod
    async def connect(self) -> None:
        """Open what must be open. Raises ``FeedError``; ``fatal`` when trying again cannot help."""

    @abstractmethod
    async def instruments(self) -> pd.DataFrame:
        """Rows of the ``instruments`` table of all that can be subscribed."""

    @abstractmethod
    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        """Ask for channels (none: the feed's whole default set); says per channel what was granted."""

    @abstractmethod
    async def snapshot(self) -> list[Batch]:
        """The present state (as-of time on every row), so that a screen is not empty until the first update."""

    @abstractmethod
    def batches(self) -> AsyncIterator[Batch]:
        """Batches as they come."""

    async def backfill(self, gap: Gap) -> list[Batch]:
        """Rows that fill a gap; none when the venue cannot give them."""
        return []

    async def reach(self) -> list[Reached]:
        """Try the venue without subscribing anything: reachability, clock, keys; none when there is nothing to try. Never raises."""
        return []

    def open_gaps(self) -> list[Gap]:
        """Gaps announced (a recoverable ``gap`` row of ``health``) since the last call, for the supervision to backfill.

        A feed that gives none has its ``gap`` rows backfilled by their times alone.
        """
        return []

    def heard_ns(self) -> int:
        """When the transport last gave a sign of life (a frame, a pong), by ``time.monotonic_ns``; 0 when only rows tell.

        This is the first of the two staleness clocks: a socket that answers pings while no row comes is
        quiet, one that is silent altogether is stale.
        """
        return 0

    @abstractmethod
    async def close(self) -> None:
        """Release everything; may be called at any time, more than once."""
