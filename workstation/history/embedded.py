"""The embedded history: a SQLite log, Parquet segments, DataFusion on top."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from workstation.history import queries
from workstation.history.arrow_codec import (
    ORDER,
    encode,
    is_keyed,
    numbers,
    stored_schema,
    time_sorted,
    to_arrow,
    to_frame,
)
from workstation.history.history import Capabilities, History, Time, to_ns
from workstation.history.maintenance import Upkeep
from workstation.history.newest_rows import groups_of, last_written, newest
from workstation.history.segments import extent, of_instruments
from workstation.history.snapshot_reader import Pieces, SegmentGone
from workstation.market.errors import HistoryError, QueryError, TableError
from workstation.market.tables import HEALTH, NO_TIME, TABLES, Table
from workstation.market.tables import table as declared


@dataclass(frozen=True)
class LakeOptions:
    """How the embedded store behaves.

    Attributes
    ----------
    roll_rows, roll_seconds
        The log of a table becomes a segment at so many rows or so long after its oldest batch was written.
    merge_segments
        So many small segments in a row are merged into one by the background upkeep.
    upkeep
        Whether this process rolls and merges in the background; without it ``roll`` and ``compact`` do.
    busy_seconds
        How long to wait for another process that writes.
    cache_bytes
        Memory for decoded batches of the log.
    check_bytes
        ``sql`` compares the checksums of the segments it meets for the first time when they are together no
        larger than this; above it only ``read`` (by page) and ``verify`` notice silently changed bytes.
    """

    roll_rows: int = 500_000
    roll_seconds: float = 600.0
    merge_segments: int = 8
    upkeep: bool = True
    busy_seconds: float = 30.0
    cache_bytes: int = 128 << 20
    check_bytes: int = 1 << 30


class Lake(History):
    """SQLite holds the newest batches and the manifest, Parquet the rest; any number of processes share it.

    Parameters
    ----------
    folder
        Where it lives, made when it does not exist. It must be on a local disk.
    options
        ``LakeOptions`` by keyword.
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        try:
            self.options = LakeOptions(**options)
        except TypeError as error:
            known = ", ".join(LakeOptions.__dataclass_fields__)
            raise HistoryError(f"{error}; the embedded history knows {known}") from error
        self.folder = folder.expanduser().absolute()
        self.url = f"lake://{self.folder}"
        self.capabilities = Capabilities(
            notes="SQL dialect of DataFusion; newest row per key in keyed tables"
        )
        self._pieces = Pieces(self.folder, self.options.busy_seconds, self.options.cache_bytes)
        self._manifest = self._pieces.manifest
        self._upkeep = Upkeep(self._pieces, self.options)
        self._newest: dict[str, dict[int, pa.Table]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return (_reopen, (self.folder, self.options))

    def __repr__(self) -> str:
        return f"Lake({str(self.folder)!r})"

    # -- writing ------------------------------------------------------------------------------------------

    def write(self, table: str, frame: pd.DataFrame) -> int:
        """Keep a batch; returns, once it is on disk, how many rows were new.

        A row whose ``seq`` (other than 0), ``event_ns`` and instrument are stored already is the same row
        written again, and is left out: a writer that was cut off may repeat its last batches.

        Raises
        ------
        TableError
            The batch does not fit the table.
        HistoryError
            The disk is full, not writable, or another process holds the store; nothing of the batch was kept.
        """
        schema = declared(table)
        batch = _without_repeats(to_arrow(schema, schema.conform(frame)))
        if batch.num_rows == 0:
            return 0
        reach = extent(batch)
        blob = encode(batch)
        with self._manifest.change(f"write {table}") as connection:
            overlap = self._manifest.seq_overlap(connection, table, reach)
            if overlap.segments or overlap.log:
                fresh = self._pieces.unseen(schema, batch, overlap, reach)
                if fresh.num_rows < batch.num_rows:
                    batch, blob = fresh, encode(fresh)
            if batch.num_rows:
                self._manifest.append(connection, table, extent(batch), blob)
        self._upkeep.wrote(table, batch.num_rows)
        return int(batch.num_rows)

    # -- reading ------------------------------------------------------------------------------------------

    def read(
        self,
        table: str,
        start: Time | None = None,
        end: Time | None = None,
        instruments: str | Iterable[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        revisions: bool = False,
    ) -> pd.DataFrame:
        """Rows with ``start <= event_ns < end``, sorted by (event_ns, seq).

        Parameters
        ----------
        table
            Name of the table.
        start, end
            Int nanoseconds, ISO text or Timestamp (UTC when without a zone); None is open.
        instruments
            Names to keep, None for all.
        columns
            Names to read, in that order; None for all.
        revisions
            False: of rows with one key, the one written last among those asked for. True: all of them.

        Raises
        ------
        TableError
            The table or a column does not exist.
        HistoryError
            A time cannot be understood, or the table has no instruments to choose from.
        """
        schema = declared(table)
        names = _chosen(schema, instruments)
        wanted = _existing(schema, columns)
        needed = _needed(schema, wanted, names is not None, not revisions)
        parts = self._pieces.read(schema, needed, to_ns(start), to_ns(end))
        if names is not None:
            parts = [of_instruments(part, names) for part in parts]
        if not parts:
            return schema.empty()[wanted]
        rows = pa.concat_tables(parts)
        if not revisions:
            rows = last_written(schema, rows)
        return to_frame(schema, time_sorted(rows).select(wanted))

    def sql(self, query: str, **params: Any) -> pd.DataFrame:
        """The answer to one SELECT over the tables; all of them are of one moment.

        Every table has its columns and ``time``, its ``event_ns`` as a UTC timestamp for ``date_bin`` and
        comparisons. Keyed tables hold the newest row per key; all revisions are in ``<table>_revisions``.
        ``$name`` takes the argument of that name; times given as Timestamp arrive as int64 ns
        (``event_ns >= $start``; ``time >= to_timestamp_nanos($start)``).

        Raises
        ------
        QueryError
            The query is not a SELECT, or DataFusion cannot answer it; the message is DataFusion's.

        Examples
        --------
        >>> import tempfile
        >>> history = Lake(Path(tempfile.mkdtemp()))
        >>> rows = pd.DataFrame({"event_ns": [0, 5, 10**9], "instrument": "X", "price": [1.0, 2.0, 3.0], "size": 1.0})
        >>> history.write("trades", rows)
        3
        >>> history.sql('''SELECT date_bin(INTERVAL '1 second', time) AS begin,
        ...     last_value(price ORDER BY event_ns, seq) AS close FROM trades WHERE price > $above
        ...     GROUP BY begin ORDER BY begin''', above=1.5)["close"].tolist()
        [2.0, 3.0]
        >>> history.close()
        """
        sources = [declared(name) for name in queries.tables_in(query)]
        for _ in range(_ATTEMPTS):
            with self._pieces.hold([table.name for table in sources]) as view:
                if self._pieces.set_aside_unsound(view.segments, self.options.check_bytes):
                    continue
                try:
                    return queries.run(query, params, [self._pieces.source(table, view) for table in sources])
                except QueryError:
                    if not self._pieces.set_aside_damaged(view.segments):
                        raise
        raise HistoryError(f"segments in {self.folder} keep vanishing while they are queried")

    def latest(self, table: str) -> pd.DataFrame:
        """The newest state: per group the newest row by (event_ns, seq), sorted like a read.

        Groups are the instrument; for candles instrument, length and venue; for quotes instrument and exchange; for
        positions, pnl and balances their account; for levels underlying, sign model and basis. ``exposures``
        gives every row of the newest snapshot of each underlying, sign model and basis.
        """
        schema = declared(table)
        for _ in range(_ATTEMPTS):
            try:
                parts = self._newest_parts(schema)
            except SegmentGone:
                continue
            if not parts:
                return schema.empty()
            rows = newest(schema, time_sorted(pa.concat_tables(parts)), groups_of(schema))
            return to_frame(schema, rows.select(list(schema.names)))
        raise HistoryError(f"segments of {table} in {self.folder} keep vanishing while they are read")

    def _newest_parts(self, table: Table) -> list[pa.Table]:
        """Newest rows of every piece; those of a segment are kept, as it never changes."""
        parts = []
        with self._pieces.hold([table.name]) as view:
            kept = self._newest.get(table.name, {})
            found: dict[int, pa.Table] = {}
            for segment in view.segments:
                rows = kept.get(segment.id)
                if rows is None:
                    rows = self._pieces.segment_rows(table, segment, stored_schema(table).names)
                    if rows is None:
                        continue
                    rows = newest(table, time_sorted(rows), groups_of(table))
                found[segment.id] = rows
                parts.append(rows)
            self._newest[table.name] = found
            parts.extend(self._pieces.batch_rows(table, view.batches))
        return parts

    def tables(self) -> pd.DataFrame:
        """One row per table that holds rows: name, rows (revisions included), first and last event_ns, bytes, segments."""
        names = ["name", "rows", "first_event_ns", "last_event_ns", "bytes", "segments"]
        return pd.DataFrame(self._manifest.sizes(), columns=names)

    def last_seq(self) -> int:
        """Highest ``seq`` ever kept, 0 when none."""
        return self._manifest.last_seq()

    # -- upkeep -------------------------------------------------------------------------------------------

    def roll(self, table: str | None = None) -> int:
        """Turn the log into segments now; returns the rows that moved."""
        return self._upkeep.roll(table)

    def compact(self, table: str | None = None) -> int:
        """Merge neighbouring small segments now; returns how many were merged."""
        return self._upkeep.compact(table)

    def retain(self, table: str, seconds: float, now: Time | None = None) -> int:
        """Forget rows with ``event_ns < now - seconds``; ``now`` defaults to the table's newest row."""
        schema = declared(table)
        reference = to_ns(now)
        if reference is None:
            sizes = self.tables().set_index("name")
            if table not in sizes.index:
                return 0
            reference = int(sizes.loc[table, "last_event_ns"])
        return self._upkeep.retain(schema, reference - int(seconds * 1e9))

    def verify(self) -> pd.DataFrame:
        """Read every page of every segment and batch, set aside what is damaged; returns ``problems()``."""
        with self._pieces.hold(list(TABLES)) as view:
            self._pieces.set_aside_damaged(view.segments)
        return self.problems()

    def problems(self) -> pd.DataFrame:
        """What was found damaged and set aside, as ``health`` rows: channel is the table, detail names the piece.

        While the background upkeep fails (a full disk), a last row with channel ``upkeep`` says why.
        """
        found = [
            {
                "event_ns": found_ns,
                "feed": "history",
                "channel": name,
                "event": "failed",
                "start_ns": first_ns,
                "end_ns": last_ns,
                "count": rows,
                "recoverable": False,
                "detail": f"{piece}: {reason}",
            }
            for name, piece, rows, first_ns, last_ns, found_ns, reason in self._pieces.damaged()
        ]
        if self._upkeep.failure:
            found.append(
                {
                    "event_ns": time.time_ns(),
                    "feed": "history",
                    "channel": "upkeep",
                    "event": "failed",
                    "start_ns": NO_TIME,
                    "end_ns": NO_TIME,
                    "count": 0,
                    "recoverable": True,
                    "detail": self._upkeep.failure,
                }
            )
        return HEALTH.conform(pd.DataFrame(found)) if found else HEALTH.empty()

    def close(self) -> None:
        """Stop the upkeep and close the files; may be called more than once."""
        self._upkeep.close()
        self._manifest.close()


_ATTEMPTS = 20


def _reopen(folder: Path, options: LakeOptions) -> Lake:
    return Lake(folder, **asdict(options))


def _without_repeats(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with one row per (seq, event_ns, instrument) where seq is not 0."""
    seq = numbers(batch, "seq")
    if len(seq) < 2 or (np.diff(seq) > 0).all() or not seq.any():
        return batch
    identity = {"seq": seq, "event_ns": numbers(batch, "event_ns")}
    if "instrument" in batch.schema.names:
        identity["instrument"] = batch.column("instrument").indices.fill_null(-1).to_numpy()
    repeated = pd.DataFrame(identity).duplicated().to_numpy() & (seq > 0)
    return batch.filter(pa.array(~repeated)) if repeated.any() else batch


def _chosen(table: Table, instruments: str | Iterable[str] | None) -> list[str] | None:
    if instruments is None:
        return None
    if "instrument" not in table.names:
        raise HistoryError(f"{table.name} has no instrument column; choose rows of it by sql")
    return [instruments] if isinstance(instruments, str) else [str(name) for name in instruments]


def _existing(table: Table, names: Sequence[str] | None) -> list[str]:
    if names is None:
        return list(table.names)
    for name in names:
        if name not in table.by_name:
            raise TableError(table.name, name, -1, f"no such column; the table has {', '.join(table.names)}")
    return list(names)


def _needed(table: Table, wanted: Sequence[str], by_instrument: bool, newest_only: bool) -> list[str]:
    """The wanted columns and those that sort, choose and replace rows."""
    names = [*wanted, "event_ns", "seq"]
    if by_instrument:
        names.append("instrument")
    if newest_only and is_keyed(table):
        names.extend((*table.key, ORDER))
    return list(dict.fromkeys(names))
