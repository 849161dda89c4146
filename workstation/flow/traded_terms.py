"""What is traded: terms of every instrument that prints, and sums of USD by time, as arrays for kernels."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME
from workstation.numerics.state_arrays import LEAST_CODES, capacity
from workstation.pricing.contracts import Floats

Codes = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]
_TERMS = (
    "known",
    "underlying",
    "is_option",
    "is_call",
    "is_listed",
    "inverse",
    "american",
    "multiplier",
    "sized",
    "strike",
    "expiry_ns",
)
_DESCRIBED = ("underlying", "kind", "right", "inverse", "style", "multiplier", "strike", "expiry_ns")


class TradedTerms:
    """Terms by registry code, looked up once: as ``instruments`` rows say, else as the registry knows them.

    ``underlying`` is a place in ``underlyings``, -1 where it is not known; ``is_listed`` tells tickers and OSI names of exchanges from
    the unified symbols of crypto venues; an unknown multiplier is 1, and ``sized`` False.

    Examples
    --------
    >>> terms = TradedTerms()
    >>> codes = REGISTRY.codes(["BTC/USD:BTC", "BTC/USD:BTC-261225-90000-P"])
    >>> terms.look_up(codes)
    >>> terms.is_option[codes].tolist(), terms.underlyings, terms.strike[codes[1]].item()
    ([False, True], ['BTC'], 90000.0)
    """

    def __init__(self) -> None:
        self.underlyings: list[str] = []
        self._allocate(0)

    def _allocate(self, size: int) -> None:
        self.known = np.zeros(size, dtype=bool)
        self.underlying = np.full(size, -1, dtype=np.int32)
        self.is_option = np.zeros(size, dtype=bool)
        self.is_call = np.zeros(size, dtype=bool)
        self.is_listed = np.zeros(size, dtype=bool)
        self.inverse = np.zeros(size, dtype=bool)
        self.american = np.zeros(size, dtype=bool)
        self.multiplier = np.ones(size)
        self.sized = np.zeros(size, dtype=bool)
        self.strike = np.full(size, np.nan)
        self.expiry_ns = np.full(size, NO_TIME)

    def _grow(self, needed: int) -> None:
        held = self.known.size
        if needed > held:
            old = [getattr(self, name) for name in _TERMS]
            self._allocate(capacity(needed, held, LEAST_CODES))
            for name, array in zip(_TERMS, old, strict=True):
                getattr(self, name)[:held] = array

    def look_up(self, codes: npt.NDArray[Any]) -> None:
        """Learn the terms of instruments not seen before."""
        self._grow(int(codes.max(initial=-1)) + 1)
        new = np.unique(codes[~self.known[codes]])
        if new.size:
            self._put(new, {name: INSTRUMENT_TERMS.field(name, new) for name in _DESCRIBED})

    def describe(self, terms: pd.DataFrame) -> None:
        """Take terms: a frame with ``instrument`` and the columns of the ``instruments`` table."""
        codes = REGISTRY.codes(terms["instrument"].astype("str").to_numpy())
        if codes.size:
            self._put(codes, {name: terms[name].to_numpy(dtype=object) for name in _DESCRIBED})

    def _put(self, codes: npt.NDArray[Any], found: dict[str, npt.NDArray[Any]]) -> None:
        """Take the columns of the ``instruments`` table for these codes."""
        self._grow(int(codes.max()) + 1)
        names = [str(name) for name in found["underlying"]]
        self.underlyings += [name for name in dict.fromkeys(names) if name and name not in self.underlyings]
        places = {name: place for place, name in enumerate(self.underlyings)}
        multiplier = found["multiplier"].astype(np.float64)
        self.known[codes] = True
        self.underlying[codes] = [places.get(name, -1) for name in names]
        self.is_option[codes] = found["kind"] == "option"
        self.is_call[codes] = found["right"] == "C"
        self.is_listed[codes] = ["/" not in str(name) for name in REGISTRY.names(codes)]
        self.inverse[codes] = found["inverse"].astype(bool)
        self.american[codes] = (found["style"] == "american") & ~self.inverse[codes]
        self.multiplier[codes] = np.where(multiplier > 0, multiplier, 1.0)
        self.sized[codes] = multiplier > 0
        self.strike[codes] = found["strike"].astype(np.float64)
        self.expiry_ns[codes] = found["expiry_ns"].astype(np.int64)

    def snapshot(self) -> dict[str, Any]:
        """The terms by instrument name."""
        known = np.flatnonzero(self.known)
        state: dict[str, Any] = {name: getattr(self, name)[known] for name in _TERMS}
        names = [str(name) for name in REGISTRY.names(known)]
        return {**state, "instruments": names, "underlyings": list(self.underlyings)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        codes = REGISTRY.codes(state["instruments"])
        self.underlyings = list(state["underlyings"])
        self._allocate(0)
        self._grow(int(codes.max(initial=-1)) + 1)
        for name in _TERMS:
            getattr(self, name)[codes] = state[name]


@numba.njit(cache=True)
def _add(of: Any, event_ns: Any, usd: Any, width_ns: Any, numbers: Any, sums: Any) -> None:
    kept = sums.shape[1]
    for i in range(of.size):
        if of[i] < 0 or np.isnan(usd[i]):
            continue
        number = event_ns[i] // width_ns
        slot = number % kept
        if numbers[of[i], slot] > number:
            continue
        if numbers[of[i], slot] < number:
            numbers[of[i], slot] = number
            sums[of[i], slot] = 0.0
        sums[of[i], slot] += usd[i]


class TimedSums:
    """Sums over spans of one width, the newest ``kept`` spans per row; what is older is forgotten.

    Attributes
    ----------
    first
        Number (``event_ns // width_ns``) of the oldest span a row was ever given something in.

    Examples
    --------
    >>> sums = TimedSums(width_ns=10, kept=4)
    >>> sums.add(of=np.zeros(3, dtype=np.int32), event_ns=np.array([1, 25, 27]), usd=np.array([5.0, 1.0, 2.0]))
    >>> sums.between(0, 0, 3).tolist()
    [5.0, 0.0, 3.0]
    """

    def __init__(self, *, width_ns: int, kept: int) -> None:
        self.width_ns, self._kept = width_ns, kept
        self.first: list[int] = []
        self._numbers = np.full((0, kept), NO_TIME)
        self._sums = np.zeros((0, kept))

    def add(self, *, of: Codes, event_ns: Times, usd: Floats) -> None:
        """Add amounts to the spans of their times; ``of`` is a row each, -1 for none; NaN adds nothing."""
        counted = (of >= 0) & ~np.isnan(usd)
        if not counted.any():
            return
        rows = int(of.max()) + 1
        if rows > len(self.first):
            extra = rows - len(self.first)
            self._numbers = np.concatenate((self._numbers, np.full((extra, self._kept), NO_TIME)))
            self._sums = np.concatenate((self._sums, np.zeros((extra, self._kept))))
            self.first += [np.iinfo(np.int64).max] * extra
        for row in np.unique(of[counted]).tolist():
            oldest = int(event_ns[counted & (of == row)].min()) // self.width_ns
            self.first[row] = min(self.first[row], oldest)
        _add(of, event_ns, usd, self.width_ns, self._numbers, self._sums)

    def between(self, row: int, start: int, stop: int) -> Floats:
        """Sums of the spans numbered [start, stop) of a row, at most ``kept``; 0 where nothing was added."""
        wanted = np.arange(max(start, stop - self._kept), stop)
        if not 0 <= row < len(self.first):
            return np.zeros(wanted.size)
        slots = wanted % self._kept
        return np.where(self._numbers[row, slots] == wanted, self._sums[row, slots], 0.0)

    def snapshot(self) -> dict[str, Any]:
        """Numbers and sums by row."""
        return {"first": list(self.first), "numbers": self._numbers.copy(), "sums": self._sums.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self.first = [int(first) for first in state["first"]]
        self._numbers, self._sums = np.array(state["numbers"]), np.array(state["sums"])
