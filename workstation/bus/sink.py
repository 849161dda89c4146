"""A desk's sink that publishes its rows to Redis Streams."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import pandas as pd

from workstation.bus.entries import PREFIX, ROWS, TERMS, Entry, blob_of, client_of, stream_key
from workstation.market.tables import TABLES

log = logging.getLogger(__name__)
WAITING, TOGETHER, KEPT_ENTRIES, KEPT_TERMS = 5_000, 64, 50_000, 5_000
"""Batches that wait for Redis, batches sent in one go, entries kept in the stream, and in that of instruments."""
AGAIN_S, LEAVE_S = 0.5, 5.0


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
        Entries kept for readers that pause; about so many.
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
        self._client = client_of(url, asynchronous=False)
        self._prefix, self._kept, self._limit = prefix, kept, waiting
        self._producer, self._number, self._rows = time.time_ns(), 0, 0
        self._waiting: deque[tuple[str, pd.DataFrame, int, int]] = deque()
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
            self._changed.notify()

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
        taken: list[tuple[str, pd.DataFrame, int, int]] = []
        deadline = float("inf")
        while True:
            with self._changed:
                if not taken:
                    self._changed.wait_for(lambda: self._waiting or self._closing)
                    while self._waiting and len(taken) < TOGETHER:
                        taken.append(self._waiting.popleft())
                if self._closing:
                    deadline = min(deadline, time.monotonic() + LEAVE_S)
            if not taken:
                return
            if self._sent(taken):
                taken = []
            elif time.monotonic() >= deadline:
                self.dropped_rows += sum(len(one[1]) for one in taken)
                log.warning("the bus was not reached at the end: %d rows were not sent", self.dropped_rows)
                return

    def _sent(self, taken: list[tuple[str, pd.DataFrame, int, int]]) -> bool:
        """Send batches in one go; False after a pause where Redis is away. Sent twice they are dropped by readers, by number."""
        import redis

        pipe: Any = self._client.pipeline(transaction=False)
        for table, frame, number, before in taken:
            entry = Entry(table, blob_of(table, frame), len(frame), self._producer, number, before)
            fields: Any = entry.fields()
            pipe.xadd(stream_key(self._prefix, ROWS), fields, maxlen=self._kept, approximate=True)
            if table == "instruments":
                pipe.xadd(stream_key(self._prefix, TERMS), fields, maxlen=KEPT_TERMS, approximate=True)
        try:
            pipe.execute()
        except redis.RedisError as error:
            log.warning("the bus is not reached, %d batches wait: %s", len(self._waiting), error)
            with self._changed:
                self._changed.wait_for(lambda: False, AGAIN_S)
            return False
        self.sent_rows += sum(len(one[1]) for one in taken)
        return True
