"""A local server with InfluxDB 3's wire: v3 writes over HTTP, SQL over Flight, and misbehaviour on demand.

Lines are parsed by ``line-protocol-parser`` and queries answered by DataFusion: neither is ours.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import threading
import zlib
from collections import Counter, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pyarrow.flight as flight
from datafusion import SessionConfig, SessionContext
from line_protocol_parser import LineFormatError, parse_line

MOST_BYTES = 10 * 1024 * 1024
_TYPES = {bool: "boolean", int: "integer", float: "float", str: "string"}
_ARROW = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "string": pa.string(),
    "tag": pa.string(),
}
_PRECISIONS = {
    "second": 10**9, "s": 10**9, "millisecond": 10**6, "ms": 10**6, "microsecond": 10**3, "us": 10**3, "u": 10**3,
    "nanosecond": 1, "ns": 1, "n": 1,
}  # fmt: skip
_V3, _V2, _V1 = "/api/v3/write_lp", "/api/v2/write", "/write"
_VERSION = {"X-Influxdb-Version": "3.10.0", "X-Influxdb-Build": "Core"}
_BOUND = re.compile(r"time (>=|>|<=|<) TimestampNanosecond\((-?\d+), None\)")
_GEN1_NS = 600 * 10**9


class InfluxServer:
    """``with InfluxServer() as server``; ``server.url`` is its history address.

    Attributes
    ----------
    answers
        What the next write requests are answered instead: (status, headers, body); ``"cut"`` stores and closes the
        connection without an answer, ``"break"`` closes it before the body is read.
    hits
        Requests by path.
    file_limit, most_bytes, column_limit
        Limits a query or a write meets.
    log_seconds
        How long the server's log takes to be on disk: a write that asks for it is answered so much later.
    """

    def __init__(self, token: str = "") -> None:
        self.token, self.file_limit, self.most_bytes, self.column_limit = token, 432, MOST_BYTES, 500
        self.answers: deque[Any] = deque()
        self.hits: Counter[str] = Counter()
        self.queries: list[str] = []
        self.bodies: list[bytes] = []
        self.rows: dict[str, dict[Any, dict[str, Any]]] = {}
        self.columns: dict[str, dict[str, str]] = {}
        self.dictionaries = False
        self.log_seconds = 0.0
        self.lock = threading.RLock()
        self.port = 0
        self.connections: set[socket.socket] = set()
        self._http: ThreadingHTTPServer | None = None
        self._flight = _Flight(self)

    @property
    def url(self) -> str:
        return f"influxdb3://127.0.0.1:{self.port}/market?query_port={self._flight.port}"

    def __enter__(self) -> InfluxServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._flight.shutdown()

    def start(self) -> None:
        """Take writes, at the port of before."""
        self._http = ThreadingHTTPServer(
            ("127.0.0.1", self.port), type("Handler", (_Http,), {"influx": self})
        )
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None
            for connection in list(self.connections):
                with contextlib.suppress(OSError):  # the client may have closed it
                    connection.shutdown(socket.SHUT_RDWR)

    # -- writes -------------------------------------------------------------------------------------------

    def take(
        self, body: bytes, precision: str = "nanosecond", *, strict: bool = False
    ) -> list[dict[str, Any]]:
        """Store the lines that are good, none of them where it is strict and one is not; the errors of the others."""
        errors, good = [], []
        with self.lock:
            self.bodies.append(body)
            columns = {name: dict(kinds) for name, kinds in self.columns.items()}
            for number, line in enumerate(_lines(body.decode()), 1):
                try:
                    good.append(self._parsed(line, precision, columns))
                except (LineFormatError, ValueError) as error:
                    original = line.encode()[:20].decode(errors="ignore")
                    errors.append(
                        {"original_line": original, "line_number": number, "error_message": str(error)}
                    )
            if not (strict and errors):
                self.columns = columns
                for parsed in good:
                    self._store(parsed)
        return errors

    def _parsed(self, line: str, precision: str, columns: dict[str, dict[str, str]]) -> dict[str, Any]:
        """A line whose columns are of the types they are known by; new ones are added to ``columns``."""
        parsed = parse_line(line)
        name, fields = parsed["measurement"], parsed["fields"]
        kinds = dict.fromkeys(parsed["tags"], "tag") | {
            key: _TYPES[type(value)] for key, value in fields.items()
        }
        known = columns.get(name, {})
        for column, kind in kinds.items():
            if known.get(column, kind) != kind or column == "time":
                raise ValueError(
                    f"invalid column type for column '{column}', expected {_wire(known.get(column, 'time'))}, got {_wire(kind)}"
                )
        if len(known | kinds) > self.column_limit:
            raise _Limit(
                f"Update to schema would exceed number of columns per table limit of {self.column_limit}"
            )
        columns[name] = known | kinds
        parsed["time"] *= _PRECISIONS[precision] if precision != "auto" else _scale_of(parsed["time"])
        return parsed

    def _store(self, parsed: dict[str, Any]) -> None:
        key = (parsed["time"], tuple(sorted(parsed["tags"].items())))
        rows = self.rows.setdefault(parsed["measurement"], {})
        rows.setdefault(key, {"time": parsed["time"], **parsed["tags"]}).update(parsed["fields"])

    # -- queries ------------------------------------------------------------------------------------------

    def context(self) -> SessionContext:
        config = (
            SessionConfig().with_information_schema(True).with_default_catalog_and_schema("public", "iox")
        )
        context = SessionContext(config)
        with self.lock:
            files = [row for name in self.rows for row in self._files(name)]
            for name, rows in self.rows.items():
                context.register_record_batches(name, [self._table(name, list(rows.values())).to_batches()])
        schema = pa.schema(
            [("table_name", pa.string()), ("path", pa.string()), ("size_bytes", pa.int64()),
             ("row_count", pa.int64()), ("min_time", pa.int64()), ("max_time", pa.int64())]
        )  # fmt: skip
        context.sql("CREATE SCHEMA system").collect()
        context.register_record_batches("_files", [[pa.RecordBatch.from_pylist(files, schema=schema)]])
        context.sql("CREATE TABLE system.parquet_files AS SELECT * FROM _files").collect()
        context.deregister_table("_files")
        return context

    def _files(self, name: str) -> list[dict[str, Any]]:
        times: dict[int, list[int]] = {}
        for when, _ in self.rows[name]:
            times.setdefault(when // _GEN1_NS, []).append(when)
        return [
            {"table_name": name, "path": f"{name}/{bucket}.parquet", "size_bytes": 100 * len(held),
             "row_count": len(held), "min_time": min(held), "max_time": max(held)}
            for bucket, held in times.items()
        ]  # fmt: skip

    def _table(self, name: str, rows: list[dict[str, Any]]) -> pa.Table:
        fields, arrays = [], []
        for column, kind in self.columns[name].items():
            mark = "iox::column_type::tag" if kind == "tag" else f"iox::column_type::field::{kind}"
            values = pa.array([row.get(column) for row in rows], _ARROW[kind])
            if kind == "tag" and self.dictionaries:
                values = values.dictionary_encode()
            fields.append(pa.field(column, values.type, metadata={"iox::column::type": mark}))
            arrays.append(values)
        fields.append(pa.field("time", pa.timestamp("ns"), nullable=False))
        arrays.append(pa.array([row["time"] for row in rows], pa.timestamp("ns")))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def answer(self, query: str, params: dict[str, Any]) -> pa.Table:
        """The answer of DataFusion, if it touches few enough files."""
        with self.lock:
            self.queries.append(query)
        found = self.context().sql(query, param_values=params)
        plan = found.optimized_logical_plan().display_indent()
        for name in self.rows:
            if f"TableScan: iox.{name} " in plan or f"TableScan: {name} " in plan:
                self._check_files(name, plan)
        return found.to_arrow_table()

    def _check_files(self, name: str, plan: str) -> None:
        low, high = -(2**63), 2**63 - 1
        for sign, bound in _BOUND.findall(plan.replace(f"iox.{name}.", "").replace(f"{name}.", "")):
            if sign.startswith(">"):
                low = max(low, int(bound))
            else:
                high = min(high, int(bound) - (sign == "<"))
        touched = sum(file["max_time"] >= low and file["min_time"] <= high for file in self._files(name))
        if touched > self.file_limit:
            raise flight.FlightServerError(
                f"External error: Query would scan {touched} Parquet files, exceeding the file limit. Try adding a narrower time "
                "filter"
            )


def _scale_of(time: int) -> int:
    """Nanoseconds of a unit of time, told by its magnitude."""
    at = abs(time)
    return 10**9 if at < 5 * 10**9 else 10**6 if at < 5 * 10**12 else 10**3 if at < 5 * 10**15 else 1


class _Limit(Exception):
    """A limit of the database, which fails the whole request."""


def _wire(kind: str) -> str:
    return f"iox::column_type::{kind}" if kind in ("tag", "time") else f"iox::column_type::field::{kind}"


def _lines(text: str) -> list[str]:
    """Lines of a body; a line break inside a text ends none."""
    found, waiting, inside, index, fields = [], [], False, 0, False
    while index < len(text):
        mark = text[index]
        if mark == "\\" and index + 1 < len(text):
            waiting.append(text[index : index + 2])
            index += 2
            continue
        fields = fields or mark == " "
        if mark == '"' and fields:
            inside = not inside
        if mark == "\n" and not inside:
            found.append("".join(waiting))
            waiting, fields = [], False
        else:
            waiting.append(mark)
        index += 1
    found.append("".join(waiting))
    return [line for line in found if line.strip() and not line.startswith("#")]


class _Http(BaseHTTPRequestHandler):
    influx: InfluxServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        return

    def setup(self) -> None:
        super().setup()
        self.influx.connections.add(self.connection)

    def finish(self) -> None:
        self.influx.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        if self.path == "/ping":
            told = {
                "product_name": "InfluxDB 3 Core",
                "version": "3.10.0",
                "revision": "1",
                "process_id": "1",
            }
            self._reply(200, _VERSION, json.dumps(told).encode())
        elif self.path in ("/health", "/api/v1/health"):
            self._reply(200, {}, b"OK")
        else:
            self._reply(404, {}, b"not found")

    def do_POST(self) -> None:
        server, parts = self.influx, urlsplit(self.path)
        server.hits[parts.path] += 1
        planned = server.answers.popleft() if server.answers and "/write" in parts.path else None
        if planned == "break":
            self.rfile.read(16)
            self._hang_up()
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if isinstance(planned, tuple):
            self._reply(*planned)
            return
        status, headers, answer = self._answer(parts.path, parse_qs(parts.query), body)
        if planned == "cut":
            self._hang_up()
            return
        self._reply(status, headers, answer)

    def _answer(
        self, path: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        server = self.influx
        if server.token and self.headers.get("Authorization") not in (
            f"Bearer {server.token}",
            f"Token {server.token}",
        ):
            return 401, {}, b'{"error": "the request was not authenticated"}'
        if path == "/api/v3/configure/database":
            return 200, {}, b"{}"
        misasked = self._misasked(path, query)
        if misasked is not None:
            return misasked
        precision = query.get("precision", ["auto"])[0]
        refused, body = self._unpacked(body)
        if refused is not None:
            return refused
        partial = path == _V3 and query.get("accept_partial", ["true"])[0] == "true"
        answer = self._stored(body, precision, strict=not partial)
        if path == _V3 and query.get("no_sync", ["false"])[0] != "true" and answer[0] == 204:
            threading.Event().wait(server.log_seconds)
        if path != _V3 and answer[0] == 400:
            return 400, {"Content-Type": "application/json"}, b'{"code": "invalid", "message": "bad lines"}'
        return answer

    def _misasked(self, path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes] | None:
        """What a write whose address is wrong is answered."""
        if path not in (_V3, _V2, _V1):
            return 404, {}, b"not found"
        if not query:
            return 400, {}, b"missing query parameter 'db'"
        if "db" not in query and path == _V3:
            return 400, {}, b"serde error: missing field `db`"
        precision = query.get("precision", ["auto"])[0]
        if precision != "auto" and precision not in _PRECISIONS:
            return 400, {}, f"unknown precision {precision!r}".encode()
        return None

    def _unpacked(self, body: bytes) -> tuple[tuple[int, dict[str, str], bytes] | None, bytes]:
        most = self.influx.most_bytes
        too_large = (413, {}, f"max request size ({most} bytes) exceeded".encode())
        if len(body) > most:
            return too_large, b""
        encoding = self.headers.get("Content-Encoding", "identity")
        if encoding not in ("gzip", "identity"):
            return (400, {}, f"unacceptable content-encoding: {encoding}".encode()), b""
        if encoding == "gzip":
            try:
                body = gzip.decompress(body)
            except (OSError, EOFError, zlib.error):
                return (400, {}, b"bad gzip"), b""
        if len(body) > most:
            return too_large, b""
        try:
            body.decode()
        except UnicodeDecodeError:
            return (400, {}, b"body content is not valid utf8"), b""
        return (None if body.strip() else (400, {}, b"no data was given")), body

    def _stored(self, body: bytes, precision: str, *, strict: bool) -> tuple[int, dict[str, str], bytes]:
        server = self.influx
        try:
            errors = server.take(body, precision, strict=strict)
        except _Limit as error:
            return 422, {}, str(error).encode()
        if errors:
            told: dict[str, Any] = {"error": "partial write of line protocol occurred", "data": errors}
            if strict:
                told = {"error": "line protocol parsing error", "data": errors[0]}
            return 400, {"Content-Type": "application/json"}, json.dumps(told).encode()
        return 204, {"cluster-uuid": "here"}, b""

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)


class _Authorization(flight.ServerMiddlewareFactory):
    def __init__(self, influx: InfluxServer) -> None:
        super().__init__()
        self._influx = influx

    def start_call(self, info: Any, headers: Any) -> None:
        token = self._influx.token
        if token and headers.get("authorization") != [f"Bearer {token}"]:
            raise flight.FlightUnauthenticatedError("Unauthenticated")


class _Flight(flight.FlightServerBase):
    def __init__(self, influx: InfluxServer) -> None:
        super().__init__("grpc://127.0.0.1:0", middleware={"authorization": _Authorization(influx)})
        self._influx = influx

    def do_get(self, context: Any, ticket: Any) -> Any:
        asked = json.loads(ticket.ticket)
        if asked["database"] != "market" or not self._influx.rows:
            raise KeyError(f"Database '{asked['database']}' not found")
        try:
            found = self._influx.answer(asked["sql_query"], asked.get("params") or {})
        except flight.FlightError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever DataFusion raises is an error of the plan on this wire
            raise pa.ArrowInvalid(f"Error while planning query: {error}"[:2_000]) from None
        found = (
            found.cast(pa.schema([_plain(field) for field in found.schema]))
            if not self._influx.dictionaries
            else found
        )
        empty = pa.RecordBatch.from_pylist([], schema=found.schema)
        # A batch without rows goes before those with some: the server keeps the connection alive by them.
        return flight.GeneratorStream(
            found.schema, iter([empty, *found.to_batches(max_chunksize=1_000), empty])
        )


def _plain(field: pa.Field) -> pa.Field:
    if pa.types.is_string_view(field.type) or pa.types.is_large_string(field.type):
        return field.with_type(pa.string())
    return field
