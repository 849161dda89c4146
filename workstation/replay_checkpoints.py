"""What a replay had derived at moments it has passed, so that it can go back to them."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from typing import NamedTuple

from workstation.desk import Desk, DeskState
from workstation.feeds.tape.bookmark import Bookmark
from workstation.feeds.tape.tape import Tape
from workstation.market.instants import SECOND_NS
from workstation.streams.subscribers import RUNNING

EVERY_NS = 15 * SECOND_NS
"""Event time between two checkpoints at the least."""
KEPT = 40
"""So many are held in memory; the oldest go. One of a thousand contracts takes about 15 MB."""
SHARE = 0.1
"""Of the replay's time, at most so much is spent on them."""


class Checkpoint(NamedTuple):
    """A replay between two batches.

    Attributes
    ----------
    last_ns
        Event time up to which rows were given.
    """

    last_ns: int
    tape: Bookmark
    desk: DeskState


class Checkpoints:
    """The newest checkpoints of a replay, in order of event time.

    Parameters
    ----------
    every_ns, kept, share
        Event time between two at the least, how many are held, and which share of the time may be spent on them.
    """

    def __init__(self, every_ns: int = EVERY_NS, kept: int = KEPT, share: float = SHARE) -> None:
        self._every_ns, self._kept, self._share = every_ns, kept, share
        self._held: list[Checkpoint] = []
        self._next_s = 0.0
        self._lock = threading.Lock()

    def before(self, moment_ns: int) -> Checkpoint | None:
        """The last one that has given no row of ``moment_ns`` or later."""
        with self._lock:
            at = bisect_left(self._held, moment_ns, key=_last_ns)
            return self._held[at - 1] if at else None

    def take(self, desk: Desk, tape: Tape) -> None:
        """Hold where a replay stands, if one is due; between two batches, on the thread that publishes."""
        last_ns, began = tape.position_ns, time.monotonic()
        if last_ns is None or began < self._next_s:
            return
        near = self.before(last_ns + 1)
        if near is not None and last_ns - near.last_ns < self._every_ns:
            return
        if any(state != RUNNING for state in desk.hub.branches.values()):
            return
        made = Checkpoint(last_ns, tape.bookmark(), desk.snapshot())
        ended = time.monotonic()
        self._next_s = ended + (ended - began) / self._share
        with self._lock:
            self._held.insert(bisect_left(self._held, last_ns, key=_last_ns), made)
            del self._held[: -self._kept]


def _last_ns(one: Checkpoint) -> int:
    return one.last_ns
