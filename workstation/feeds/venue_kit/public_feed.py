"""A venue's public market data as a feed: whole chains by REST, then sockets; what is asked and decoded is the venue's."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import pandas as pd

from workstation.feeds.feed import Batch, Gap, Reached, Subscription
from workstation.feeds.venue_kit.frame_queue import Drained, FrameQueue, RawFrame
from workstation.feeds.venue_kit.gap_detector import SequenceGaps
from workstation.feeds.venue_kit.health_rows import Row
from workstation.feeds.venue_kit.socket_feed import LOST_MARGIN_NS, SocketFeed
from workstation.feeds.venue_kit.socket_group import SocketGroup
from workstation.feeds.venue_kit.venue_clock import reached
from workstation.market.errors import FeedError
from workstation.market.tables import TABLES

Decoder = Callable[[pd.DataFrame], list[Batch]]


class Calls(Protocol):
    """What a public feed asks of its REST: ``RestCalls``, or the venue's own."""

    async def server_ms(self) -> int:
        """The venue's time, ms of UTC. Raises ``FeedError``."""

    async def close(self) -> None:
        """Close the session; may be called more than once."""


Rest = TypeVar("Rest", bound=Calls)


class PublicFeed(SocketFeed[SocketGroup], Generic[Rest]):
    """Channels over a group of sockets, instruments, state and missed prints over REST.

    A venue implements ``_opened``, ``_list``, ``_default_channels``, ``_ask_for``, ``_state`` and ``_missed``.

    Parameters
    ----------
    rest
        Its REST.
    decode
        Its decoder.
    is_print, prints_in
        Whether frames of a channel carry prints, and how many a payload carries.
    sequence
        The venue's numbers of prints, where they have no holes; the name is the venue's for them.
    capacity, pace_s, timeout_s
        Frames that may wait, how long they gather, and the limit of each request.
    """

    sequence_key: ClassVar[str] = ""
    """What the venue calls the numbers of its prints that have no holes; empty: there are none."""

    def __init__(
        self,
        rest: Rest,
        decode: Decoder,
        *,
        is_print: Callable[[str], bool],
        prints_in: Callable[[bytes], int],
        capacity: int,
        pace_s: float,
        timeout_s: float,
    ) -> None:
        queue = FrameQueue(capacity, is_print=is_print, prints_in=prints_in)
        super().__init__(queue, pace_s)
        self._put, self._is_print = queue.put, is_print
        self._rest, self._decode, self._timeout_s = rest, decode, timeout_s
        self._sequence = SequenceGaps()
        self._listed: list[RawFrame] = []
        self._instruments = TABLES["instruments"].empty()
        self._accepted: list[str] = []
        self._told: list[Row] = []

    # -- the venue's --------------------------------------------------------------------------------------

    @abstractmethod
    def _opened(self, on_lost: Callable[[str], None]) -> SocketGroup:
        """The group of sockets, none open yet."""

    @abstractmethod
    async def _list(self) -> list[RawFrame]:
        """Answers that list the instruments."""

    @abstractmethod
    def _default_channels(self) -> list[str]:
        """Channels of the instruments listed."""

    @abstractmethod
    async def _ask_for(self, channels: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Open the sockets channels need and ask for them; granted ones, and the reason of each other one."""

    @abstractmethod
    async def _state(self) -> list[RawFrame]:
        """Answers that tell the present state of the instruments listed."""

    @abstractmethod
    async def _missed(self, gap: Gap) -> tuple[list[RawFrame], int]:
        """Answers that hold the prints of a gap; since when (ns) they are whole, 0: from its start."""

    # -- life ---------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Make ready; a socket opens with the first channel that needs it. Raises ``FeedError``."""
        await self.close()
        self._adopt(self._opened)

    async def close(self) -> None:
        """Close sockets and sessions; may be called at any time, more than once."""
        await super().close()
        await self._rest.close()

    async def instruments(self) -> pd.DataFrame:
        """Rows of ``instruments``. Raises ``FeedError``; what cannot be read of the lists is told in ``health`` later."""
        self._connected  # noqa: B018 - raises where there is no connection
        self._listed = await self._list()
        found = [
            batch.frame for batch in self._decoded(self._listed, self._decode) if batch.table == "instruments"
        ]
        if not found:
            raise FeedError(
                f"{self.name}: the venue lists none of the instruments asked for; see the feed's options"
            )
        rows = TABLES["instruments"].concat(found)
        self._instruments = rows[~rows["instrument"].duplicated()].reset_index(drop=True)
        return self._instruments

    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        """Ask for channels; none: those of every instrument listed. Raises ``FeedError`` when a socket fails."""
        if not channels and not self._listed:
            await self.instruments()
        wanted = list(dict.fromkeys(channels or self._default_channels()))
        granted, refused = await self._ask_for(wanted)
        self._accepted = granted
        return Subscription(tuple(granted), refused)

    async def snapshot(self) -> list[Batch]:
        """The lists read by ``instruments``, and the present state of what they name. Raises ``FeedError``."""
        if not self._listed:
            await self.instruments()
        listed, self._listed = self._listed, []
        state = await self._state()
        told = [batch for batch in self._decoded(listed, self._decode) if batch.table != "instruments"]
        return told + (self._decoded(state, self._decode) if state else [])

    async def reach(self) -> list[Reached]:
        """Whether the venue answers, and whether its clock and ours agree."""
        found = await reached(self.name, self._rest.server_ms)
        await self._rest.close()
        return [found]

    async def backfill(self, gap: Gap) -> list[Batch]:
        """Prints of a gap, frames first; those without a number come again where they came before. Raises ``FeedError``."""
        answers, whole_since_ns = await self._missed(gap)
        if not answers:
            return []
        kept: list[Batch] = []
        told: list[Row] = []
        for table, frame in self._decoded(answers, self._decode):
            if table == "trades":
                frame, rows = self._filled(frame, gap)
                told += rows
            elif table not in ("frames", "health"):
                continue
            if len(frame):
                kept.append(Batch(table, frame))
        if whole_since_ns > gap.start_ns > 0:
            told.append(self._told_short(gap, whole_since_ns))
        return self._with_health(kept, told)

    def _told_short(self, gap: Gap, whole_since_ns: int) -> Row:
        left = (
            f"; of what printed before, {self.sequence_key} tells and brings the rest"
            if self.sequence_key
            else ""
        )
        return self._health.row(
            "gap", time_ns=gap.end_ns, start_ns=gap.start_ns, end_ns=whole_since_ns, channel=gap.channel,
            instruments=gap.instrument, detail=f"the venue's REST does not reach back to the start of the gap{left}",
        )  # fmt: skip

    def _filled(self, trades: pd.DataFrame, gap: Gap) -> tuple[pd.DataFrame, list[Row]]:
        """Of answered prints those of the gap that did not come before, and what they tell."""
        if self.sequence_key and gap.last_missing:
            seqs = trades["venue_seq"].to_numpy()
            inside = (seqs >= gap.first_missing) & (seqs <= gap.last_missing)
        else:
            event_ns = trades["event_ns"].to_numpy()
            inside = (event_ns >= gap.start_ns) & (event_ns <= gap.end_ns + LOST_MARGIN_NS)
        trades = trades[inside].sort_values("event_ns", kind="stable").reset_index(drop=True)
        if not self.sequence_key or not len(trades):
            return trades, []
        admitted = self._sequence.admit(trades)
        return admitted.trades, self._tell_holes(admitted.holes, trades)

    # -- frames -------------------------------------------------------------------------------------------

    def _read(self, drained: Drained) -> list[Batch]:
        batches: list[Batch] = []
        told, self._told = self._told, []
        if drained.frames:
            batches = self._decoded(drained.frames, self._decode)
            for trades in (batch.frame for batch in batches if batch.table == "trades"):
                told += self._heed(trades)
        for channel, lost in drained.lost.items():
            told += self._told_lost(channel, "", *lost)
        return self._with_health(batches, told + self._told_conflated(drained.conflated))

    def _heed(self, trades: pd.DataFrame) -> list[Row]:
        """What pushed prints tell of prints that did not come."""
        if not self.sequence_key:
            return []
        return self._tell_holes(self._sequence.admit(trades).holes, trades)

    def _tell_holes(self, holes: Sequence[Any], trades: pd.DataFrame) -> list[Row]:
        if not holes:
            return []
        return self._told_holes(holes, self._channel_of, int(trades["seen_ns"].iloc[-1]), self.sequence_key)

    def _channel_of(self, instrument: str) -> str:
        """The channel that carries an instrument's prints."""
        raise NotImplementedError


def by_halves(channels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Two halves of channels of which one is refused.

    Examples
    --------
    >>> by_halves(["a", "b", "c"])
    (['a'], ['b', 'c'])
    """
    middle = len(channels) // 2
    return list(channels[:middle]), list(channels[middle:])


async def each_ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def base_urls(urls: Mapping[str, str] | None, own: Mapping[str, str]) -> dict[str, str]:
    """Addresses by name, given ones before the venue's own. Raises ``ValueError`` for a name that is none.

    Examples
    --------
    >>> base_urls({"ws": "ws://127.0.0.1:1"}, {"rest": "https://x", "ws": "wss://x"})
    {'rest': 'https://x', 'ws': 'ws://127.0.0.1:1'}
    """
    unknown = sorted(set(urls or {}) - set(own))
    if unknown:
        raise ValueError(f"urls: no address {unknown[0]!r}; there are {', '.join(own)}")
    return {**own, **(urls or {})}
