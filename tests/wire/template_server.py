"""A local venue that speaks the template's wire, and misbehaves on command."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

from aiohttp import WSMsgType, web


class TemplateServer:
    """``async with TemplateServer() as server``; ``server.url`` is its socket."""

    def __init__(self) -> None:
        self.port, self.silent = 0, False
        self.history: list[dict[str, Any]] = []
        self._seq = itertools.count(1)
        self._sockets: set[web.WebSocketResponse] = set()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    async def __aenter__(self) -> TemplateServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/ws", self._talk)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def stop(self) -> None:
        for socket in list(self._sockets):
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            async for message in socket:
                if self.silent:
                    continue
                if message.type is WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    asked = json.loads(message.data)
                    await socket.send_str(json.dumps({"id": asked["id"], **self._answer(asked)}))
        finally:
            self._sockets.discard(socket)
        return socket

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["op"] == "login":
            return {"error": "no such token"}
        if asked["op"] == "symbols":
            return {"symbols": ["BTC-USD", "ETH-USD"]}
        if asked["op"] == "history":
            wanted = [one for one in self.history if one["symbol"] == asked["symbol"]]
            return {
                "data": [one for one in wanted if asked["from_ms"] <= one["time_ms"] <= asked["to_ms"] + 1]
            }
        known = {"trades.BTC-USD", "trades.ETH-USD"}
        refused = {name: "no such channel" for name in asked["channels"] if name not in known}
        return {"granted": [name for name in asked["channels"] if name in known], "refused": refused}

    def trade(self) -> dict[str, Any]:
        """A new print, known to the history and not yet pushed."""
        seq = next(self._seq)
        made = {
            "id": str(seq), "seq": seq, "symbol": "BTC-USD", "price": 70_000.0 + seq, "size": 0.5,
            "side": "buy" if seq % 2 else "sell", "time_ms": time.time_ns() // 10**6,
        }  # fmt: skip
        self.history.append(made)
        return made

    async def push(self, *prints: dict[str, Any]) -> None:
        """Push prints in one message."""
        await self.push_raw(json.dumps({"channel": "trades.BTC-USD", "data": list(prints)}).encode())

    async def push_raw(self, payload: bytes) -> None:
        """Push bytes."""
        for socket in list(self._sockets):
            await socket.send_bytes(payload)
