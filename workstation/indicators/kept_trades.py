"""Trades held for a while, so that a cancel can take one back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd


class TradeRows(NamedTuple):
    """Columns of trades in row order, arrays of one length.

    ``of`` is the state row of the instrument, ``counted`` whether the trade is in a candle.
    """

    of: npt.NDArray[np.int32]
    event_ns: npt.NDArray[np.int64]
    price: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    side: npt.NDArray[np.int8]
    flags: npt.NDArray[np.int32]
    trade_id: Any
    counted: npt.NDArray[np.bool_]

    def at(self, rows: npt.NDArray[Any]) -> TradeRows:
        """These rows of every column."""
        return TradeRows(*(column[rows] for column in self))


_NONE = TradeRows(
    np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int8),
    np.empty(0, np.int32), pd.array([], dtype="str"), np.empty(0, np.bool_),
)  # fmt: skip


class KeptTrades:
    """Batches of trades, oldest first; nothing is copied on the way in."""

    def __init__(self) -> None:
        self._batches: deque[tuple[int, TradeRows]] = deque()

    def __len__(self) -> int:
        return len(self._batches)

    def add(self, trades: TradeRows, newest_ns: int) -> None:
        """Hold a batch whose largest ``event_ns`` is ``newest_ns``."""
        self._batches.append((newest_ns, trades))

    def forget(self, before_ns: int) -> Iterator[TradeRows]:
        """Let go of leading batches that end before a time, and give them."""
        while self._batches and self._batches[0][0] < before_ns:
            yield self._batches.popleft()[1]

    def take_back(self, of: int, trade_id: str, since_ns: int) -> int | None:
        """Uncount the newest counted trade with this id; its ``event_ns``, None when there is none since then."""
        if not trade_id:
            return None
        for _, trades in reversed(self._batches):
            rows = np.flatnonzero((trades.of == of) & trades.counted & (trades.event_ns >= since_ns))
            same = rows[np.asarray(trades.trade_id[rows] == trade_id, dtype=bool)]
            if same.size:
                trades.counted[same[-1]] = False
                return int(trades.event_ns[same[-1]])
        return None

    def of_bar(self, of: int, start_ns: int, end_ns: int) -> TradeRows:
        """Counted trades of an instrument in a span of time, in row order."""
        parts = [
            trades.at(
                np.flatnonzero(
                    (trades.of == of)
                    & trades.counted
                    & (trades.event_ns >= start_ns)
                    & (trades.event_ns < end_ns)
                )
            )
            for _, trades in self._batches
        ]
        return _joined(parts)

    def snapshot(self) -> dict[str, Any]:
        """All held columns; ids as a list."""
        held = _joined([trades for _, trades in self._batches])
        return {**held._asdict(), "trade_id": [str(name) for name in held.trade_id]}

    @classmethod
    def of(cls, state: dict[str, Any]) -> KeptTrades:
        """From a ``snapshot()``."""
        kept = cls()
        columns = {name: np.array(values) for name, values in state.items() if name != "trade_id"}
        if columns["of"].size:
            rows = TradeRows(**columns, trade_id=pd.array(state["trade_id"], dtype="str"))
            kept.add(rows, int(rows.event_ns.max()))
        return kept


def _joined(parts: list[TradeRows]) -> TradeRows:
    if not parts:
        return _NONE
    columns = dict(zip(TradeRows._fields, zip(*parts, strict=True), strict=True))
    ids = pd.concat([pd.Series(part, copy=False) for part in columns.pop("trade_id")], ignore_index=True)
    joined: dict[str, Any] = {name: np.concatenate(pieces) for name, pieces in columns.items()}
    return TradeRows(**joined, trade_id=ids.array)
