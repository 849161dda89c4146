"""Candles of one length: the bars that are open, and what a cancel needs to make one anew."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from workstation.indicators.batch.trade_batch import TradeColumns
from workstation.indicators.candles import aggregation as folds
from workstation.indicators.candles import bar_kernels as kernels
from workstation.indicators.candles.closed_bars import CandleRows
from workstation.indicators.candles.corrections import KeptTrades, OpenBars, TradeRows
from workstation.indicators.candles.open_bars import Bank
from workstation.indicators.candles.parameters import CandlesParameters, nanoseconds


class Batch(NamedTuple):
    """A batch of trades: its columns, as they are kept, and by instrument (of no runs where that does not pay)."""

    columns: TradeColumns
    trades: TradeRows
    runs: folds.TradeRuns


class CandleLength:
    """Bars of one length, the ``place``-th of a bank.

    Attributes
    ----------
    unmatched_cancels
        See ``Candles``.
    """

    def __init__(self, bank: Bank, place: int, parameters: CandlesParameters, kept: KeptTrades) -> None:
        self.every_ns = parameters.lengths_ns[place]
        self.unmatched_cancels = 0
        self._bank, self._place, self._slots = bank, place, int(bank.slots[place])
        self._parameters = parameters
        self._lateness_ns = nanoseconds(parameters.lateness)
        self._within_ns = nanoseconds(parameters.cancels_within)
        self._kept = kept
        self._revisions: dict[tuple[int, int], int] = {}

    # -- folding ------------------------------------------------------------------------------------------

    def count(self, batch: Batch, start: int, stop: int, watermark_ns: int, lost: int) -> None:
        """Note which rows of a batch between two cancels came in time; ``watermark_ns`` is what it was before them."""
        self._bank.late[self._place] += lost
        columns = batch.columns
        if self._within_ns and (lost or columns.cancels.size):
            counted = self._kept.counted(self._place)
            folds.are_in_time(
                columns.event_ns, start, stop, self.every_ns, self._lateness_ns, watermark_ns, counted
            )

    def advance(self, watermark_ns: int, at: int, done: CandleRows) -> None:
        """Close what the watermark has passed, moved by row ``at`` of the batch."""
        bank, place = self._bank, self._place
        if watermark_ns >= bank.next_close[place]:
            done.rows, bank.next_close[place] = kernels.close_bars(
                *bank.of(place), self._slots, bank.instruments, self.every_ns, self._lateness_ns, watermark_ns, at,
                done.numbers, done.values, done.rows,
            )  # fmt: skip

    def put_open(self, done: CandleRows) -> None:
        """Write the bars in progress."""
        done.rows = kernels.put_open_bars(
            *self._bank.of(self._place), self._slots, self._bank.instruments, self.every_ns, done.numbers, done.values,
            done.rows,
        )  # fmt: skip

    # -- cancels ------------------------------------------------------------------------------------------

    def cancel(self, of: int, trade_id: str, watermark_ns: int, at: int, done: CandleRows) -> None:
        """Take a trade back and make its candle anew."""
        event_ns = self._kept.take_back(self._place, of, trade_id, watermark_ns - self._within_ns)
        if event_ns is None:
            self.unmatched_cancels += 1
            return
        number = event_ns // self.every_ns
        place = of * self._slots + number % self._slots
        made, left = self._kept.bar(self._place, of, place, number, self.every_ns)
        folds.fold_alone(
            left.event_ns, left.price, left.size, left.side, left.flags, 0, left.event_ns.size, 0,
            self._parameters.volume_only, self._parameters.no_aggressor, made.bars, made.sums,
        )  # fmt: skip
        if (number + 1) * self.every_ns + self._lateness_ns > watermark_ns:
            bars, sums = self._bank.of(self._place)
            bars[place], sums[place] = made.bars[0], made.sums[0]
            if not made.bars[0, kernels.TRADES]:
                bars[place, kernels.NUMBER] = kernels.VACANT
            return
        revision = self._revisions[of, number] = self._revisions.get((of, number), 0) + 1
        done.add(of, made.bars, made.sums, self.every_ns, at, revision)

    def forget(self, reach_ns: int) -> None:
        """Let go of what was said of bars that no cancel can reach."""
        if self._revisions:
            oldest = reach_ns // self.every_ns
            self._revisions = {key: n for key, n in self._revisions.items() if key[1] >= oldest}

    def open_bars(self) -> OpenBars:
        """Copies of the bars that are not final."""
        bars, sums = self._bank.of(self._place)
        return OpenBars(*kernels.open_bars(bars[: self._bank.instruments * self._slots], sums))

    # -- state --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state, by place of the instrument."""
        bank, places = self._bank, self._bank.instruments * self._slots
        bars, sums = bank.of(self._place)
        revisions = [[*key, n] for key, n in self._revisions.items()]
        return {
            "bars": bars[:places].copy(),
            "sums": sums[:places].copy(),
            "next_close": int(bank.next_close[self._place]),
            "late": int(bank.late[self._place]),
            "unmatched_cancels": self.unmatched_cancels,
            "revisions": np.array(revisions, dtype=np.int64).reshape(-1, 3),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()`` in a bank that has room for its instruments."""
        bars, sums = self._bank.of(self._place)
        places = self._bank.instruments * self._slots
        bars[:places], sums[:places] = state["bars"], state["sums"]
        self._bank.next_close[self._place], self._bank.late[self._place] = state["next_close"], state["late"]
        self.unmatched_cancels = int(state["unmatched_cancels"])
        self._revisions = {(int(of), int(number)): int(n) for of, number, n in state["revisions"]}
