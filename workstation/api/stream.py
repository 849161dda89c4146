"""Live alerts and candles over a websocket: each client has a bounded queue; what it is too slow for is counted and told to it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from workstation.access.roles import Caller
from workstation.api.encoding import as_json
from workstation.api.handlers import Backend
from workstation.api.parameters import TEXT_LIMIT, Parameter, RequestError, duration, read_query, text
from workstation.streams.hub import Hub

TABLES = ("alerts", "candles")
CLIENTS, QUEUED, ROWS = 64, 64, 500
"""Clients at once, batches that wait for one of them, and rows of one message."""
BRANCH = "api stream"


def _tables(value: str) -> tuple[str, ...]:
    names = tuple(value.split(","))
    if set(names) - set(TABLES):
        raise ValueError(f"is none of {', '.join(TABLES)}, separated by commas")
    return names


PARAMETERS = (
    Parameter("tables", "alerts, candles or both, separated by a comma.", _tables, default=TABLES),
    Parameter("instrument", "Only rows of this instrument.", text),
    Parameter("every", "Only candles of this length.", duration),
)


class _Waiting(NamedTuple):
    table: str
    rows: pd.DataFrame


class Client:
    """The bounded queue of one client; rows are put by the hub's thread and taken by the server's.

    Examples
    --------
    >>> client = Client(TABLES, None, None, lambda: None, limit=1)
    >>> for seq in (1, 2):
    ...     client.put("alerts", pd.DataFrame({"seq": [seq]}))
    >>> dropped, waiting = client.take()
    >>> dropped, waiting.rows["seq"].tolist()
    (1, [2])
    """

    def __init__(
        self,
        tables: tuple[str, ...],
        instrument: str | None,
        every_ns: int | None,
        wake: Callable[[], None],
        limit: int = QUEUED,
    ) -> None:
        self._tables, self._instrument, self._every_ns = tables, instrument, every_ns
        self._wake, self._limit = wake, limit
        self._waiting: deque[_Waiting] = deque()
        self._dropped = 0
        self._lock = threading.Lock()

    def put(self, table: str, rows: pd.DataFrame) -> None:
        """Queue what the client wants of a batch; the oldest batch makes room."""
        if table not in self._tables:
            return
        if self._instrument is not None:
            rows = rows[(rows["instrument"] == self._instrument).to_numpy(dtype=bool, na_value=False)]
        if self._every_ns is not None and table == "candles":
            rows = rows[(rows["every_ns"] == self._every_ns).to_numpy()]
        if not len(rows):
            return
        with self._lock:
            if len(self._waiting) >= self._limit:
                self._dropped += len(self._waiting.popleft().rows)
            idle = not self._waiting
            self._waiting.append(_Waiting(table, rows))
        if idle:
            self._wake()

    def take(self) -> tuple[int, _Waiting | None]:
        """Rows dropped since the last call, and the oldest batch."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
            return dropped, self._waiting.popleft() if self._waiting else None


class Fan:
    """Hands the hub's rows to all clients."""

    def __init__(self, hub: Hub) -> None:
        self.clients: frozenset[Client] = frozenset()
        self.open: set[StreamHandler] = set()
        self._lock = threading.Lock()
        if BRANCH not in hub.branches:
            hub.attach(BRANCH, TABLES, self.put)

    def put(self, table: str, frame: pd.DataFrame) -> None:
        """Queue a batch at every client; never waits."""
        for client in self.clients:
            client.put(table, frame)

    def add(self, client: Client) -> bool:
        """Take a client; False when there are too many."""
        with self._lock:
            if len(self.clients) >= CLIENTS:
                return False
            self.clients |= {client}
            return True

    def end_strangers(self) -> None:
        """Close the sockets of callers whose session has ended; on the server's loop."""
        for handler in list(self.open):
            handler.end_stranger()

    def remove(self, client: Client) -> None:
        """Let a client go."""
        with self._lock:
            self.clients -= {client}


class StreamHandler(WebSocketHandler):
    """One client: JSON messages, first ``{"tables", "after_seq"}``, then ``{"table", "rows"}``, and ``{"dropped": n}`` before the next one when it was too slow."""

    def initialize(self, backend: Backend, fan: Fan, check: Callable[[HTTPServerRequest], bool]) -> None:
        """Take what is shared."""
        self._backend, self._fan, self._same_site = backend, fan, check
        self._client: Client | None = None
        self._sending = False
        self._loop = IOLoop.current()

    def check_origin(self, origin: str) -> bool:
        """A page of another site may not listen with this one's cookie."""
        return self._same_site(self.request)

    def prepare(self) -> None:
        """Refuse strangers and wrong parameters before the connection becomes a websocket."""
        self._caller: Caller | None = self._backend.identify(self.request)
        if self._caller is None:
            return self._refuse(401, "", "log in, or send a machine token")
        try:
            self._values = read_query(PARAMETERS, self.request.query_arguments)
        except RequestError as error:
            return self._refuse(error.status, error.parameter, error.reason_text)
        return None

    def _refuse(self, status: int, parameter: str, message: str) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        RequestHandler.finish(
            self, as_json({"error": {"status": status, "parameter": parameter, "message": message}})
        )

    async def open(self, *_: str, **__: str) -> None:
        """Begin to listen; the first message says after which ``seq``: older rows are in /api/alerts and /api/candles."""
        wake = lambda: self._loop.add_callback(self._send)  # noqa: E731 - from the hub's thread
        self._client = Client(self._values["tables"], self._values["instrument"], self._values["every"], wake)
        if not self._fan.add(self._client):
            self._client = None
            self.close(1013, "too many clients listen; try again later")
            return
        self._fan.open.add(self)
        self._backend.metrics.streams.inc()
        first = self._backend.desk.hub.next_seq - 1
        await self.write_message(as_json({"tables": list(self._values["tables"]), "after_seq": first}))

    def end_stranger(self) -> None:
        """Close where the caller is nobody any more."""
        if self._backend.identify(self.request) is None:
            self.close(4401, "the session has ended")

    def on_message(self, message: str | bytes) -> None:
        """Clients have nothing to say."""
        self.close(1008, f"this socket only sends; choose rows by its address ({TEXT_LIMIT} characters)")

    async def _send(self) -> None:
        """Write all that waits; one message at a time, each only after the one before has left."""
        if self._sending or self._client is None:
            return
        self._sending = True
        try:
            while self._client is not None:
                if self._backend.identify(self.request) is None:
                    self.close(4401, "the session has ended")
                    return
                dropped, waiting = self._client.take()
                if dropped:
                    self._backend.metrics.dropped.inc(dropped)
                    await self.write_message(as_json({"dropped": dropped}))
                if waiting is None:
                    return
                for begin in range(0, len(waiting.rows), ROWS):
                    part: Any = waiting.rows.iloc[begin : begin + ROWS]
                    await self.write_message(as_json({"table": waiting.table, "rows": part}))
        except WebSocketClosedError:
            return
        finally:
            self._sending = False

    def on_close(self) -> None:
        """Listen no more."""
        self._fan.open.discard(self)
        if self._client is not None:
            self._fan.remove(self._client)
            self._client = None
            self._backend.metrics.streams.dec()
