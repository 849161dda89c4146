"""A desk's sink that publishes its rows to Redis Streams."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from workstation.bus.entries import (
    LAYOUTS,
    PREFIX,
    ROWS,
    TERMS,
    Entry,
    batch_of,
    client_of,
    frame_of,
    stream_key,
)
from workstation.bus.layout import layout_of
from workstation.bus.wire import Header
from workstation.market.errors import FeedError
from workstation.market.tables import TABLES
from workstation.market.tables import table as table_named
from workstation.market.tables.frames import array_of

log = logging.getLogger(__name__)
WAITING, TOGETHER, KEPT_ENTRIES, KEPT_TERMS = 5_000, 64, 50_000, 5_000
"""Batches that wait for Redis, batches sent in one go, entries kept in the stream, and in that of instruments."""
ENTRY_BYTES, KEPT_BYTES = 1 << 18, 1 << 30
"""Batches that wait are put into one entry up to so many bytes; the stream keeps fewer entries where they are large."""
AGAIN_S, LEAVE_S = 0.5, 5.0

Waiting = tuple[str, pd.DataFrame, int, int]
"""Table, batch, its number and the rows before it."""


class BusSink:
    """Publishes every batch of a desk, in order of ``seq``, on a thread of its own.

    Parameters
    ----------
    url
        Address of Redis.
    tables
        What is published; none: all but raw frames.
    prefix
        Of the keys in Redis.
    kept
        Entries kept for readers that pause: about so many, of about a gigabyte in all.
    waiting
        Batches that may wait while Redis is away. Beyond it the oldest are dropped, and readers are told: entries count them.

    Attributes
    ----------
    dropped_rows, sent_rows
        Rows so far.
    """

    name = "bus"

    def __init__(
        self, url: str, tables: Sequence[str] = (), *, prefix: str = PREFIX, kept: int = KEPT_ENTRIES, waiting: int = WAITING
    ) -> None:  # fmt: skip
        self.tables = tuple(tables) or tuple(name for name in TABLES if name != "frames")
        self._client = client_of(url)
        self._prefix, self._kept, self._limit = prefix, kept, waiting
        self._producer, self._number, self._rows = time.time_ns(), 0, 0
        self._seq = 0
        self._waiting: deque[Waiting] = deque()
        self._told: set[str] = set()
        """Layouts whose schema Redis has."""
        self._entry_bytes = 0.0
        """Of recent entries, on average."""
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self.dropped_rows = self.sent_rows = 0

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._run, name="bus", daemon=True)
        self._thread.start()

    def put(self, table: str, frame: pd.DataFrame) -> None:
        """Queue a batch; never waits."""
        rows = len(frame)
        if not rows:
            return
        with self._changed:
            if len(self._waiting) >= self._limit:
                self.dropped_rows += len(self._waiting.popleft()[1])
            self._number += 1
            self._waiting.append((table, frame, self._number, self._rows))
            self._rows += rows
            self._seq = int(array_of(frame, table_named(table).places["seq"])[-1])
            self._changed.notify()

    def published_seq(self) -> int:
        """Largest ``seq`` in the newest entry on the bus; 0 where there is none, or it cannot be read.

        A collector that was killed has published rows which its history lacks: the next must not give their numbers again.
        """
        import redis

        try:
            newest: Any = self._client.xrevrange(stream_key(self._prefix, ROWS), count=1)
            held = [batch for _, fields in newest for batch in Entry.read(fields).batches()]
            return max((_last_seq(header, body) for *_, header, body in held), default=0)
        except (redis.RedisError, OSError, FeedError) as error:
            log.warning("what is on the bus cannot be read, rows are numbered from the history on: %s", error)
            return 0

    def position(self) -> tuple[int, int, int, int]:
        """When this collector began, batches and rows so far, sent or not, and the ``seq`` of the last."""
        with self._changed:
            return self._producer, self._number, self._rows, self._seq

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(2 * LEAVE_S)
            self._thread = None
        self._client.close()

    def _run(self) -> None:
        taken: list[Entry] = []
        deadline = float("inf")
        while True:
            with self._changed:
                if not taken:
                    self._changed.wait_for(lambda: self._waiting or self._closing)
                    waiting = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
                if self._closing:
                    deadline = min(deadline, time.monotonic() + LEAVE_S)
            taken = taken or list(self._entries(waiting))
            if not taken:
                return
            if self._sent(taken):
                taken = []
            elif time.monotonic() >= deadline:
                self.dropped_rows += sum(map(_rows, taken))
                log.warning("the bus was not reached at the end: %d rows were not sent", self.dropped_rows)
                return

    def _entries(self, waiting: list[Waiting]) -> Iterator[Entry]:
        """Batches as entries: those of consecutive numbers together, instruments alone."""
        group: list[tuple[Header, Any]] = []
        number = before = size = 0
        alone = False
        for table, frame, at, rows in waiting:
            terms = table == "instruments"
            if group and (size >= ENTRY_BYTES or at != number + len(group) or terms or alone):
                yield Entry.made(self._producer, number, before, group)
                group, size = [], 0
            if not group:
                number, before = at, rows
            group.append(batch_of(table, frame))
            size, alone = size + group[-1][0].size, terms
        if group:
            yield Entry.made(self._producer, number, before, group)

    def _sent(self, taken: list[Entry]) -> bool:
        """Send entries in one go; False after a pause where Redis is away. Sent twice they are dropped by readers, by number."""
        import redis

        pipe: Any = self._client.pipeline(transaction=False)
        told = {header.layout: header.table for entry in taken for header in entry.heading.headers}
        for digest in told.keys() - self._told:
            message = layout_of(table_named(told[digest])).message
            pipe.hset(stream_key(self._prefix, LAYOUTS), digest, message)
        for entry in taken:
            fields: Any = entry.fields()
            self._entry_bytes += (len(entry.body) - self._entry_bytes) / 16.0
            kept = min(self._kept, int(KEPT_BYTES / max(self._entry_bytes, 1.0)))
            pipe.xadd(stream_key(self._prefix, ROWS), fields, maxlen=kept, approximate=True)
            if entry.heading.headers[0].table == "instruments":
                pipe.xadd(stream_key(self._prefix, TERMS), fields, maxlen=KEPT_TERMS, approximate=True)
        try:
            pipe.execute()
        except redis.RedisError as error:
            self._told.clear()
            log.warning("the bus is not reached, %d batches wait: %s", len(self._waiting), error)
            with self._changed:
                self._changed.wait_for(lambda: False, AGAIN_S)
            return False
        self._told |= told.keys()
        self.sent_rows += sum(map(_rows, taken))
        return True


def _last_seq(header: Header, body: Any) -> int:
    if header.first_seq >= 0:
        return header.first_seq + header.rows - 1
    return int(array_of(frame_of(header, body), table_named(header.table).places["seq"]).max())


def _rows(entry: Entry) -> int:
    return sum(header.rows for header in entry.heading.headers)
