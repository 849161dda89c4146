"""Prices of legs that ``marks`` may not bring: middles, prints, and what positions and fills tell of mark and index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.numerics.state_arrays import extended
from workstation.portfolio.valuation import Floats, Quoted, Terms, newest_index
from workstation.pricing.latest import LatestMarks

SOURCES = ("middle", "print", "told", "index")
"""The first known of the first three is the mark: middle of the quotes, last print, a venue's position row."""
_INDEX = SOURCES.index("index")
_COLUMNS: Mapping[str, tuple[tuple[str, int], ...]] = {
    "trades": (("price", 1), ("index", _INDEX)),
    "positions": (("mark", 2), ("index", _INDEX)),
    "fills": (("index", _INDEX),),
}


class Speaker(NamedTuple):
    """Whose price of a leg is held: its rank (0 the leg's own venue, consolidated), venue and exchange."""

    rank: int
    venue: str
    exchange: str


class LegPrices:
    """Newest known prices by leg, in the order rows came.

    A leg's own venue speaks before others, a consolidated quote (``exchange`` empty) before that of one exchange; of equals
    the one that spoke first goes on. So a contract that trades at two venues has the price of the venue where it is held.
    """

    def __init__(self) -> None:
        self._codes: npt.NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._venues: list[str] = []
        self._values: Floats = np.empty((len(SOURCES), 0))
        self._speakers: dict[tuple[int, int], Speaker] = {}

    def grow(self, codes: npt.NDArray[np.int32], venues: Sequence[str]) -> None:
        """Make room for the legs of these instruments at these venues; the first ones are those already held."""
        self._values = extended(self._values, codes.size, np.nan)
        self._codes, self._venues = codes, list(venues)

    def take(self, rows: pd.DataFrame, table: str) -> bool:
        """Absorb rows of ``quotes``, ``trades``, ``positions`` or ``fills``; whether they were about a leg."""
        instrument: Any = rows["instrument"].array
        codes = np.asarray(instrument.codes)
        legs = np.flatnonzero(np.isin(self._codes, codes))
        told = self._told(rows, table) if legs.size else []
        for leg in legs.tolist():
            about = np.flatnonzero(codes == self._codes[leg])
            for values, source in told:
                known = about[~np.isnan(values[about])]
                if known.size and source != _INDEX:
                    known = self._heard(source, leg, rows, known, table)
                if known.size:
                    self._values[source, leg] = values[known[-1]]
        return bool(legs.size)

    def _heard(
        self, source: int, leg: int, rows: pd.DataFrame, places: npt.NDArray[np.int64], table: str
    ) -> npt.NDArray[np.int64]:
        """Those of the places whose rows are of the best speaker there has been."""
        venue = _texts(rows["venue"], places)
        exchange = _texts(rows["exchange"], places) if table == "quotes" else np.full(places.size, "", object)
        rank = 2 * (venue != self._venues[leg]) + (exchange != "")
        held = self._speakers.get((source, leg))
        best = int(rank.min())
        if held is None or best < held.rank:
            first = int(rank.argmin())
            held = self._speakers[source, leg] = Speaker(best, str(venue[first]), str(exchange[first]))
        spoken: npt.NDArray[np.bool_] = (venue == held.venue) & (exchange == held.exchange)
        return places[spoken]

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
        return Quoted(mark, unknown, index, *(unknown,) * 5)

    def rates(self, terms: Terms, latest: LatestMarks) -> dict[str, float]:
        """USD per coin: the newest index ``marks`` told, else what positions, prints and fills told."""
        told = {
            str(name): float(index)
            for name, index in zip(terms.underlying, self._values[_INDEX], strict=True)
            if index == index
        }
        return told | newest_index(latest)

    def snapshot(self) -> dict[str, Any]:
        """The values by leg, and whose they are."""
        said = [[source, leg, *speaker] for (source, leg), speaker in self._speakers.items()]
        return {"values": self._values.copy(), "speakers": said}

    def restore(self, state: Mapping[str, Any], codes: npt.NDArray[np.int32], venues: Sequence[str]) -> None:
        """Go on from a ``snapshot()``."""
        self._codes, self._venues, self._values = codes, list(venues), state["values"].copy()
        self._speakers = {
            (source, leg): Speaker(rank, venue, exchange)
            for source, leg, rank, venue, exchange in state["speakers"]
        }


def _texts(column: pd.Series[Any], places: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """Texts of some rows, empty where there is none; the others are not looked at."""
    taken: Any = column.array
    return np.asarray(taken.take(places).to_numpy(dtype=object, na_value=""))
