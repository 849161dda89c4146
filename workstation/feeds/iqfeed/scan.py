"""Kernels over raw bytes: where lines are, of what kind, and whose.

Everything is one pass over the bytes of many reads at once; no line and no field becomes a Python object.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from workstation.feeds.iqfeed.names import Table, find

GARBAGE, PRINT, STATE, SUMMARY, CONTROL, QUIET = range(6)
"""Kinds of line: not a message; an update with a print; one without; a summary; system, error and not found; the rest."""
QUALIFIED, EXTENDED, OTHER, BID, ASK = 1, 2, 4, 8, 16
"""Bits of a message's contents."""
TRADED = QUALIFIED | EXTENDED | OTHER


class Lines(NamedTuple):
    """Lines of a buffer: begin, end (without the line's end), kind, and the number of their symbol (-1: not known yet)."""

    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int8]
    symbol: npt.NDArray[np.int64]

    def head(self, count: int) -> Lines:
        """The first lines."""
        return Lines(self.start[:count], self.end[:count], self.kind[:count], self.symbol[:count])


@numba.njit(cache=True)
def contents_bits(data: Any, first: int, last: int) -> int:
    bits = 0
    for i in range(first, last):
        letter = data[i]
        if letter == 67:
            bits |= 1
        elif letter == 69:
            bits |= 2
        elif letter == 79:
            bits |= 4
        elif letter == 98:
            bits |= 8
        elif letter == 97:
            bits |= 16
    return bits


@numba.njit(cache=True)
def _kind(letter: int) -> int:
    if letter == 81:
        return 2
    if letter == 80:
        return 3
    if letter == 83 or letter == 110 or letter == 69:
        return 4
    if letter == 84 or letter == 70 or letter == 82 or letter == 78:
        return 5
    return 0


@numba.njit(cache=True)
def _line(data: Any, first: int, symbol_at: int, contents_at: int, spans: Any) -> int:
    """Where the line that begins at ``first`` ends; begin and end of its symbol and contents into ``spans``."""
    spans[:] = -1
    i, field, field_start = first, 0, first
    while True:
        at_end = i >= data.size or data[i] == 10
        if at_end or data[i] == 44:
            if field == symbol_at:
                spans[0], spans[1] = field_start, i
            if field == contents_at:
                spans[2], spans[3] = field_start, i
            field += 1
            field_start = i + 1
        if at_end:
            return i
        i += 1


@numba.njit(cache=True)
def _scan(
    data: Any, symbol_at: int, contents_at: int, slots: Any, pool_start: Any, pool: Any,
    start: Any, end: Any, kind: Any, symbol: Any,
) -> int:  # fmt: skip
    n, first = 0, 0
    spans = np.empty(4, dtype=np.int64)
    while first < data.size:
        newline = _line(data, first, symbol_at, contents_at, spans)
        stop = newline - 1 if newline > first and data[newline - 1] == 13 else newline
        if stop > first:
            what = _kind(data[first]) if stop > first + 1 and data[first + 1] == 44 else 0
            number = np.int64(-1)
            if what == 2 or what == 3:
                if spans[2] < 0 or spans[1] <= spans[0]:
                    what = 0
                else:
                    number, _ = find(data, spans[0], spans[1], slots, pool_start, pool)
                    if what == 2 and contents_bits(data, spans[2], spans[3]) & 7:
                        what = 1
            start[n], end[n], kind[n], symbol[n] = first, stop, what, number
            n += 1
        first = newline + 1
    return n


def scan(data: npt.NDArray[np.uint8], symbol_at: int, contents_at: int, table: Table) -> Lines:
    """The lines of a buffer; an update or summary that ends before its contents is garbage.

    Parameters
    ----------
    data
        uint8 bytes; the last line need not be ended.
    symbol_at, contents_at
        Which comma-separated field holds symbol and contents, from 0; -1: none, every update is garbage.

    Examples
    --------
    >>> from workstation.feeds.iqfeed.names import Names
    >>> raw = np.frombuffer(b"Q,AAPL,Cba,1.5\\r\\nQ,AAPL,b,\\r\\nT,20261120 10:00:00\\r\\n?\\r\\n", dtype=np.uint8)
    >>> scan(raw, 1, 2, Names().table).kind.tolist()
    [1, 2, 5, 0]
    """
    most = int(np.count_nonzero(data == 10)) + 1
    start, end, symbol = (np.empty(most, dtype=np.int64) for _ in range(3))
    kind = np.empty(most, dtype=np.int8)
    n = _scan(data, symbol_at, contents_at, table.slots, table.start, table.pool, start, end, kind, symbol)
    return Lines(start[:n], end[:n], kind[:n], symbol[:n])
