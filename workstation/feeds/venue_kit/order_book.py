"""Books built from a snapshot and numbered changes: their best levels, and where a change is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Top(NamedTuple):
    """Best levels; None on a side that is empty."""

    bid: tuple[float, float] | None
    ask: tuple[float, float] | None


class OrderBook:
    """Levels of one instrument; a change of size 0 takes a level out.

    Numbers go up by one with each change. A change whose number does not follow makes the book useless until the next snapshot.

    Examples
    --------
    >>> book = OrderBook()
    >>> book.snapshot(7, bids=[(27450.0, 0.4)], asks=[(27451.0, 0.3), (27451.5, 0.9)])
    >>> book.change(8, bids=[], asks=[(27451.0, 0.0)])
    True
    >>> book.top()
    Top(bid=(27450.0, 0.4), ask=(27451.5, 0.9))
    >>> book.change(10, bids=[], asks=[]), book.top()
    (False, Top(bid=None, ask=None))
    """

    def __init__(self) -> None:
        self.number = 0
        """Of the newest change; 0 while the book is of no use."""
        self._bids: dict[float, float] = {}
        self._asks: dict[float, float] = {}

    def snapshot(
        self, number: int, *, bids: Iterable[tuple[float, float]], asks: Iterable[tuple[float, float]]
    ) -> None:
        """Begin anew with whole levels."""
        self.number = number
        self._bids, self._asks = dict(bids), dict(asks)

    def change(
        self, number: int, *, bids: Iterable[tuple[float, float]], asks: Iterable[tuple[float, float]]
    ) -> bool:
        """Take a change in; False where one before it is missing, which empties the book."""
        if not self.number or number != self.number + 1:
            self.snapshot(0, bids=(), asks=())
            return False
        self.number = number
        for side, levels in ((self._bids, bids), (self._asks, asks)):
            for price, size in levels:
                if size > 0.0:
                    side[price] = size
                else:
                    side.pop(price, None)
        return True

    def top(self) -> Top:
        """Best bid and ask, price and size."""
        return Top(
            max(self._bids.items(), default=None, key=_price),
            min(self._asks.items(), default=None, key=_price),
        )


def _price(level: tuple[float, float]) -> float:
    return level[0]
