"""Signed taker flow per contract since its open interest was last published."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.instants import DAY_NS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, TradeFlag
from workstation.numerics.state_arrays import LEAST_CODES, capacity, extended
from workstation.pricing.contracts import Floats

NO_DAY = NO_TIME // DAY_NS


class TakerFlow:
    """Buys less sells of takers, in contracts, by registry code.

    A contract's flow starts anew when an open interest published on a later UTC day is seen, so a venue that
    publishes once a day is counted from its publication, and one that publishes all the time from the first of
    the day. Trades that happened before a publication but arrive after it count with the new day. Cancels are
    taken back; trades of unknown side count nothing.
    """

    def __init__(self) -> None:
        self._signed: Floats = np.zeros(0)
        self._day = np.zeros(0, dtype=np.int64)

    def _grow(self, needed: int) -> None:
        size = capacity(needed, self._signed.size, LEAST_CODES)
        self._signed, self._day = extended(self._signed, size, 0.0), extended(self._day, size, NO_DAY)

    def take(self, trades: pd.DataFrame) -> None:
        """Absorb conformed ``trades`` rows."""
        codes = trades["instrument"].array.codes
        self._grow(int(codes.max(initial=-1)) + 1)
        cancelled = (trades["flags"].to_numpy() & int(TradeFlag.CANCEL)) != 0
        signed = trades["side"].to_numpy() * trades["size"].to_numpy() * np.where(cancelled, -1.0, 1.0)
        np.add.at(self._signed, codes[codes >= 0], signed[codes >= 0])

    def published(self, codes: npt.NDArray[Any], published_ns: npt.NDArray[np.int64]) -> None:
        """An open interest of these contracts is known, published at ``published_ns`` (``NO_TIME``: not known when)."""
        self._grow(int(codes.max(initial=-1)) + 1)
        day = published_ns // DAY_NS
        later = day > self._day[codes]
        fresh = codes[later]
        self._signed[fresh[self._day[fresh] != NO_DAY]] = 0.0
        self._day[fresh] = day[later]

    def of(self, codes: npt.NDArray[Any]) -> Floats:
        """Signed flow of contracts."""
        self._grow(int(codes.max(initial=-1)) + 1)
        signed: Floats = self._signed[codes]
        return signed

    def day_of(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """UTC day (days since 1970) of the open interest that contracts' flow counts from; ``NO_DAY``: none is known."""
        self._grow(int(codes.max(initial=-1)) + 1)
        day: npt.NDArray[np.int64] = self._day[codes]
        return day

    def forget(self, codes: npt.NDArray[Any]) -> None:
        """Drop the flow of expired contracts."""
        self._grow(int(codes.max(initial=-1)) + 1)
        self._signed[codes], self._day[codes] = 0.0, NO_DAY

    def snapshot(self) -> dict[str, Any]:
        """The flow by instrument name."""
        held = np.flatnonzero((self._signed != 0) | (self._day != NO_DAY))
        names = [str(name) for name in REGISTRY.names(held)]
        return {"instruments": names, "signed": self._signed[held], "day": self._day[held]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self.__init__()  # type: ignore[misc]
        codes = REGISTRY.codes(state["instruments"])
        self._grow(int(codes.max(initial=-1)) + 1)
        self._signed[codes], self._day[codes] = state["signed"], state["day"]
