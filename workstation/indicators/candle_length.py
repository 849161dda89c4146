"""Candles of one length: the bars that are open, and what a cancel needs to make one anew."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from workstation.indicators import candle_folds as folds
from workstation.indicators import candle_kernels as kernels
from workstation.indicators.candle_parameters import CandlesParameters, nanoseconds
from workstation.indicators.candle_rows import CandleRows
from workstation.indicators.kept_trades import KeptTrades, OpenBars, TradeRows
from workstation.indicators.trade_columns import TradeColumns

LEAST_RUN = 8
"""Trades an instrument has in a bar, on average, from which on they are folded by instrument."""


class Batch(NamedTuple):
    """A batch of trades: its columns, as they are kept, and by instrument (of no runs where that does not pay)."""

    columns: TradeColumns
    trades: TradeRows
    runs: folds.TradeRuns


class CandleLength:
    """Bars of one length.

    Attributes
    ----------
    late, unmatched_cancels
        See ``Candles``.
    """

    def __init__(self, every_ns: int, parameters: CandlesParameters) -> None:
        self.every_ns = every_ns
        self.late = 0
        self.unmatched_cancels = 0
        self.slots = nanoseconds(parameters.lateness) // every_ns + 2
        self._parameters = parameters
        self._lateness_ns = nanoseconds(parameters.lateness)
        self._within_ns = nanoseconds(parameters.cancels_within)
        self._next_close = int(kernels.NEVER)
        self._instruments = 0
        self._bars = np.full((0, kernels.BAR_FIELDS), kernels.VACANT)
        self._sums = np.zeros((0, kernels.SUM_FIELDS))
        self._kept = KeptTrades()
        self._revisions: dict[tuple[int, int], int] = {}

    def make_room(self, instruments: int) -> None:
        """State for so many instruments."""
        self._instruments = instruments
        missing = instruments * self.slots - len(self._bars)
        if missing > 0:
            more = max(missing, len(self._bars))
            vacant = np.full((more, kernels.BAR_FIELDS), kernels.VACANT)
            self._bars = np.concatenate((self._bars, vacant))
            self._sums = np.concatenate((self._sums, np.zeros((more, kernels.SUM_FIELDS))))

    def most(self, columns: TradeColumns) -> int:
        """At most so many bars a batch makes final or amends."""
        bars = self._instruments * self._spans(columns)
        return int(min(columns.event_ns.size, bars) + self._instruments * self.slots + columns.cancels.size)

    def pays_by_run(self, columns: TradeColumns) -> bool:
        """Whether instruments have so many trades in a bar that a batch is better folded by instrument."""
        return bool(self._instruments * self._spans(columns) * LEAST_RUN <= columns.event_ns.size)

    def _spans(self, columns: TradeColumns) -> int:
        """Spans of a bar that the times of a batch reach over."""
        return columns.newest_ns // self.every_ns - columns.oldest_ns // self.every_ns + 1

    # -- folding ------------------------------------------------------------------------------------------

    def keep(self, batch: Batch) -> None:
        """Hold a batch for as long as a cancel can reach it."""
        if self._within_ns:
            due = self._kept.is_mark_due(batch.columns.newest_ns, self._within_ns)
            self._kept.add(batch.trades, batch.columns.newest_ns, self._open_bars() if due else None)
            if batch.columns.cancels.size:
                self._kept.uncount(np.zeros(batch.columns.event_ns.size, dtype=np.bool_))

    def fold(self, batch: Batch, start: int, stop: int, watermark_ns: int, done: CandleRows) -> int:
        """Fold the rows of a batch that lie between two cancels; returns the watermark after them."""
        if start == stop:
            return watermark_ns
        columns, runs = batch.columns, batch.runs
        newest_ns, self._next_close, done.rows, late = folds.fold_trades(
            batch.trades.of, columns.event_ns, columns.price, columns.size, columns.side, columns.flags,
            runs, runs.edges[:-1].copy() if self.pays_by_run(columns) else runs.edges[:0], start, stop,
            columns.ordered, columns.plain, self.every_ns, self._lateness_ns,
            self._parameters.volume_only, self._parameters.no_aggressor,
            self._bars, self._sums, self.slots, self._instruments, watermark_ns, self._next_close,
            done.numbers, done.values, done.rows,
        )  # fmt: skip
        self.late += late
        if self._within_ns and (late or columns.cancels.size):
            counted = self._kept.counted(columns.event_ns.size)
            folds.are_in_time(
                columns.event_ns, start, stop, self.every_ns, self._lateness_ns, watermark_ns, counted
            )
        return int(newest_ns)

    def advance(self, watermark_ns: int, at: int, done: CandleRows) -> None:
        """Close what the watermark has passed, moved by row ``at`` of the batch."""
        if watermark_ns >= self._next_close:
            done.rows, self._next_close = kernels.close_bars(
                self._bars, self._sums, self.slots, self._instruments, self.every_ns, self._lateness_ns,
                watermark_ns, at, done.numbers, done.values, done.rows,
            )  # fmt: skip

    def put_open(self, done: CandleRows) -> None:
        """Write the bars in progress."""
        done.rows = kernels.put_open_bars(
            self._bars,
            self._sums,
            self.slots,
            self._instruments,
            self.every_ns,
            done.numbers,
            done.values,
            done.rows,
        )

    # -- cancels ------------------------------------------------------------------------------------------

    def cancel(self, of: int, trade_id: str, watermark_ns: int, at: int, done: CandleRows) -> None:
        """Take a trade back and make its candle anew."""
        event_ns = self._kept.take_back(of, trade_id, watermark_ns - self._within_ns)
        if event_ns is None:
            self.unmatched_cancels += 1
            return
        number = event_ns // self.every_ns
        place = of * self.slots + number % self.slots
        made, left = self._kept.bar(of, place, number, self.every_ns)
        folds.fold_alone(
            left.event_ns, left.price, left.size, left.side, left.flags, 0, left.event_ns.size, 0,
            self._parameters.volume_only, self._parameters.no_aggressor, made.bars, made.sums,
        )  # fmt: skip
        if (number + 1) * self.every_ns + self._lateness_ns > watermark_ns:
            self._bars[place], self._sums[place] = made.bars[0], made.sums[0]
            if not made.bars[0, kernels.TRADES]:
                self._bars[place, kernels.NUMBER] = kernels.VACANT
            return
        revision = self._revisions[of, number] = self._revisions.get((of, number), 0) + 1
        done.add(of, made.bars, made.sums, self.every_ns, at, revision)

    def forget(self, watermark_ns: int) -> None:
        """Let go of trades that no cancel can reach."""
        if not self._within_ns:
            return
        reach_ns = watermark_ns - self._within_ns
        self._kept.forget(reach_ns)
        if self._revisions:
            oldest = reach_ns // self.every_ns
            self._revisions = {key: n for key, n in self._revisions.items() if key[1] >= oldest}

    def _open_bars(self) -> OpenBars:
        return OpenBars(*kernels.open_bars(self._bars[: self._instruments * self.slots], self._sums))

    # -- state --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state, by place of the instrument."""
        places = self._instruments * self.slots
        revisions = [[*key, n] for key, n in self._revisions.items()]
        return {
            "bars": self._bars[:places].copy(),
            "sums": self._sums[:places].copy(),
            "next_close": self._next_close,
            "late": self.late,
            "unmatched_cancels": self.unmatched_cancels,
            "kept": self._kept.snapshot(),
            "revisions": np.array(revisions, dtype=np.int64).reshape(-1, 3),
        }

    def restore(self, state: dict[str, Any], instruments: int) -> None:
        """Go on from a ``snapshot()``."""
        self.make_room(instruments)
        places = instruments * self.slots
        self._bars[:places], self._sums[:places] = state["bars"], state["sums"]
        self._next_close = int(state["next_close"])
        self.late, self.unmatched_cancels = int(state["late"]), int(state["unmatched_cancels"])
        self._kept = KeptTrades.of(state["kept"])
        self._revisions = {(int(of), int(number)): int(n) for of, number, n in state["revisions"]}
