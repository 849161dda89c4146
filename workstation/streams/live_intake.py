"""Batches of live venues on their way to the hub: a venue is never waited for, and what finds no room is told and kept."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import pandas as pd

from workstation.market.errors import TableError
from workstation.market.tables import TABLES
from workstation.streams.backpressure import Backlog
from workstation.streams.hub import Hub
from workstation.streams.sifting import sift

Put = Callable[[str, pd.DataFrame], None]


class LiveIntake:
    """A bounded backlog and the hub's thread that empties it.

    Parameters
    ----------
    hub
        Tells what was rejected, merged, spilled or failed.
    publish
        Takes each batch on the hub's thread.
    spill
        Takes what found no room, on the caller's thread.
    between
        Called about every ``period_s`` seconds between two batches.
    batches
        Bound of the backlog.

    Examples
    --------
    >>> taken = []
    >>> intake = LiveIntake(Hub(), lambda table, rows: taken.append(table), print, lambda: None, batches=8)
    >>> intake.start()
    >>> intake.accept("heartbeat", pd.DataFrame({"event_ns": [10**9], "seen_ns": [10**9], "feed": [""]}))
    >>> intake.close(deadline=time.monotonic() + 60.0)
    >>> taken
    ['heartbeat']
    """

    def __init__(
        self,
        hub: Hub,
        publish: Put,
        spill: Put,
        between: Callable[[], None],
        batches: int,
        period_s: float = 0.1,
    ) -> None:
        self._hub = hub
        self._publish = publish
        self._spill = spill
        self._between = between
        self._period_s = period_s
        self._backlog = Backlog(spill, batches)
        self._counted: Counter[str] = Counter()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the hub's thread."""
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)
        self._thread.start()

    def accept(self, table: str, frame: pd.DataFrame) -> None:
        """Take a batch without waiting; rows that do not fit the table are told, and the others are taken."""
        try:
            rows = TABLES[table].conform(frame)
        except TableError:
            rows, refused = sift(TABLES[table], frame)
            for part in refused:
                self._tell("rejected", table, len(part.frame), part.reason)
        if len(rows):
            self._backlog.put(table, rows)

    @property
    def waiting(self) -> int:
        """Batches that wait."""
        return len(self._backlog)

    def close(self, deadline: float) -> None:
        """Publish what waits and end the thread.

        Raises
        ------
        TimeoutError
            The engines are still busy at ``deadline`` (of ``time.monotonic``); what waited was spilled.
        """
        self._backlog.close()
        if self._thread is None:
            return
        self._thread.join(max(deadline - time.monotonic(), 0.0))
        if self._thread.is_alive():
            unseen = 0
            while (item := self._backlog.get(0.0)) is not None:
                self._spill(*item)
                unseen += 1
            raise TimeoutError(f"the engines are still busy; {unseen} batches go to history unseen by them")

    def _run(self) -> None:
        begun_s = 0.0
        while (item := self._backlog.get(self._period_s)) is not None or not self._backlog.closed:
            if item:
                self._publish_guarded(*item)
            late_s = time.monotonic() - begun_s
            if late_s >= self._period_s or (late_s >= 0.0 and not len(self._backlog)):
                # a little early, so that a burst that comes that often is followed at once
                begun_s = time.monotonic() + 0.8 * self._period_s
                self._between()
                self._tell_backlog()

    def _publish_guarded(self, table: str, frame: pd.DataFrame) -> None:
        try:
            self._publish(table, frame)
        except Exception as error:  # noqa: BLE001 - told in `health`; the market goes on
            self._tell("failed", table, len(frame), f"{type(error).__name__}: {error}")

    def _tell_backlog(self) -> None:
        """A row of ``health`` for what was merged or spilled since the last time."""
        for event, counts in (
            ("conflated", self._backlog.conflated_rows),
            ("spilled", self._backlog.overflowed_rows),
        ):
            for table, rows in list(counts.items()):
                new = rows - self._counted[f"{event} {table}"]
                if new:
                    self._counted[f"{event} {table}"] = rows
                    self._tell(event, table, new, f"{len(self._backlog)} batches waited")

    def _tell(self, event: str, table: str, count: int, detail: str) -> None:
        self._hub.tell(event, channel=table, count=count, detail=detail, feed="desk")
