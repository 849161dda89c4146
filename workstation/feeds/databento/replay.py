"""What a new session replays again: the prints that came before, told apart by their bytes."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import numpy as np

from workstation.feeds.databento.record_queue import PRINTS, QUOTES
from workstation.feeds.files.dbn_layout import TRADED, UNDEFINED_TIME, fields_of
from workstation.feeds.files.dbn_stream import bytes_of, runs_of
from workstation.market.instants import SECOND_NS

MARGIN_NS = SECOND_NS
"""How far before the newest record a replay begins: records of several exchanges are not in the order of their times."""
_LATEST = 4_102_444_800 * SECOND_NS


class Tail:
    """The prints of the newest ``MARGIN_NS``, and since the session is new, which of them come again.

    Examples
    --------
    >>> Tail().start_ns is None
    True
    """

    def __init__(self) -> None:
        self.newest_ns = 0
        self._prints: deque[tuple[int, bytes]] = deque()
        self._again: Counter[bytes] = Counter()
        self._until_ns = 0

    @property
    def start_ns(self) -> int | None:
        """From when a new session must replay; None when nothing came yet."""
        return self.newest_ns - MARGIN_NS if self.newest_ns else None

    def begin(self) -> None:
        """A new session replays from ``start_ns`` on."""
        self._until_ns = self.newest_ns
        start = self.start_ns or 0
        self._again = Counter(body for at, body in self._prints if at >= start)

    def fresh(self, payload: bytes) -> bytes:
        """Records less the prints that came before; remembers the others."""
        if not any(self._again.values()):
            self._note(payload)
            return payload
        kept = []
        for rtype, records in runs_of(payload):
            kept.append(self._others(rtype, records))
        left = b"".join(kept)
        self._note(left)
        return left

    def _others(self, rtype: int, records: Any) -> bytes:
        printed, whole = _printed(rtype, records), bytes_of(records)
        if not printed.any():
            return whole.tobytes()
        found = []
        for is_print, row in zip(printed.tolist(), whole, strict=True):
            body = row.tobytes()
            if is_print and self._again[body] > 0:
                self._again[body] -= 1
                continue
            found.append(body)
        return b"".join(found)

    def _note(self, payload: bytes) -> None:
        for rtype, records in runs_of(payload):
            printed = _printed(rtype, records)
            if not printed.any():
                continue
            bodies = bytes_of(records)[printed]
            for time, body in zip(_times(records)[printed].tolist(), bodies, strict=True):
                self._prints.append((time, body.tobytes()))
                self.newest_ns = max(self.newest_ns, time)
        while self._prints and self._prints[0][0] < self.newest_ns - MARGIN_NS:
            self._prints.popleft()
        if self._again and self.newest_ns > self._until_ns + MARGIN_NS:
            self._again.clear()


def _printed(rtype: int, records: Any) -> Any:
    if records.dtype.names is None or rtype not in (*PRINTS, *QUOTES):
        return np.zeros(len(records), dtype=bool)
    if rtype in QUOTES and "action" in fields_of(records):
        return records["action"] == TRADED
    return np.full(len(records), rtype in PRINTS)


def _times(records: Any) -> Any:
    """``ts_event``, ``ts_recv`` where it is undefined."""
    time = np.where(records["ts_event"] == UNDEFINED_TIME, records["ts_recv"], records["ts_event"])
    return np.where(time < _LATEST, time, 0).astype(np.int64)
