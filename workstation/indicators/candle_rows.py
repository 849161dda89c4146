"""Bars that come out of the candles, as columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators import candle_kernels as kernels
from workstation.indicators.rows import nothing
from workstation.market.instruments import REGISTRY
from workstation.market.tables import CANDLES

_VALUES = {
    "open": kernels.OPEN,
    "high": kernels.HIGH,
    "low": kernels.LOW,
    "close": kernels.CLOSE,
    "volume": kernels.DONE_VOLUME,
    "buy_volume": kernels.BUY_VOLUME,
    "sell_volume": kernels.SELL_VOLUME,
    "vwap": kernels.DONE_VWAP,
}


class CandleRows:
    """Room for bars, of which ``rows`` are taken.

    Attributes
    ----------
    numbers, values
        Shape (columns, room), as ``kernels.put_bar`` writes them.
    """

    def __init__(self, room: int) -> None:
        self.rows = 0
        self.room = room
        self.numbers = np.empty((kernels.DONE_NUMBERS, room), dtype=np.int64)
        self.values = np.empty((kernels.DONE_VALUES, room))
        self._revisions: dict[int, int] = {}

    def add(self, of: int, bars: Any, sums: Any, length: int, at: int, revision: int) -> None:
        """Put the one bar of ``bars`` and ``sums``, amended ``revision`` times."""
        kernels.put_bar(bars, sums, 0, of, length, at, self.numbers, self.values, self.rows)
        self._revisions[self.rows] = revision
        self.rows += 1

    def clear(self) -> None:
        """As if new."""
        self.rows = 0
        self._revisions.clear()

    def frame(
        self, codes: npt.NDArray[np.int32], lengths_ns: npt.NDArray[np.int64], final: int
    ) -> pd.DataFrame:
        """Rows of the ``candles`` table, the first ``final`` of them closed; those of many rows share this memory.

        Bars of several lengths go by the row of the batch that made them final, then by length.

        Parameters
        ----------
        codes
            Registry code of each row of the state.
        lengths_ns
            The lengths.
        """
        rows = self.rows
        if not rows:
            return nothing(CANDLES)
        numbers, values = self.numbers[:, :rows], self.values[:, :rows]
        revision, closed = np.zeros(rows, dtype=np.int32), np.ones(rows, dtype=np.bool_)
        closed[final:] = False
        for row, number in self._revisions.items():
            revision[row] = number
        every_ns = lengths_ns[numbers[kernels.DONE_LENGTH]]
        if lengths_ns.size > 1:
            order = np.arange(rows)
            order[:final] = np.argsort(numbers[kernels.DONE_AT, :final], kind="stable")
            numbers, values = numbers[:, order], values[:, order]
            revision, every_ns = revision[order], every_ns[order]
        columns: dict[str, Any] = {
            "seq": np.zeros(rows, dtype=np.int64),
            "event_ns": numbers[kernels.DONE_NUMBER] * every_ns,
            "seen_ns": np.zeros(rows, dtype=np.int64),
            "instrument": REGISTRY.categorical(codes[numbers[kernels.DONE_OF]]),
            "every_ns": every_ns,
            **{name: values[place] for name, place in _VALUES.items()},
            "trades": numbers[kernels.DONE_TRADES],
            "revision": revision,
            "closed": closed,
        }
        return CANDLES.assembled([columns[name] for name in CANDLES.names], rows)
