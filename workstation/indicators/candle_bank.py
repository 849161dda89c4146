"""The open bars of all lengths of candles, side by side, so that one step folds a batch into all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from workstation.indicators import candle_kernels as kernels
from workstation.indicators.trade_columns import TradeColumns

LEAST_RUN = 8
"""Trades an instrument has in a bar, on average, from which on they are folded by instrument."""


class Bank:
    """Open bars by length, then instrument, then slot.

    Attributes
    ----------
    every_ns, slots
        Length of a bar, and how many of an instrument may be open, by length.
    edges
        Where the bars of each length begin, and where the last ones end.
    bars, sums
        The bars, see ``candle_kernels``.
    next_close, late
        The watermark that closes the next bar of each length, and trades that came after their bar was final.
    """

    def __init__(self, lengths_ns: tuple[int, ...], lateness_ns: int) -> None:
        self.every_ns = np.array(lengths_ns, dtype=np.int64)
        self.slots = lateness_ns // self.every_ns + 2
        self.next_close = np.full(len(lengths_ns), kernels.NEVER)
        self.late = np.zeros(len(lengths_ns), dtype=np.int64)
        self.instruments = self._room = 0
        self.edges = np.zeros(len(lengths_ns) + 1, dtype=np.int64)
        self.bars, self.sums = self._vacant(0)

    def make_room(self, instruments: int) -> None:
        """State for so many instruments."""
        self.instruments = instruments
        if instruments <= self._room:
            return
        held = [self.of(place) for place in range(self.slots.size)]
        self._room = max(instruments, 2 * self._room)
        self.edges = np.append(0, np.cumsum(self._room * self.slots))
        self.bars, self.sums = self._vacant(int(self.edges[-1]))
        for begin, (bars, sums) in zip(self.edges.tolist(), held, strict=False):
            self.bars[begin : begin + len(bars)], self.sums[begin : begin + len(bars)] = bars, sums

    def of(self, place: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Bars of one length, as long as there is room for no more instruments."""
        part = slice(self.edges[place], self.edges[place + 1])
        return self.bars[part], self.sums[part]

    def spans(self, columns: TradeColumns) -> npt.NDArray[np.int64]:
        """Spans of a bar that the times of a batch reach over, by length."""
        spans: npt.NDArray[np.int64] = (
            columns.newest_ns // self.every_ns - columns.oldest_ns // self.every_ns + 1
        )
        return spans

    def most(self, columns: TradeColumns, spans: npt.NDArray[np.int64]) -> int:
        """At most so many bars a batch makes final or amends."""
        rows, instruments = columns.event_ns.size, self.instruments
        open_and_amended = instruments * self.slots + columns.cancels.size
        return int(np.sum(np.minimum(rows, instruments * spans) + open_and_amended))

    def by_run(self, columns: TradeColumns, spans: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Of which lengths instruments have so many trades in a bar that a batch is better folded by instrument."""
        pays: npt.NDArray[np.bool_] = self.instruments * spans * LEAST_RUN <= columns.event_ns.size
        return pays

    @staticmethod
    def _vacant(rows: int) -> tuple[Any, Any]:
        return np.full((rows, kernels.BAR_FIELDS), kernels.VACANT), np.zeros((rows, kernels.SUM_FIELDS))
