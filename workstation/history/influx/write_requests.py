"""Write requests of the v3 endpoint: what is sent, and what the answer means for each row."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson
import urllib3

from workstation.history.influx.address import TOKEN_VARIABLE, Address
from workstation.history.influx.line_encoder import Lines
from workstation.market.errors import HistoryError, HistoryUnreachable, TableError
from workstation.market.retry_after import seconds_until_retry


class ServerDown(HistoryUnreachable):
    """The server cannot be reached or is overloaded: the same request may succeed later.

    ``retry_after`` is what the server asked to wait, in seconds; None when it did not.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


@dataclass(frozen=True)
class Request:
    """Lines of one table that are sent together; the first is row ``first_row`` of its batch."""

    table: str
    body: bytes
    rows: int
    first_row: int = 0


@dataclass(frozen=True)
class Rejection:
    """A row the server did not take, its line and the server's reason."""

    table: str
    row: int
    line: str
    reason: str


def requests_of(table: str, blocks: Iterator[Lines], most: int) -> Iterator[Request]:
    """Requests of at most so many bytes, cut between lines.

    Raises
    ------
    TableError
        One line is longer than a request may be.
    """
    waiting: list[bytes] = []
    size, rows, first_row = 0, 0, 0
    for block in blocks:
        begin, count = 0, len(block.ends)
        done = 0
        while done < count:
            fits = int(block.ends.searchsorted(begin + most - size, side="right"))
            if fits <= done and not waiting:
                raise TableError(
                    table, "", first_row + rows, f"its line is longer than the {most} bytes of a request"
                )
            if fits > done:
                end = int(block.ends[fits - 1])
                waiting.append(block.text[begin:end])
                size, rows = size + end - begin, rows + fits - done
                begin, done = end, fits
            if done < count:
                yield Request(table, b"".join(waiting), rows, first_row)
                first_row, waiting, size, rows = first_row + rows, [], 0, 0
    if waiting:
        yield Request(table, b"".join(waiting), rows, first_row)


class WriteClient:
    """Posts requests to ``/api/v3/write_lp``, and to no other endpoint."""

    def __init__(self, address: Address) -> None:
        self._address = address
        options = address.options
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(options.timeout_seconds), retries=False, maxsize=2, block=True
        )

    def send(self, request: Request) -> list[Rejection]:
        """Send a request; the rows the server did not take. A request too large for the server is halved.

        Raises
        ------
        ServerDown
            No connection, or no whole answer, or 429 or a 5xx: it may have been stored, and sending it again doubles nothing.
        TableError
            The server will never take it (a limit of tables or columns, text it cannot read).
        HistoryError
            The token is wrong or may not write, or the server has no v3 endpoint.
        """
        options = self._address.options
        headers = {"Content-Type": "text/plain; charset=utf-8", "Accept": "application/json"}
        body = request.body
        if options.gzip_level:
            body = gzip.compress(body, options.gzip_level, mtime=0)
            headers["Content-Encoding"] = "gzip"
        if self._address.token:
            headers["Authorization"] = f"Bearer {self._address.token}"
        query = {"db": self._address.database, "precision": "nanosecond", "accept_partial": "true"}
        query["no_sync"] = "true" if options.no_sync else "false"
        target = f"{self._address.server}/api/v3/write_lp?{urlencode(query)}"
        try:
            answer = self._pool.request("POST", target, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise ServerDown(f"{self._address.server} does not answer: {error}") from error
        if answer.status == 413:
            return self._halved(request)
        return self._judged(request, answer.status, answer.data, answer.headers.get("Retry-After"))

    def _halved(self, request: Request) -> list[Rejection]:
        if request.rows < 2:
            raise TableError(request.table, "", request.first_row, "its line is too large for the server")
        lines = list(split_lines(request.body))
        half = len(lines) // 2
        first = Request(request.table, b"".join(lines[:half]), half, request.first_row)
        second = Request(request.table, b"".join(lines[half:]), request.rows - half, request.first_row + half)
        return self.send(first) + self.send(second)

    def _judged(self, request: Request, status: int, data: bytes, retry_after: str | None) -> list[Rejection]:
        server, text = self._address.server, data.decode(errors="replace")[:2_000]
        if 200 <= status < 300:
            return []
        if status == 429 or status >= 500:
            raise ServerDown(f"{server} answers {status}: {text}", seconds_until_retry(retry_after))
        if status in (401, 403):
            raise HistoryError(
                f"{server} answers {status}: {text}; give a token that may write to {self._address.database} as "
                f"token= or in {TOKEN_VARIABLE}"
            )
        if status in (404, 405):
            raise HistoryError(
                f"{server} answers {status} to /api/v3/write_lp: it is no InfluxDB 3 Core or Enterprise, and the v2 "
                f"endpoint names no bad rows; {text}"
            )
        rejected = rejections(request, data) if status == 400 else []
        if not rejected:
            raise TableError(request.table, "", request.first_row, f"{server} answers {status}: {text}")
        return rejected

    def create_database(self) -> None:
        """Make the database with its retention, where it does not exist.

        Raises
        ------
        HistoryError
            The server did not make it.
        """
        asked = {"db": self._address.database, "retention_period": self._address.options.retention}
        headers = {"Content-Type": "application/json"}
        if self._address.token:
            headers["Authorization"] = f"Bearer {self._address.token}"
        try:
            answer = self._pool.request(
                "POST", f"{self._address.server}/api/v3/configure/database", body=orjson.dumps(asked), headers=headers
            )  # fmt: skip
        except urllib3.exceptions.HTTPError as error:
            raise ServerDown(f"{self._address.server} does not answer: {error}") from error
        if answer.status not in (200, 201, 409):
            text = answer.data.decode(errors="replace")[:2_000]
            raise HistoryError(f"{self._address.server} made no database {asked}: {answer.status} {text}")

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


def split_lines(body: bytes) -> Iterator[bytes]:
    r"""Lines with their line breaks; one inside a quoted text ends none.

    Examples
    --------
    >>> list(split_lines(b'm f="a\nb" 1\nm f="\\"" 2\n'))
    [b'm f="a\nb" 1\n', b'm f="\\"" 2\n']
    """
    waiting = b""
    for piece in body.split(b"\n"):
        waiting += piece + b"\n"
        # Quotes count behind the tags; in a text each is escaped, and a backslash before one is escaped by another.
        texts = _BEFORE_FIELDS.sub(b"", waiting, count=1).replace(b"\\\\", b"").replace(b'\\"', b"")
        if texts.count(b'"') % 2 == 0:
            if waiting != b"\n":
                yield waiting
            waiting = b""


_BEFORE_FIELDS = re.compile(rb"\A(?:\\.|[^ \\])* ", re.DOTALL)


def rejections(request: Request, data: bytes) -> list[Rejection]:
    """Rows that an answer of 400 names; none when it names no line."""
    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError:
        return []
    named = told.get("data") if isinstance(told, dict) else None
    if not isinstance(named, list):
        return []
    lines = list(split_lines(request.body))
    found = []
    for one in named:
        number = int(one["line_number"]) - 1
        line = lines[number].decode(errors="replace").rstrip("\n") if 0 <= number < len(lines) else ""
        found.append(Rejection(request.table, request.first_row + number, line, str(one["error_message"])))
    return found
