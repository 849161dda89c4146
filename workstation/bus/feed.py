"""The bus as a feed: numbered rows of a collector, resumed from the last entry, with what was missed told as a gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workstation.board.board import Board
from workstation.bus.entries import (
    LAYOUTS,
    PREFIX,
    ROWS,
    TERMS,
    Entry,
    client_of,
    frame_of,
    newest_ns,
    own_layout,
    stream_key,
)
from workstation.bus.follower import Follower
from workstation.bus.layout import Layout
from workstation.bus.newest import Position
from workstation.bus.wire import Header
from workstation.feeds.feed import Batch, Capabilities, Feed, Reached, Subscription
from workstation.feeds.venue_kit.health_rows import HealthRows, Row
from workstation.market.errors import FeedError
from workstation.market.tables import INSTRUMENTS, TABLES
from workstation.market.tables.frames import array_of

AT_ONCE, BLOCK_MS = 256, 1_000
"""Entries read at once, and how long a read waits for the next."""
BEGINNING = "0-0"


class Bus(Feed):
    """Rows that another process publishes with ``BusSink``; they keep their ``seq``.

    Parameters
    ----------
    url
        Address of Redis.
    prefix
        Of the keys in Redis.

    Notes
    -----
    The first time it begins with the newest state that the collector writes (``NewestState``), else with all that the stream
    still holds, so that a page shows the recent past. A reconnect goes on after the last
    entry read. What was trimmed, or dropped by the collector, in between is a ``gap`` row with the number of rows; entries
    sent twice are left out, and a batch that cannot be read is a ``rejected`` row. A collector that begins anew without history counts ``seq`` from 1 again, which no reader can
    follow: it must be restarted. Times are the collector's: the feed brings its heartbeats.
    """

    name = "bus"
    capabilities = Capabilities(
        tables=frozenset(TABLES), simulated_clock=True, numbered=True,
        notes="Rows as another process numbered them; no frames. What was trimmed in a pause is lost, and told.",
    )  # fmt: skip

    def __init__(self, url: str = "redis://127.0.0.1:6379/0", *, prefix: str = PREFIX) -> None:
        self._url, self._prefix = url, prefix
        self._health = HealthRows(self.name)
        self._client: Any = None
        self._layouts: dict[str, Layout] = {}
        self._last_id = BEGINNING
        self._producer = self._number = self._rows = self._seq = self._event_ns = 0
        self._follower: Follower | None = None
        self._held: dict[str, int] = {}
        """Largest ``seq`` by table of rows that the board has had before the stream."""

    def follow(self, board: Board) -> None:
        """Bring the newest state to a board too: kept rows at the beginning, priced chains and candles in progress."""
        self._follower = Follower(board, self._url, self._prefix, self._frame)

    async def connect(self) -> None:
        """Reach Redis. Raises ``FeedError``."""
        await self.close()
        self._client = client_of(self._url)
        await self._ask("ping")
        if self._follower is not None:
            if self._last_id == BEGINNING and not self._producer:
                self._begin(await asyncio.to_thread(self._follower.begin))
            self._follower.start()
        if self._last_id != BEGINNING and await self._began_anew():
            self._last_id = BEGINNING

    def _begin(self, position: Position | None) -> None:
        """Begin where written rows end: what is older on the stream is on the board already."""
        if position is not None:
            self._last_id = f"{position.milliseconds}-0"
            self._producer, self._number, self._rows = position.producer, position.number, position.rows
            self._held = position.tables
            self._seq = max(self._held.values(), default=0)

    def _without_held(self, batch: Batch) -> Batch | None:
        """The rows of a batch that the board has not had; None where it has had all."""
        end = self._held.get(batch.table, 0)
        seq = array_of(batch.frame, TABLES[batch.table].places["seq"])
        if int(seq[-1]) <= end:
            return None
        self._held.pop(batch.table, None)
        new = np.flatnonzero(seq > end)
        return (
            batch if new.size == seq.size else Batch(batch.table, TABLES[batch.table].take(batch.frame, new))
        )

    async def _began_anew(self) -> bool:
        """Whether the stream's ids no longer reach the last one read: Redis lost it, or somebody deleted it."""
        newest = await self._ask("xrevrange", stream_key(self._prefix, ROWS), count=1)
        return not newest or _order(newest[0][0].decode()) < _order(self._last_id)

    async def instruments(self) -> pd.DataFrame:
        """Terms of all instruments that were published, whatever was trimmed; rows of no number."""
        entries = await self._ask("xrange", stream_key(self._prefix, TERMS))
        frames = await asyncio.to_thread(self._terms, entries)
        if not frames:
            return INSTRUMENTS.empty()
        rows = INSTRUMENTS.concat(frames).drop_duplicates("instrument", keep="last").reset_index(drop=True)
        return INSTRUMENTS.conform(rows.assign(seq=0))

    def _terms(self, entries: Sequence[Any]) -> list[pd.DataFrame]:
        return [
            self._frame(header, body)
            for _, fields in entries
            for *_, header, body in Entry.read(fields).batches()
        ]

    async def subscribe(self, channels: Sequence[str] = ()) -> Subscription:
        """All tables come; there is nothing to choose."""
        wanted = tuple(channels) or tuple(TABLES)
        rejected = {one: "no table of this name" for one in wanted if one not in TABLES}
        return Subscription(tuple(one for one in wanted if one not in rejected), rejected)

    async def snapshot(self) -> list[Batch]:
        """Nothing: the stream begins with the recent past."""
        return []

    async def batches(self) -> AsyncIterator[Batch]:
        """Batches in order of ``seq``; never ends by itself."""
        while True:
            for batch in await asyncio.to_thread(self._next):
                yield batch

    def _next(self) -> list[Batch]:
        """What the next read brings, decoded; nothing where nothing came in time."""
        key = stream_key(self._prefix, ROWS)
        answer = self._asked("xread", {key: self._last_id}, count=AT_ONCE, block=BLOCK_MS)
        found: list[Batch] = []
        for _, entries in answer.items() if isinstance(answer, dict) else answer or ():
            for name, fields in _flat(entries):
                found += self._entry(fields)
                self._last_id = name.decode()
        return found

    def _entry(self, fields: Any) -> list[Batch]:
        """Batches of an entry; what cannot be read is told, and counted as missing by the next that can."""
        try:
            entry = Entry.read(fields)
        except FeedError as error:
            return [self._rejected(str(error), 0)]
        found: list[Batch] = []
        producer = entry.heading.producer
        for number, before, header, body in entry.batches():
            if producer == self._producer and number <= self._number:
                continue
            try:
                frame = self._frame(header, body)
            except FeedError as error:
                if error.fatal:
                    raise
                found.append(self._rejected(str(error), header.rows))
                continue
            found += self._taken(producer, number, before, Batch(header.table, frame))
        return found

    def _frame(self, header: Header, body: Any) -> pd.DataFrame:
        return frame_of(header, body, None if own_layout(header) else self._layout(header.layout))

    def _layout(self, digest: str) -> Layout:
        """The layout that another version of the program writes."""
        if digest not in self._layouts:
            message = self._asked("hget", stream_key(self._prefix, LAYOUTS), digest)
            if message is None:
                raise FeedError(f"the layout {digest} of a batch is not on the bus; restart the collector")
            try:
                self._layouts[digest] = Layout.read(message)
            except (ValueError, OSError) as error:
                raise FeedError(f"the layout {digest} on the bus cannot be read: {error}") from error
        return self._layouts[digest]

    def _rejected(self, detail: str, rows: int) -> Batch:
        return self._health.batch(
            [self._health.row("rejected", time_ns=self._event_ns, count=rows, detail=detail)]
        )

    def _taken(self, producer: int, number: int, before: int, batch: Batch) -> list[Batch]:
        """A batch, after the rows that tell what is missing before it."""
        told: list[Row] = []
        seq = array_of(batch.frame, TABLES[batch.table].places["seq"])
        until_ns = newest_ns(batch.table, batch.frame)
        if producer == self._producer and number > self._number + 1:
            told.append(self._gap(before - self._rows, until_ns))
        elif producer != self._producer and self._producer:
            self._held = {}
            if int(seq[0]) <= self._seq:
                raise FeedError(
                    f"the collector began anew at seq {seq[0]} after {self._seq}: it keeps no history; restart the page server",
                    fatal=True,
                )
            told.append(self._gap(0, until_ns, restarted=True))
        self._producer, self._number = producer, number
        self._rows, self._seq = before + len(batch.frame), max(self._seq, int(seq[-1]))
        self._event_ns = max(self._event_ns, until_ns)
        kept = self._without_held(batch) if self._held else batch
        return [*([self._health.batch(told)] if told else []), *([kept] if kept else [])]

    def _gap(self, lost: int, until_ns: int, *, restarted: bool = False) -> Row:
        detail = (
            f"the collector began anew; rows between seq {self._seq} and its first are not on the bus"
            if restarted
            else f"{lost} rows after seq {self._seq} were trimmed or dropped before they were read"
        )
        return self._health.row(
            "gap", time_ns=max(self._event_ns, until_ns), start_ns=self._event_ns, end_ns=until_ns, count=lost, detail=detail
        )  # fmt: skip

    async def _ask(self, command: str, *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(self._asked, command, *arguments, **options)

    def _asked(self, command: str, *arguments: Any, **options: Any) -> Any:
        import redis

        client = self._client
        if client is None:
            raise FeedError("the bus is closed")
        try:
            return getattr(client, command)(*arguments, **options)
        except (
            redis.RedisError,
            OSError,
            ValueError,
        ) as error:  # a socket closed under a read is a ValueError
            raise FeedError(f"the bus at {_shown(self._url)} does not answer: {error}") from error

    async def reach(self) -> list[Reached]:
        """Whether Redis answers and whether anything is on the bus."""
        try:
            await self.connect()
            held = await self._ask("xlen", stream_key(self._prefix, ROWS))
        except FeedError as error:
            return [Reached("bus", False, f"{error}; start redis-server, then `workstation collect --bus`")]
        finally:
            await self.close()
        return [Reached("bus", True, f"{held:,} batches at {_shown(self._url)}")]

    async def close(self) -> None:
        """Close the connection; a read that waits for it ends."""
        if self._follower is not None:
            await asyncio.to_thread(self._follower.stop)
        client, self._client = self._client, None
        if client is not None:
            client.connection_pool.disconnect(inuse_connections=True)


def _flat(entries: Any) -> Any:
    """Entries of one stream: redis-py wraps them in one more list for protocol 3."""
    return entries[0] if entries and isinstance(entries[0], list) else entries


def _order(name: str) -> tuple[int, int]:
    first, _, second = name.partition("-")
    return int(first), int(second or 0)


def _shown(url: str) -> str:
    """An address without its password.

    >>> _shown("redis://user:secret@host:6379/0")
    'redis://host:6379/0'
    """
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
