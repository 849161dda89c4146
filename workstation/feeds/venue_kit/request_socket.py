"""A websocket of JSON messages with numbered requests, for venues that ccxt does not know: every frame is tapped as bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import msgspec

from workstation.market.errors import FeedError


class _Numbered(msgspec.Struct):
    """The part of a message that says which request it answers."""

    id: int | None = None


_ID = msgspec.json.Decoder(_Numbered)


class RequestSocket:
    """One websocket: frames go to ``on_frame`` as they came, an answer besides to whoever asked.

    Parameters
    ----------
    venue
        Named in errors.
    url
        ``ws://`` or ``wss://``.
    on_frame
        Called with channel ``""``, payload and the time it was seen, for every frame; must not raise.
    on_lost
        Called once, with the reason, when the socket is gone.
    keepalive_s
        Interval of pings; a ping without a pong ends the socket.
    """

    def __init__(
        self,
        venue: str,
        url: str,
        *,
        on_frame: Callable[[bytes, int], None],
        on_lost: Callable[[str], None],
        keepalive_s: float,
    ) -> None:
        self._venue, self._url, self._keepalive_s = venue, url, keepalive_s
        self._on_frame, self._on_lost = on_frame, on_lost
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._number = self._heard_ns = 0

    async def open(self, timeout_s: float) -> None:
        """Connect. Raises ``FeedError``."""
        self._session = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(timeout_s):
                self._socket = await self._session.ws_connect(self._url, heartbeat=self._keepalive_s)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            await self.shut()
            raise FeedError(
                f"{self._venue}: cannot open {self._url}: {error or type(error).__name__}"
            ) from error
        self._heard_ns = time.monotonic_ns()
        self._reader = asyncio.create_task(self._read(self._socket))

    async def request(self, message: Mapping[str, Any], timeout_s: float) -> bytes:
        """Send a message under a number of its own; the answer that carries it. Raises ``FeedError``."""
        if self._socket is None:
            raise FeedError(f"{self._venue} is not connected; call connect() first")
        self._number += 1
        number = self._number
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_bytes(msgspec.json.encode({"id": number, **message}))
            return await asyncio.wait_for(answer, timeout_s)
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            what = message.get("op", "a request")
            raise FeedError(f"{self._venue}: {what} was not answered: {type(error).__name__}") from error
        finally:
            self._asked.pop(number, None)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        reason = "closed by the venue"
        try:
            async for message in socket:
                if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    reason = f"{message.type.name.lower()}: {message.data}"
                    break
                self._heard_ns = time.monotonic_ns()
                payload = message.data.encode() if isinstance(message.data, str) else bytes(message.data)
                self._answer(payload)
                self._on_frame(payload, time.time_ns())
        except (aiohttp.ClientError, ConnectionError) as error:
            reason = f"{type(error).__name__}: {error}"
        finally:
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(ConnectionError(reason))
            self._on_lost(f"{reason}, code {socket.close_code}")

    def _answer(self, payload: bytes) -> None:
        try:
            number = _ID.decode(payload).id
        except msgspec.DecodeError:
            return  # no message at all: the decoder says so in `health`
        asked = self._asked.get(number) if number is not None else None
        if asked is not None and not asked.done():
            asked.set_result(payload)

    def heard_ns(self) -> int:
        """When the last frame came, by the monotonic clock; 0 when nothing did. aiohttp sees to pongs itself."""
        alive = self._socket is not None and not self._socket.closed
        return time.monotonic_ns() if alive else self._heard_ns

    async def shut(self) -> None:
        """Close socket and session; may be called more than once."""
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await asyncio.wait([self._reader])
        if self._session is not None:
            await self._session.close()
