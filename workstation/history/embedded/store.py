"""The embedded history: a SQLite log, Parquet segments, DataFusion on top."""

from __future__ import annotations

import difflib
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from workstation.history import recordings
from workstation.history.arrow_codec import (
    encode,
    identity_columns,
    numbers,
    stored_schema,
    time_sorted,
    to_arrow,
    to_frame,
)
from workstation.history.embedded import queries
from workstation.history.embedded.leases import exclusive
from workstation.history.embedded.maintenance import Maintenance
from workstation.history.embedded.problems import problem, unknown_segment
from workstation.history.embedded.retention import newest_credible, not_ahead
from workstation.history.embedded.segments import extent, of_instruments
from workstation.history.embedded.selection import chosen_instruments, existing_columns, needed_columns
from workstation.history.embedded.snapshot_reader import SegmentGone, SnapshotReader
from workstation.history.history import Capabilities, History, Time, to_ns
from workstation.history.newest_rows import groups_of, last_written, newest
from workstation.history.numbering import numbered
from workstation.history.options import EmbeddedOptions
from workstation.history.written_times import in_nanoseconds
from workstation.market.errors import HistoryError, QueryError
from workstation.market.tables import HEALTH, NO_TIME, TABLES, Table
from workstation.market.tables import table as declared


class EmbeddedHistory(History):
    """SQLite holds the newest batches and the manifest, Parquet the rest; any number of processes share it.

    Parameters
    ----------
    folder
        Where it lives, made when it does not exist (unless ``mode`` says otherwise). It must be on a local disk.
    options
        ``EmbeddedOptions`` by keyword.
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        try:
            self.options = EmbeddedOptions(**options)
        except TypeError as error:
            known = ", ".join(EmbeddedOptions.__dataclass_fields__)
            raise HistoryError(f"{error}; the embedded history knows {known}") from error
        self.folder = folder.expanduser().absolute()
        self.url = f"embedded://{self.folder}"
        self.capabilities = Capabilities(
            notes="SQL dialect of DataFusion; newest row per key in keyed tables"
        )
        self._pieces = SnapshotReader(self.folder, self.options)
        self.read_only = self._pieces.read_only
        self._manifest = self._pieces.manifest
        self._upkeep = Maintenance(self._pieces, self.options)
        self._newest: dict[str, dict[int, pa.Table]] = {}
        self._unheard: set[tuple[str, str]] = set()
        self._outliers: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        """Keep clear of segments the manifest does not know, and say that they are there."""
        if self._manifest.behind:
            log.warning("%s is behind what was written; see problems()", self.folder)
        unknown = self._pieces.unknown()
        if unknown:
            log.warning(
                "%d segments in %s are not in its manifest and are left alone; `workstation history repair %s` takes "
                "them in", len(unknown), self.folder, self.folder,
            )  # fmt: skip
            if not self.read_only:
                self._pieces.reserve_unknown(unknown)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_reopen, (self.folder, self.options))

    def __repr__(self) -> str:
        return f"EmbeddedHistory({str(self.folder)!r})"

    # -- writing ------------------------------------------------------------------------------------------

    def write(self, table: str, frame: pd.DataFrame) -> int:
        """Keep a batch; returns, once it is on disk, how many rows were new.

        A row whose ``seq`` (above 0), ``event_ns`` and instrument are stored already is the same row written again, and
        is left out: a writer that was cut off may repeat its last batches. Rows that no hub numbered get a negative
        ``seq`` that counts up in order of writing, so that ties within a nanosecond keep their order everywhere.
        Datetimes are converted by their unit and zone.

        Raises
        ------
        TableError
            The batch does not fit the table.
        HistoryError
            The disk is full, not writable, or another process holds the store; nothing of the batch was kept. A
            roll that fails afterwards is a row of ``problems``, never an error of the write.
        """
        schema = declared(table)
        batch = _without_repeats(schema, to_arrow(schema, schema.conform(in_nanoseconds(schema, frame))))
        if batch.num_rows == 0:
            return 0
        reach = extent(batch)
        unnumbered = bool((numbers(batch, "seq") <= 0).any())
        if unnumbered and reach.last_seq == 0 and self._upkeep.write_at_once(schema, batch):
            return int(batch.num_rows)
        blob = None if unnumbered else encode(batch)
        with self._manifest.change(f"write {table}") as connection:
            overlap = self._manifest.seq_overlap(connection, table, reach)
            if overlap.segments or overlap.log:
                fresh = self._pieces.unseen(schema, batch, overlap, reach)
                if fresh.num_rows < batch.num_rows:
                    batch, blob = fresh, None
            if unnumbered:
                batch = numbered(batch, self._manifest.next_row(connection, table))
            if batch.num_rows:
                blob = encode(batch) if blob is None else blob
                self._manifest.append(connection, table, extent(batch), blob)
        self._upkeep.wrote(table, batch.num_rows)
        return int(batch.num_rows)

    def note_recording(
        self, first_seq: int, feeds: Sequence[str], *, invented: bool, began_ns: int | None = None
    ) -> None:
        """Write down who records from ``first_seq`` on, and whether that market is invented."""
        recordings.note(self.folder, first_seq, feeds, invented=invented, began_ns=began_ns)

    # -- reading ------------------------------------------------------------------------------------------

    def recordings(self) -> pd.DataFrame:
        """Who recorded which rows, by ``seq``: first_seq, last_seq, feeds, invented, began_ns."""
        return recordings.noted(self.folder)

    def rows(
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
        names = chosen_instruments(schema, instruments)
        wanted = existing_columns(schema, columns)
        needed = needed_columns(schema, wanted, names is not None, not revisions)
        parts = self._pieces.read(schema, needed, to_ns(start), to_ns(end))
        if names is not None:
            parts = [of_instruments(part, names) for part in parts]
        if names is not None and not any(part.num_rows for part in parts):
            self._tell_unheard(table, names)
        if not parts:
            return schema.empty()[wanted]
        rows = pa.concat_tables(parts)
        if not revisions:
            rows = last_written(schema, rows)
        return to_frame(schema, time_sorted(rows).select(wanted))

    def _tell_unheard(self, table: str, names: Sequence[str]) -> None:
        """Warn, once each, of instruments of which the table holds no row at all."""
        asked = [name for name in names if (table, name) not in self._unheard]
        if not asked or table not in set(self.tables()["name"]):
            return
        held = self.sql(f"SELECT DISTINCT instrument FROM {table}")["instrument"].astype("str").tolist()
        for name in set(asked) - set(held):
            self._unheard.add((table, name))
            near = difflib.get_close_matches(name, held, 3)
            hint = f"; near it: {', '.join(near)}" if near else ""
            warnings.warn(f"{self.folder} holds no row of {name!r} in {table}{hint}", stacklevel=4)

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
        >>> history = EmbeddedHistory(Path(tempfile.mkdtemp()))
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
                if self._pieces.set_aside_wrong(view.segments):
                    continue
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
        """Forget rows with ``event_ns < now - seconds``; returns how many.

        ``now`` defaults to the table's newest row that is not ahead of the clock. A few rows far after all others
        (a print with a wrong date) are no measure either: both are told by ``problems`` and the rows before them count.

        Raises
        ------
        HistoryError
            ``now`` is ahead of the clock, or ``seconds`` is negative or no number.
        """
        schema = declared(table)
        if not seconds >= 0:
            raise HistoryError(f"cannot keep {seconds!r} seconds of {table}; give 0 or more")
        span_ns, reference = int(seconds * 1e9), to_ns(now)
        if reference is None:
            reference, told = newest_credible(self, schema, span_ns)
            if told:
                self._outliers[table] = told
        else:
            not_ahead(table, reference)
        return 0 if reference is None else self._upkeep.retain(schema, reference - span_ns)

    def verify(self) -> pd.DataFrame:
        """Read every page of every segment and batch, set aside what is damaged; returns ``problems()``."""
        with self._pieces.hold(list(TABLES)) as view:
            self._pieces.set_aside_damaged(view.segments)
        return self.problems()

    def problems(self) -> pd.DataFrame:
        """What is wrong with the store, as ``health`` rows: channel is the table, detail names the piece and the remedy.

        What was damaged and set aside; segments the manifest does not know (they are left where they are); that a
        write-ahead log was lost; rows retention does not go by. While rolling or merging fails (a full disk), a row
        with channel ``upkeep`` says why.
        """
        found = [
            problem(name, rows, first_ns, last_ns, f"{piece}: {reason}", found_ns=found_ns)
            for name, piece, rows, first_ns, last_ns, found_ns, reason in self._pieces.damaged()
        ]
        if self._manifest.behind and self.read_only:
            detail = f"history.sqlite ends {self._manifest.behind} batches before the last one written"
            found.append(problem("history.sqlite", 0, NO_TIME, NO_TIME, detail))
        found.extend(unknown_segment(self.folder, path) for path in self._pieces.unknown())
        found.extend(problem(name, 0, NO_TIME, NO_TIME, text, True) for name, text in self._outliers.items())
        if self._upkeep.failure:
            found.append(problem("upkeep", 0, NO_TIME, NO_TIME, self._upkeep.failure, True))
        return HEALTH.conform(pd.DataFrame(found)) if found else HEALTH.empty()

    @property
    def spill_folder(self) -> Path | None:
        """Where a recorder leaves what the store would not take."""
        return None if self.read_only else self.folder / "spill"

    @contextmanager
    def alone(self, work: str) -> Iterator[None]:
        """Wait until no other process does the same work on this store, and keep it so meanwhile."""
        if self.read_only:
            raise HistoryError(f"the history {self.folder} was opened to read only; {work} needs to write")
        with exclusive(self.folder / f"{work}.lock", wait=True):
            yield

    def close(self) -> None:
        """Stop the upkeep and close the files; may be called more than once."""
        self._upkeep.close()
        self._manifest.close()


log = logging.getLogger("workstation.history")

_ATTEMPTS = 20


def open_embedded(place: str, **options: Any) -> EmbeddedHistory:
    """The store in a folder."""
    return EmbeddedHistory(Path(place), **options)


def _reopen(folder: Path, options: EmbeddedOptions) -> EmbeddedHistory:
    return EmbeddedHistory(folder, **asdict(options))


def _without_repeats(table: Table, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with one row per identity where a hub numbered it."""
    seq = numbers(batch, "seq")
    if len(seq) < 2 or (np.diff(seq) > 0).all() or not (seq > 0).any():
        return batch
    identity = to_frame(table, pa.Table.from_batches([batch]).select(identity_columns(table)))
    repeated = identity.duplicated().to_numpy() & (seq > 0)
    return batch.filter(pa.array(~repeated)) if repeated.any() else batch
