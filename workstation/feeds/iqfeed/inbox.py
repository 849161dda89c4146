"""Where raw reads wait between the socket and the decoder: bounded in lines, and no print lost in silence."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workstation.feeds.iqfeed import scan
from workstation.feeds.iqfeed.scan import Lines


class Read(NamedTuple):
    """Whole lines one read of the socket gave."""

    seen_ns: int
    channel: str
    payload: bytes


class Lost(NamedTuple):
    """Prints of one symbol that found no place, and when they were seen."""

    prints: int
    first_ns: int
    last_ns: int


class Drained(NamedTuple):
    """What waited, in the order of arrival; what did not fit."""

    reads: list[Read]
    conflated: int
    """Lines replaced by a newer one of the same symbol and kind."""
    lost: dict[int, Lost]
    """Number of a symbol (``names.NAMES``) -> prints that found no place."""


class Inbox:
    """Reads in order. Prints beyond ``capacity`` are lost and told; of other lines beyond it the newest per symbol stays.

    Parameters
    ----------
    capacity
        Prints, and lines that are none, that may wait. Of the latter up to three times the number of symbols more.

    Examples
    --------
    >>> from workstation.feeds.iqfeed.names import Names
    >>> inbox, names = Inbox(capacity=1), Names()
    >>> _ = names.learn(["AAPL"])
    >>> for line in (b"Q,AAPL,b,1\\n", b"Q,AAPL,C,2\\n", b"Q,AAPL,a,3\\n", b"Q,AAPL,C,4\\n"):
    ...     inbox.put(Read(0, "", line), scan.scan(np.frombuffer(line, np.uint8), 1, 2, names.table))
    >>> drained = inbox.drain()
    >>> b"".join(read.payload for read in drained.reads), drained.conflated, drained.lost[0].prints
    (b'Q,AAPL,C,2\\nQ,AAPL,a,3\\n', 1, 1)
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"an inbox holds at least one line, got capacity {capacity}")
        self._capacity = capacity
        self._arrived = asyncio.Event()
        self._clear()

    def _clear(self) -> None:
        self._reads: list[Read] = []
        self._lines: list[Lines] = []
        self._prints = self._states = self._conflated = 0
        self._most_states = self._capacity
        self._lost: dict[int, Lost] = {}

    def __len__(self) -> int:
        return len(self._reads)

    def put(self, read: Read, lines: Lines) -> None:
        """Take a read and its lines as ``scan`` found them; never blocks."""
        printed = np.flatnonzero(lines.kind == scan.PRINT)
        room = self._capacity - self._prints
        if printed.size > room:
            read, lines = self._lose(read, lines, printed[room:])
        self._prints += min(printed.size, room)
        self._states += lines.kind.size - min(printed.size, room)
        if lines.kind.size:
            self._reads.append(read)
            self._lines.append(lines)
        if self._states > self._most_states:
            self._conflate()
        self._arrived.set()

    def _lose(self, read: Read, lines: Lines, at: npt.NDArray[np.intp]) -> tuple[Read, Lines]:
        for number, count in zip(*np.unique(lines.symbol[at], return_counts=True), strict=True):
            before = self._lost.get(int(number), Lost(0, read.seen_ns, read.seen_ns))
            self._lost[int(number)] = Lost(before.prints + int(count), before.first_ns, read.seen_ns)
        keep = np.ones(lines.kind.size, dtype=bool)
        keep[at] = False
        return _kept(read, lines, keep)

    def _conflate(self) -> None:
        """Of lines that are no prints, keep the newest of each symbol and kind."""
        sizes = [each.kind.size for each in self._lines]
        kind = np.concatenate([each.kind for each in self._lines])
        key = np.concatenate([each.symbol for each in self._lines]) * 8 + kind
        _, newest = np.unique(key[::-1], return_index=True)
        keep = kind == scan.PRINT
        keep[kind.size - 1 - newest] = True
        parts = np.split(keep, np.cumsum(sizes)[:-1])
        kept = [
            _kept(read, lines, part)
            for read, lines, part in zip(self._reads, self._lines, parts, strict=True)
            if part.any()
        ]
        self._reads, self._lines = [read for read, _ in kept], [lines for _, lines in kept]
        self._conflated += int((~keep).sum())
        self._states = int(keep.sum()) - self._prints
        self._most_states = self._capacity + 2 * self._states

    def wake(self) -> None:
        """Let ``arrived`` return although nothing came."""
        self._arrived.set()

    async def arrived(self) -> None:
        """Wait until something waits, or ``wake``."""
        await self._arrived.wait()

    def drain(self) -> Drained:
        """Everything that waits; the inbox is empty after."""
        drained = Drained(self._reads, self._conflated, self._lost)
        self._arrived.clear()
        self._clear()
        return drained


def _kept(read: Read, lines: Lines, keep: npt.NDArray[np.bool_]) -> tuple[Read, Lines]:
    """A read with some of its lines only."""
    if keep.all():
        return read, lines
    data = np.frombuffer(read.payload, dtype=np.uint8)
    begin = lines.start.copy()
    begin[:1] = 0
    size = np.diff(np.append(begin, data.size))
    shift = np.cumsum(np.where(keep, 0, size)) - np.where(keep, 0, size)
    payload = data[np.repeat(keep, size)].tobytes()
    moved = Lines(
        (lines.start - shift)[keep], (lines.end - shift)[keep], lines.kind[keep], lines.symbol[keep]
    )
    return read._replace(payload=payload), moved
