"""Bybit's deeper books over the socket: followed by their update ids, so that a missing change is seen at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from workstation.feeds.bybit import messages
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.feeds.venue_kit.order_book import OrderBook

RESTARTED = 1
"""Update id of a change that is a snapshot: the venue's service began anew."""
_BOOK = "/orderbook."


class _Message(msgspec.Struct, gc=False):
    type: str
    data: messages.Book


_MESSAGE = msgspec.json.Decoder(_Message, strict=False)


class MissedChange(NamedTuple):
    """A change that did not come."""

    channel: str
    expected: int
    came: int
    seen_ns: int


class Books:
    """Books of the channels ``category/orderbook.{depth}.{symbol}``, from their frames in order.

    Examples
    --------
    >>> books = Books()
    >>> def frame(kind, number, asks):
    ...     body = f'{{"type":"{kind}","data":{{"s":"X","b":[["27450","0.4"]],"a":{asks},"u":{number}}}}}'
    ...     return RawFrame(0, "linear/orderbook.50.X", body.encode())
    >>> books.follow([frame("snapshot", 123456789, '[["27451","0.3"],["27451.5","0.9"]]'), frame("delta", 123456790, '[["27451","0"]]')])
    []
    >>> books.of("linear/orderbook.50.X").top().ask
    (27451.5, 0.9)
    >>> books.follow([frame("delta", 123456792, "[]")])[0][:3]
    ('linear/orderbook.50.X', 123456791, 123456792)
    """

    def __init__(self) -> None:
        self._books: dict[str, OrderBook] = {}

    def of(self, channel: str) -> OrderBook:
        """The book of a channel; empty until its snapshot."""
        return self._books.setdefault(channel, OrderBook())

    def forget(self) -> None:
        """Begin anew, with a new connection."""
        self._books.clear()

    def follow(self, frames: Iterable[RawFrame]) -> list[MissedChange]:
        """Take frames of books in; the changes that are missing, each told once. Other frames are left."""
        missed = []
        for frame in frames:
            if _BOOK not in frame.channel:
                continue
            try:
                message = _MESSAGE.decode(frame.payload)
            except msgspec.DecodeError:
                continue  # the decoder keeps deeper books raw; what is no message breaks the numbers, which is told
            book, data = self.of(frame.channel), message.data
            bids, asks = ([(level.price, level.size) for level in side] for side in (data.b, data.a))
            if message.type == "snapshot" or data.u == RESTARTED:
                book.snapshot(data.u, bids=bids, asks=asks)
                continue
            before = book.number
            if not book.change(data.u, bids=bids, asks=asks) and before:
                missed.append(MissedChange(frame.channel, before + 1, data.u, frame.seen_ns))
        return missed
