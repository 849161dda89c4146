"""The open bars of candles of all lengths in one array, so that one step folds a batch into all of them."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from workstation.indicators.batch.trade_batch import TradeColumns
from workstation.indicators.candles import bar_kernels as kernels
from workstation.indicators.candles.aggregation import BarBank
from workstation.numerics.state_arrays import capacity, require_state_bytes

LEAST_GROUP = 8
"""Trades an instrument has in a bar, on average, from which on they are folded by instrument."""


@numba.njit(cache=True, nogil=True)
def plan_of(
    oldest_ns: int, newest_ns: int, rows: int, cancels: int, instruments: int, every_ns: Any, slots: Any, by_group: Any
) -> tuple[int, int]:  # fmt: skip
    """``BarStore.plan``, with ``by_group`` written."""
    most = many = 0
    for length in range(every_ns.size):
        spans = newest_ns // every_ns[length] - oldest_ns // every_ns[length] + 1
        most += min(rows, instruments * spans) + instruments * slots[length] + cancels
        by_group[length] = instruments * spans * LEAST_GROUP <= rows
        many += by_group[length]
    return most, many


class BarStore:
    """Open bars by length, then instrument, then slot.

    Attributes
    ----------
    every_ns, slots
        Length of a bar, and how many of an instrument may be open, by length.
    offsets
        Where the bars of each length begin, and where the last ones end.
    bars, sums
        The bars, see ``bar_kernels``.
    next_close, late
        The watermark that closes the next bar of each length, and trades that came after their bar was final.
    """

    def __init__(self, lengths_ns: tuple[int, ...], lateness_ns: int) -> None:
        self.every_ns = np.array(lengths_ns, dtype=np.int64)
        self._lateness_ns = lateness_ns
        self.slots = lateness_ns // self.every_ns + 2
        self.next_close = np.full(len(lengths_ns), kernels.NEVER)
        self.late = np.zeros(len(lengths_ns), dtype=np.int64)
        self.instruments = self._room = 0
        self.offsets = np.zeros(len(lengths_ns) + 1, dtype=np.int64)
        self.bars, self.sums = self._vacant(0)

    def make_room(self, instruments: int) -> None:
        """State for so many instruments."""
        self.instruments = instruments
        if instruments <= self._room:
            return
        require_state_bytes(instruments, int(self.slots.sum()) * kernels.BAR_BYTES)
        held = [(self.of(length).bars, self.of(length).sums) for length in range(self.slots.size)]
        self._room = capacity(instruments, self._room)
        self.offsets = np.append(0, np.cumsum(self._room * self.slots))
        self.bars, self.sums = self._vacant(int(self.offsets[-1]))
        for begin, (bars, sums) in zip(self.offsets.tolist(), held, strict=False):
            self.bars[begin : begin + len(bars)], self.sums[begin : begin + len(bars)] = bars, sums

    def of(self, length: int) -> kernels.OpenBars:
        """Bars of the length at this place of the lengths, valid as long as no further instruments come."""
        part = slice(self.offsets[length], self.offsets[length + 1])
        return kernels.OpenBars(
            self.bars[part], self.sums[part], int(self.slots[length]), int(self.every_ns[length]), self._lateness_ns,
            self.instruments,
        )  # fmt: skip

    def open_numbers(self, length: int) -> npt.NDArray[np.int64]:
        """Numbers (``event_ns // every_ns``) of the open bars of the length at this place of the lengths."""
        numbers: npt.NDArray[np.int64] = self.of(length).bars[:, kernels.NUMBER]
        taken: npt.NDArray[np.int64] = numbers[numbers != kernels.VACANT]
        return taken

    def bank(self) -> BarBank:
        """Bars of all lengths, as kernels take them."""
        return BarBank(
            self.bars, self.sums, self.offsets, self.slots, self.every_ns, self._lateness_ns, self.instruments
        )

    def plan(self, columns: TradeColumns) -> tuple[int, int, npt.NDArray[np.bool_]]:
        """At most so many bars a batch makes final or amends; of how many lengths instruments have so many trades in a bar
        that it is better folded by instrument, and of which, shape (lengths,).
        """
        by_group = np.empty(self.every_ns.size, dtype=np.bool_)
        most, many = plan_of(
            columns.oldest_ns, columns.newest_ns, columns.event_ns.size, columns.cancels.size, self.instruments, self.every_ns,
            self.slots, by_group,
        )  # fmt: skip
        return most, many, by_group

    @staticmethod
    def _vacant(rows: int) -> tuple[Any, Any]:
        return np.full((rows, kernels.BAR_FIELDS), kernels.VACANT), np.zeros((rows, kernels.SUM_FIELDS))
