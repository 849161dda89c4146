"""Which row of an engine's state is whose: the instruments it follows, in the order of their first trade."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import Table
from workstation.numerics.state_arrays import extended

NEW, NOT_FOLLOWED = -1, -2
"""What stands for a state row while an instrument has none yet, and when it gets none."""
_NOTHING: dict[str, pd.DataFrame] = {}
FOLLOWED_KINDS = ("spot", "perpetual", "future", "equity", "index", "")
"""Options are left out: they print too rarely for windows of ticks, and their price moves with the underlying's."""


def nothing(schema: Table) -> pd.DataFrame:
    """A table's frame of no rows, one for all who have nothing to give: not to be changed; made anew when it was."""
    held = _NOTHING.get(schema.name)
    if held is None or held.columns is not schema.index:
        held = _NOTHING[schema.name] = schema.empty()
    return held


class InstrumentRows:
    """Which row of the state is whose, by registry code, in the order of the instruments' first trade.

    Parameters
    ----------
    kinds
        Kinds of instruments that get a row ('' = unknown kind).
    """

    def __init__(self, kinds: tuple[str, ...] = FOLLOWED_KINDS) -> None:
        self.kinds = kinds
        self.codes: npt.NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._row_of = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.codes)

    def of(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Row of each code, negative for instruments of other kinds; new instruments get the next rows."""
        self._make_room()
        of: npt.NDArray[np.int64] = self._row_of[codes]
        if NEW in of:
            self._admit(pd.unique(codes[of == NEW]).astype(np.int64))
            of = self._row_of[codes]
        return of

    def _make_room(self) -> None:
        self._row_of = extended(self._row_of, len(REGISTRY), NEW)

    def _admit(self, codes: npt.NDArray[np.int64]) -> None:
        kinds = INSTRUMENT_TERMS.kinds(codes)
        followed = [code for code, kind in zip(codes.tolist(), kinds, strict=True) if kind in self.kinds]
        self._row_of[codes] = NOT_FOLLOWED
        self._row_of[followed] = np.arange(len(self), len(self) + len(followed))
        self.codes = np.concatenate((self.codes, np.array(followed, dtype=np.int32)))

    def names(self) -> list[str]:
        """Name of each row's instrument."""
        return [str(name) for name in REGISTRY.names(self.codes)]

    def restore(self, names: list[str]) -> None:
        """The rows of a snapshot, by name."""
        codes = REGISTRY.codes(names)
        self._row_of = np.full(len(REGISTRY), NEW, dtype=np.int64)
        self._row_of[codes] = np.arange(codes.size)
        self.codes = codes
