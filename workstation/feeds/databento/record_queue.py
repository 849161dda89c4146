"""Where records wait for their decoder: bounded, no print lost in silence, of quotes the newest of each instrument kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from workstation.feeds.files.dbn_layout import (
    CBBO_1M,
    CBBO_1S,
    CMBP_1,
    MBP_1,
    TCBBO,
    TRADED,
    TRADES,
    fields_of,
)
from workstation.feeds.files.dbn_stream import Bytes, bytes_of, runs_of
from workstation.feeds.venue_kit.frame_queue import ArrivalEvent, LostPrints

PRINTS = (TRADES, TCBBO)
QUOTES = (CMBP_1, MBP_1, CBBO_1S, CBBO_1M)
"""Types of quotes; those with an action may be prints."""


class Waiting(NamedTuple):
    """Whole records and when they were seen."""

    seen_ns: int
    payload: bytes


class Drained(NamedTuple):
    """What waited, in the order of arrival; what did not fit."""

    reads: list[Waiting]
    conflated: int
    lost: LostPrints | None


def gathered(reads: Sequence[Waiting], most: int = 4 << 20) -> list[Waiting]:
    """Reads joined to frames of ``most`` bytes or so, each seen when the last of its reads was.

    Examples
    --------
    >>> gathered([Waiting(1, b"a"), Waiting(2, b"b"), Waiting(3, b"ccc")], most=2)
    [Waiting(seen_ns=2, payload=b'ab'), Waiting(seen_ns=3, payload=b'ccc')]
    """
    frames: list[Waiting] = []
    part: list[Waiting] = []
    size = 0
    for read in reads:
        if part and size + len(read.payload) > most:
            frames.append(Waiting(part[-1].seen_ns, b"".join(each.payload for each in part)))
            part, size = [], 0
        part.append(read)
        size += len(read.payload)
    return [*frames, Waiting(part[-1].seen_ns, b"".join(each.payload for each in part))] if part else frames


class RecordQueue(ArrivalEvent):
    """Reads as they came, up to ``capacity`` bytes; beyond it only what must not be lost, and the newest quotes.

    Beyond the capacity a read is taken apart: of quotes the newest of each instrument waits, records that name, define or warn wait all,
    prints wait up to as many bytes again and are counted when they are lost.

    Parameters
    ----------
    capacity
        Bytes.

    Examples
    --------
    >>> queue = RecordQueue(1 << 20)
    >>> queue.put(bytes((4, 0xFF)) + bytes(14), 5)
    >>> [len(read.payload) for read in queue.drain().reads]
    [16]
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a queue holds at least one byte, got capacity {capacity}")
        super().__init__()
        self._capacity = capacity
        self._clear()

    def _clear(self) -> None:
        self._reads: list[Waiting] = []
        self._bytes = self._kept_bytes = self._conflated = 0
        self._quotes: dict[tuple[int, int, int], Waiting] = {}
        self._lost: LostPrints | None = None

    def __len__(self) -> int:
        return len(self._reads) + len(self._quotes)

    def put(self, payload: bytes, seen_ns: int) -> None:
        """Take whole records; never blocks, never raises."""
        if self._bytes + len(payload) <= self._capacity:
            self._bytes += len(payload)
            self._reads.append(Waiting(seen_ns, payload))
        else:
            for rtype, records in runs_of(payload):
                self._put_apart(rtype, records, seen_ns)
        self._arrived.set()

    def _put_apart(self, rtype: int, records: npt.NDArray[Any], seen_ns: int) -> None:
        named = records.dtype.names is not None
        printed = np.zeros(len(records), dtype=bool)
        if rtype in PRINTS and named:
            printed[:] = True
        elif rtype in QUOTES and named and "action" in fields_of(records):
            printed = records["action"] == TRADED
        whole = bytes_of(records)
        if rtype in QUOTES and named:
            self._conflate(rtype, records[~printed], whole[~printed], seen_ns)
            whole, printed = whole[printed], printed[printed]
        if not len(whole):
            return
        payload = whole.tobytes()
        if printed.any() and self._kept_bytes + len(payload) > self._capacity:
            before = self._lost or LostPrints(0, seen_ns, seen_ns)
            self._lost = LostPrints(before.prints + len(whole), before.first_ns, seen_ns)
            return
        self._kept_bytes += len(payload) if printed.any() else 0
        self._reads.append(Waiting(seen_ns, payload))

    def _conflate(self, rtype: int, records: npt.NDArray[Any], whole: Bytes, seen_ns: int) -> None:
        keys = zip(records["instrument_id"].tolist(), records["publisher_id"].tolist(), strict=True)
        for key, body in zip(keys, whole, strict=True):
            named = (rtype, *key)
            self._conflated += self._quotes.pop(named, None) is not None
            self._quotes[named] = Waiting(seen_ns, body.tobytes())

    def drain(self) -> Drained:
        """Everything that waits; the queue is empty after."""
        quotes = list(self._quotes.values())
        reads = self._reads
        if quotes:
            reads = [*reads, Waiting(quotes[-1].seen_ns, b"".join(quote.payload for quote in quotes))]
        drained = Drained(reads, self._conflated, self._lost)
        self._arrived.clear()
        self._clear()
        return drained
