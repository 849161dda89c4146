"""What ``flow.packets`` holds: open packets and bursts, baselines, and numbers for texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from workstation.flow import packet_kernels as k
from workstation.flow.eligibility import text_hashes
from workstation.flow.packet_baselines import MEASURES, Baselines, Ranks
from workstation.flow.traded_terms import TradedTerms
from workstation.market.instruments import REGISTRY
from workstation.market.tables import EXCLUSIONS, NBBO_BUCKETS, NO_TIME
from workstation.market.tables.categories import CategoryNumbers
from workstation.numerics.state_arrays import extended

MOST_EXCHANGES = 63
MISSING = NBBO_BUCKETS.index("MISSING")


def places_in(known: tuple[str, ...], missing: int) -> Callable[[list[str]], list[int]]:
    """Texts -> their places among the known ones."""
    return lambda texts: [known.index(text) if text in known else missing for text in texts]


class PacketState:
    """Arrays of packets, bursts and baselines; they grow between calls of the kernel, never within."""

    def __init__(self, *, history: int, rank_history: int) -> None:
        self._history, self._rank_history = history, rank_history
        self.terms = TradedTerms()
        self.counters = np.zeros(6, dtype=np.int64)
        self.counters[k.C_WATERMARK] = NO_TIME
        self.pool = k.Pool(
            np.zeros((0, k.INTS), np.int64), np.zeros((0, k.FLOATS)), np.zeros(0, np.int64), np.full(0, -1, np.int64),
            np.full(0, -1, np.int64),
        )  # fmt: skip
        self.bursts = k.Bursts(*(np.zeros(1, np.int64) for _ in range(6)))
        self.rows = np.full(0, -1, np.int64)
        self._used_rows = 0
        self.baselines = self._blank_baselines(0)
        self.ranks = Ranks(np.zeros((0, rank_history)), np.zeros(0, np.int64))
        self._exchanges: dict[str, int] = {"": 0}
        self.parent_texts: dict[int, tuple[str, str]] = {0: ("", "")}
        self.exchange_numbers = CategoryNumbers(self._exchange_numbers)
        self.buckets = CategoryNumbers(places_in(NBBO_BUCKETS, MISSING), MISSING)
        self.reasons = CategoryNumbers(places_in(EXCLUSIONS, 0))
        self._salts = CategoryNumbers(text_hashes)

    def _blank_baselines(self, rows: int) -> Baselines:
        shape = (rows, len(MEASURES), self._history)
        return Baselines(
            np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape[:2], np.int32), np.zeros(shape[:2], np.int32)
        )  # fmt: skip

    # -- room ---------------------------------------------------------------------------------------------

    def make_room(self, ints: npt.NDArray[np.int64]) -> None:
        """Have room for a batch of prints whatever packets they open."""
        count, codes = len(ints), ints[:, k.P_CODE]
        self._grow_contracts(codes)
        self._grow_underlyings(len(self.terms.underlyings))
        if self.counters[k.C_FREE] < count:
            self._grow_pool(count)
        if self.counters[k.C_TAIL] - self.counters[k.C_HEAD] + count > self.bursts.start_ns.size:
            self._grow_bursts(count)

    def room_to_tell(self, more: int = 0) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Blank records for all packets that are open, and as many as a batch of ``more`` prints may open."""
        rows = len(self.pool.ints) - int(self.counters[k.C_FREE]) + more
        return np.empty((rows, k.INTS), dtype=np.int64), np.empty((rows, k.FLOATS))

    def _grow_contracts(self, codes: npt.NDArray[np.int64]) -> None:
        size = int(codes.max(initial=-1)) + 1
        if size > self.rows.size:
            size = max(size, 2 * self.rows.size, 1024)
            self.rows = extended(self.rows, size, -1)
            self.pool = self.pool._replace(of_contract=extended(self.pool.of_contract, size, -1))
        new = codes[self.rows[codes] < 0]
        if new.size:
            fresh = new[np.sort(np.unique(new, return_index=True)[1])]
            self.rows[fresh] = np.arange(self._used_rows, self._used_rows + fresh.size)
            self._used_rows += fresh.size
            held = len(self.baselines.values)
            if self._used_rows > held:
                more = self._blank_baselines(max(self._used_rows, 2 * held, 64) - held)
                self.baselines = Baselines(
                    *(np.concatenate(pair) for pair in zip(self.baselines, more, strict=True))
                )

    def _grow_underlyings(self, needed: int) -> None:
        held = len(self.ranks.count)
        if needed > held:
            size = max(needed, 2 * held, 8)
            premium = np.zeros((size, self._rank_history))
            premium[:held] = self.ranks.premium
            self.ranks = Ranks(premium, extended(self.ranks.count, size, 0))
            self.pool = self.pool._replace(of_underlying=extended(self.pool.of_underlying, size, -1))

    def _grow_pool(self, count: int) -> None:
        held, free = len(self.pool.ints), int(self.counters[k.C_FREE])
        size = max(held + count, 2 * held)
        ints, floats = np.zeros((size, k.INTS), np.int64), np.zeros((size, k.FLOATS))
        ints[:held], floats[:held] = self.pool.ints, self.pool.floats
        places = np.zeros(size, np.int64)
        places[:free] = self.pool.free[:free]
        places[free : free + size - held] = np.arange(held, size)
        self.counters[k.C_FREE] = free + size - held
        self.pool = self.pool._replace(ints=ints, floats=floats, free=places)

    def _grow_bursts(self, count: int) -> None:
        head, tail = int(self.counters[k.C_HEAD]), int(self.counters[k.C_TAIL])
        old = self.bursts.start_ns.size
        size = max(2 * old, 2 * (tail - head + count), 1024)
        order = np.arange(head, tail)
        grown = []
        for part in self.bursts:
            wider = np.zeros(size, np.int64)
            wider[order % size] = part[order % old]
            grown.append(wider)
        held = np.flatnonzero(self.pool.of_underlying >= 0)
        number_at = {place % old: place % size for place in order.tolist()}
        for under in held.tolist():
            self.pool.of_underlying[under] = number_at[int(self.pool.of_underlying[under])]
        self.bursts = k.Bursts(*grown)

    # -- numbers for texts --------------------------------------------------------------------------------

    def _exchange_numbers(self, names: list[str]) -> list[int]:
        """Numbers of exchanges, 0 for none."""
        return [self._exchanges.setdefault(name, min(len(self._exchanges), MOST_EXCHANGES)) for name in names]

    def parents(self, blocks: Any, hashed: npt.NDArray[np.int64], venues: Any) -> npt.NDArray[np.int64]:
        """A number for venue and block of each print: prints with another number are of another parent."""
        numbers: npt.NDArray[np.int64] = hashed ^ (self._salts(venues) << 1)
        if not numbers.any():
            return numbers
        for number, first in zip(*np.unique(numbers, return_index=True), strict=True):
            if int(number) not in self.parent_texts:
                venue = str(venues.categories[venues.codes[first]]) if venues.codes[first] >= 0 else ""
                self.parent_texts[int(number)] = (venue, str(blocks[first]))
        return numbers

    # -- state --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The state; contracts by name."""
        held = np.flatnonzero(self.rows >= 0)
        names = np.full(max(self.rows.size, 1), "", dtype=object)
        names[held] = REGISTRY.names(held)
        used = self._used_rows
        return {
            "terms": self.terms.snapshot(), "counters": self.counters.copy(), "bursts": [part.copy() for part in self.bursts],
            "pool": [self.pool.ints.copy(), self.pool.floats.copy(), self.pool.free.copy(), self.pool.of_underlying.copy()],
            "pool_names": [str(names[code]) if code < names.size else "" for code in self.pool.ints[:, k.CODE]],
            "instruments": [str(name) for name in names[held]], "rows": self.rows[held], "of_contract": self.pool.of_contract[held],
            "baselines": [part[:used].copy() for part in self.baselines], "ranks": [part.copy() for part in self.ranks],
            "exchanges": dict(self._exchanges), "parents": {str(key): list(texts) for key, texts in self.parent_texts.items()},
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self.__init__(history=self._history, rank_history=self._rank_history)  # type: ignore[misc]
        self.terms.restore(state["terms"])
        self.counters = np.array(state["counters"])
        self.bursts = k.Bursts(*(np.array(part) for part in state["bursts"]))
        ints, floats, free, of_underlying = (np.array(part) for part in state["pool"])
        ints[:, k.CODE] = [REGISTRY.code(name) if name else 0 for name in state["pool_names"]]
        codes = REGISTRY.codes(state["instruments"]).astype(np.int64)
        size = max(int(codes.max(initial=-1)) + 1, 1024)
        self.rows, of_contract = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
        self.rows[codes], of_contract[codes] = state["rows"], state["of_contract"]
        self.pool = k.Pool(ints, floats, free, of_contract, of_underlying)
        self._used_rows = len(state["baselines"][0])
        self.baselines = Baselines(*(np.array(part) for part in state["baselines"]))
        self.ranks = Ranks(*(np.array(part) for part in state["ranks"]))
        self._exchanges.update({str(name): int(number) for name, number in state["exchanges"].items()})
        self.parent_texts = {
            int(key): (str(texts[0]), str(texts[1])) for key, texts in state["parents"].items()
        }
