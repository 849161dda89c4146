"""Keeps what the hub publishes: a bounded queue, its own thread, efficient batches."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pandas as pd

from workstation.history.history import History
from workstation.history.options import RecorderOptions
from workstation.history.spill import Spill
from workstation.market.errors import HistoryError, TableError, in_words
from workstation.market.tables import HEALTH, TABLES
from workstation.market.tables import table as declared

log = logging.getLogger("workstation.history")

STR_BYTES = 24
"""What a value of a text or category column is taken to need."""


@dataclass
class RecorderCounts:
    """Rows since the recorder began, in all and per table."""

    accepted: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    spilled: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    failures: int = 0


@lru_cache
def _row_bytes(table: str) -> int:
    """Memory of a row, near enough to bound the queue: asking Arrow for a string column's bytes takes 0.25 ms."""
    return sum(
        STR_BYTES if column.dtype is None else column.dtype.itemsize for column in declared(table).columns
    )


@dataclass
class _Waiting:
    table: str
    rows: int
    bytes: int
    since: float
    frame: pd.DataFrame | None
    path: Path | None = None


class Recorder:
    """Takes batches from the hub and makes them durable on its own thread.

    ``put`` never waits for the store: it appends to a queue in memory; when that is full it writes the batch to
    the spill folder (one file, not synced: the only disk access the caller ever does); when that is full too, or
    there is none, it drops the batch and says so in a ``health`` row. Order per table is kept throughout.

    Parameters
    ----------
    history
        Where to write.
    spill_folder
        Where batches wait when memory is full, and where ``close`` leaves what the store would not take; the next
        recorder with this folder writes those first.
    on_health
        Called with frames of the ``health`` table, from the recorder's thread, or from the caller's of ``put``.
    options
        ``RecorderOptions`` by keyword.

    Examples
    --------
    >>> import tempfile
    >>> from workstation.history import open_history
    >>> history = open_history(tempfile.mkdtemp())
    >>> recorder = Recorder(history).start()
    >>> recorder.put("trades", pd.DataFrame({"event_ns": [1], "instrument": "X", "price": 1.0, "size": 2.0}))
    >>> recorder.flush()
    True
    >>> len(history.read("trades")), recorder.counts.written["trades"]
    (1, 1)
    >>> recorder.close(), history.close()
    (None, None)
    """

    name = "recorder"

    def __init__(
        self,
        history: History,
        spill_folder: Path | str | None = None,
        on_health: Callable[[pd.DataFrame], None] | None = None,
        **options: float | int | tuple[float, float],
    ) -> None:
        self.options = RecorderOptions(**options)  # type: ignore[arg-type]
        self.counts = RecorderCounts()
        self._history, self._on_health = history, on_health
        self._spill = Spill(Path(spill_folder), self.options.max_spill_bytes) if spill_folder else None
        self._queue: deque[_Waiting] = deque()
        self._bytes = self._rows = self._in_memory = 0
        self._taken = self._done = 0
        self._changed = threading.Condition()
        self._flushing = 0
        self._deadline: float | None = None
        self._dropping: Counter[str] = Counter()
        self._spilling = False
        self._failing = ""
        self._requeue()
        self._thread: threading.Thread | None = None

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables it records: all."""
        return tuple(TABLES)

    def start(self) -> Recorder:
        """Begin to write; what was put before waits until then. Returns itself."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
                self._thread.start()
        return self

    # -- the hub's side -----------------------------------------------------------------------------------

    def put(self, table: str, frame: pd.DataFrame) -> None:
        """Accept a batch (the frame must not be changed afterwards); does not wait for the store."""
        rows = len(frame)
        if rows == 0:
            return
        size = rows * _row_bytes(table)
        if "payload" in frame.columns:
            size += int(frame["payload"].map(len).sum())
        one = _Waiting(table, rows, size, time.monotonic(), frame)
        with self._changed:
            if self._deadline is not None:
                raise HistoryError(f"the recorder is closed; {rows} rows of {table} were not accepted")
            if not self._has_room(size) and not self._to_disk(one):
                self._drop(one)
                return
            self._enqueue(one)

    def _has_room(self, size: int) -> bool:
        if self._in_memory == 0:
            return True
        return self._in_memory < self.options.backlog and self._bytes + size <= self.options.max_bytes

    def _enqueue(self, one: _Waiting) -> None:
        self.counts.accepted[one.table] += one.rows
        self._queue.append(one)
        self._taken += 1
        self._rows += one.rows
        if one.path is None:
            self._bytes += one.bytes
            self._in_memory += 1
        if self._rows >= self.options.batch_rows or len(self._queue) == 1:
            self._changed.notify_all()

    def _to_disk(self, one: _Waiting) -> bool:
        if self._spill is None or one.frame is None:
            return False
        try:
            one.path = self._spill.put(one.table, one.frame)
        except (HistoryError, TableError) as error:
            log.warning("%s", error)
            return False
        self.counts.spilled[one.table] += one.rows
        one.frame = None
        if not self._spilling:
            self._spilling = True
            self._report(
                "spilled", one.table, one.rows, "memory for waiting batches is full; they wait on disk"
            )
        return True

    def _drop(self, one: _Waiting) -> None:
        self.counts.dropped[one.table] += one.rows
        first = not self._dropping
        self._dropping[one.table] += one.rows
        if first:
            self._report(
                "dropped",
                one.table,
                one.rows,
                f"history is {self.lag_seconds:.1f} s behind and all room is used",
            )

    @property
    def lag_seconds(self) -> float:
        """Seconds for which the oldest accepted batch has been waiting, 0 when none waits."""
        with self._changed:
            return time.monotonic() - self._queue[0].since if self._queue else 0.0

    @property
    def waiting(self) -> int:
        """Rows that wait."""
        return self._rows

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until everything accepted so far is durable; False when it is not in time."""
        self.start()
        with self._changed:
            goal = self._taken
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: self._done >= goal, timeout)
            finally:
                self._flushing -= 1

    def close(self) -> None:
        """Write everything accepted, then stop; may be called more than once.

        Raises
        ------
        HistoryError
            The store did not take everything in time; the rest is durable in the spill folder, or lost where
            there is none: the message says how many rows.
        """
        with self._changed:
            if self._deadline is None:
                self._deadline = time.monotonic() + self.options.close_seconds
            self._changed.notify_all()
        thread = self.start()._thread
        assert thread is not None
        thread.join()
        with self._changed:
            left = list(self._queue)
            self._queue.clear()
            self._rows = self._bytes = self._in_memory = 0
        if not left:
            return
        lost = [one for one in left if one.path is None and not self._to_disk(one)]
        if self._spill is not None:
            self._spill.keep([one.path for one in left if one.path is not None])
        for one in lost:
            self._drop(one)
        where = f"in {self._spill.folder}" if self._spill else "nowhere: there is no spill folder"
        raise HistoryError(
            f"{sum(one.rows for one in left)} rows were not written ({self._failing}); they are {where}; "
            f"lost: {sum(one.rows for one in lost)}"
        )

    # -- the store's side ---------------------------------------------------------------------------------

    def _requeue(self) -> None:
        """Batches an earlier recorder left on disk come first."""
        for table, rows, size, path in self._spill.left_over() if self._spill else ():
            with self._changed:
                self._enqueue(_Waiting(table, rows, size, time.monotonic(), None, path))

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._queue:
                    if self._deadline is not None:
                        return
                    self._changed.wait()
                    continue
                self._changed.wait_for(self._due, timeout=self._patience())
                chunk = self._next()
            if not self._write(chunk):
                return

    def _due(self) -> bool:
        hurry = self._flushing or self._deadline is not None
        return bool(hurry or self._rows >= self.options.batch_rows or self._patience() <= 0)

    def _patience(self) -> float:
        return self._queue[0].since + self.options.batch_seconds - time.monotonic() if self._queue else 0.0

    def _next(self) -> list[_Waiting]:
        """The oldest batches, as many as one write should hold; they stay in the queue until they are durable."""
        chunk: list[_Waiting] = []
        rows = 0
        for one in self._queue:
            if chunk and rows + one.rows > self.options.batch_rows * 4:
                break
            chunk.append(one)
            rows += one.rows
        return chunk

    def _write(self, chunk: list[_Waiting]) -> bool:
        by_table: dict[str, list[_Waiting]] = {}
        for one in chunk:
            by_table.setdefault(one.table, []).append(one)
        for table, members in by_table.items():
            if not self._write_table(table, members):
                return False
        with self._changed:
            for one in chunk:
                self._queue.popleft()
                self._done += 1
                self._rows -= one.rows
                if one.path is None:
                    self._bytes -= one.bytes
                    self._in_memory -= 1
            self._changed.notify_all()
        for one in chunk:
            if one.path is not None and self._spill is not None:
                self._spill.remove(one.path)
        self._report_recovery()
        return True

    def _write_table(self, table: str, members: list[_Waiting]) -> bool:
        """Write until it is durable; False when the time to close is up."""
        pause, longest = self.options.retry_seconds
        while True:
            try:
                frames = [frame for frame in map(self._frame, members) if frame is not None]
                self._history.write(table, declared(table).concat(frames))
                self.counts.written[table] += sum(map(len, frames))
                return True
            except TableError as error:
                self._reject(table, members, error)
                return True
            except Exception as error:  # noqa: BLE001 - whatever it is: a dead recorder would say nothing
                self.counts.failures += 1
                reason = in_words(error)
                if not self._failing:
                    self._report(
                        "failed", table, sum(o.rows for o in members), f"history: {reason}; trying again"
                    )
                self._failing = reason
            with self._changed:
                if self._changed.wait_for(self._out_of_time, timeout=pause):
                    return False
            pause = min(pause * 2, longest)

    def _out_of_time(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _frame(self, one: _Waiting) -> pd.DataFrame | None:
        if one.frame is not None:
            return one.frame
        assert one.path is not None
        assert self._spill is not None
        try:
            return self._spill.get(one.table, one.path)
        except HistoryError as error:
            self._reject(one.table, [one], error)
            return None

    def _reject(self, table: str, members: list[_Waiting], error: HistoryError | TableError) -> None:
        """A batch that can never be written: counted and reported, the others go on."""
        if len(members) > 1:
            for one in members:
                self._write_table(table, [one])
            return
        self.counts.rejected[table] += members[0].rows
        self._report("rejected", table, members[0].rows, str(error))

    # -- health -------------------------------------------------------------------------------------------

    def _report_recovery(self) -> None:
        if self._failing:
            self._failing = ""
            self._report("fresh", "", 0, "history takes batches again")
        with self._changed:
            room = self._bytes * 2 <= self.options.max_bytes and self._in_memory * 2 <= self.options.backlog
            dropped, self._dropping = (self._dropping, Counter()) if room else (Counter(), self._dropping)
            self._spilling = self._spilling and not room
        for table, rows in dropped.items():
            self._report(
                "dropped", table, rows, f"{rows} rows of {table} were dropped while all room was used"
            )

    def _report(self, event: str, table: str, rows: int, detail: str) -> None:
        log.warning("recorder: %s %s (%d rows): %s", event, table, rows, detail)
        if self._on_health is None:
            return
        now = time.time_ns()
        row = {"event_ns": now, "seen_ns": now, "feed": "recorder", "channel": table, "event": event,
               "count": rows, "recoverable": event in ("failed", "spilled", "fresh"), "detail": detail}  # fmt: skip
        self._on_health(HEALTH.conform(pd.DataFrame([row])))
