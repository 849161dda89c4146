"""Trades held for a while, so that a cancel can take one back and its bar be made anew."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators.candles import bar_kernels as kernels

MARKS = 4
"""Marks of the open bars in the time a cancel can reach back."""
_LONG_AGO = np.iinfo(np.int64).min


class TradeRows(NamedTuple):
    """Columns of trades in row order, arrays of one length; ``of``, the state row of the instrument, may be one for all."""

    of: npt.NDArray[np.int32]
    event_ns: npt.NDArray[np.int64]
    price: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    side: npt.NDArray[np.int8]
    flags: npt.NDArray[np.int32]
    trade_id: Any


class OpenBars(NamedTuple):
    """Bars that were open at some moment: their places in the state, ascending, and their rows of it."""

    places: npt.NDArray[np.int64]
    bars: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]


NO_BARS = OpenBars(
    np.empty(0, np.int64), np.empty((0, kernels.BAR_FIELDS), np.int64), np.empty((0, kernels.SUM_FIELDS))
)


@dataclass
class _Batch:
    """A batch: its newest time, by length of bar which rows are in one (None: all), and the bars open before it, where marked."""

    newest_ns: int
    trades: TradeRows
    counted: npt.NDArray[np.bool_] | None
    before: tuple[OpenBars, ...] | None

    def count_all(self, lengths: int, counted: bool) -> npt.NDArray[np.bool_]:
        """Say of all rows whether they are in a bar, shape (lengths, rows)."""
        self.counted = np.full((lengths, self.trades.event_ns.size), counted)
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

    def add(self, trades: TradeRows, newest_ns: int, before: tuple[OpenBars, ...] | None = None) -> None:
        """Hold a batch whose largest ``event_ns`` is ``newest_ns``, all its rows in a bar until told otherwise."""
        if before is not None:
            self._marked_ns = newest_ns
        self._batches.append(_Batch(newest_ns, trades, None, before))

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
        for place in range(len(self._batches) - 1, -1, -1):
            batch = self._batches[place]
            rows = np.flatnonzero((batch.trades.of == of) & (batch.trades.event_ns >= since_ns))
            if batch.counted is not None:
                rows = rows[batch.counted[length, rows]]
            same = rows[np.asarray(batch.trades.trade_id[rows] == trade_id, dtype=bool)]
            if same.size:
                counted = batch.counted if batch.counted is not None else batch.count_all(self._lengths, True)
                counted[length, same[-1]] = False
                for later in range(place + 1, len(self._batches)):
                    self._batches[later].before = None
                self._marked_ns = _LONG_AGO
                return int(batch.trades.event_ns[same[-1]])
        return None

    def bar(self, length: int, of: int, place: int, number: int, every_ns: int) -> tuple[OpenBars, TradeRows]:
        """What makes a bar anew, at ``place`` in the state: itself at the newest mark, begun or not, and its counted trades since."""
        first = max(at for at, batch in enumerate(self._batches) if batch.before is not None)
        marked = (self._batches[first].before or self._none)[length]
        at = int(np.searchsorted(marked.places, place))
        known = (
            at < marked.places.size
            and marked.places[at] == place
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
            times = batch.trades.event_ns
            of_bar = (batch.trades.of == of) & (times >= begin_ns) & (times < begin_ns + every_ns)
            if batch.counted is not None:
                of_bar = of_bar & batch.counted[length]
            parts.append(_at(batch.trades, np.flatnonzero(of_bar)))
        return OpenBars(np.array([place]), bars, sums), _joined(parts)

    @property
    def _none(self) -> tuple[OpenBars, ...]:
        return (NO_BARS,) * self._lengths

    def snapshot(self) -> dict[str, Any]:
        """All held columns, ids as a list, and the bars open before them."""
        every = [_at(batch.trades, np.arange(batch.trades.event_ns.size)) for batch in self._batches]
        held = _joined(every)._asdict()
        counted = [
            np.ones((self._lengths, batch.trades.event_ns.size), np.bool_) if batch.counted is None else batch.counted
            for batch in self._batches
        ]  # fmt: skip
        before = (self._batches[0].before if self._batches else None) or self._none
        return {
            **held,
            "trade_id": [str(name) for name in held["trade_id"]],
            "counted": np.concatenate([np.empty((self._lengths, 0), np.bool_), *counted], axis=1),
            "before": [{name: array.copy() for name, array in bars._asdict().items()} for bars in before],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._batches.clear()
        self._marked_ns = _LONG_AGO
        columns = {name: np.array(state[name]) for name in TradeRows._fields if name != "trade_id"}
        if not columns["of"].size:
            return
        rows = TradeRows(**columns, trade_id=pd.array(state["trade_id"], dtype="str"))
        before = tuple(
            OpenBars(**{name: np.array(array) for name, array in bars.items()}) for bars in state["before"]
        )
        self.add(rows, int(rows.event_ns.max()), before)
        self._batches[0].counted = np.array(state["counted"])


def _at(trades: TradeRows, rows: npt.NDArray[Any]) -> TradeRows:
    """These rows of every column."""
    of = trades.of[rows] if trades.of.size == trades.event_ns.size else np.repeat(trades.of, rows.size)
    return TradeRows(of, *(column[rows] for column in trades[1:]))


_NONE = TradeRows(
    np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int8),
    np.empty(0, np.int32), pd.array([], dtype="str"),
)  # fmt: skip


def _joined(parts: list[TradeRows]) -> TradeRows:
    if not parts:
        return _NONE
    columns = dict(zip(TradeRows._fields, zip(*parts, strict=True), strict=True))
    ids = pd.concat([pd.Series(part, copy=False) for part in columns.pop("trade_id")], ignore_index=True)
    joined: dict[str, Any] = {name: np.concatenate(pieces) for name, pieces in columns.items()}
    return TradeRows(**joined, trade_id=ids.array)
