"""A session of a served page without a browser: what a tab says to Bokeh's server."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

SECONDS = 90.0
_READY = {
    "events": [
        {
            "kind": "MessageSent", "msg_type": "bokeh_event",
            "msg_data": {"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}},
        }
    ]
}  # fmt: skip


def fetch(url: str) -> str:
    """The body at this address."""
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return str(answer.read().decode())


class Tab:
    """What a browser's tab says to Bokeh's server, without a browser."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._answers: dict[str, str] = {}
        """Model by model whose ``tags`` a script of the page copies into another: that one."""

    @classmethod
    async def open(cls, url: str, page: str, query: str = "") -> Tab:
        """Open a dashboard's page, with the choices of ``query``, and let it become live."""
        html = await asyncio.to_thread(fetch, f"{url}/{page}{query}")
        token = re.search(r'"token":\s*"([^"]+)"', html)
        assert token is not None, html[:2000]
        address = f"{url.replace('http', 'ws', 1)}/{page}/ws"
        tab = cls(await websocket_connect(address, subprotocols=["bokeh", token[1]]))
        await tab.hear("ACK")
        await tab.say("PULL-DOC-REQ", {})
        await tab.hear("PULL-DOC-REPLY")
        await tab.say("PATCH-DOC", _READY)
        return tab

    async def hear(self, kind: str) -> None:
        """Read messages up to one of this kind."""
        while True:
            header, _, content = [await self._socket.read_message() for _ in range(3)]
            assert header is not None, f"the server closed the connection before {kind}"
            told: dict[str, Any] = json.loads(header)
            for _ in range(2 * told.get("num_buffers", 0)):
                await self._socket.read_message()
            if told["msgtype"] in ("PULL-DOC-REPLY", "PATCH-DOC"):
                await self._heed(json.loads(content))
            if told["msgtype"] == kind:
                return

    async def _heed(self, content: Any) -> None:
        """Do what the page's scripts do: say that a picture has been painted."""
        self._answers.update(_answering(content))
        for event in content.get("events", ()):
            answer = self._answers.get(event.get("model", {}).get("id", "")) if "model" in event else None
            if answer and event.get("attr") == "tags":
                painted = {
                    "kind": "ModelChanged",
                    "model": {"id": answer},
                    "attr": "tags",
                    "new": event["new"],
                }
                await self.say("PATCH-DOC", {"events": [painted]})

    async def say(self, kind: str, content: dict[str, Any]) -> None:
        """Send one message."""
        for part in ({"msgid": secrets.token_hex(8), "msgtype": kind}, {}, content):
            await self._socket.write_message(json.dumps(part))

    async def listen(self) -> None:
        """Take all that is sent, for ever."""
        await self.hear("")

    def close(self) -> None:
        """Leave."""
        self._socket.close()


@contextmanager
def listening(url: str, page: str, query: str, count: int) -> Iterator[None]:
    """``count`` live sessions of a page, which take all they are sent and draw nothing."""

    async def live() -> None:
        tabs = [await Tab.open(url, page, query) for _ in range(count)]
        opened.set()
        heard = asyncio.gather(*(tab.listen() for tab in tabs))
        await asyncio.to_thread(ended.wait)
        heard.cancel()
        await asyncio.gather(heard, return_exceptions=True)
        for tab in tabs:
            tab.close()

    opened, ended = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(asyncio.run, live())
        run.add_done_callback(lambda _: opened.set())
        opened.wait()
        try:
            yield
        finally:
            ended.set()
    run.result()


def _answering(content: Any) -> Iterator[tuple[str, str]]:
    """Ids of the models in a message on whose change of ``tags`` a script answers, and of what it answers with."""
    if isinstance(content, list):
        for part in content:
            yield from _answering(part)
    elif isinstance(content, dict):
        attributes = content.get("attributes", {})
        for event, scripts in attributes.get("js_property_callbacks", {}).get("entries", ()):
            for script in scripts if event == "change:tags" else ():
                for name, model in script.get("attributes", {}).get("args", {}).get("entries", ()):
                    if name == "answer":
                        yield content["id"], model["id"]
        for part in content.values():
            yield from _answering(part)
