"""Bars that come out of the candles, as columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators.batch.instrument_state import nothing
from workstation.indicators.candles import bar_kernels as kernels
from workstation.market.instruments import REGISTRY
from workstation.market.tables import CANDLES
from workstation.market.tables.columns import unknowns
from workstation.market.tables.frames import STACKED_ROWS


class CandleOutput:
    """Scratch space for bars, of which ``rows`` are taken.

    Attributes
    ----------
    columns
        Shape (columns, room), as ``kernels.put_bar`` writes them.
    """

    def __init__(self, room: int) -> None:
        self.rows = 0
        self.room = room
        self.columns = kernels.ClosedBars(
            np.empty((kernels.DONE_NUMBERS, room), dtype=np.int64), np.empty((kernels.DONE_VALUES, room))
        )

    def add(self, of: int, bar: kernels.OpenBars, at: int, revision: int) -> None:
        """Put the first of ``bar``, amended ``revision`` times."""
        kernels.put_bar(bar, 0, of, at, self.columns, self.rows)
        self.columns.numbers[kernels.DONE_REVISION, self.rows] = revision
        self.rows += 1

    def clear(self) -> None:
        """As if new."""
        self.rows = 0

    def frame(self, codes: npt.NDArray[np.int32], several: bool, final: int) -> pd.DataFrame:
        """Rows of the ``candles`` table, the first ``final`` of them closed; those of many rows share this memory.

        Parameters
        ----------
        codes
            Registry code of each row of the state.
        several
            Whether they are of several lengths: then they go by the row of the batch that made them final.
        """
        rows = self.rows
        if not rows:
            return nothing(CANDLES)
        if several:
            return self._in_order(codes, rows, final)
        numbers, values = self.columns.numbers[:, :rows], self.columns.values[:, :rows]
        if rows <= STACKED_ROWS:
            numbers, values = numbers.copy(), values.copy()
        revisions = numbers[kernels.DONE_REVISION].astype(np.int32)
        instruments = codes[numbers[kernels.DONE_OF]]
        return _frame(numbers[: kernels.DONE_COLUMNS], values, revisions, instruments, final)

    def _in_order(self, codes: npt.NDArray[np.int32], rows: int, final: int) -> pd.DataFrame:
        order = np.arange(rows)
        order[:final] = np.argsort(self.columns.numbers[kernels.DONE_AT, :final], kind="stable")
        out = kernels.ClosedBars(
            np.empty((kernels.DONE_COLUMNS, rows), np.int64), np.empty((kernels.DONE_VALUES, rows))
        )
        revisions, instruments = np.empty(rows, np.int32), np.empty(rows, np.int32)
        kernels.put_in_order(self.columns, order, codes, out, revisions, instruments)
        return _frame(out.numbers, out.values, revisions, instruments, final)


def _frame(numbers: Any, values: Any, revisions: Any, instruments: Any, final: int) -> pd.DataFrame:
    rows = revisions.size
    closed = np.ones((1, rows), dtype=np.bool_)
    closed[0, final:] = False
    stacks: dict[str, npt.NDArray[Any]] = {
        "int64": numbers, "float64": values, "int32": revisions.reshape(1, -1), "bool": closed,
    }  # fmt: skip
    others = {"instrument": REGISTRY.categorical(instruments), "venue": unknowns("category", "", rows)}
    return CANDLES.stacked(stacks, others, rows)
