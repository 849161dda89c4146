"""The guard of event time: a row dated far ahead waits until other rows agree with it or contradict it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.instants import MINUTE_NS, NO_TIME
from workstation.market.tables import HEARTBEAT, Table
from workstation.market.tables.frames import array_of

AHEAD_NS = 5 * MINUTE_NS
"""A row so far beyond the watermark waits for others."""


class Part(NamedTuple):
    """Rows of one table."""

    schema: Table
    frame: pd.DataFrame


class EventTimeGuard:
    """Keeps one row that is dated ahead from moving the watermark, and with it the candles of every instrument.

    A row more than ``ahead_ns`` beyond the watermark waits. ``agreeing`` waiting rows without a row of the market in
    between that is dated as before are believed: a recording went on after a gap, or this machine's clock is behind. A row of the
    market dated as before contradicts those that wait: they are set aside.

    Parameters
    ----------
    set_aside
        Called with rows that were contradicted, and why.
    agreeing
        Rows that must agree: 1 takes every row as it is dated (recordings), more where this machine's heartbeats move the watermark.
    ahead_ns
        How far ahead of the watermark a row may be dated.

    Examples
    --------
    >>> from workstation.market.tables import TRADES
    >>> aside = []
    >>> guard = EventTimeGuard(lambda part, why: aside.append(len(part.frame)))
    >>> def trades(*seconds):
    ...     return TRADES.conform(pd.DataFrame({"event_ns": [int(s * 1e9) for s in seconds], "instrument": "BTC/USD",
    ...                                         "price": 1.0, "size": 1.0}))
    >>> [len(part.frame) for part in guard.admit(TRADES, trades(1, 4000), watermark_ns=0)]
    [1]
    >>> [len(part.frame) for part in guard.admit(TRADES, trades(2), watermark_ns=10**9)], aside
    ([1], [1])
    """

    def __init__(
        self,
        set_aside: Callable[[Part, str], None],
        agreeing: int = 2,
        ahead_ns: int = AHEAD_NS,
    ) -> None:
        if agreeing < 1:
            raise ValueError(f"agreeing must be at least 1 row, got {agreeing}")
        self._set_aside, self._agreeing, self._ahead_ns = set_aside, agreeing, ahead_ns
        self._pending: list[Part] = []
        self._rows = 0

    @property
    def pending_rows(self) -> int:
        """Rows that wait."""
        return self._rows

    @property
    def waiting(self) -> tuple[Part, ...]:
        """The rows that wait."""
        return tuple(self._pending)

    def wait_with(self, parts: tuple[Part, ...]) -> None:
        """Have these rows wait, and no others."""
        self._pending, self._rows = list(parts), sum(len(part.frame) for part in parts)

    def admit(self, schema: Table, frame: pd.DataFrame, watermark_ns: int) -> list[Part]:
        """Parts that may be accepted now, in order; none when all rows wait."""
        event_ns = array_of(frame, schema.places["event_ns"])
        if watermark_ns == NO_TIME or event_ns.max() <= watermark_ns + self._ahead_ns:
            if self._pending and schema is not HEARTBEAT:
                self._contradict(watermark_ns)
            return [Part(schema, frame)]
        ahead = event_ns > watermark_ns + self._ahead_ns
        if ahead.all():
            return self._wait(Part(schema, frame))
        if schema is not HEARTBEAT:
            self._contradict(watermark_ns)
        if np.count_nonzero(ahead) >= self._agreeing:
            return [Part(schema, frame)]
        return self._split(Part(schema, frame), ahead, watermark_ns)

    def _split(self, part: Part, ahead: npt.NDArray[np.bool_], watermark_ns: int) -> list[Part]:
        """Few rows of a batch are ahead: those before a row dated as before are contradicted, the last ones wait."""
        schema, frame = part
        tail = ahead.copy()
        tail[: int(np.flatnonzero(~ahead)[-1]) + 1] = False
        admitted = [Part(schema, _taken(frame, ~ahead))]
        if (ahead & ~tail).any():
            self._refuse(Part(schema, _taken(frame, ahead & ~tail)), watermark_ns)
        if tail.any():
            admitted += self._wait(Part(schema, _taken(frame, tail)))
        return admitted

    def settle(self) -> list[Part]:
        """What waits when nothing more comes: nobody contradicted it."""
        parts, self._pending, self._rows = self._pending, [], 0
        return parts

    def _wait(self, part: Part) -> list[Part]:
        self._pending.append(part)
        self._rows += len(part.frame)
        if self._rows >= self._agreeing:
            return self.settle()
        return []

    def _contradict(self, watermark_ns: int) -> None:
        for part in self.settle():
            self._refuse(part, watermark_ns)

    def _refuse(self, part: Part, watermark_ns: int) -> None:
        event_ns = int(part.frame["event_ns"].max())
        when, seconds = pd.Timestamp(event_ns, tz="UTC").isoformat(), (event_ns - watermark_ns) / 1e9
        self._set_aside(part, f"dated {when}, {seconds:,.0f} s ahead of all other rows")


def _taken(frame: pd.DataFrame, rows: npt.NDArray[np.bool_]) -> pd.DataFrame:
    return frame[rows].reset_index(drop=True)
