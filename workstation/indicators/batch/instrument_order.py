"""Which instruments have traded, in the order of their first trade: the rows of the candles' state."""

from __future__ import annotations

import weakref
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.instruments import REGISTRY
from workstation.numerics.state_arrays import extended


class InstrumentOrder:
    """Registry codes in the order of first trades; never changed, so that engines that saw the same trades share one.

    What a batch means to it is found once for all of them.

    Attributes
    ----------
    row_of
        Row of the state of each registry code, -1 where it has none.

    Examples
    --------
    >>> nobody = InstrumentOrder(np.empty(0, dtype=np.int32))
    >>> one = nobody.followed_by([7, 3])
    >>> one is nobody.followed_by([7, 3]), one.codes.tolist()
    (True, [7, 3])
    """

    def __init__(self, codes: npt.NDArray[np.int32]) -> None:
        self.codes = codes
        self.size = int(codes.size)
        self.row_of = np.full(int(codes.max()) + 1 if codes.size else 0, -1, dtype=np.int32)
        self.row_of[codes] = np.arange(codes.size, dtype=np.int32)
        self._next: weakref.WeakValueDictionary[tuple[int, ...], InstrumentOrder] = (
            weakref.WeakValueDictionary()
        )

    def followed_by(self, codes: list[int]) -> InstrumentOrder:
        """The order with further instruments."""
        if not codes:
            return self
        key = tuple(codes)
        order = self._next.get(key)
        if order is None:
            order = self._next[key] = InstrumentOrder(np.concatenate((self.codes, np.array(codes, np.int32))))
        return order

    def rows(
        self, codes: npt.NDArray[Any], found: dict[Any, Any]
    ) -> tuple[InstrumentOrder, npt.NDArray[np.int32]]:
        """The order after a batch, and the state row of each of its registry codes; ``found``: what has been found of the batch."""
        held: tuple[InstrumentOrder, npt.NDArray[np.int32]] | None = found.get(self)
        if held is not None:
            return held
        self.row_of = extended(self.row_of, len(REGISTRY), -1)
        order, of = self, np.empty(codes.size, dtype=np.int32)
        if look_up(self.row_of, codes, of):
            order = self.followed_by(pd.unique(codes[of < 0]).astype(np.int64).tolist())
            of = order.row_of[codes]
        found[self] = order, of
        return order, of


@numba.njit(cache=True, nogil=True)
def look_up(row_of: Any, codes: Any, of: Any) -> bool:
    """Write the row of each code; whether any has none."""
    least = 0
    for position in range(codes.size):
        row = row_of[np.uint64(codes[position])]
        of[position] = row
        least = min(least, row)
    return least < 0
