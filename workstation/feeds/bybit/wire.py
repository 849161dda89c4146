"""Bybit's public sockets: one per category and 1 500 topics, an answer to each request, pings in text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from workstation.feeds.bybit import messages
from workstation.feeds.bybit.decode import reply_of, topic_of
from workstation.feeds.venue_kit.public_feed import by_halves
from workstation.feeds.venue_kit.socket_group import Answers, SocketGroup
from workstation.market.errors import FeedError, FrameError

AT_ONCE = {"option": 300, "linear": 200, "inverse": 200, "spot": 10}
"""Topics of one request: the venue takes 10 of spot; of the others only the length of a connection's topics is limited."""
PER_SOCKET = {"option": 1_500, "linear": 500, "inverse": 500, "spot": 100}
"""Topics of one connection: options may have 2 000, the others 21 000 characters."""


class Wire(SocketGroup):
    """The sockets.

    Parameters
    ----------
    url
        ``wss://stream.bybit.com/v5/public``.
    on_frame
        Called with channel (``category/topic``), payload and the time it was seen, for every frame; must not raise.
    on_lost
        Called once when a socket is gone, with the reason.
    keepalive_s
        Interval of pings; the venue closes a socket that sent none for 20 s or so.
    """

    def __init__(
        self,
        url: str,
        *,
        on_frame: Callable[[str, bytes, int], None],
        on_lost: Callable[[str], None],
        keepalive_s: float,
    ) -> None:
        super().__init__("bybit", on_lost=on_lost, keepalive_s=keepalive_s, ping='{"op":"ping"}')
        self._url, self._on_frame, self._answers = url, on_frame, Answers()
        self._topics: dict[str, int] = {}
        self._homes: dict[str, str] = {}

    def take(self, name: str, payload: bytes, seen_ns: int) -> None:
        """A frame: pushed ones and errors that nobody waits for go on, answers to who asked."""
        category = name.partition("#")[0]
        try:
            topic = topic_of(payload)
            channel = f"{category}/{topic}" if topic else ""
        except FrameError:
            channel = ""
        if not channel and self._answered(name, payload):
            return
        self._on_frame(channel, payload, seen_ns)

    def _answered(self, name: str, payload: bytes) -> bool:
        try:
            said = reply_of(payload)
        except FrameError:
            return False
        if said.op in ("ping", "pong") or said.ret_msg == "pong":
            return True
        asked = said.op in ("subscribe", "unsubscribe") or said.type == "COMMAND_RESP"
        return asked and self._answers.take(name, said)

    async def subscribe_to(
        self, category: str, topics: Sequence[str], timeout_s: float
    ) -> tuple[list[str], dict[str, str]]:
        """Ask for topics of a category; granted ones, and the reason of each other one. Raises ``FeedError``."""
        granted: list[str] = []
        refused: dict[str, str] = {}
        rest = list(topics)
        while rest:
            name = await self._with_room(category, timeout_s)
            room = min(AT_ONCE[category], PER_SOCKET[category] - self._topics[name])
            chunk, rest = rest[:room], rest[room:]
            took, left = await self._request(name, chunk, timeout_s)
            self._topics[name] += len(took)
            self._homes |= {f"{category}/{topic}": name for topic in took}
            granted += took
            refused |= left
        return granted, refused

    async def anew(self, channel: str, timeout_s: float) -> None:
        """Leave a topic and ask for it again, for its snapshot. Raises ``FeedError``."""
        category, topic = category_of(channel)
        name = self._homes.get(channel, f"{category}#1")
        text = msgspec.json.encode({"op": "unsubscribe", "args": [topic]}).decode()
        await self._answers.ask(self, name, text, timeout_s)
        _, refused = await self._request(name, [topic], timeout_s)
        if refused:
            raise FeedError(f"bybit: {channel}: {refused[topic]}")

    async def _with_room(self, category: str, timeout_s: float) -> str:
        number = 1
        while self._topics.get(f"{category}#{number}", 0) >= PER_SOCKET[category]:
            number += 1
        name = f"{category}#{number}"
        await self.open(name, f"{self._url}/{category}", timeout_s)
        self._topics.setdefault(name, 0)
        return name

    async def _request(
        self, name: str, topics: Sequence[str], timeout_s: float
    ) -> tuple[list[str], dict[str, str]]:
        """One request; where the venue refuses several as one, halves tell which it is about."""
        text = msgspec.json.encode({"op": "subscribe", "args": list(topics)}).decode()
        said: messages.Reply = await self._answers.ask(self, name, text, timeout_s)
        if said.data is not None and (said.data.failTopics or said.data.successTopics):
            failed = set(said.data.failTopics)
            reason = said.ret_msg or "the venue knows no such topic"
            return [topic for topic in topics if topic not in failed], dict.fromkeys(failed, reason)
        if said.success:
            return list(topics), {}
        if len(topics) == 1:
            return [], {topics[0]: said.ret_msg or "refused without a reason"}
        first, second = by_halves(topics)
        took, left = await self._request(name, first, timeout_s)
        more, worse = await self._request(name, second, timeout_s)
        return took + more, left | worse


def category_of(channel: str) -> tuple[str, str]:
    """Category and topic of a channel. Raises ``FeedError``.

    Examples
    --------
    >>> category_of("linear/tickers.BTCUSDT")
    ('linear', 'tickers.BTCUSDT')
    """
    category, slash, topic = channel.partition("/")
    if not slash or category not in AT_ONCE or "." not in topic:
        raise FeedError(
            f"{channel!r} is no channel: category/topic, as in linear/tickers.BTCUSDT; categories are {', '.join(AT_ONCE)}"
        )
    return category, topic
