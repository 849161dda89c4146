"""The bus as a feed: numbered rows of a collector, resumed from the last entry, with what was missed told as a gap."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pandas as pd

from workstation.bus.entries import PREFIX, ROWS, TERMS, Entry, client_of, newest_ns, stream_key
from workstation.feeds.feed import Batch, Capabilities, Feed, Reached, Subscription
from workstation.feeds.venue_kit.health_rows import HealthRows, Row
from workstation.market.errors import FeedError
from workstation.market.tables import INSTRUMENTS, TABLES
from workstation.market.tables.frames import array_of

AT_ONCE, BLOCK_MS = 64, 1_000
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
    The first time it reads all that the stream still holds, so that a page shows the recent past. A reconnect goes on after the last
    entry read. What was trimmed, or dropped by the collector, in between is a ``gap`` row with the number of rows; entries
    sent twice are left out. A collector that begins anew without history counts ``seq`` from 1 again, which no reader can
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
        self._last_id = BEGINNING
        self._producer = self._number = self._rows = self._seq = self._event_ns = 0

    async def connect(self) -> None:
        """Reach Redis. Raises ``FeedError``."""
        await self.close()
        self._client = client_of(self._url, asynchronous=True)
        await self._ask("ping")
        if self._last_id != BEGINNING and await self._began_anew():
            self._last_id = BEGINNING

    async def _began_anew(self) -> bool:
        """Whether the stream's ids no longer reach the last one read: Redis lost it, or somebody deleted it."""
        newest = await self._ask("xrevrange", stream_key(self._prefix, ROWS), count=1)
        return not newest or _order(newest[0][0].decode()) < _order(self._last_id)

    async def instruments(self) -> pd.DataFrame:
        """Terms of all instruments that were published, whatever was trimmed; rows of no number."""
        entries = await self._ask("xrange", stream_key(self._prefix, TERMS))
        frames = [Entry.read(fields).frame() for _, fields in entries]
        if not frames:
            return INSTRUMENTS.empty()
        rows = INSTRUMENTS.concat(frames).drop_duplicates("instrument", keep="last").reset_index(drop=True)
        return INSTRUMENTS.conform(rows.assign(seq=0))

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
        key = stream_key(self._prefix, ROWS)
        while True:
            answer = await self._ask("xread", {key: self._last_id}, count=AT_ONCE, block=BLOCK_MS)
            for _, entries in answer.items() if isinstance(answer, dict) else answer or ():
                for name, fields in _flat(entries):
                    for batch in self._taken(Entry.read(fields)):
                        yield batch
                    self._last_id = name.decode()

    def _taken(self, entry: Entry) -> list[Batch]:
        """The batch of an entry, after the rows that tell what is missing before it."""
        if entry.producer == self._producer and entry.number <= self._number:
            return []
        told: list[Row] = []
        frame = entry.frame()
        seq = array_of(frame, TABLES[entry.table].places["seq"])
        if entry.producer == self._producer and entry.number > self._number + 1:
            told.append(self._gap(entry, newest_ns(entry.table, frame)))
        elif entry.producer != self._producer and self._producer:
            if int(seq[0]) <= self._seq:
                raise FeedError(
                    f"the collector began anew at seq {seq[0]} after {self._seq}: it keeps no history; restart the page server",
                    fatal=True,
                )
            told.append(self._gap(entry, newest_ns(entry.table, frame), restarted=True))
        self._producer, self._number = entry.producer, entry.number
        self._rows, self._seq = entry.rows_before + entry.rows, max(self._seq, int(seq[-1]))
        self._event_ns = max(self._event_ns, newest_ns(entry.table, frame))
        return [*([self._health.batch(told)] if told else []), Batch(entry.table, frame)]

    def _gap(self, entry: Entry, until_ns: int, *, restarted: bool = False) -> Row:
        lost = 0 if restarted else entry.rows_before - self._rows
        detail = (
            f"the collector began anew; rows between seq {self._seq} and its first are not on the bus"
            if restarted
            else f"{lost} rows after seq {self._seq} were trimmed or dropped before they were read"
        )
        return self._health.row(
            "gap", time_ns=max(self._event_ns, until_ns), start_ns=self._event_ns, end_ns=until_ns, count=lost, detail=detail
        )  # fmt: skip

    async def _ask(self, command: str, *arguments: Any, **options: Any) -> Any:
        import redis

        try:
            return await getattr(self._client, command)(*arguments, **options)
        except (redis.RedisError, OSError) as error:
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
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


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
