"""The API over a desk with a few known rows, on a loopback port in a thread of its own."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pandas as pd
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.netutil import bind_sockets
from tornado.web import Application

from tests.unit.conftest import ASOF, option_marks
from workstation.access.roles import EVERYBODY, Caller
from workstation.api.routes import api_routes
from workstation.desk import Desk, open_desk

CANDLES = 7
PRINTS = 25
CONTRACT = "BTC/USD:BTC-261127-100000-C"


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class Client(NamedTuple):
    """Asks one server."""

    port: int

    def get(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET", **query: Any
    ) -> Reply:
        """One request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(
                method, path + ("?" + urlencode(query) if query else ""), headers=headers or {}
            )
            answer = connection.getresponse()
            kept = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, kept, answer.read())
        finally:
            connection.close()


def fill(desk: Desk) -> None:
    """Publish what the tests ask for."""
    desk.hub.publish("marks", option_marks())
    steps = range(PRINTS)
    prints = {"event_ns": [ASOF + one // 5 for one in steps], "instrument": CONTRACT, "price": 0.05, "size": 1.0,
              "print_number": [one + 1 for one in steps], "placement": "A"}  # fmt: skip
    desk.hub.publish("prints", pd.DataFrame(prints))
    for one in range(CANDLES):
        begin = ASOF + one * 60 * 10**9
        row = {"event_ns": [begin], "instrument": "BTC/USD:BTC", "every_ns": 60 * 10**9, "open": 1.0 + one, "close": 2.0,
               "closed": True}  # fmt: skip
        desk.hub.publish("candles", pd.DataFrame(row))
    alerts = {"event_ns": [ASOF, ASOF + 1], "alert_id": ["block:1", "wall:2"], "severity": ["high", "low"],
              "explanation": ["<b>bold</b>", "x"]}  # fmt: skip
    desk.hub.publish("alerts", pd.DataFrame(alerts))
    held = {
        "event_ns": [ASOF],
        "instrument": CONTRACT,
        "venue": "deribit",
        "account": "main",
        "quantity": -2.0,
    }
    desk.hub.publish("positions", pd.DataFrame(held))


@contextmanager
def serving(
    history: str | None, identify: Callable[[HTTPServerRequest], Caller | None] = lambda _: EVERYBODY
) -> Iterator[tuple[Client, Desk]]:
    """A running server and its desk."""
    desk = open_desk([], history)
    with ExitStack() as ending:
        # not started: a heartbeat of today would make the rows stale
        for sink in desk.sinks:
            sink.start()
            ending.callback(sink.close)
        ready, loops = threading.Event(), list[asyncio.AbstractEventLoop]()
        sockets = bind_sockets(0, "127.0.0.1")

        def run() -> None:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            loops.append(loop)
            same_site = lambda request: "Origin" not in request.headers  # noqa: E731
            server = HTTPServer(Application(api_routes(desk, identify, same_site)[0]))
            server.add_sockets(sockets)
            loop.call_soon(ready.set)
            loop.run_forever()
            server.stop()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert ready.wait(30)
        try:
            yield Client(sockets[0].getsockname()[1]), desk
        finally:
            loops[0].call_soon_threadsafe(loops[0].stop)
            thread.join(30)
