"""The pieces a reader sees: batches of the log and segments, and what happens when one is damaged."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from workstation.history import arrow_codec as columns
from workstation.history.embedded.leases import Leases
from workstation.history.embedded.manifest import Manifest
from workstation.history.embedded.manifest_records import Extent, Logged, Moment, Segment
from workstation.history.embedded.manifest_schema import MANIFEST
from workstation.history.embedded.queries import Source
from workstation.history.embedded.segments import Identity, damage, footer_of, identify, read_segment
from workstation.history.options import EmbeddedOptions
from workstation.market.errors import HistoryError
from workstation.market.tables import Table
from workstation.market.tables import table as declared

log = logging.getLogger("workstation.history")


class SegmentGone(HistoryError):
    """A segment left the manifest while it was being read; the read begins anew."""


@dataclass(frozen=True)
class Batch:
    """A decoded batch of the log."""

    logged: Logged
    rows: pa.Table


@dataclass(frozen=True)
class View:
    """Segments and decoded batches of one moment, in order of writing."""

    segments: tuple[Segment, ...]
    batches: tuple[Batch, ...]


class SnapshotReader:
    """Folder, manifest, leases and the cache of decoded batches of one store."""

    def __init__(self, folder: Path, options: EmbeddedOptions) -> None:
        self.folder = folder
        self.segments, self.quarantine = folder / "segments", folder / "quarantine"
        readers = folder / "readers"
        self.read_only = _read_only(folder, options.mode)
        if not self.read_only:
            try:
                for path in (folder, self.segments, self.quarantine, readers):
                    path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise HistoryError(
                    f"cannot keep a history in {folder}: {error}; choose a folder to write to"
                ) from error
        self.manifest = Manifest(
            folder / MANIFEST, busy_seconds=options.busy_seconds, read_only=self.read_only
        )
        self.leases = Leases(readers)
        self._cache: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()
        self._cached_bytes, self._cache_limit = 0, options.cache_bytes
        self._lock = threading.Lock()
        self._sound: set[int] = set()
        self._identities: dict[int, tuple[tuple[int, int, int], Identity]] = {}
        self._unrecorded: dict[str, tuple[Any, ...]] = {}

    # -- one moment ---------------------------------------------------------------------------------------

    @contextmanager
    def hold(
        self, tables: Sequence[str], start: int | None = None, end: int | None = None, *, once: bool = False, with_log: bool = True
    ) -> Iterator[View]:  # fmt: skip
        """Everything of the tables that reaches into [start, end) at one moment; its files stay while held.

        ``once``: what has to be decoded for it is not kept for the next reader, its unknown numbers may be NaN;
        ``with_log`` False: the segments alone.
        """
        with self._lock:
            held = dict(self._cache)
        with self.leases.hold(self.manifest.generation()):
            moment = self.manifest.moment(tables, start, end, held, with_log=with_log)
            segments = tuple(s for s in moment.segments if s.file not in self._unrecorded)
            logged = [one for one in moment.log if f"log/{one.id}" not in self._unrecorded]
            yield View(segments, tuple(self._decoded(logged, held, once)))

    def _decoded(
        self, logged: Iterable[Logged], held: dict[tuple[int, int], pa.Table], once: bool
    ) -> Iterator[Batch]:
        for one in logged:
            key = (one.id, one.checksum)
            rows = held.get(key)
            if rows is None:
                rows = self._decode(one, columns.decode_as_written if once else columns.decode)
                if rows is None:
                    continue
                if not once:
                    self._keep(key, rows)
            yield Batch(one, rows)

    def _decode(self, one: Logged, decode: Callable[[Table, Any], pa.Table]) -> pa.Table | None:
        reason = "its checksum does not match" if one.damaged else ""
        if not reason:
            try:
                return decode(declared(one.table), one.batch)
            except (pa.ArrowException, OSError) as error:
                reason = str(error)
        self._set_aside_batch(one, reason)
        return None

    def _keep(self, key: tuple[int, int], rows: pa.Table) -> None:
        with self._lock:
            if key in self._cache or rows.nbytes > self._cache_limit:
                return
            self._cache[key] = rows
            self._cached_bytes += rows.nbytes
            while self._cached_bytes > self._cache_limit:
                _, oldest = self._cache.popitem(last=False)
                self._cached_bytes -= oldest.nbytes

    def let_go(self, batches: Iterable[Batch]) -> None:
        """Keep these batches no longer decoded: they left the log."""
        with self._lock:
            for batch in batches:
                rows = self._cache.pop((batch.logged.id, batch.logged.checksum), None)
                self._cached_bytes -= rows.nbytes if rows is not None else 0

    # -- rows ---------------------------------------------------------------------------------------------

    def read(self, table: Table, names: Sequence[str], start: int | None, end: int | None) -> list[pa.Table]:
        """Columns of all rows in [start, end), one Arrow table per piece in order of writing."""
        for _ in range(20):
            try:
                with self.hold([table.name], start, end) as view:
                    parts = [self.segment_rows(table, s, names, start, end) for s in view.segments]
                    parts.extend(self.batch_rows(table, view.batches, names, start, end))
                    return [part for part in parts if part is not None and part.num_rows]
            except SegmentGone:
                continue
        raise HistoryError(f"segments of {table.name} in {self.folder} keep vanishing while they are read")

    def segment_rows(
        self,
        table: Table,
        segment: Segment,
        names: Sequence[str],
        start: int | None = None,
        end: int | None = None,
    ) -> pa.Table | None:
        """Columns of a segment's rows in [start, end); None when it is damaged, which sets it aside."""
        path = self.segments / segment.file
        try:
            return read_segment(path, table, names, start, end, segment)
        except (pa.ArrowException, OSError) as error:
            if (
                isinstance(error, OSError)
                and error.errno is not None
                and not isinstance(error, FileNotFoundError)
            ):
                raise HistoryError(f"cannot read {path}: {error}; nothing is set aside, try again") from error
            self.set_aside(segment, str(error))
            return None

    @staticmethod
    def batch_rows(
        table: Table,
        batches: Iterable[Batch],
        names: Sequence[str] | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> list[pa.Table]:
        """Columns of the rows of one table's batches in [start, end); all stored columns by default."""
        wanted = list(names) if names is not None else columns.stored_schema(table).names
        parts = []
        for batch in batches:
            if batch.logged.table != table.name:
                continue
            rows = batch.rows
            if columns.ORDER in wanted:
                rows = columns.with_order(rows, batch.logged.first_row)
            rows = rows.select(wanted)
            inside = (start is None or batch.logged.first_ns >= start) and (
                end is None or batch.logged.last_ns < end
            )
            parts.append(rows if inside else _within(rows, start, end))
        return parts

    def source(self, table: Table, view: View) -> Source:
        """The table's part of a view as DataFusion takes it."""
        files: list[Path] = []
        with_nan: list[Path] = []
        for segment in view.segments:
            if segment.table == table.name:
                nulls = self._identity(segment).nulls
                (files if nulls else with_nan).append(self.segments / segment.file)
        batches = [b for rows in self.batch_rows(table, view.batches) for b in rows.to_batches()]
        return Source(table, files, with_nan, batches)

    def _identity(self, segment: Segment) -> Identity:
        """What the footer of a segment's file says; read again when the file is another one."""
        path = self.segments / segment.file
        state = path.stat()
        seen = (state.st_ino, state.st_size, state.st_mtime_ns)
        known = self._identities.get(segment.id)
        if known is None or known[0] != seen:
            known = self._identities[segment.id] = (seen, identify(path, segment))
        return known[1]

    def set_aside_wrong(self, segments: Iterable[Segment]) -> int:
        """Set aside segments whose file is gone, unreadable or another one by its footer; returns how many."""
        count = 0
        for segment in segments:
            try:
                reason = self._identity(segment).problem
            except FileNotFoundError:
                reason = "the file is missing"
            except pa.ArrowException as error:
                reason = str(error)
            if reason:
                count += 1
                with suppress(SegmentGone):
                    self.set_aside(segment, reason)
        return count

    def unseen(self, table: Table, batch: pa.RecordBatch, overlap: Moment, reach: Extent) -> pa.RecordBatch:
        """The rows of a batch that no overlapping piece holds; rows with seq 0 are always new."""
        names = columns.identity_columns(table)
        start, end = reach.first_ns, reach.last_ns + 1
        parts = [columns.align(table, table.arrow.empty_table(), names)]
        for segment in overlap.segments:
            with suppress(pa.ArrowException, OSError):  # a damaged one is set aside by the next reader
                parts.append(read_segment(self.segments / segment.file, table, names, start, end, segment))
        parts.extend(columns.decode(table, one.batch).select(names) for one in overlap.log if not one.damaged)
        stored = pa.concat_tables(parts)
        known = pd.MultiIndex.from_frame(columns.to_frame(table, stored))
        asked = columns.to_frame(table, pa.Table.from_batches([batch]).select(names))
        repeated = pd.MultiIndex.from_frame(asked).isin(known) & (asked["seq"] > 0).to_numpy()
        return batch.filter(pa.array(~repeated)) if repeated.any() else batch

    # -- damage -------------------------------------------------------------------------------------------

    def set_aside(self, segment: Segment, reason: str) -> None:
        """Move a damaged segment to quarantine and take it out of the manifest."""
        path = self.segments / segment.file
        if not path.exists():
            reason = "the file is missing"
        if self.read_only:
            if not self.manifest.holds(segment.id):
                raise SegmentGone(segment.file)
            self._remember(segment.table, segment.file, segment, reason)
            return
        try:
            with self.manifest.change("set aside a damaged segment") as connection:
                gone = connection.execute(
                    "DELETE FROM segments WHERE id = ? AND retired IS NULL", (segment.id,)
                )
                if gone.rowcount == 0:
                    raise SegmentGone(segment.file)
                extent = (segment.rows, segment.first_ns, segment.last_ns)
                self.manifest.quarantine(connection, segment.table, segment.file, extent, reason)
            if path.exists():
                self.quarantine.mkdir(exist_ok=True)
                path.rename(self.quarantine / path.name)
        except SegmentGone:
            raise
        except (HistoryError, OSError) as error:
            self._remember(segment.table, segment.file, segment, f"{reason} ({error})")
        log.warning("segment %s is damaged and set aside: %s", path, reason)

    def set_aside_damaged(self, segments: Iterable[Segment]) -> int:
        """Check every page of the segments and set aside the damaged ones; returns how many those were."""
        count = 0
        for segment in segments:
            reason = damage(self.segments / segment.file, segment)
            if not reason:
                self._sound.add(segment.id)
            else:
                count += 1
                try:
                    self.set_aside(segment, reason)
                except SegmentGone:
                    continue
        return count

    def set_aside_unsound(self, segments: Iterable[Segment], max_bytes: int) -> int:
        """As ``set_aside_damaged`` for segments this process has not checked yet, if they are not too many to read."""
        unknown = [segment for segment in segments if segment.id not in self._sound]
        if sum(segment.bytes for segment in unknown) > max_bytes:
            return 0
        return self.set_aside_damaged(unknown)

    def _set_aside_batch(self, one: Logged, reason: str) -> None:
        piece = f"log/{one.id}"
        if self.read_only:
            self._remember(one.table, piece, one, reason)
            return
        try:
            self.quarantine.mkdir(exist_ok=True)
            (self.quarantine / f"{one.table}-{one.id}.arrow").write_bytes(one.batch or b"")
            with self.manifest.change("set aside a damaged batch") as connection:
                if self.manifest.forget_batches(connection, [one.id]):
                    extent = (one.rows, one.first_ns, one.last_ns)
                    self.manifest.quarantine(connection, one.table, piece, extent, reason)
        except (HistoryError, OSError) as error:
            self._remember(one.table, piece, one, f"{reason} ({error})")
        log.warning("batch %d of %s is damaged and set aside: %s", one.id, one.table, reason)

    def _remember(self, table: str, piece: str, extent: Segment | Logged, reason: str) -> None:
        found = (table, piece, extent.rows, extent.first_ns, extent.last_ns, time.time_ns(), reason)
        self._unrecorded[piece] = found

    def damaged(self) -> list[tuple[Any, ...]]:
        """(table, piece, rows, first_ns, last_ns, found_ns, reason) of every damaged piece."""
        return [*self.manifest.quarantined(), *self._unrecorded.values()]

    def unknown(self) -> list[Path]:
        """Segment files in the folder that the manifest does not know: left alone until they are repaired."""
        found = sorted(self.segments.glob("*/*.parquet"))
        if not found:
            return []
        known = self.manifest.files()
        return [path for path in found if f"{path.parent.name}/{path.name}" not in known and path.exists()]

    def reserve_unknown(self, paths: Iterable[Path]) -> None:
        """Let running and sequence numbers go on after those of segments the manifest does not know."""
        for path in paths:
            try:
                footer = footer_of(path)
            except (pa.ArrowException, OSError):
                continue  # told by problems(); it has no numbers to keep clear of
            if footer is not None:
                with self.manifest.change("go on after unknown segments") as connection:
                    self.manifest.reserve(connection, footer.table, footer.end_row, footer.last_seq)


def _read_only(folder: Path, mode: str) -> bool:
    """Whether the store is only read: asked for, or because nothing can be written there."""
    if mode not in ("a", "r+", "r"):
        raise HistoryError(f"mode {mode!r}; known are 'a', 'r+' and 'r'")
    manifest = folder / MANIFEST
    there = manifest.exists() or any((folder / "segments").glob("*/*.parquet"))
    if mode != "a" and not there:
        raise HistoryError(f"there is no history in {folder}; mode 'a' makes one")
    if mode == "r":
        if not manifest.exists():
            raise HistoryError(
                f"{manifest} is missing, its segments are there; `workstation history repair {folder}` makes it anew"
            )
        return True
    return manifest.exists() and not (os.access(folder, os.W_OK) and os.access(manifest, os.W_OK))


def _within(rows: pa.Table, start: int | None, end: int | None) -> pa.Table:
    event = columns.numbers(rows, "event_ns")
    mask = np.ones(len(event), dtype=bool)
    if start is not None:
        mask &= event >= start
    if end is not None:
        mask &= event < end
    return rows.filter(pa.array(mask))
