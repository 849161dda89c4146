"""Trades held for a while, so that a cancel can take one back and its bar be made anew."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators.batch.by_instrument import TradeArrays
from workstation.indicators.candles import bar_kernels as kernels

MARKS = 4
"""Marks of the open bars in the time a cancel can reach back."""
_LONG_AGO = np.iinfo(np.int64).min


class KeptRows(NamedTuple):
    """Trades in row order; ``of``, the state row of the instrument, may be one for all; ``trade_id``: an extension array."""

    of: npt.NDArray[np.int32]
    trades: TradeArrays
    trade_id: Any


class BarCopies(NamedTuple):
    """Copies of the bars that were open at some moment: their positions in the state, ascending, and their rows of it."""

    positions: npt.NDArray[np.int64]
    bars: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]


NO_BARS = BarCopies(
    np.empty(0, np.int64), np.empty((0, kernels.BAR_FIELDS), np.int64), np.empty((0, kernels.SUM_FIELDS))
)


@dataclass
class _Batch:
    """A batch: its newest time, by length of bar which rows are in one (None: all), and the bars open before it, where marked."""

    newest_ns: int
    rows: KeptRows
    counted: npt.NDArray[np.bool_] | None
    before: tuple[BarCopies, ...] | None

    def count_all(self, lengths: int, counted: bool) -> npt.NDArray[np.bool_]:
        """Say of all rows whether they are in a bar, shape (lengths, rows)."""
        self.counted = np.full((lengths, self.rows.trades.event_ns.size), counted)
        return self.counted


class KeptTrades:
    """Batches of trades for bars of some ``lengths``, oldest first, and marks of the bars that were open before some of them.

    Nothing is copied on the way in. A bar is made anew from the newest mark before the trade that is taken back and the
    trades since, so that trades go once a cancel reaches no further than a later mark.
    """

    def __init__(self, lengths: int) -> None:
        self._lengths = lengths
        self._batches: deque[_Batch] = deque()
        self._marked_ns = _LONG_AGO

    def is_mark_due(self, newest_ns: int, within_ns: int) -> bool:
        """Whether the next batch, which ends at ``newest_ns``, is to come with the bars open before it."""
        return not self._batches or newest_ns - self._marked_ns >= within_ns // MARKS

    def add(self, rows: KeptRows, newest_ns: int, before: tuple[BarCopies, ...] | None = None) -> None:
        """Hold a batch whose largest ``event_ns`` is ``newest_ns``, all its rows in a bar until told otherwise."""
        if before is not None:
            self._marked_ns = newest_ns
        self._batches.append(_Batch(newest_ns, rows, None, before))

    def uncount(self) -> None:
        """No row of the newest batch is in a bar yet."""
        self._batches[-1].count_all(self._lengths, False)

    def counted(self, length: int) -> npt.NDArray[np.bool_]:
        """Which rows of the newest batch are in a bar, to be written."""
        newest = self._batches[-1]
        counted = newest.counted if newest.counted is not None else newest.count_all(self._lengths, True)
        row: npt.NDArray[np.bool_] = counted[length]
        return row

    def forget(self, before_ns: int) -> None:
        """Let go of batches that end before a time and lie before a mark."""
        while self._batches and self._batches[0].newest_ns < before_ns:
            gone = 1
            while gone < len(self._batches) and self._batches[gone].before is None:
                if self._batches[gone].newest_ns >= before_ns:
                    return
                gone += 1
            if gone == len(self._batches):
                return
            for _ in range(gone):
                self._batches.popleft()

    def take_back(self, length: int, of: int, trade_id: str, since_ns: int) -> int | None:
        """Uncount the newest counted trade with this id; its ``event_ns``, None when there is none since then.

        Marks after it are no longer true and go.
        """
        if not trade_id:
            return None
        for held in range(len(self._batches) - 1, -1, -1):
            batch = self._batches[held]
            rows = np.flatnonzero((batch.rows.of == of) & (batch.rows.trades.event_ns >= since_ns))
            if batch.counted is not None:
                rows = rows[batch.counted[length, rows]]
            same = rows[np.asarray(batch.rows.trade_id[rows] == trade_id, dtype=bool)]
            if same.size:
                counted = batch.counted if batch.counted is not None else batch.count_all(self._lengths, True)
                counted[length, same[-1]] = False
                for later in range(held + 1, len(self._batches)):
                    self._batches[later].before = None
                self._marked_ns = _LONG_AGO
                return int(batch.rows.trades.event_ns[same[-1]])
        return None

    def bar(
        self, length: int, of: int, position: int, number: int, every_ns: int
    ) -> tuple[BarCopies, KeptRows]:
        """What makes a bar anew, at ``position`` in the state: itself at the newest mark, begun or not, and its counted trades since."""
        first = max(at for at, batch in enumerate(self._batches) if batch.before is not None)
        marked = (self._batches[first].before or self._none)[length]
        at = int(np.searchsorted(marked.positions, position))
        known = (
            at < marked.positions.size
            and marked.positions[at] == position
            and marked.bars[at, kernels.NUMBER] == number
        )
        bars, sums = np.empty((1, kernels.BAR_FIELDS), np.int64), np.empty((1, kernels.SUM_FIELDS))
        if known:
            bars[0], sums[0] = marked.bars[at], marked.sums[at]
        else:
            kernels.begin_bar(bars, sums, 0, number)
        begin_ns = number * every_ns
        parts = []
        for held in range(first, len(self._batches)):
            batch = self._batches[held]
            times = batch.rows.trades.event_ns
            of_bar = (batch.rows.of == of) & (times >= begin_ns) & (times < begin_ns + every_ns)
            if batch.counted is not None:
                of_bar = of_bar & batch.counted[length]
            parts.append(_at(batch.rows, np.flatnonzero(of_bar)))
        return BarCopies(np.array([position]), bars, sums), _joined(parts)

    @property
    def _none(self) -> tuple[BarCopies, ...]:
        return (NO_BARS,) * self._lengths

    def snapshot(self) -> dict[str, Any]:
        """All held columns, ids as a list, and the bars open before them."""
        every = [_at(batch.rows, np.arange(batch.rows.trades.event_ns.size)) for batch in self._batches]
        held = _joined(every)
        counted = [
            np.ones((self._lengths, batch.rows.trades.event_ns.size), np.bool_) if batch.counted is None else batch.counted
            for batch in self._batches
        ]  # fmt: skip
        before = (self._batches[0].before if self._batches else None) or self._none
        return {
            "of": held.of,
            **held.trades._asdict(),
            "trade_id": [str(name) for name in held.trade_id],
            "counted": np.concatenate([np.empty((self._lengths, 0), np.bool_), *counted], axis=1),
            "before": [{name: array.copy() for name, array in bars._asdict().items()} for bars in before],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._batches.clear()
        self._marked_ns = _LONG_AGO
        if not len(state["of"]):
            return
        trades = TradeArrays(*(np.array(state[name]) for name in TradeArrays._fields))
        rows = KeptRows(np.array(state["of"]), trades, pd.array(state["trade_id"], dtype="str"))
        before = tuple(
            BarCopies(**{name: np.array(array) for name, array in bars.items()}) for bars in state["before"]
        )
        self.add(rows, int(trades.event_ns.max()), before)
        self._batches[0].counted = np.array(state["counted"])


def _at(held: KeptRows, rows: npt.NDArray[Any]) -> KeptRows:
    """These rows of every column."""
    trades = TradeArrays(*(column[rows] for column in held.trades))
    of = held.of[rows] if held.of.size == held.trades.event_ns.size else np.repeat(held.of, rows.size)
    return KeptRows(of, trades, held.trade_id[rows])


_NONE = KeptRows(
    np.empty(0, np.int32),
    TradeArrays(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int8), np.empty(0, np.int32)),
    pd.array([], dtype="str"),
)


def _joined(parts: list[KeptRows]) -> KeptRows:
    if not parts:
        return _NONE
    columns = zip(*(part.trades for part in parts), strict=True)
    ids = pd.concat([pd.Series(part.trade_id, copy=False) for part in parts], ignore_index=True)
    trades = TradeArrays(*(np.concatenate(column) for column in columns))
    return KeptRows(np.concatenate([part.of for part in parts]), trades, ids.array)
