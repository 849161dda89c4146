"""Where the newest state of an instrument at a venue stands, and which instruments are options."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.numerics.state_arrays import LEAST_CODES, capacity, extended

Slot = npt.NDArray[np.int32]
_NOT_ASKED, _NO, _YES = -1, 0, 1
_NOTHING_ADDED = np.empty((2, 0), dtype=np.int64)


class Slots:
    """A slot per instrument and venue, in the order in which they were first asked for.

    Venues are numbers. A contract that clears in one house (a listed option, whatever exchange or feed quotes it) has one
    slot for all; one whose name carries a settlement currency (``BTC/USD:BTC-...``) one per venue.

    Parameters
    ----------
    sources
        Names of exchanges already known, as ``snapshot`` gave them.

    Examples
    --------
    >>> slots = Slots()
    >>> codes = REGISTRY.codes(["BTC/USD:BTC-261225-100000-C", "SPXW  261218C06000000"])
    >>> slots.slots(codes, np.array([1, 1]))[0].tolist(), slots.slots(codes, np.array([2, 2]))[0].tolist()
    ([0, 1], [2, 1])
    """

    def __init__(self, sources: Iterable[str] = ()) -> None:
        self.count = 0
        self._slot = np.full((1, 0), -1, dtype=np.int32)
        self._apart = np.zeros(0, dtype=np.int8)
        self._option = np.zeros(0, dtype=np.int8)
        self._sources: dict[str, int] = {}
        for name in ("", *sources):
            self._sources.setdefault(name, len(self._sources) + 1)

    def _grow(self, codes: int, planes: int) -> None:
        held_planes, held = self._slot.shape
        if codes <= held and planes <= held_planes:
            return
        size = capacity(codes, held, LEAST_CODES)
        slot = np.full((max(planes, held_planes), size), -1, dtype=np.int32)
        slot[:held_planes, :held] = self._slot
        self._slot = slot
        self._apart = extended(self._apart, size, _NOT_ASKED)
        self._option = extended(self._option, size, _NOT_ASKED)

    def slots(self, codes: npt.NDArray[Any], planes: npt.NDArray[Any]) -> tuple[Slot, npt.NDArray[np.int64]]:
        """Slot of each (registry code, venue), -1 for a missing code; codes and venues of those that are new, shape (2, added).

        New ones stand in the order of their slots. No tuple is made of each: thousands at once would set off a full garbage collection.
        """
        self._grow(int(codes.max(initial=-1)) + 1, int(planes.max(initial=0)) + 1)
        new = np.unique(codes[self._apart[codes] == _NOT_ASKED])
        new = new[new >= 0]
        if new.size:
            self._apart[new] = [_YES if ":" in str(name) else _NO for name in REGISTRY.names(new)]
        plane = np.where(self._apart[codes] == _YES, planes, 0)
        found = np.where(codes >= 0, self._slot[plane, codes], -1)
        missing = np.flatnonzero((found < 0) & (codes >= 0))
        if not missing.size:
            return found.astype(np.int32, copy=False), _NOTHING_ADDED
        pairs = np.ravel_multi_index((plane[missing], codes[missing]), self._slot.shape)
        _, first = np.unique(pairs, return_index=True)
        added = missing[np.sort(first)]
        self._slot[plane[added], codes[added]] = np.arange(self.count, self.count + added.size)
        self.count += added.size
        found[missing] = self._slot[plane[missing], codes[missing]]
        return found.astype(np.int32, copy=False), np.stack((codes[added], plane[added]))

    def options(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Which instruments are options."""
        if codes.max(initial=-1) >= self._option.size:
            self._grow(int(codes.max()) + 1, 1)
        state = self._option[codes]
        if (state == _NOT_ASKED).any():
            new = np.unique(codes[state == _NOT_ASKED])
            new = new[new >= 0]
            self._option[new] = [_YES if kind == "option" else _NO for kind in INSTRUMENT_TERMS.kinds(new)]
            state = self._option[codes]
        return np.asarray((state == _YES) & (codes >= 0))

    def tell_options(self, codes: npt.NDArray[Any], option: npt.NDArray[np.bool_]) -> None:
        """Terms of these instruments were reported: whether they are options."""
        self._grow(int(codes.max(initial=-1)) + 1, 1)
        self._option[codes] = np.where(option, _YES, _NO)

    def of_venues(self, codes: npt.NDArray[Any]) -> Slot:
        """Slots of instruments at every venue, shape (venues, n), row 0 those of no venue; -1: none."""
        self._grow(int(codes.max(initial=-1)) + 1, 1)
        return np.asarray(self._slot[:, codes])

    def sources(self, exchanges: Any) -> npt.NDArray[np.int32]:
        """Number of each quote's exchange; 1 is a consolidated quote."""
        numbers = [
            self._sources.setdefault(str(name), len(self._sources) + 1) for name in exchanges.categories
        ]
        return np.asarray(np.array([*numbers, 1], dtype=np.int32)[exchanges.codes])

    def snapshot(self) -> list[str]:
        """Names of exchanges, in the order of their numbers, the consolidated one left out."""
        return list(self._sources)[1:]
