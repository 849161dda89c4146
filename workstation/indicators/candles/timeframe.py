"""Candles of one length: the bars that are open, and what a cancel needs to make one anew."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from workstation.indicators.batch.trade_batch import TradeColumns
from workstation.indicators.candles import aggregation
from workstation.indicators.candles import bar_kernels as kernels
from workstation.indicators.candles.closed_bars import CandleOutput
from workstation.indicators.candles.corrections import BarCopies, KeptRows, KeptTrades
from workstation.indicators.candles.open_bars import BarStore
from workstation.indicators.candles.parameters import CandlesParameters
from workstation.market.durations import nanoseconds


class Batch(NamedTuple):
    """A batch of trades: its columns, as they are kept for cancels, and as kernels take them."""

    columns: TradeColumns
    kept: KeptRows
    arrays: aggregation.CandleBatch


class CandleLength:
    """Bars of one length, number ``length`` of a store.

    Attributes
    ----------
    unmatched_cancels
        See ``Candles``.
    """

    def __init__(self, store: BarStore, length: int, parameters: CandlesParameters, kept: KeptTrades) -> None:
        self.every_ns = parameters.lengths_ns[length]
        self.unmatched_cancels = 0
        self._store, self._length, self._slots = store, length, int(store.slots[length])
        self._rules = parameters.rules
        self._lateness_ns = nanoseconds(parameters.lateness)
        self._within_ns = nanoseconds(parameters.cancels_within)
        self._kept = kept
        self._revisions: dict[tuple[int, int], int] = {}

    # -- folding ------------------------------------------------------------------------------------------

    def count(self, batch: Batch, start: int, stop: int, watermark_ns: int, lost: int) -> None:
        """Note which rows of a batch between two cancels came in time; ``watermark_ns`` is what it was before them."""
        self._store.late[self._length] += lost
        columns = batch.columns
        if self._within_ns and (lost or columns.cancels.size):
            counted = self._kept.counted(self._length)
            aggregation.are_in_time(
                columns.event_ns, start, stop, self.every_ns, self._lateness_ns, watermark_ns, counted
            )

    def advance(self, watermark_ns: int, at: int, done: CandleOutput) -> None:
        """Close what the watermark has passed, moved by row ``at`` of the batch."""
        store, length = self._store, self._length
        if watermark_ns >= store.next_close[length]:
            done.rows, store.next_close[length] = kernels.close_bars(
                store.of(length), watermark_ns, at, done.columns, done.rows
            )

    def put_open(self, done: CandleOutput) -> None:
        """Write the bars in progress."""
        done.rows = kernels.put_open_bars(self._store.of(self._length), done.columns, done.rows)

    # -- cancels ------------------------------------------------------------------------------------------

    def cancel(self, of: int, trade_id: str, watermark_ns: int, at: int, done: CandleOutput) -> None:
        """Take a trade back and make its candle anew."""
        event_ns = self._kept.take_back(self._length, of, trade_id, watermark_ns - self._within_ns)
        if event_ns is None:
            self.unmatched_cancels += 1
            return
        number = event_ns // self.every_ns
        position = of * self._slots + number % self._slots
        made, left = self._kept.bar(self._length, of, position, number, self.every_ns)
        aggregation.fold_alone(
            left.trades, 0, left.trades.event_ns.size, 0, made.bars, made.sums, self._rules
        )
        store = self._store.of(self._length)
        if (number + 1) * self.every_ns + self._lateness_ns > watermark_ns:
            store.bars[position], store.sums[position] = made.bars[0], made.sums[0]
            if not made.bars[0, kernels.TRADES]:
                store.bars[position, kernels.NUMBER] = kernels.VACANT
            return
        revision = self._revisions[of, number] = self._revisions.get((of, number), 0) + 1
        done.add(of, store._replace(bars=made.bars, sums=made.sums), at, revision)

    def forget(self, reach_ns: int) -> None:
        """Let go of what was said of bars that no cancel can reach."""
        if self._revisions:
            oldest = reach_ns // self.every_ns
            self._revisions = {key: n for key, n in self._revisions.items() if key[1] >= oldest}

    def open_bars(self) -> BarCopies:
        """Copies of the bars that are not final."""
        held = self._store.of(self._length)
        return BarCopies(*kernels.copy_open_bars(held.bars[: held.instruments * held.slots], held.sums))

    # -- state --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state, by place of the instrument."""
        held = self._store.of(self._length)
        used = held.instruments * held.slots
        revisions = [[*key, n] for key, n in self._revisions.items()]
        return {
            "bars": held.bars[:used].copy(),
            "sums": held.sums[:used].copy(),
            "next_close": int(self._store.next_close[self._length]),
            "late": int(self._store.late[self._length]),
            "unmatched_cancels": self.unmatched_cancels,
            "revisions": np.array(revisions, dtype=np.int64).reshape(-1, 3),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()`` in a store that has room for its instruments."""
        held, length = self._store.of(self._length), self._length
        used = held.instruments * held.slots
        held.bars[:used], held.sums[:used] = state["bars"], state["sums"]
        self._store.next_close[length], self._store.late[length] = state["next_close"], state["late"]
        self.unmatched_cancels = int(state["unmatched_cancels"])
        self._revisions = {(int(of), int(number)): int(n) for of, number, n in state["revisions"]}
