"""Columns of a batch of trades, and what all engines ask of them, found once per batch."""

from __future__ import annotations

import threading
import weakref
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators.batch.by_instrument import Room, Runs, gather
from workstation.market.instruments import REGISTRY
from workstation.market.tables import TRADES, TradeFlag
from workstation.market.tables.frames import arrays_of


class TradeColumns(NamedTuple):
    """Arrays of one batch, not copied, in row order.

    ``codes`` are the instruments'; ``alone``: all rows are of one instrument; ``ordered``: in the order of ``event_ns``;
    ``plain``: no row has a flag or a side; ``cancels``: rows that take a trade back; ``oldest_ns``, ``newest_ns``: the
    smallest and largest ``event_ns``; ``venue`` and ``trade_id`` are extension arrays; ``found`` is what engines found of the
    batch, by who asked.
    """

    codes: npt.NDArray[Any]
    event_ns: npt.NDArray[np.int64]
    price: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    side: npt.NDArray[np.int8]
    flags: npt.NDArray[np.int32]
    trade_id: Any
    venue: Any
    alone: bool
    ordered: bool
    plain: bool
    cancels: npt.NDArray[np.int64]
    oldest_ns: int
    newest_ns: int
    found: dict[Any, Any]


_ARRAYS = tuple(
    TRADES.places[name] for name in ("event_ns", "price", "size", "side", "flags", "trade_id", "venue")
)
_INSTRUMENT = TRADES.places["instrument"]
LOOK = 1024
_NO_ROWS = np.empty(0, dtype=np.int64)
_newest: list[tuple[weakref.ref[pd.DataFrame], TradeColumns]] = []
"""The batch asked for last: the hub gives each batch to one engine after the other."""


def trade_columns(trades: pd.DataFrame) -> TradeColumns:
    """Columns of a conformed, not empty batch of ``trades``, which is not changed in place from then on.

    Examples
    --------
    >>> batch = TRADES.conform(pd.DataFrame({"event_ns": [5, 4], "instrument": "X", "price": 1.0, "size": 1.0}))
    >>> trade_columns(batch).newest_ns, trade_columns(batch) is trade_columns(batch)
    (5, True)
    """
    held = _newest[:]
    if held and held[0][0]() is trades:
        return held[0][1]
    columns = _read(trades)
    _newest[:] = [(weakref.ref(trades, _let_go), columns)]
    return columns


def _let_go(gone: weakref.ref[pd.DataFrame]) -> None:
    """Hold no columns of a frame that nobody holds."""
    _newest[:] = [held for held in _newest if held[0] is not gone]


def _read(trades: pd.DataFrame) -> TradeColumns:
    arrays = arrays_of(trades)
    codes = np.asarray(arrays[_INSTRUMENT].codes)
    event_ns, price, size, side, flags, trade_id, venue = (arrays[place] for place in _ARRAYS)
    alone, bits, sided = look_through(codes, flags, side)
    cancels = np.flatnonzero(flags & int(TradeFlag.CANCEL)) if bits & int(TradeFlag.CANCEL) else _NO_ROWS
    ordered = in_order(event_ns)
    oldest_ns, newest_ns = (event_ns[0], event_ns[-1]) if ordered else (event_ns.min(), event_ns.max())
    plain = not bits and not sided
    if plain:  # the same arrays for every batch: a kernel is compiled for those it may write to and for those it may not
        side, flags = _gathered.zeros(codes.size)
    return TradeColumns(
        codes, event_ns, price, size, side, flags, trade_id, venue, alone, ordered, plain, cancels,
        int(oldest_ns), int(newest_ns), {},
    )  # fmt: skip


class _Gathered(threading.local):
    """A thread's own: room in which its newest batch lies by instrument, and zeros."""

    def __init__(self) -> None:
        self.room = Room(*((kind, 0) for kind in ("int64", "int64", "int64", "int64", "float64", "float64")))
        self.counts = np.zeros(0, dtype=np.int64)
        self.runs: Runs | None = None
        self._no_sides, self._no_flags = np.zeros(0, dtype=np.int8), np.zeros(0, dtype=np.int32)

    def zeros(self, rows: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32]]:
        """No side and no flag; never written to."""
        if self._no_sides.size < rows:
            self._no_sides, self._no_flags = (
                np.zeros(2 * rows, dtype=np.int8),
                np.zeros(2 * rows, dtype=np.int32),
            )
        return self._no_sides[:rows], self._no_flags[:rows]


_gathered = _Gathered()


def runs_of(columns: TradeColumns) -> Runs:
    """A batch by instrument, made once for all engines that ask; its arrays are written anew for the thread's next batch.

    Examples
    --------
    >>> batch = TRADES.conform(pd.DataFrame({
    ...     "event_ns": [5, 6, 7], "instrument": ["X", "Y", "X"], "price": [1.0, 2.0, 3.0], "size": 1.0}))
    >>> runs = runs_of(trade_columns(batch))
    >>> runs.rows[:3].tolist(), runs.edges.tolist(), runs.price[:3].tolist()
    ([0, 2, 1], [0, 2, 3], [1.0, 3.0, 2.0])
    """
    runs: Runs | None = columns.found.get(Runs)
    if runs is None or runs is not _gathered.runs:
        runs = columns.found[Runs] = _gathered.runs = _by_instrument(columns, _gathered)
    return runs


def _by_instrument(columns: TradeColumns, held: _Gathered) -> Runs:
    many = columns.codes.size
    rows, owners, edges, event_ns, price, size = held.room.of(many + 1)
    if held.counts.size < len(REGISTRY):
        held.counts = np.zeros(2 * len(REGISTRY), dtype=np.int64)
    flags = columns.flags if columns.plain else np.empty(many, dtype=np.int32)
    found = gather(
        columns.codes, held.counts, columns.event_ns, columns.price, columns.size, columns.flags, columns.plain,
        rows, owners, edges, event_ns, price, size, flags,
    )  # fmt: skip
    return Runs(rows, owners[:found], edges[: found + 1], event_ns, price, size, flags)


@numba.njit(cache=True, nogil=True)
def look_through(codes: Any, flags: Any, side: Any) -> tuple[bool, int, bool]:
    """Whether all codes are one, the bits that any of the flags has, and whether any side is known; a thousand rows at a time."""
    other, bits, sided = codes[0] ^ codes[0], flags[0], side[0]
    for begin in range(0, codes.size, LOOK):
        of, flag, sign = (
            codes[begin : begin + LOOK],
            flags[begin : begin + LOOK],
            side[begin : begin + LOOK],
        )
        for row in range(of.size):
            other |= of[row] ^ codes[0]
        for row in range(flag.size):
            bits |= flag[row]
        for row in range(sign.size):
            sided |= sign[row]
    return other == 0, int(bits), sided != 0


@numba.njit(cache=True, nogil=True)
def in_order(times: Any) -> bool:
    """Whether no time is before the one it follows; looks no further than the first thousand with one that is."""
    for begin in range(0, times.size - 1, LOOK):
        before = times[begin : begin + LOOK]
        after = times[begin + 1 : begin + 1 + LOOK]
        back = 0
        for row in range(after.size):
            back += after[row] < before[row]
        if back:
            return False
    return True
