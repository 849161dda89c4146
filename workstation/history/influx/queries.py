"""Questions to the server over Flight, in windows where a table is longer than one may read at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import influxdb_client_3
import pyarrow as pa

from workstation.history.influx.address import TOKEN_VARIABLE, Address
from workstation.history.influx.write_requests import ServerDown
from workstation.market.errors import HistoryError, QueryError

_TOO_WIDE = (
    "file limit",
    "RESOURCE_EXHAUSTED",
    "Resource exhausted",
    "resources exhausted",
    "Resources exhausted",
)
_LEAST_NS = 60 * 10**9
_CLIENT: Any = influxdb_client_3.InfluxDBClient3
_CLIENT_ERROR: Any = influxdb_client_3.InfluxDB3ClientQueryError  # type: ignore[attr-defined]


class TooWide(QueryError):
    """A query touches more files, or takes more memory, than the server allows."""


class QueryClient:
    """The client's Flight queries, with errors of ours."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client: Any = _CLIENT(
            host=address.server,
            database=address.database,
            token=address.token or "none",  # the client insists on one; a server without tokens reads none
            query_port_overwrite=address.options.query_port or None,
            query_timeout=int(address.options.timeout_seconds * 1_000),
        )

    def ask(self, query: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """The answer to a query in the server's SQL.

        Raises
        ------
        ServerDown
            The server does not answer.
        TooWide
            It would touch too many files; ask for less time at once.
        QueryError
            It cannot be answered.
        HistoryError
            The token may not read.
        """
        try:
            return self._client.query(
                query=query, language="sql", mode="all", query_parameters=dict(params or {})
            )
        except (_CLIENT_ERROR, pa.ArrowException) as error:
            raise self._in_words(str(error), query) from error

    def _in_words(self, reason: str, query: str) -> HistoryError:
        server = self._address.server
        if any(word in reason for word in _TOO_WIDE):
            return TooWide(
                f"{reason}; ask for less time at once, or start the server with a larger --query-file-limit; in: {query[:500]}"
            )
        if "nauthenticated" in reason or "UNAUTHENTICATED" in reason or "PERMISSION_DENIED" in reason:
            return HistoryError(
                f"{server} answers: {reason}; give a token that may read {self._address.database} as token= or in {TOKEN_VARIABLE}"
            )
        if (
            "Unavailable" in reason
            or "UNAVAILABLE" in reason
            or "failed to connect" in reason
            or "Timeout" in reason
        ):
            return ServerDown(f"{server} does not answer: {reason}")
        return QueryError(f"the query cannot be answered: {reason}; in: {query.strip()[:500]}")

    def held(self) -> dict[str, frozenset[str]]:
        """Columns of every table of the database, by name; none when the database does not exist."""
        query = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'iox'"
        try:
            found = self.ask(query).to_pydict()
        except QueryError as error:
            if "Database" in str(error) and "not found" in str(error):
                return {}
            raise
        tables: dict[str, set[str]] = {}
        for table, column in zip(found["table_name"], found["column_name"], strict=True):
            tables.setdefault(table, set()).add(column)
        return {name: frozenset(columns) for name, columns in tables.items()}

    def extent(self, table: str) -> tuple[int, int] | None:
        """First and last time of a table's rows in ns, None when it has none.

        A table that has more files than one query may open is measured by its files, and by what is not in one yet as far as
        that lies in the newest window.
        """
        try:
            return _bounds(
                self.ask(
                    f'SELECT CAST(min("time") AS BIGINT) AS a, CAST(max("time") AS BIGINT) AS b FROM iox."{table}"'
                )
            )
        except TooWide:
            files = self.ask(
                "SELECT min(min_time) AS a, max(max_time) AS b FROM system.parquet_files "
                f"WHERE table_name = '{table}'"
            )
            bounds = _bounds(files)
            if bounds is None:
                raise
        newer = self.ask(
            f'SELECT CAST(min("time") AS BIGINT) AS a, CAST(max("time") AS BIGINT) AS b FROM iox."{table}" '
            f'WHERE "time" >= to_timestamp_nanos({bounds[1]})'
        )
        later = _bounds(newer)
        return bounds if later is None else (bounds[0], max(bounds[1], later[1]))

    def windows(self, table: str, start: int | None, end: int | None) -> Iterator[tuple[int, int]]:
        """Windows of at most ``window_hours`` that cover the rows asked for, oldest first."""
        extent = self.extent(table)
        if extent is None:
            return
        begin = extent[0] if start is None else max(start, extent[0])
        last = extent[1] + 1 if end is None else min(end, extent[1] + 1)
        step = int(self._address.options.window_hours * 3600e9)
        while begin < last:
            until = min(begin + step, last)
            yield begin, until
            begin = until

    def in_window(self, query: str, begin: int, until: int) -> Iterator[pa.Table]:
        """Answers to a query with ``{time}`` for its condition on time, over ever shorter windows until the server agrees."""
        condition = f'"time" >= to_timestamp_nanos({begin}) AND "time" < to_timestamp_nanos({until})'
        try:
            answer = self.ask(query.replace("{time}", condition))
        except TooWide:
            if until - begin < _LEAST_NS:
                raise
            middle = (begin + until) // 2
            yield from self.in_window(query, begin, middle)
            yield from self.in_window(query, middle, until)
            return
        yield answer

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _bounds(answer: pa.Table) -> tuple[int, int] | None:
    first, last = answer.column("a")[0], answer.column("b")[0]
    if not first.is_valid or not last.is_valid:
        return None
    return int(first.cast(pa.int64()).as_py()), int(last.cast(pa.int64()).as_py())
