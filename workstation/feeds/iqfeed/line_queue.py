"""Where raw reads wait between the socket and the decoder: bounded in lines, and no print lost in silence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workstation.feeds.iqfeed import scan
from workstation.feeds.iqfeed.scan import Lines
from workstation.feeds.venue_kit.frame_queue import ArrivalEvent, LostPrints, RawFrame


class Drained(NamedTuple):
    """What waited, in the order of arrival; what did not fit."""

    reads: list[RawFrame]
    conflated: int
    """Lines replaced by a newer one of the same symbol and kind."""
    lost: dict[int, LostPrints]
    """Number of a symbol (``names.NAMES``) -> prints that found no place."""


class LineQueue(ArrivalEvent):
    """Reads in order. Prints beyond ``capacity`` are lost and told; of other lines beyond it the newest per symbol stays.

    Parameters
    ----------
    capacity
        Prints, and lines that are none, that may wait. Of the latter up to three times the number of symbols more.

    Examples
    --------
    >>> from workstation.feeds.iqfeed.names import Names
    >>> queue, names = LineQueue(capacity=1), Names()
    >>> _ = names.learn(["AAPL"])
    >>> for line in (b"Q,AAPL,b,1\\n", b"Q,AAPL,C,2\\n", b"Q,AAPL,a,3\\n", b"Q,AAPL,C,4\\n"):
    ...     queue.put(RawFrame(0, "", line), scan.scan(np.frombuffer(line, np.uint8), 1, 2, names.table))
    >>> drained = queue.drain()
    >>> b"".join(read.payload for read in drained.reads), drained.conflated, drained.lost[0].prints
    (b'Q,AAPL,C,2\\nQ,AAPL,a,3\\n', 1, 1)
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a line queue holds at least one line, got capacity {capacity}")
        super().__init__()
        self._capacity = capacity
        self._clear()

    def _clear(self) -> None:
        self._reads: list[RawFrame] = []
        self._lines: list[Lines] = []
        self._prints = self._states = self._conflated = 0
        self._most_states = self._capacity
        self._lost: dict[int, LostPrints] = {}

    def __len__(self) -> int:
        return len(self._reads)

    def put(self, read: RawFrame, lines: Lines) -> None:
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

    def _lose(self, read: RawFrame, lines: Lines, at: npt.NDArray[np.intp]) -> tuple[RawFrame, Lines]:
        for number, count in zip(*np.unique(lines.symbol[at], return_counts=True), strict=True):
            before = self._lost.get(int(number), LostPrints(0, read.seen_ns, read.seen_ns))
            self._lost[int(number)] = LostPrints(before.prints + int(count), before.first_ns, read.seen_ns)
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

    def drain(self) -> Drained:
        """Everything that waits; the queue is empty after."""
        drained = Drained(self._reads, self._conflated, self._lost)
        self._arrived.clear()
        self._clear()
        return drained


def _kept(read: RawFrame, lines: Lines, keep: npt.NDArray[np.bool_]) -> tuple[RawFrame, Lines]:
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
