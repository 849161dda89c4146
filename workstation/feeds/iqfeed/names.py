"""IQFeed's symbols -> registry codes, looked up by the kernels in a hash table of plain arrays."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

import numba
import numpy as np

from workstation.market.errors import SymbolError
from workstation.market.instruments import REGISTRY
from workstation.market.symbology import parse, render

OPTION = 1
_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


class Table(NamedTuple):
    """Open addressing: ``slots`` holds symbol numbers (-1 empty); symbol i is ``pool[start[i]:start[i + 1]]``."""

    slots: Any
    start: Any
    pool: Any


@numba.njit(cache=True)
def find(data: Any, first: int, last: int, slots: Any, start: Any, pool: Any) -> tuple[np.int64, np.int64]:
    """Number of the symbol ``data[first:last]``, or -1, and the slot where the search ended."""
    state = _BASIS
    for i in range(first, last):
        state = (state ^ np.uint64(data[i])) * _PRIME
    mask = np.uint64(slots.size - 1)
    slot = np.int64((state ^ (state >> np.uint64(29))) & mask)
    while True:
        number = slots[slot]
        if number < 0:
            return np.int64(-1), slot
        begin = start[number]
        size = start[number + 1] - begin
        if size == last - first:
            same = True
            for i in range(size):
                if pool[begin + i] != data[first + i]:
                    same = False
                    break
            if same:
                return number, slot
        slot = (slot + 1) & (slots.size - 1)


class Names:
    """Grows with every symbol seen; one the grammar does not know has code -1 and a reason.

    Examples
    --------
    >>> names = Names()
    >>> numbers = names.learn(["AAPL", "SPXW2618L6000", "@ES#"])
    >>> str(REGISTRY.names(names.code[numbers[1:2]])[0]), names.traits[numbers].tolist()
    ('SPXW  261218C06000000', [0, 1, 0])
    >>> names.reasons[int(numbers[2])].split(":")[0]
    "iqfeed symbol '@ES#'"
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self.symbols: list[str] = []
        self.code: np.ndarray[Any, np.dtype[np.int32]] = np.empty(0, dtype=np.int32)
        self.traits: np.ndarray[Any, np.dtype[np.int8]] = np.empty(0, dtype=np.int8)
        self.reasons: dict[int, str] = {}
        self.table = Table(np.full(1024, -1, np.int64), np.zeros(1, np.int64), np.empty(0, np.uint8))

    def learn(self, symbols: Iterable[str]) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Number of each symbol, an index into ``code`` and ``traits``."""
        symbols = list(symbols)
        with self._lock:
            new = [each for each in dict.fromkeys(symbols) if each not in self._numbers]
            if new:
                self._add(new)
        return np.array([self._numbers[each] for each in symbols], dtype=np.intp)

    def _add(self, new: list[str]) -> None:
        read = [_read(symbol) for symbol in new]
        known = len(self.symbols)
        self.reasons |= {known + at: reason for at, (_, _, reason) in enumerate(read) if reason}
        self.code = np.append(self.code, np.array([code for code, _, _ in read], dtype=np.int32))
        self.traits = np.append(self.traits, np.array([trait for _, trait, _ in read], dtype=np.int8))
        raw = [symbol.encode("latin-1") for symbol in new]
        pool = np.append(self.table.pool, np.frombuffer(b"".join(raw), dtype=np.uint8))
        ends = self.table.start[-1] + np.cumsum([len(each) for each in raw], dtype=np.int64)
        start = np.append(self.table.start, ends)
        total = known + len(new)
        slots = self.table.slots.copy()
        first = known
        if 2 * total > slots.size:
            slots = np.full(1 << (4 * total).bit_length(), -1, np.int64)
            first = 0
        for number in range(first, total):
            begin, end = int(start[number]), int(start[number + 1])
            _, slot = find(pool, begin, end, slots, start, pool)
            slots[slot] = number
        self.symbols += new
        self._numbers |= {symbol: known + at for at, symbol in enumerate(new)}
        self.table = Table(slots, start, pool)


def _read(symbol: str) -> tuple[int, int, str]:
    try:
        terms = parse(symbol, "iqfeed")
        name = render(terms)
    except SymbolError as error:
        return -1, 0, str(error)
    return int(REGISTRY.codes([name])[0]), OPTION if terms.kind == "option" else 0, ""


NAMES = Names()
"""The process's table, next to the process's registry."""
