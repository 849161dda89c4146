"""Pace: bounded queues between the hub and whoever is slower than it.

A queue never grows without bound and never loses in silence: prints wait, quotes and marks keep the newest per
instrument and venue, and what can neither wait nor be merged is handed over and counted.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamz

from workstation.market.tables import table as table_named

CONFLATED = frozenset({"quotes", "marks"})
"""Tables of which only the newest row per instrument, venue and exchange matters to a consumer that cannot keep up."""
_IDENTITY = ("instrument", "venue", "exchange")

Overflow = Callable[[str, pd.DataFrame], None]


class Backlog:
    """A bounded queue of batches between the publishing thread and one consuming thread.

    Parameters
    ----------
    overflow
        Called in the publishing thread, under the queue's lock, with a batch for which there is no room.
    limit
        Batches that may wait.
    conflated
        Tables that may be merged when the queue is full: the newest row per instrument, venue and exchange stays, in order of ``seq``, at
        the place of the table's newest waiting batch.

    Attributes
    ----------
    conflated_rows, overflowed_rows
        Rows merged away and handed over, by table.

    Examples
    --------
    >>> backlog = Backlog(overflow=lambda table, frame: None, limit=1)
    >>> for bid in (1.0, 2.0):
    ...     backlog.put("quotes", table_named("quotes").conform(
    ...         pd.DataFrame({"event_ns": [1], "instrument": "BTC/USD", "bid": bid})))
    >>> table, frame = backlog.get(timeout=0)
    >>> table, frame["bid"].tolist(), backlog.conflated_rows["quotes"], len(backlog)
    ('quotes', [2.0], 1, 0)
    """

    def __init__(
        self, overflow: Overflow, limit: int = 10_000, conflated: frozenset[str] = CONFLATED
    ) -> None:
        if limit < 1:
            raise ValueError(f"limit must be at least 1 batch, got {limit}")
        self.limit = limit
        self.conflated_rows: Counter[str] = Counter()
        self.overflowed_rows: Counter[str] = Counter()
        self._overflow, self._conflated = overflow, conflated
        self._waiting: deque[tuple[str, pd.DataFrame]] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed

    def put(self, table: str, frame: pd.DataFrame) -> None:
        """Queue a batch; never blocks."""
        with self._changed:
            if self._closed:
                raise RuntimeError("the backlog is closed; nothing consumes what is put into it")
            if len(self._waiting) >= self.limit:
                self._conflate(table)
            if len(self._waiting) < self.limit:
                self._waiting.append((table, frame))
                self._changed.notify()
            elif table in self._conflated and self._merge_into_newest(table, frame):
                pass
            else:
                self.overflowed_rows[table] += len(frame)
                self._overflow(table, frame)

    def get(self, timeout: float | None = None) -> tuple[str, pd.DataFrame] | None:
        """The oldest waiting batch; None when there is none within ``timeout`` seconds or the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            return self._waiting.popleft() if self._waiting else None

    def close(self) -> None:
        """Take nothing more; what waits can still be got."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _conflate(self, newcomer: str) -> None:
        """Merge the waiting batches of each table that may be merged into one."""
        for table in self._conflated:
            places = [place for place, (name, _) in enumerate(self._waiting) if name == table]
            if len(places) > 1:
                merged = self._newest(table, [self._waiting[place][1] for place in places])
                for place in reversed(places):
                    del self._waiting[place]
                self._waiting.insert(places[-1] - len(places) + 1, (table, merged))

    def _merge_into_newest(self, table: str, frame: pd.DataFrame) -> bool:
        for place in range(len(self._waiting) - 1, -1, -1):
            if self._waiting[place][0] == table:
                self._waiting[place] = (table, self._newest(table, [self._waiting[place][1], frame]))
                return True
        return False

    def _newest(self, table: str, frames: list[pd.DataFrame]) -> pd.DataFrame:
        merged, dropped = newest_per_instrument(table, frames)
        self.conflated_rows[table] += dropped
        return merged


def newest_per_instrument(table: str, frames: list[pd.DataFrame]) -> tuple[pd.DataFrame, int]:
    """The last row of each instrument, by venue and exchange, over batches in order, and how many rows that leaves out."""
    joined = table_named(table).concat(frames)
    named = [name for name in _IDENTITY if name in joined]
    rows = np.flatnonzero(~joined.duplicated(named, keep="last").to_numpy())
    return joined.take(rows).reset_index(drop=True), len(joined) - len(rows)


@streamz.Stream.register_api()
class newest(streamz.Stream):  # type: ignore[misc]
    """A Streamz node that keeps the newest element until its consumer asks: ``stream.newest()``, then ``node.flush()``.

    However many elements arrive between two flushes, the last one is always delivered, at the next flush;
    Streamz' own ``latest()`` loses the last. ``skipped`` counts the others. It needs no loop: flush it from the
    consumer's timer, in the consumer's thread.

    Examples
    --------
    >>> source = streamz.Stream()
    >>> node = source.newest()
    >>> shown = node.sink_to_list()
    >>> for number in range(20):
    ...     source.emit(number)
    >>> node.flush(), node.flush(), shown, node.skipped
    (True, False, [19], 19)
    """

    def __init__(self, upstream: Any, **kwargs: Any) -> None:
        super().__init__(upstream, **kwargs)
        self.skipped = 0
        self._held: list[Any] = []
        self._lock = threading.Lock()

    def update(self, x: Any, who: Any = None, metadata: Any = None) -> list[Any]:
        """Hold an element in place of the one held."""
        with self._lock:
            self.skipped += len(self._held)
            self._held = [x]
        return []

    def flush(self) -> bool:
        """Deliver the element held; False when there is none."""
        with self._lock:
            held, self._held = self._held, []
        for element in held:
            self._emit(element)
        return bool(held)
