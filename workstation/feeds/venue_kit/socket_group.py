"""Several public websockets of one venue as one connection: lost when one of them is; silence by the monotonic clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import aiohttp

from workstation.market.errors import FeedError

MISSES = 2
"""Keepalives without a sign of life that end a socket."""
_FRESH = "~"
"""Ends the name of a socket that is to take another one's place."""


class _Socket:
    """One socket: its reader, its keepalive, and when it was last heard."""

    def __init__(self, name: str, url: str, shown: str, connected: aiohttp.ClientWebSocketResponse) -> None:
        self.name, self.url, self.shown, self.connected = name, url, shown, connected
        self.heard_ns = time.monotonic_ns()
        self.tasks: list[asyncio.Task[None]] = []


class SocketGroup:
    """Named websockets: frames go to ``take`` as they came.

    A venue implements ``take``; it may call ``lose`` when a frame says that the socket goes away.

    Parameters
    ----------
    venue
        Named in errors.
    on_lost
        Called once, with the reason, when a socket is gone.
    keepalive_s
        Interval of keepalives; ``MISSES`` of them without any frame end the socket.
    ping
        Text frame that the venue answers; empty: pings of the websocket itself.
    """

    def __init__(
        self, venue: str, *, on_lost: Callable[[str], None], keepalive_s: float, ping: str = ""
    ) -> None:
        self._venue, self._on_lost, self._keepalive_s, self._ping = venue, on_lost, keepalive_s, ping
        self._session: aiohttp.ClientSession | None = None
        self._sockets: dict[str, _Socket] = {}
        self._moves: set[asyncio.Task[None]] = set()
        self._lost = False
        self.closed_with: int | None = None
        """Code the venue closed a socket with; None where none ended so."""

    def take(self, name: str, payload: bytes, seen_ns: int) -> None:
        """A frame of a socket. Must not raise."""
        raise NotImplementedError

    async def open(
        self,
        name: str,
        url: str,
        timeout_s: float,
        *,
        headers: Mapping[str, str] | None = None,
        shown: str = "",
    ) -> None:
        """Open a socket unless one of that name is open; words tell of ``shown`` where the address is a secret. Raises ``FeedError``."""
        if name in self._sockets:
            return
        if self._session is None:
            self._session = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(timeout_s):
                connected = await self._session.ws_connect(
                    url, autoping=False, max_msg_size=0, headers=headers
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            reason = (str(error) or f"no answer within {timeout_s:g} s").replace(url, shown or url)
            raise FeedError(f"{self._venue}: cannot open {shown or url}: {reason}") from (
                None if shown else error
            )
        socket = self._sockets[name] = _Socket(name, url, shown or url, connected)
        socket.tasks = [
            asyncio.create_task(self._read(socket)),
            asyncio.create_task(self._keep_alive(socket)),
        ]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the open sockets."""
        return tuple(self._sockets)

    async def send(self, name: str, message: str | bytes) -> None:
        """Send a text or a binary frame. Raises ``FeedError``."""
        socket = self._sockets.get(name)
        if socket is None:
            raise FeedError(f"{self._venue}: socket {name!r} is not open")
        try:
            if isinstance(message, str):
                await socket.connected.send_str(message)
            else:
                await socket.connected.send_bytes(message)
        except (aiohttp.ClientError, ConnectionError, RuntimeError) as error:
            raise FeedError(f"{self._venue}: {socket.shown}: {type(error).__name__}: {error}") from error

    def lose(self, reason: str) -> None:
        """The connection is of no use any more."""
        if not self._lost:
            self._lost = True
            self._on_lost(reason)

    def heard_ns(self) -> int:
        """When the most silent of the sockets was last heard, by the monotonic clock; 0 when there is none."""
        return min((socket.heard_ns for socket in self._sockets.values()), default=0)

    def move(self, name: str, subscribe: Callable[[str], Awaitable[Any]], timeout_s: float) -> None:
        """Replace a socket whose end the venue has announced: subscribe on a new one, then close the old one.

        Prints of the overlap come twice. Where that fails the connection is lost.
        """
        self.beside(self._move(name, subscribe, timeout_s))

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that ends with the connection."""
        self._moves = {task for task in self._moves if not task.done()}
        self._moves.add(asyncio.create_task(work))

    async def _move(self, name: str, subscribe: Callable[[str], Awaitable[Any]], timeout_s: float) -> None:
        fresh, old = f"{name}{_FRESH}", self._sockets.get(name)
        if old is None or fresh in self._sockets:
            return
        try:
            await self.open(fresh, old.url, timeout_s, shown=old.shown)
            await subscribe(fresh)
        except FeedError as error:
            self.lose(f"{old.shown}: the venue closes it, and no other opens: {error}")
            return
        socket = self._sockets[name] = self._sockets.pop(fresh)
        socket.name = name
        await _ended([old])

    async def shut(self) -> None:
        """Close sockets and session; may be called more than once."""
        self._lost = True
        moves, self._moves = self._moves, set()
        for task in moves:
            task.cancel()
        if moves:
            await asyncio.wait(moves)
        sockets, self._sockets = list(self._sockets.values()), {}
        session, self._session = self._session, None
        await _ended(sockets)
        if session is not None:
            await session.close()

    async def _read(self, socket: _Socket) -> None:
        reason = f"closed by the venue, code {socket.connected.close_code}"
        try:
            async for message in socket.connected:
                socket.heard_ns = time.monotonic_ns()
                if message.type is aiohttp.WSMsgType.TEXT:
                    self.take(socket.name, message.data.encode(), time.time_ns())
                elif message.type is aiohttp.WSMsgType.BINARY:
                    self.take(socket.name, bytes(message.data), time.time_ns())
                elif message.type is aiohttp.WSMsgType.PING:
                    await socket.connected.pong(message.data)
            self.closed_with = socket.connected.close_code
            reason = f"closed by the venue, code {self.closed_with}"
        except (aiohttp.ClientError, ConnectionError, RuntimeError) as error:
            reason = f"{type(error).__name__}: {error}"
        self.lose(f"{socket.shown}: {reason}")

    async def _keep_alive(self, socket: _Socket) -> None:
        while self._keepalive_s > 0:
            await asyncio.sleep(self._keepalive_s)
            silent_s = (time.monotonic_ns() - socket.heard_ns) / 1e9
            if silent_s > MISSES * self._keepalive_s:
                self.lose(f"{socket.shown}: silent for {silent_s:.1f} s, pings are not answered")
                return
            try:
                if self._ping:
                    await socket.connected.send_str(self._ping)
                else:
                    await socket.connected.ping()
            except (aiohttp.ClientError, ConnectionError, RuntimeError) as error:
                self.lose(f"{socket.shown}: {type(error).__name__}: {error}")
                return


async def _ended(sockets: list[_Socket]) -> None:
    tasks = [task for socket in sockets for task in socket.tasks]
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for socket in sockets:
        await socket.connected.close()


class Answers:
    """Answers that sockets owe: one question at a time on each socket, for venues whose answers carry no number.

    Examples
    --------
    >>> answers = Answers()
    >>> answers.take("option", b"nobody asked")
    False
    """

    def __init__(self) -> None:
        self._owed: dict[str, asyncio.Future[Any]] = {}

    def take(self, name: str, answer: Any) -> bool:
        """Hand an answer to who waits for it on a socket; False when nobody does."""
        owed = self._owed.get(name)
        if owed is None or owed.done():
            return False
        owed.set_result(answer)
        return True

    async def ask(
        self, group: SocketGroup, name: str, message: str | bytes, timeout_s: float, *, what: str = ""
    ) -> Any:
        """Send a frame; the answer. Raises ``FeedError``, which tells ``what`` was asked, else the text sent."""
        owed = self._owe(name)
        await group.send(name, message)
        return await self._awaited(name, owed, timeout_s, what or str(message)[:80])

    async def next(self, name: str, timeout_s: float) -> Any:
        """What a socket says without being asked, as a greeting. Raises ``FeedError``."""
        return await self._awaited(name, self._owe(name), timeout_s, "the connection")

    def _owe(self, name: str) -> asyncio.Future[Any]:
        owed = self._owed[name] = asyncio.get_running_loop().create_future()
        return owed

    async def _awaited(self, name: str, owed: asyncio.Future[Any], timeout_s: float, what: str) -> Any:
        try:
            return await asyncio.wait_for(owed, timeout_s)
        except TimeoutError as error:
            raise FeedError(f"socket {name!r} did not answer {what} within {timeout_s:g} s") from error
        finally:
            self._owed.pop(name, None)
