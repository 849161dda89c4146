"""Where raw frames wait between a socket and its decoder: bounded, and no print lost in silence."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class RawFrame(NamedTuple):
    """Bytes as they came."""

    seen_ns: int
    channel: str
    payload: bytes


class LostPrints(NamedTuple):
    """Prints that found no place, and when the first and the last of them were seen."""

    prints: int
    first_ns: int
    last_ns: int


class Drained(NamedTuple):
    """What waited, in the order of arrival; what did not fit."""

    frames: list[RawFrame]
    conflated: dict[str, int]
    """Channel -> states replaced by a newer one of the same channel."""
    lost: dict[str, LostPrints]
    """Channel -> prints that found no place."""


class ArrivalEvent:
    """Something to wait for: frames, or a call that wakes whoever waits."""

    def __init__(self) -> None:
        self._arrived = asyncio.Event()

    def wake(self) -> None:
        """Let ``arrived`` return although nothing came."""
        self._arrived.set()

    async def arrived(self) -> None:
        """Wait until something waits, or ``wake``."""
        await self._arrived.wait()


class FrameQueue(ArrivalEvent):
    """Two bounded queues: prints, which are counted when lost, and states, of which the newest per channel survives.

    Parameters
    ----------
    capacity
        Frames of either queue. Prints beyond it are lost and told; states beyond it replace the waiting state of
        their channel, so that at most ``capacity`` plus one frame per channel wait.
    is_print
        Whether frames of a channel carry prints.
    prints_in
        How many prints a payload carries; asked of lost ones only.

    Examples
    --------
    >>> queue = FrameQueue(1, is_print=lambda channel: channel.startswith("trades."), prints_in=lambda payload: 1)
    >>> for price in (b"1", b"2", b"3"):
    ...     queue.put("quote.BTC-PERPETUAL", price, 0)
    >>> drained = queue.drain()
    >>> [frame.payload for frame in drained.frames], drained.conflated
    ([b'1', b'3'], {'quote.BTC-PERPETUAL': 1})
    """

    def __init__(
        self, capacity: int, *, is_print: Callable[[str], bool], prints_in: Callable[[bytes], int]
    ) -> None:
        if capacity < 1:
            raise ValueError(f"a frame queue holds at least one frame, got capacity {capacity}")
        super().__init__()
        self._capacity, self._is_print, self._prints_in = capacity, is_print, prints_in
        self._order = 0
        self._clear()

    def _clear(self) -> None:
        self._prints: deque[tuple[int, RawFrame]] = deque()
        self._states: deque[tuple[int, RawFrame]] = deque()
        self._newest: dict[str, tuple[int, RawFrame]] = {}
        self._conflated: dict[str, int] = {}
        self._lost: dict[str, LostPrints] = {}

    def __len__(self) -> int:
        return len(self._prints) + len(self._states) + len(self._newest)

    def put(self, channel: str, payload: bytes, seen_ns: int) -> None:
        """Take a frame; never blocks, never raises."""
        self._order += 1
        frame = RawFrame(seen_ns, channel, payload)
        if self._is_print(channel):
            if len(self._prints) < self._capacity:
                self._prints.append((self._order, frame))
            else:
                before = self._lost.get(channel, LostPrints(0, seen_ns, seen_ns))
                prints = before.prints + self._prints_in(payload)
                self._lost[channel] = LostPrints(prints, before.first_ns, seen_ns)
        elif len(self._states) < self._capacity:
            self._states.append((self._order, frame))
        else:
            if self._newest.pop(channel, None) is not None:
                self._conflated[channel] = self._conflated.get(channel, 0) + 1
            self._newest[channel] = (self._order, frame)
        self._arrived.set()

    def waiting_prints(self) -> list[RawFrame]:
        """Frames of prints that wait; they stay."""
        return [frame for _, frame in self._prints]

    def drain(self) -> Drained:
        """Everything that waits; the queue is empty after."""
        waiting = sorted([*self._prints, *self._states, *self._newest.values()])
        drained = Drained([frame for _, frame in waiting], self._conflated, self._lost)
        self._arrived.clear()
        self._clear()
        return drained
