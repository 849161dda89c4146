"""Prices of legs that ``marks`` may not bring: middles, prints, and what positions and fills tell of mark and index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.numerics.state_arrays import extended
from workstation.portfolio.valuation import Floats, Quoted, Terms, newest_index
from workstation.pricing.latest import LatestMarks

SOURCES = ("middle", "print", "told", "index")
"""The first known of the first three is the mark: middle of the quotes, last print, a venue's position row."""
_COLUMNS: Mapping[str, tuple[tuple[str, int], ...]] = {
    "trades": (("price", 1), ("index", 3)),
    "positions": (("mark", 2), ("index", 3)),
    "fills": (("index", 3),),
}


class LegPrices:
    """Newest known prices by leg, in the order rows came."""

    def __init__(self) -> None:
        self._codes: npt.NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._values: Floats = np.empty((len(SOURCES), 0))

    def grow(self, codes: npt.NDArray[np.int32]) -> None:
        """Make room for the legs of these instruments; the first ones are those already held."""
        self._values = extended(self._values, codes.size, np.nan)
        self._codes = codes

    def take(self, rows: pd.DataFrame, table: str) -> bool:
        """Absorb rows of ``quotes``, ``trades``, ``positions`` or ``fills``; whether they were about a leg."""
        instrument: Any = rows["instrument"].array
        codes = np.asarray(instrument.codes)
        legs = np.flatnonzero(np.isin(self._codes, codes))
        for leg in legs:
            about = codes == self._codes[leg]
            for values, source in self._told(rows, table):
                known = values[about & ~np.isnan(values)]
                if known.size:
                    self._values[source, leg] = known[-1]
        return bool(legs.size)

    @staticmethod
    def _told(rows: pd.DataFrame, table: str) -> list[tuple[Floats, int]]:
        if table == "quotes":
            return [(0.5 * (rows["bid"].to_numpy() + rows["ask"].to_numpy()), 0)]
        return [(rows[name].to_numpy(), source) for name, source in _COLUMNS[table]]

    def quoted(self) -> Quoted:
        """Mark and index by leg; the rest unknown."""
        middle, last, told, index = self._values
        mark = np.where(np.isnan(middle), np.where(np.isnan(last), told, last), middle)
        unknown = np.full(mark.size, np.nan)
        return Quoted(mark, unknown, index, unknown, unknown, unknown)

    def rates(self, terms: Terms, latest: LatestMarks) -> dict[str, float]:
        """USD per coin: the newest index ``marks`` told, else what positions, prints and fills told."""
        told = {
            str(name): float(index)
            for name, index in zip(terms.underlying, self._values[3], strict=True)
            if index == index
        }
        return told | newest_index(latest)

    def snapshot(self) -> Floats:
        """The values by leg."""
        return self._values.copy()

    def restore(self, values: Floats, codes: npt.NDArray[np.int32]) -> None:
        """Go on from a ``snapshot()``."""
        self._codes, self._values = codes, values.copy()
