"""OKX's public sockets: two addresses, an answer per argument, pings in plain text, a notice before they close."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from workstation.feeds.okx import messages
from workstation.feeds.okx.decode import channel_of, event_of, named
from workstation.feeds.venue_kit.socket_group import SocketGroup
from workstation.market.errors import FeedError, FrameError

AT_ONCE = 100
"""Arguments of one request; a request may have 64 KB."""
PER_SOCKET = 3_000
"""Channels of one connection."""
CLOSING = "64008"
"""Code of the notice that the venue closes the socket within a minute."""
BUSINESS = frozenset({"trades-all"})
"""Channels of the second address."""
_FAMILY, _TYPE = frozenset({"opt-summary", "option-trades"}), frozenset({"liquidation-orders", "status"})


class Wire(SocketGroup):
    """The sockets.

    Parameters
    ----------
    url
        ``wss://ws.okx.com:8443/ws/v5``.
    on_frame
        Called with channel (``channel/what``), payload and the time it was seen, for every frame; must not raise.
    on_lost
        Called once when a socket is gone, with the reason.
    keepalive_s
        Interval of pings; the venue closes a socket without traffic after 30 s.
    timeout_s
        For what a socket is asked when it takes another one's place.
    """

    def __init__(
        self,
        url: str,
        *,
        on_frame: Callable[[str, bytes, int], None],
        on_lost: Callable[[str], None],
        keepalive_s: float,
        timeout_s: float,
    ) -> None:
        super().__init__("okx", on_lost=on_lost, keepalive_s=keepalive_s, ping="ping")
        self._url, self._on_frame, self._timeout_s = url, on_frame, timeout_s
        self._held: dict[str, dict[str, str]] = {}
        self._waiting: dict[str, _Request] = {}

    def take(self, name: str, payload: bytes, seen_ns: int) -> None:
        """A frame: pushed ones and errors that nobody waits for go on, answers to who asked."""
        try:
            channel = channel_of(payload)
        except FrameError:
            channel = ""
        if channel or not self._answered(name, payload):
            self._on_frame(channel, payload, seen_ns)

    def _answered(self, name: str, payload: bytes) -> bool:
        if payload == b"pong":
            return True
        try:
            event = event_of(payload)
        except FrameError:
            return False
        if event.event == "notice" and event.code == CLOSING:
            self.move(name, self._again(name), self._timeout_s)
            return False
        request = self._waiting.get(name)
        return request is not None and request.take(event)

    def _again(self, name: str) -> Callable[[str], Awaitable[None]]:
        async def subscribe(fresh: str) -> None:
            held = dict(self._held.get(name, {}))
            for chunk in _chunks(list(held)):
                _, refused = await self._request(fresh, chunk)
                if refused:
                    raise FeedError(f"okx: {next(iter(refused.items()))}")

        return subscribe

    async def subscribe_to(self, channels: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Ask for channels; granted ones, and the reason of each other one. Raises ``FeedError`` when a socket fails."""
        granted: list[str] = []
        refused: dict[str, str] = {}
        for door in ("public", "business"):
            wanted = [
                name for name in channels if (name.partition("/")[0] in BUSINESS) == (door == "business")
            ]
            for chunk in _chunks(wanted):
                name = await self._with_room(door, len(chunk))
                took, left = await self._request(name, chunk)
                self._held[name] |= dict.fromkeys(took, "")
                granted += took
                refused |= left
        return granted, refused

    async def _with_room(self, door: str, count: int) -> str:
        number = 1
        while len(self._held.get(f"{door}#{number}", {})) + count > PER_SOCKET:
            number += 1
        name = f"{door}#{number}"
        await self.open(name, f"{self._url}/{door}", self._timeout_s)
        self._held.setdefault(name, {})
        return name

    async def _request(self, name: str, channels: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """One request: every argument is answered by itself."""
        request = self._waiting[name] = _Request(channels)
        asked = {"op": "subscribe", "args": [argument_of(channel) for channel in channels]}
        try:
            await self.send(name, msgspec.json.encode(asked).decode())
            await asyncio.wait_for(request.whole.wait(), self._timeout_s)
        except TimeoutError as error:
            if not request.granted and not request.refused:
                raise FeedError(f"okx: subscribe was not answered within {self._timeout_s:g} s") from error
        finally:
            self._waiting.pop(name, None)
        left = dict.fromkeys(request.open, "the venue did not answer for it") | request.refused
        return request.granted, left


class _Request:
    """Channels asked for and what became of each."""

    def __init__(self, channels: Sequence[str]) -> None:
        self.open = dict.fromkeys(channels)
        self.granted: list[str] = []
        self.refused: dict[str, str] = {}
        self.whole = asyncio.Event()

    def take(self, event: messages.Event) -> bool:
        """An event about one of them, or an error about all that are open."""
        if event.event == "subscribe" and event.arg is not None:
            channel = named(event.arg)
            if channel not in self.open:
                return False
            del self.open[channel]
            self.granted.append(channel)
        elif event.event == "error":
            about = [name for name in self.open if _names(event.msg, name)] or list(self.open)
            for channel in about:
                del self.open[channel]
                self.refused[channel] = f"{event.code} {event.msg}"
        else:
            return False
        if not self.open:
            self.whole.set()
        return True


def _names(reason: str, channel: str) -> bool:
    """Whether an error names a channel: ``...channel:tickers,instId:BTC-X doesn't exist...``."""
    first, _, what = channel.partition("/")
    return f"channel:{first}," in reason and f":{what} " in f"{reason} ".replace(",", " ")


def _chunks(channels: Sequence[str]) -> list[Sequence[str]]:
    return [channels[start : start + AT_ONCE] for start in range(0, len(channels), AT_ONCE)]


def argument_of(channel: str) -> dict[str, str]:
    """What the venue is asked for by a channel. Raises ``FeedError``.

    Examples
    --------
    >>> argument_of("option-trades/BTC-USD")
    {'channel': 'option-trades', 'instType': 'OPTION', 'instFamily': 'BTC-USD'}
    >>> argument_of("trades-all/BTC-USD-SWAP")
    {'channel': 'trades-all', 'instId': 'BTC-USD-SWAP'}
    """
    first, slash, what = channel.partition("/")
    if not slash or not first or not what:
        raise FeedError(f"{channel!r} is no channel: channel/what, as in tickers/BTC-USD-SWAP")
    if first == "option-trades":
        return {"channel": first, "instType": "OPTION", "instFamily": what}
    if first in _FAMILY:
        return {"channel": first, "instFamily": what}
    if first in _TYPE:
        return {"channel": first, "instType": what}
    return {"channel": first, "instId": what}
