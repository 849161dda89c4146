"""Rolling, merging, forgetting and tidying: everything that changes which segments there are."""

from __future__ import annotations

import ctypes
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from workstation.history import arrow_codec as columns
from workstation.history.embedded.large_batches import finish, write_at_once
from workstation.history.embedded.leases import exclusive
from workstation.history.embedded.manifest_records import Segment
from workstation.history.embedded.segments import extent, footer_of, new_draft, write_segment
from workstation.history.embedded.snapshot_reader import Batch, SnapshotReader
from workstation.history.options import EmbeddedOptions
from workstation.market.errors import HistoryError, in_words
from workstation.market.tables import Table
from workstation.market.tables import table as declared

log = logging.getLogger("workstation.history")

_BACKLOG = 4
_RETRY_SECONDS = 5.0
"""How long a writer that outruns the background waits after a failed roll before it rolls itself again."""
_UNFINISHED = re.compile(r"-?\d+-[0-9a-f]{32}\.tmp")


class Maintenance:
    """The only writer of segments; one process at a time, by a lock file.

    The background thread starts with the first write. A writer that outruns it by four segments rolls itself.
    """

    def __init__(self, pieces: SnapshotReader, options: EmbeddedOptions) -> None:
        self._pieces, self._manifest, self._options = pieces, pieces.manifest, options
        self._lock_path = pieces.folder / "upkeep.lock"
        self._pending: dict[str, int] = {}
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stop = False
        self._untidy = True
        self._not_before = 0.0
        self.failure = ""
        """Why the last roll or background pass failed, empty when it did not."""

    # -- background ---------------------------------------------------------------------------------------

    def wrote(self, table: str, rows: int) -> None:
        """Count rows that went into the log; starts and wakes the background when there is work.

        The rows are durable: a roll that fails here is told as a problem and tried again, it fails no write.
        """
        if not self._options.upkeep:
            return
        with self._wake:
            pending = self._pending[table] = self._pending.get(table, 0) + rows
            if self._thread is None and not self._stop:
                self._thread = threading.Thread(target=self._run, name="history-upkeep", daemon=True)
                self._thread.start()
            if pending >= self._options.roll_rows:
                self._wake.notify()
        if pending >= _BACKLOG * self._options.roll_rows and time.monotonic() >= self._not_before:
            try:
                self.roll(table)
            except Exception as error:  # noqa: BLE001 - whatever it is, the rows are kept and the write has succeeded
                self._not_before = time.monotonic() + _RETRY_SECONDS
                self._tell(error)

    def _run(self) -> None:
        while True:
            with self._wake:
                busy = any(rows >= self._options.roll_rows for rows in self._pending.values())
                if not busy and not self._stop:
                    self._wake.wait(timeout=min(5.0, self._options.roll_seconds / 4))
                if self._stop:
                    return
            self._pass(self._due)

    def _pass(self, work: Callable[[], None]) -> None:
        try:
            with exclusive(self._lock_path, wait=False) as mine:
                if mine:
                    self._clear_drafts()
                    work()
                    self.failure = ""
                    return
        except Exception as error:  # noqa: BLE001 - told and tried again: the log grows behind a dead thread
            if not self._stop:
                self._tell(error)
        with self._wake:
            if not self._stop:
                self._wake.wait(timeout=0.5)

    def _tell(self, error: Exception) -> None:
        self.failure = in_words(error)
        log.warning("maintenance of %s failed, trying again: %s", self._pieces.folder, self.failure)
        log.debug("maintenance: the failure", exc_info=error)

    def _due(self) -> None:
        if self._untidy:
            self.tidy()
        now = time.time_ns()
        rolled = 0
        logged = self._manifest.log_state()
        for table in set(self._pending) - {name for name, _, _ in logged}:
            self._pending[table] = 0
        for table, rows, oldest in logged:
            if self._stop:
                return
            old = (now - oldest) / 1e9 >= self._options.roll_seconds
            if old or rows >= self._options.roll_rows:
                rolled += self._roll_table(table, whole=old)
            else:
                self._pending[table] = 0
        if rolled:
            self._merge(None, self._options.merge_segments)
            give_back_memory()
        self._sweep()

    def close(self) -> None:
        """Stop the background; what is in the log stays there, durable."""
        with self._wake:
            self._stop = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join()

    # -- writing ------------------------------------------------------------------------------------------

    def write_at_once(self, table: Table, batch: pa.RecordBatch) -> bool:
        """Make a large batch that no hub numbered a segment without the log.

        False when another is at the segments, or no segment can be written: then nothing of the batch is kept here.
        """
        if not self._options.upkeep or 2 * batch.num_rows < self._options.roll_rows:
            return False
        try:
            with exclusive(self._lock_path, wait=False) as mine:
                if mine:
                    self._clear_drafts()
                    write_at_once(self._manifest, self._pieces.segments, table, batch)
                    give_back_memory()
                return mine
        except (HistoryError, OSError) as error:
            self._untidy = True
            self._tell(error)
            return False

    # -- rolling ------------------------------------------------------------------------------------------

    def roll(self, table: str | None = None) -> int:
        """Turn the whole log of a table (or all) into segments; returns the rows that moved."""
        with self._exclusively():
            names = [name for name, _, _ in self._manifest.log_state() if table in (None, name)]
            return sum(self._roll_table(name, whole=True) for name in names)

    def _roll_table(self, name: str, *, whole: bool) -> int:
        moved = 0
        while True:
            with self._pieces.hold([name], once=True) as view:
                batches = _first_rows(view.batches, self._options.roll_rows)
            rows = sum(batch.logged.rows for batch in batches)
            if not batches or (rows < self._options.roll_rows and not whole):
                self._pending[name] = 0
                return moved
            moved += self._roll_batches(declared(name), batches)

    def _roll_batches(self, table: Table, batches: Sequence[Batch]) -> int:
        rows = _ordered(pa.concat_tables(self._pieces.batch_rows(table, batches)))
        first, last = batches[0].logged, batches[-1].logged
        ids = [batch.logged.id for batch in batches]
        draft = new_draft(table, rows, first.first_row, last.first_row + last.rows)
        self._manifest.plan(draft, batches=ids)
        try:
            added = write_segment(self._pieces.segments, table, rows, draft)
            with self._manifest.change(f"roll {table.name}") as connection:
                if self._manifest.forget_batches(connection, ids) != len(ids):
                    raise HistoryError(
                        f"batches of {table.name} left the log while it was rolled; they are rolled later"
                    )
                self._manifest.swap(connection, add=[added])
        except BaseException:
            self._untidy = True
            raise
        self._pieces.let_go(batches)
        return int(rows.num_rows)

    # -- merging ------------------------------------------------------------------------------------------

    def compact(self, table: str | None = None) -> int:
        """Merge neighbouring small segments of a table (or all); returns how many were merged."""
        with self._exclusively():
            merged = self._merge(table, 2)
            self._sweep()
            return merged

    def _merge(self, table: str | None, at_least: int) -> int:
        names = [row[0] for row in self._manifest.sizes() if table in (None, row[0])]
        merged = 0
        for name in names:
            with self._pieces.hold([name], with_log=False) as view:
                for run in _small_runs(view.segments, self._options.roll_rows):
                    if len(run) >= at_least:
                        merged += self._merge_run(declared(name), run)
        return merged

    def _merge_run(self, table: Table, run: Sequence[Segment]) -> int:
        names = columns.stored_schema(table).names
        parts = [self._pieces.segment_rows(table, segment, names) for segment in run]
        if any(part is None for part in parts):
            return 0
        rows = _ordered(pa.concat_tables(parts))
        self._replace(table, run, rows)
        return len(run)

    def _replace(self, table: Table, old: Sequence[Segment], rows: pa.Table | None) -> None:
        """Swap segments for one with these rows (None: for nothing)."""
        added, ids = [], [segment.id for segment in old]
        try:
            if rows is not None and rows.num_rows:
                left = [file for _, file, _ in self._manifest.retired() if file.startswith(f"{table.name}/")]
                replaced = [segment.file for segment in old] + left
                draft = new_draft(table, rows, old[0].first_row, self._end_row(old[-1]), replaced)
                self._manifest.plan(draft, segments=ids)
                added.append(write_segment(self._pieces.segments, table, rows, draft))
            with self._manifest.change(f"replace segments of {table.name}") as connection:
                if not self._manifest.swap(connection, add=added, retire=ids):
                    raise HistoryError(f"a segment of {table.name} was set aside meanwhile; ask again")
        except BaseException:
            self._untidy = True
            raise

    def _end_row(self, segment: Segment) -> int:
        """The running number after a segment's last row."""
        footer = footer_of(self._pieces.segments / segment.file)
        return segment.first_row + segment.rows if footer is None else footer.end_row

    # -- forgetting ---------------------------------------------------------------------------------------

    def retain(self, table: Table, first_kept_ns: int) -> int:
        """Forget rows of a table with event_ns before a moment; returns how many."""
        with self._exclusively():
            forgotten = 0
            with self._pieces.hold([table.name], None, first_kept_ns) as view:
                for segment in view.segments:
                    forgotten += self._cut_segment(table, segment, first_kept_ns)
                for batch in view.batches:
                    forgotten += self._cut_batch(batch, first_kept_ns)
            self._sweep()
            return forgotten

    def _cut_segment(self, table: Table, segment: Segment, first_kept_ns: int) -> int:
        rows = None
        if segment.last_ns >= first_kept_ns:
            names = columns.stored_schema(table).names
            rows = self._pieces.segment_rows(table, segment, names, first_kept_ns)
            if rows is None:
                return 0
        self._replace(table, [segment], rows)
        return segment.rows - (rows.num_rows if rows is not None else 0)

    def _cut_batch(self, batch: Batch, first_kept_ns: int) -> int:
        rows = batch.rows.filter(pa.array(columns.numbers(batch.rows, "event_ns") >= first_kept_ns))
        with self._manifest.change(f"forget rows of {batch.logged.table}") as connection:
            if rows.num_rows == 0:
                self._manifest.forget_batches(connection, [batch.logged.id])
            else:
                kept = rows.combine_chunks().to_batches()[0]
                self._manifest.replace_batch(connection, batch.logged.id, extent(kept), columns.encode(kept))
        return int(batch.rows.num_rows - rows.num_rows)

    # -- tidying ------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Delete the files of segments that left before every living reader began."""
        retired = self._manifest.retired()
        if not retired:
            return
        oldest = self._pieces.leases.oldest()
        free = [(id, file) for id, file, left in retired if oldest is None or left <= oldest]
        for _, file in free:
            (self._pieces.segments / file).unlink(missing_ok=True)
        if free:
            self._manifest.erase([id for id, _ in free])

    def tidy(self) -> None:
        """Delete what this store left unfinished (call it alone among all processes).

        That is a file still under its unfinished name, and a segment that was begun and never came into the manifest
        while everything it is made of is still there. Any other file is left and told by ``problems``.
        """
        self._clear_drafts()
        for path in self._pieces.segments.glob("*/*.tmp"):
            if _UNFINISHED.fullmatch(path.name):
                path.unlink(missing_ok=True)
        self._untidy = False
        self._sweep()

    def _clear_drafts(self) -> None:
        """Settle what a crash left begun, before anything it is made of moves on."""
        drafts = self._manifest.drafts()
        for file, all_held in drafts:
            if all_held is None:
                finish(self._manifest, self._pieces.segments, file)
            elif all_held and self._sources_exist(file):
                (self._pieces.segments / file).unlink(missing_ok=True)
        if drafts:
            self._manifest.forget_drafts([file for file, _ in drafts])

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Alone among all processes that change which segments there are."""
        if self._pieces.read_only:
            raise HistoryError(f"the history {self._pieces.folder} was opened to read only")
        with exclusive(self._lock_path, wait=True):
            self._clear_drafts()
            yield

    def _sources_exist(self, file: str) -> bool:
        """Whether the files whose rows a begun segment holds are all there."""
        path: Path = self._pieces.segments / file
        try:
            footer = footer_of(path)
        except FileNotFoundError:
            return True
        except (pa.ArrowException, OSError):
            return False
        held = self._manifest.live_files()
        replaced = footer.replaces if footer is not None else ()
        return all((self._pieces.segments / one).exists() for one in replaced if one in held)


def give_back_memory() -> None:
    """Return what this process has freed to the system: Arrow's and C's allocators keep the most they ever needed."""
    pa.default_memory_pool().release_unused()
    if _TRIM is not None:
        _TRIM(0)


_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
"""GNU's; other C libraries have none."""


def _first_rows(batches: Sequence[Batch], rows: int) -> list[Batch]:
    """The oldest batches that together hold at least so many rows, or all of them."""
    taken, count = [], 0
    for batch in batches:
        if count >= rows:
            break
        taken.append(batch)
        count += batch.logged.rows
    return taken


def _ordered(rows: pa.Table) -> pa.Table:
    return columns.time_sorted(rows.unify_dictionaries().combine_chunks())


def _small_runs(segments: Sequence[Segment], roll_rows: int) -> list[list[Segment]]:
    """Neighbouring segments of less than half the usual size, together at most one and a half of it."""
    runs: list[list[Segment]] = [[]]
    for segment in segments:
        if segment.rows * 2 >= roll_rows:
            runs.append([])
            continue
        if sum(s.rows for s in runs[-1]) + segment.rows > roll_rows * 3 // 2:
            runs.append([])
        runs[-1].append(segment)
    return [run for run in runs if run]
