"""Which rows of a block are kept: each row set aside is counted under its first reason, the first one named."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.files.lean.members import Block
from workstation.feeds.files.reading import Rejections

Mask = npt.NDArray[np.bool_]
Column = TypeVar("Column", npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int32])


class Sieve:
    """Sets rows of one block aside.

    Parameters
    ----------
    block
        Where the rows came from.
    rows
        Row of the block of each line that was read; None when all were.
    size
        How many lines were read.
    """

    def __init__(
        self, block: Block, rows: npt.NDArray[np.int64] | None, size: int, rejections: Rejections
    ) -> None:
        self._block, self._rows, self._rejections = block, rows, rejections
        self._size = size
        self._kept: Mask | None = None

    def refuse(self, bad: Mask | None, reason: str) -> None:
        """Set rows aside that were not set aside before."""
        if bad is None or not bad.any():
            return
        if self._kept is None:
            self._kept = np.ones(self._size, dtype=np.bool_)
        new = bad & self._kept
        if new.any():
            self._rejections.add(reason, int(new.sum()), self.where(int(new.argmax())))
            self._kept &= ~bad

    def where(self, line: int) -> str:
        """Member and line number, in words."""
        return self._block.where(line if self._rows is None else int(self._rows[line]))

    def kept(self) -> npt.NDArray[np.int64] | None:
        """Places of the lines kept; None when all are."""
        return None if self._kept is None else np.flatnonzero(self._kept)

    def block_rows(self) -> npt.NDArray[np.int64] | None:
        """Rows of the block that the lines kept have; None when they are all the block's."""
        kept = self.kept()
        if kept is None:
            return self._rows
        return kept if self._rows is None else self._rows[kept]

    def pick(self, values: Column) -> Column:
        """The kept lines of a column."""
        kept = self.kept()
        return values if kept is None else values[kept]


def numbers_or_refuse(sieve: Sieve, values: npt.NDArray[np.float64], name: str, required: bool) -> None:
    """Refuse rows where a number is infinite, or missing although it must be there."""
    if np.isinf(values).any():
        sieve.refuse(np.isinf(values), f"no finite number in {name}")
    if required:
        missing: Mask = np.asarray(pd.isna(values))
        sieve.refuse(missing, f"no {name}")
