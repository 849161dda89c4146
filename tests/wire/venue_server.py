"""A local venue of websockets and REST, to be given a wire: life, sockets, silence and pushes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import WSMsgType, web


class VenueServer:
    """One venue on a free port of 127.0.0.1.

    Attributes
    ----------
    history
        Prints the venue knows, whether or not it pushed them; REST answers come from here.
    silent
        When set, nothing is answered, not even pings.
    ahead_ms
        How far the venue's clock is ahead of this machine's.
    rest_faults
        Path -> (status, headers, body) its next calls answer with, in turn.
    requests
        Every socket message and REST path with its query received.
    sent
        Frames pushed to somebody.
    """

    def __init__(self) -> None:
        self.port = self.connections = self.sent = 0
        self.silent = False
        self.ahead_ms = 0
        self.history: list[dict[str, Any]] = []
        self.rest_faults: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}
        self.requests: list[Any] = []
        self.sockets: dict[web.WebSocketResponse, tuple[str, set[str]]] = {}
        self._runner: web.AppRunner | None = None

    # -- the venue's wire -----------------------------------------------------------------------------------

    def answer(self, path: str, query: dict[str, str]) -> Any:
        """Body of a REST call, ready for JSON; None: 404."""
        raise NotImplementedError

    async def told(self, socket: web.WebSocketResponse, path: str, channels: set[str], text: str) -> None:
        """A text frame came: answer it, and keep what is subscribed in ``channels``."""
        raise NotImplementedError

    def channels_of(self, path: str, query: str) -> set[str]:
        """What a socket is subscribed to by its address alone."""
        return set()

    # -- life ---------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Any:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; on the port of before when there was one."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Drop every socket and stop listening."""
        self.drop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def drop(self) -> None:
        """Cut every socket without a closing handshake."""
        for socket in list(self.sockets):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()
        self.sockets.clear()

    async def push(self, channel: str, message: Any) -> int:
        """Push a message to whoever subscribed a channel; to how many."""
        return await self.push_raw(json.dumps(message, separators=(",", ":")).encode(), channel)

    async def push_raw(self, payload: bytes, channel: str = "") -> int:
        """Push bytes as a text frame; without a channel to every socket."""
        told = [
            socket for socket, (_, channels) in self.sockets.items() if not channel or channel in channels
        ]
        for socket in told:
            await socket.send_str(payload.decode())
        self.sent += len(told)
        return len(told)

    # -- wire ---------------------------------------------------------------------------------------------

    async def _take(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._talk(request, path)
        query = dict(request.query)
        self.requests.append((path, query))
        if self.silent:
            await asyncio.sleep(3600)
        if self.rest_faults.get(path):
            status, headers, body = self.rest_faults[path].pop(0)
            return web.Response(status=status, headers=headers, body=body, content_type="application/json")
        body = self.answer(path, query)
        if body is None:
            return web.json_response({"code": 404, "msg": f"no such path: {path}"}, status=404)
        return web.Response(
            body=json.dumps(body, separators=(",", ":")).encode(), content_type="application/json"
        )

    async def _talk(self, request: web.Request, path: str) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False, max_msg_size=0)
        await socket.prepare(request)
        self.connections += 1
        channels = self.channels_of(path, request.query_string)
        self.sockets[socket] = (path, channels)
        try:
            async for message in socket:
                if self.silent:
                    continue
                if message.type is WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type is WSMsgType.TEXT:
                    self.requests.append(message.data)
                    await self.told(socket, path, channels, message.data)
        finally:
            self.sockets.pop(socket, None)
        return socket
