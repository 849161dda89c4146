"""The history in an InfluxDB 3 server: lines in, Flight out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from workstation.history.arrow_codec import ORDER, is_keyed, time_sorted, to_frame
from workstation.history.embedded.problems import problem
from workstation.history.embedded.selection import chosen_instruments, existing_columns, needed_columns
from workstation.history.history import Capabilities, History, Time, to_ns
from workstation.history.influx import stored_columns
from workstation.history.influx.address import address
from workstation.history.influx.line_encoder import blocks
from workstation.history.influx.queries import QueryClient
from workstation.history.influx.write_requests import requests_of
from workstation.history.influx.writer import InfluxWriter
from workstation.history.newest_rows import groups_of, last_written, newest
from workstation.history.numbering import FIRST_UNNUMBERED
from workstation.history.written_times import in_nanoseconds
from workstation.market.errors import HistoryError, QueryError
from workstation.market.tables import HEALTH, NO_TIME, TABLES, Table
from workstation.market.tables import table as declared

_WRITER_BITS = 10


class InfluxHistory(History):
    """Every table is a table of one InfluxDB 3 database; its tags and its time name a row wholly.

    Differences from the embedded store: a row written again replaces itself, and ``write`` counts it as written; rows that
    wait on disk for the server are durable and not yet read; a read is no single moment; the server forgets by the
    retention of its database and compacts by itself; raw ``frames`` are refused.

    Parameters
    ----------
    place
        ``host:port/database?option=value``.
    options
        ``InfluxOptions`` by keyword.
    """

    def __init__(self, place: str, **options: Any) -> None:
        self._address = address(place, **options)
        self.url = self._address.url
        self.capabilities = Capabilities(
            one_moment=False, retention=False, compaction=False, recordings=False,
            notes="SQL dialect of the server's DataFusion; newest row per key in keyed tables; no raw frames; retention is the "
            "database's and set when it is made",
        )  # fmt: skip
        self._numbers = _WriteNumbers()
        self._queries = QueryClient(self._address)
        self._writer = InfluxWriter(self._address)
        if self._address.options.retention:
            try:
                self._writer.create_database()
            except BaseException:
                self.close()
                raise

    def __repr__(self) -> str:
        return f"InfluxHistory({self.url!r})"

    # -- writing ------------------------------------------------------------------------------------------

    def write(self, table: str, frame: pd.DataFrame) -> int:
        """Keep a batch; returns, once the server or the queue on disk has it, how many rows were taken.

        A row with the tags and time of a stored one replaces it. Rows that no hub numbered get a negative ``seq`` that counts
        up in order of writing. Rows the server refuses are left out of the count and told by ``problems``; their neighbours
        are kept.

        Raises
        ------
        TableError
            The batch does not fit the table, the line protocol, or the limits of the server. The server has nothing of a batch
            that does not fit the first two.
        HistoryError
            The token may not write, or the server is down and the queue has no room.
        """
        schema = declared(table)
        batch = schema.conform(in_nanoseconds(schema, frame))
        if not len(batch):
            return 0
        seq = batch["seq"].to_numpy()
        last_seq = int(seq.max())
        order = None
        if is_keyed(schema) or last_seq <= 0 or bool((seq <= 0).any()):
            numbers = self._numbers.next(len(batch))
            batch = batch.assign(seq=np.where(seq > 0, seq, FIRST_UNNUMBERED + numbers))
            order = numbers if is_keyed(schema) else None
        made = list(blocks(schema, batch, order))  # all is checked before anything is sent
        return self._writer.write(
            requests_of(table, iter(made), self._address.options.request_bytes), last_seq
        )

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until no write waits on disk; False when it is not in time."""
        return self._writer.flush(timeout)

    @property
    def waiting(self) -> int:
        """Rows that wait on disk for the server."""
        return self._writer.waiting

    # -- reading ------------------------------------------------------------------------------------------

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
        """Rows with ``start <= event_ns < end``, sorted by (event_ns, seq); in windows the server can read.

        Parameters and errors are those of ``History.read``.
        """
        schema = declared(table)
        names = chosen_instruments(schema, instruments)
        wanted, begin, end_ns = existing_columns(schema, columns), to_ns(start), to_ns(end)
        needed = needed_columns(schema, wanted, names is not None, not revisions)
        held = self._queries.held().get(table)
        if held is None:
            return schema.empty()[wanted]
        chosen = f" AND {_among(names)}" if names is not None else ""
        query = f'SELECT {stored_columns.selected(schema, needed, held)} FROM iox."{table}" WHERE {{time}}{chosen}'
        parts = [
            stored_columns.to_stored(schema, part, needed)
            for window in self._queries.windows(table, begin, end_ns)
            for part in self._queries.in_window(query, *window)
        ]
        return _frame(schema, parts, wanted, revisions=revisions)

    def sql(self, query: str, **params: Any) -> pd.DataFrame:
        """The answer to one SELECT, as the embedded store gives it: the same tables, columns and ``time``.

        The server must be able to read the time it covers at once (72 hours unless it was started with a larger
        ``--query-file-limit``): bound it by ``time``.

        Raises
        ------
        QueryError
            It is not a SELECT, covers more files than the server opens, or cannot be answered; the message is the server's.
        """
        if query.lstrip().split(None, 1)[:1] and query.lstrip().split(None, 1)[0].upper() not in (
            "SELECT",
            "WITH",
        ):
            raise QueryError(
                f"history is only read by SQL; rows come in by `write`; in: {query.strip()[:200]}"
            )
        held = self._queries.held()
        tables = {name: held.get(name) for name in stored_columns.tables_in(query)}
        values = {name: stored_columns.parameter(name, value) for name, value in params.items()}
        return stored_columns.answer(self._queries.ask(stored_columns.with_tables(query, tables), values))

    def latest(self, table: str) -> pd.DataFrame:
        """The newest row of every group, as the embedded store groups them; found by the server, window by window."""
        schema = declared(table)
        held = self._queries.held().get(table)
        if held is None:
            return schema.empty()
        needed = [*schema.names, *([ORDER] if is_keyed(schema) else [])]
        groups = ", ".join(f'"{name}"' for name in groups_of(schema) if name in held) or "1"
        inner = (
            f'SELECT *, max("time") OVER (PARTITION BY {groups}) AS "_last" FROM iox."{table}" WHERE {{time}}'
        )
        query = (
            f'SELECT {stored_columns.selected(schema, needed, held)} FROM ({inner}) WHERE "time" = "_last"'
        )
        parts = [
            stored_columns.to_stored(schema, part, needed)
            for begin, until in self._queries.windows(table, None, None)
            for part in self._queries.in_window(query, begin, until)
        ]
        if not parts:
            return schema.empty()
        rows = newest(schema, time_sorted(pa.concat_tables(parts)), groups_of(schema))
        return to_frame(schema, rows.select(list(schema.names)))

    def table_names(self) -> frozenset[str]:
        """Names of the tables that hold rows."""
        return frozenset(self._queries.held()) & frozenset(TABLES)

    def tables(self) -> pd.DataFrame:
        """One row per table that holds rows: name, rows (revisions included), first and last event_ns; bytes and segments of
        what lies in files, 0 where the server does not tell."""
        names = ["name", "rows", "first_event_ns", "last_event_ns", "bytes", "segments"]
        found = []
        for name in sorted(self.table_names()):
            parts = self._whole(
                name, 'count(*) AS "rows", CAST(min("time") AS BIGINT) AS a, CAST(max("time") AS BIGINT) AS b'
            )
            rows = sum(part["rows"] for part in parts)
            if not rows:
                continue
            files = self._queries.ask(
                f"SELECT coalesce(sum(size_bytes), 0) AS b, count(*) AS n FROM system.parquet_files WHERE table_name = '{name}'"
            ).to_pylist()[0]
            known = [part for part in parts if part["rows"]]
            first, last = min(part["a"] for part in known), max(part["b"] for part in known)
            found.append((name, rows, first, last, int(files["b"]), int(files["n"])))
        return pd.DataFrame(found, columns=names)

    def _whole(self, table: str, columns: str) -> list[dict[str, Any]]:
        query = f'SELECT {columns} FROM iox."{table}" WHERE {{time}}'
        return [
            row
            for begin, until in self._queries.windows(table, None, None)
            for part in self._queries.in_window(query, begin, until)
            for row in part.to_pylist()
        ]

    def last_seq(self) -> int:
        """Highest ``seq`` of any row, also of those that wait on disk; 0 when none."""
        highest = self._writer.last_seq
        for name in self.table_names():
            for row in self._whole(name, 'max(CAST("seq" AS BIGINT)) AS top'):
                highest = max(highest, row["top"] or 0)
        return highest

    # -- upkeep -------------------------------------------------------------------------------------------

    def retain(self, table: str, seconds: float, now: Time | None = None) -> int:
        """Refused: the server forgets by the retention of its database."""
        raise HistoryError(
            f"InfluxDB 3 forgets by the retention of a database, not {table} of it; open it with retention='30d' before its "
            "first write"
        )

    def compact(self, table: str | None = None) -> int:
        """Refused: the server compacts by itself."""
        raise HistoryError("InfluxDB 3 compacts by itself; there is nothing to ask for")

    def problems(self) -> pd.DataFrame:
        """Rows the server refused, and why writes wait on disk, as rows of the ``health`` table."""
        found = [
            problem(
                one.table, 1, NO_TIME, NO_TIME, f"row {one.row} refused: {one.reason}; {one.line}".strip("; ")
            )
            for one in list(self._writer.rejected)
        ]
        waiting = self._writer.waiting
        if waiting:
            detail = f"{waiting} rows wait in {self._address.queue}: {self._writer.failure or 'being sent'}"
            found.append(problem("queue", waiting, NO_TIME, NO_TIME, detail, True))
        return HEALTH.conform(pd.DataFrame(found)) if found else HEALTH.empty()

    def close(self) -> None:
        """Close the connections; what waits stays on disk. May be called more than once."""
        self._writer.close()
        self._queries.close()


def open_influx(place: str, **options: Any) -> InfluxHistory:
    """The store at an address without its scheme."""
    return InfluxHistory(place, **options)


class _WriteNumbers:
    """Numbers that count up in order of writing, by the clock, so that two processes and a restart keep the order too.

    A number is the microsecond of writing, or the one after the last, and the writer in its last ten bits.
    """

    def __init__(self) -> None:
        self._last = 0
        self._writer = int.from_bytes(os.urandom(2), "big") % (1 << _WRITER_BITS)

    def next(self, rows: int) -> npt.NDArray[np.int64]:
        """So many numbers, shape (rows,)."""
        first = max(self._last + 1, time.time_ns() // 1_000)
        self._last = first + rows - 1
        return (np.arange(first, first + rows, dtype=np.int64) << _WRITER_BITS) | self._writer


def _among(names: Sequence[str]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f'"instrument" IN ({quoted})' if names else "false"


def _frame(table: Table, parts: list[pa.Table], wanted: Sequence[str], *, revisions: bool) -> pd.DataFrame:
    if not parts:
        return table.empty()[list(wanted)]
    rows = pa.concat_tables(parts)
    if not revisions:
        rows = last_written(table, rows)
    return to_frame(table, time_sorted(rows).select(list(wanted)))
