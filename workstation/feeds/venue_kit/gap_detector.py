"""Prints that did not come, by the numbers a venue gives them: a sequence per instrument, or a count of the day."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.instruments import REGISTRY
from workstation.numerics.state_arrays import LEAST_CODES, capacity, extended

_NEXT, _AHEAD, _BEHIND = 0, 1, 2


class Hole(NamedTuple):
    """Missing prints of one instrument: sequence numbers, both inclusive, and the times around them."""

    instrument: str
    first: int
    last: int
    start_ns: int
    end_ns: int


class Admitted(NamedTuple):
    """What became of a batch of prints."""

    trades: pd.DataFrame
    """Those not seen before, in order."""
    duplicates: pd.DataFrame
    holes: list[Hole]
    """Holes this batch revealed."""


@numba.njit(cache=True)
def _grade(
    codes: Any, seqs: Any, event_ns: Any, last: Any, last_ns: Any, grades: Any, before: Any, before_ns: Any
) -> None:
    for i in range(codes.size):
        code = codes[i]
        known = last[code]
        before[i], before_ns[i] = known, last_ns[code]
        if known == 0 or seqs[i] == known + 1:
            grades[i] = _NEXT
        elif seqs[i] > known:
            grades[i] = _AHEAD
        else:
            grades[i] = _BEHIND
        if seqs[i] > known:
            last[code], last_ns[code] = seqs[i], event_ns[i]


class _NewestNumber:
    """The newest number of each instrument by registry code, and the event time it came with."""

    def __init__(self) -> None:
        self.forget()

    def forget(self, codes: npt.NDArray[np.int32] | None = None) -> None:
        """Begin anew, for some instruments or all."""
        if codes is None:
            self._last: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
            self._last_ns: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        else:
            self._make_room(codes)
            self._last[codes] = 0

    def _make_room(self, codes: npt.NDArray[Any]) -> None:
        size = capacity(int(codes.max(initial=-1)) + 1, self._last.size, LEAST_CODES)
        self._last, self._last_ns = extended(self._last, size, 0), extended(self._last_ns, size, 0)


class SequenceGaps(_NewestNumber):
    """Remembers the newest sequence number of each instrument and the holes before it.

    For venues whose number goes up by one with each print of an instrument (Deribit's trade_seq), and so names the print as
    well as its trade id does. A print at or below the newest one is a duplicate unless it fills a hole. What came before the
    first print ever seen of an instrument is not asked for.

    Examples
    --------
    >>> sequence = SequenceGaps()
    >>> def prints(*seqs):
    ...     return pd.DataFrame({"event_ns": 1, "venue_seq": seqs,
    ...                          "instrument": REGISTRY.conform(pd.Series(["BTC/USD:BTC"] * len(seqs)))})
    >>> sequence.admit(prints(7, 8, 12, 12)).holes[0][:3]
    ('BTC/USD:BTC', 9, 11)
    >>> sequence.admit(prints(10, 8)).trades["venue_seq"].tolist(), [hole[1:3] for hole in sequence.holes()]
    ([10], [(9, 9), (11, 11)])
    """

    def __init__(self) -> None:
        super().__init__()
        self._holes: dict[int, list[Hole]] = {}

    def holes(self) -> list[Hole]:
        """Holes not yet mended."""
        return [hole for holes in self._holes.values() for hole in holes]

    def admit(self, trades: pd.DataFrame) -> Admitted:
        """Prints in the order they came -> new ones, duplicates, and the holes they revealed."""
        rows = len(trades)
        codes = np.asarray(trades["instrument"].array.codes, dtype=np.int64)
        seqs = trades["venue_seq"].to_numpy(dtype=np.int64)
        event_ns = trades["event_ns"].to_numpy(dtype=np.int64)
        self._make_room(codes)
        grades, before, before_ns = (np.zeros(rows, dtype=np.int64) for _ in range(3))
        _grade(codes, seqs, event_ns, self._last, self._last_ns, grades, before, before_ns)
        keep = np.ones(rows, dtype=bool)
        found: list[Hole] = []
        for row in np.flatnonzero(grades != _NEXT):
            code, seq = int(codes[row]), int(seqs[row])
            if grades[row] == _BEHIND:
                keep[row] = self._fill(code, seq)
            else:
                found.append(
                    self._open(code, int(before[row]) + 1, seq - 1, int(before_ns[row]), int(event_ns[row]))
                )
        if keep.all():
            return Admitted(trades, trades.iloc[:0], found)
        return Admitted(trades[keep].reset_index(drop=True), trades[~keep].reset_index(drop=True), found)

    def _open(self, code: int, first: int, last: int, start_ns: int, end_ns: int) -> Hole:
        hole = Hole(str(REGISTRY.names([code])[0]), first, last, min(start_ns, end_ns), max(start_ns, end_ns))
        self._holes.setdefault(code, []).append(hole)
        return hole

    def _fill(self, code: int, seq: int) -> bool:
        holes = self._holes.get(code, [])
        for at, hole in enumerate(holes):
            if hole.first <= seq <= hole.last:
                left = hole._replace(last=seq - 1)
                right = hole._replace(first=seq + 1)
                holes[at : at + 1] = [part for part in (left, right) if part.first <= part.last]
                if not holes:
                    del self._holes[code]
                return True
        return False


@numba.njit(cache=True)
def _before(
    codes: Any, counts: Any, event_ns: Any, last: Any, last_ns: Any, before: Any, before_ns: Any
) -> None:
    for i in range(codes.size):
        code = codes[i]
        before[i], before_ns[i] = last[code], last_ns[code]
        # a count far below the newest one is a new day's, one a little below it a print that comes late
        if counts[i] > last[code] or counts[i] * 2 < last[code]:
            last[code], last_ns[code] = counts[i], event_ns[i]


class CountGaps(_NewestNumber):
    """For venues that count an instrument's prints of the day (IQFeed): a jump is a hole.

    What came before the first print is not asked for; a count that falls far begins a new day.

    Examples
    --------
    >>> def prints(*counts):
    ...     return pd.DataFrame({"event_ns": range(len(counts)), "venue_seq": counts,
    ...                          "instrument": REGISTRY.conform(pd.Series(["AAPL"] * len(counts)))})
    >>> [hole[1:3] for hole in CountGaps().holes(prints(7, 8, 12, 13, 10))]
    [(9, 11)]
    """

    def holes(self, trades: pd.DataFrame) -> list[Hole]:
        """Holes that prints reveal, in the order they came; a print without a count (0) reveals none."""
        counts = trades["venue_seq"].to_numpy(dtype=np.int64)
        counted = counts > 0
        codes = np.asarray(trades["instrument"].array.codes, dtype=np.int64)[counted]
        event_ns = trades["event_ns"].to_numpy(dtype=np.int64)[counted]
        counts = counts[counted]
        self._make_room(codes)
        before, before_ns = np.zeros(counts.size, dtype=np.int64), np.zeros(counts.size, dtype=np.int64)
        _before(codes, counts, event_ns, self._last, self._last_ns, before, before_ns)
        return [
            Hole(
                str(REGISTRY.names([int(codes[at])])[0]), int(before[at]) + 1, int(counts[at]) - 1,
                int(min(before_ns[at], event_ns[at])), int(event_ns[at]),
            )
            for at in np.flatnonzero((before > 0) & (counts > before + 1))
        ]  # fmt: skip
