"""Where raw frames wait between the socket and the decoder: bounded, and no print lost in silence."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

_PRINT = b'"trade_seq"'


class Waiting(NamedTuple):
    """A raw frame and the order in which it arrived."""

    order: int
    seen_ns: int
    channel: str
    payload: bytes


class Lost(NamedTuple):
    """Frames of one channel that found no place, the prints in them, and when they were seen."""

    frames: int
    prints: int
    first_ns: int
    last_ns: int


class Drained(NamedTuple):
    """What waited, in the order of arrival; what did not fit."""

    frames: list[Waiting]
    conflated: dict[str, int]
    """Channel -> frames replaced by a newer one of the same channel."""
    lost: dict[str, Lost]
    """Channel -> prints that found no place."""


class Inbox:
    """Two bounded queues: prints, which are counted when lost, and states, of which the newest per channel survives.

    Parameters
    ----------
    capacity
        Frames of either queue. Prints beyond it are lost and told; states beyond it replace the waiting state of
        their channel, so that at most ``capacity`` plus one frame per channel wait.

    Examples
    --------
    >>> inbox = Inbox(capacity=1)
    >>> for price in (b"1", b"2", b"3"):
    ...     inbox.put("quote.BTC-PERPETUAL", price, 0)
    >>> drained = inbox.drain()
    >>> [frame.payload for frame in drained.frames], drained.conflated
    ([b'1', b'3'], {'quote.BTC-PERPETUAL': 1})
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"an inbox holds at least one frame, got capacity {capacity}")
        self._capacity = capacity
        self._order = 0
        self._arrived = asyncio.Event()
        self._clear()

    def _clear(self) -> None:
        self._prints: deque[Waiting] = deque()
        self._states: deque[Waiting] = deque()
        self._newest: dict[str, Waiting] = {}
        self._conflated: dict[str, int] = {}
        self._lost: dict[str, Lost] = {}

    def __len__(self) -> int:
        return len(self._prints) + len(self._states) + len(self._newest)

    def put(self, channel: str, payload: bytes, seen_ns: int) -> None:
        """Take a frame; never blocks, never raises."""
        self._order += 1
        frame = Waiting(self._order, seen_ns, channel, payload)
        if channel.startswith("trades."):
            self._put_print(frame)
        elif len(self._states) < self._capacity:
            self._states.append(frame)
        else:
            if self._newest.pop(channel, None) is not None:
                self._conflated[channel] = self._conflated.get(channel, 0) + 1
            self._newest[channel] = frame
        self._arrived.set()

    def _put_print(self, frame: Waiting) -> None:
        if len(self._prints) < self._capacity:
            self._prints.append(frame)
        else:
            before = self._lost.get(frame.channel, Lost(0, 0, frame.seen_ns, frame.seen_ns))
            prints = before.prints + frame.payload.count(_PRINT)
            self._lost[frame.channel] = Lost(before.frames + 1, prints, before.first_ns, frame.seen_ns)

    def wake(self) -> None:
        """Let ``arrived`` return although nothing came."""
        self._arrived.set()

    async def arrived(self) -> None:
        """Wait until something waits, or ``wake``."""
        await self._arrived.wait()

    def drain(self) -> Drained:
        """Everything that waits; the inbox is empty after."""
        frames = sorted([*self._prints, *self._states, *self._newest.values()])
        drained = Drained(frames, self._conflated, self._lost)
        self._arrived.clear()
        self._clear()
        return drained
