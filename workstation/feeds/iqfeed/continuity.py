"""Prints that did not come: the venue's count of a symbol's prints today goes up by one with each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.instruments import REGISTRY


class Hole(NamedTuple):
    """Missing prints of one instrument: the counts they had, both inclusive, and the times around them."""

    instrument: str
    first: int
    last: int
    start_ns: int
    end_ns: int


@numba.njit(cache=True)  # type: ignore[misc]
def _before(
    codes: Any, counts: Any, event_ns: Any, last: Any, last_ns: Any, before: Any, before_ns: Any
) -> None:
    for i in range(codes.size):
        code = codes[i]
        before[i], before_ns[i] = last[code], last_ns[code]
        # a count far below the newest one is a new day's, one a little below it a print that comes late
        if counts[i] > last[code] or counts[i] * 2 < last[code]:
            last[code], last_ns[code] = counts[i], event_ns[i]


class Continuity:
    """Remembers the newest count of each instrument; a jump is a hole. What came before the first print is not asked for.

    Examples
    --------
    >>> def prints(*counts):
    ...     return pd.DataFrame({"event_ns": range(len(counts)), "venue_seq": counts,
    ...                          "instrument": REGISTRY.conform(pd.Series(["AAPL"] * len(counts)))})
    >>> [hole[1:3] for hole in Continuity().holes(prints(7, 8, 12, 13, 10))]
    [(9, 11)]
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self, codes: npt.NDArray[np.int32] | None = None) -> None:
        """Begin anew, for some instruments or all."""
        if codes is None:
            self._last: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
            self._last_ns: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        else:
            self._grow(int(codes.max(initial=-1)) + 1)
            self._last[codes] = 0

    def _grow(self, size: int) -> None:
        if size > self._last.size:
            more = np.zeros(max(size, 2 * self._last.size, 1024) - self._last.size, dtype=np.int64)
            self._last, self._last_ns = np.append(self._last, more), np.append(self._last_ns, more)

    def holes(self, trades: pd.DataFrame) -> list[Hole]:
        """Holes that prints reveal, in the order they came; a print without a count (0) reveals none."""
        counts = trades["venue_seq"].to_numpy(dtype=np.int64)
        counted = counts > 0
        codes = np.asarray(trades["instrument"].array.codes, dtype=np.int64)[counted]
        event_ns = trades["event_ns"].to_numpy(dtype=np.int64)[counted]
        counts = counts[counted]
        self._grow(int(codes.max(initial=-1)) + 1)
        before, before_ns = np.zeros(counts.size, dtype=np.int64), np.zeros(counts.size, dtype=np.int64)
        _before(codes, counts, event_ns, self._last, self._last_ns, before, before_ns)
        return [
            Hole(
                str(REGISTRY.names([int(codes[at])])[0]), int(before[at]) + 1, int(counts[at]) - 1,
                int(min(before_ns[at], event_ns[at])), int(event_ns[at]),
            )
            for at in np.flatnonzero((before > 0) & (counts > before + 1))
        ]  # fmt: skip
