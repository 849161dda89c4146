"""Binance's public sockets: three doors, 200 streams a socket, numbered requests, replaced before the venue closes them at 24 h."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from workstation.feeds.binance import messages
from workstation.feeds.binance.decode import DOORS, answer_of, stream_of
from workstation.feeds.venue_kit.public_feed import by_halves
from workstation.feeds.venue_kit.socket_group import Answers, SocketGroup
from workstation.market.errors import FeedError, FrameError

PER_SOCKET = 200
"""Streams of one connection."""
AT_ONCE = 100
"""Streams of one request."""
PAUSE_S = 0.25
"""Between two requests: the venue takes five messages a second."""
AGE_S = 23.5 * 3600.0
"""Age at which a socket is replaced; the venue closes it at 24 h."""


class Wire(SocketGroup):
    """The sockets.

    Parameters
    ----------
    urls
        Door (``public``, ``market``, ``spot``) -> address of its combined stream.
    on_frame
        Called with channel (``door/stream``), payload and the time it was seen, for every frame; must not raise.
    on_lost
        Called once when a socket is gone, with the reason.
    keepalive_s
        Interval of websocket pings.
    timeout_s
        For what a socket is asked.
    age_s
        When a socket is replaced.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        *,
        on_frame: Callable[[str, bytes, int], None],
        on_lost: Callable[[str], None],
        keepalive_s: float,
        timeout_s: float,
        age_s: float = AGE_S,
    ) -> None:
        super().__init__("binance", on_lost=on_lost, keepalive_s=keepalive_s)
        self._urls, self._on_frame, self._timeout_s, self._age_s = dict(urls), on_frame, timeout_s, age_s
        self._answers, self._numbers = Answers(), itertools.count(1)
        self._held: dict[str, list[str]] = {}
        self._last_request = 0.0

    def take(self, name: str, payload: bytes, seen_ns: int) -> None:
        """A frame: pushed ones and errors that nobody waits for go on, answers to who asked."""
        try:
            stream = stream_of(payload)
        except FrameError:
            stream = ""
        if stream:
            self._on_frame(f"{name.partition('#')[0]}/{stream}", payload, seen_ns)
        elif not self._answered(name, payload):
            self._on_frame("", payload, seen_ns)

    def _answered(self, name: str, payload: bytes) -> bool:
        try:
            said = answer_of(payload)
        except FrameError:
            return False
        if said.e == "serverShutdown":
            self.move(name, self._again(name), self._timeout_s)
            return False
        return said.id is not None and self._answers.take(name, said)

    def _again(self, name: str) -> Callable[[str], Awaitable[None]]:
        async def subscribe(fresh: str) -> None:
            held = self._held.get(name, [])
            for start in range(0, len(held), AT_ONCE):
                _, refused = await self._request(fresh, held[start : start + AT_ONCE])
                if refused:
                    raise FeedError(f"binance: {next(iter(refused.items()))}")

        return subscribe

    async def subscribe_to(self, door: str, streams: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Ask for streams of a door; granted ones, and the reason of each other one. Raises ``FeedError``."""
        granted: list[str] = []
        refused: dict[str, str] = {}
        rest = list(streams)
        while rest:
            name = await self._with_room(door)
            room = min(AT_ONCE, PER_SOCKET - len(self._held[name]))
            chunk, rest = rest[:room], rest[room:]
            took, left = await self._request(name, chunk)
            self._held[name] += took
            granted += took
            refused |= left
        return granted, refused

    async def _with_room(self, door: str) -> str:
        number = 1
        while len(self._held.get(f"{door}#{number}", [])) >= PER_SOCKET:
            number += 1
        name = f"{door}#{number}"
        if name not in self.names:
            await self.open(name, self._urls[door], self._timeout_s)
            self.beside(self._grow_old(name))
        self._held.setdefault(name, [])
        return name

    async def _grow_old(self, name: str) -> None:
        while True:
            await asyncio.sleep(self._age_s)
            self.move(name, self._again(name), self._timeout_s)

    async def _request(self, name: str, streams: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """One request; where the venue refuses several as one, halves tell which it is about."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._last_request + PAUSE_S - loop.time()))
        self._last_request = loop.time()
        asked = {"method": "SUBSCRIBE", "params": list(streams), "id": next(self._numbers)}
        text = msgspec.json.encode(asked).decode()
        said: messages.Answer = await self._answers.ask(self, name, text, self._timeout_s)
        failure = said.error or messages.Failure(said.code, said.msg)
        if not failure.code and not failure.msg:
            return list(streams), {}
        if len(streams) == 1:
            return [], {streams[0]: f"{failure.code} {failure.msg}"}
        first, second = by_halves(streams)
        took, left = await self._request(name, first)
        more, worse = await self._request(name, second)
        return took + more, left | worse


def door_of(channel: str) -> tuple[str, str]:
    """Door and stream of a channel. Raises ``FeedError``.

    Examples
    --------
    >>> door_of("market/btcusdt@optionMarkPrice")
    ('market', 'btcusdt@optionMarkPrice')
    """
    door, slash, stream = channel.partition("/")
    if not slash or door not in DOORS or not stream:
        raise FeedError(
            f"{channel!r} is no channel: door/stream, as in market/btcusdt@optionMarkPrice; doors are {', '.join(DOORS)}"
        )
    return door, stream
