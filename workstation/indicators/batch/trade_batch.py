"""Columns of a batch of trades, and what all engines ask of them, found once per batch."""

from __future__ import annotations

import threading
import warnings
import weakref
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators.batch.by_instrument import Room, Runs, gather
from workstation.market.engine import conformed
from workstation.market.instants import AHEAD_NS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, TRADES, TradeFlag
from workstation.market.tables.frames import arrays_of


class TradeColumns(NamedTuple):
    """Arrays of one batch, not copied, in row order.

    ``codes`` are the instruments'; ``alone``: all rows are of one instrument; ``ordered``: in the order of ``event_ns``;
    ``plain``: no row has a flag or a side; ``cancels``: rows that take a trade back; ``oldest_ns``, ``newest_ns``: the
    smallest and largest ``event_ns``; ``ahead``: rows that were set aside (``live_columns``); ``venue`` and ``trade_id`` are extension arrays; ``found`` is what engines found of the
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
    ahead: int
    found: dict[Any, Any]


_ARRAYS = tuple(
    TRADES.places[name] for name in ("event_ns", "price", "size", "side", "flags", "trade_id", "venue")
)
_SEQ, _EVENT, _SEEN = (TRADES.places[name] for name in ("seq", "event_ns", "seen_ns"))
_INSTRUMENT = TRADES.places["instrument"]
LOOK = 1024
_NO_ROWS = np.empty(0, dtype=np.int64)
_newest: list[tuple[weakref.ref[pd.DataFrame], TradeColumns]] = []
"""The batch asked for last: the hub gives each batch to one engine after the other."""


def trade_columns(trades: pd.DataFrame) -> TradeColumns:
    """Columns of a conformed batch of ``trades``, which is not changed in place from then on; prints that are ``VOID`` are left out.

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


def live_columns(trades: pd.DataFrame) -> TradeColumns:
    """As ``trade_columns``, without the rows dated more than ``AHEAD_NS`` after they were received.

    One such row would move the watermark for good. Rows of which it is not known when they were received are kept.

    Examples
    --------
    >>> batch = TRADES.conform(pd.DataFrame({
    ...     "event_ns": [1, 3600 * 10**9, 9], "seen_ns": [2, 5, 0], "instrument": "X", "price": 1.0, "size": 1.0}))
    >>> columns = live_columns(batch)
    >>> columns.event_ns.tolist(), columns.ahead
    ([1, 9], 1)
    """
    columns = trade_columns(trades)
    held: TradeColumns | None = columns.found.get(live_columns)
    if held is None:
        arrays = arrays_of(trades)
        event_ns, seen_ns = arrays[_EVENT], arrays[_SEEN]
        ahead = count_ahead(event_ns, seen_ns, AHEAD_NS)
        held = columns
        if ahead:
            late = (seen_ns <= 0) | (event_ns - seen_ns <= AHEAD_NS)
            held = _read(TRADES.take(trades, np.flatnonzero(late)))._replace(ahead=ahead)
        columns.found[live_columns] = held
    return held


class LateTradesWarning(UserWarning):
    """Trades of a history that are in no row because they came too late."""


def history(trades: pd.DataFrame) -> pd.DataFrame:
    """A history of trades as the functions over it take it: conformed, and in an order in which none is lost.

    Trades that the hub has numbered (``seq`` strictly rising) stay in the order in which they were accepted, so that live,
    replay and batch give the same rows: what was late then is late again, and is told (``LateTradesWarning``). Any other
    trades that are not in the order of ``event_ns`` are sorted by ``event_ns`` and ``seq``.

    Raises
    ------
    TableError
        ``trades`` do not fit their table.

    Examples
    --------
    >>> later = pd.DataFrame({"event_ns": [5, 4], "instrument": "X", "price": [2.0, 1.0], "size": 1.0})
    >>> history(later)["price"].tolist()
    [1.0, 2.0]
    >>> history(later.assign(seq=[1, 2]))["price"].tolist()
    [2.0, 1.0]
    """
    rows = conformed(TRADES, trades)
    arrays = arrays_of(rows)
    event_ns, seq = arrays[_EVENT], arrays[_SEQ]
    if in_sequence(event_ns, seq) or (seq[0] > 0 and bool((np.diff(seq) > 0).all())):
        return rows
    return TRADES.take(rows, np.lexsort((seq, event_ns)))


def tell_late(of: str, late: int) -> None:
    """Warn that trades of a history are in no row."""
    if late:
        warnings.warn(
            f"{late} of the trades came too late for {of} and are in no row, as they were when they were received in this order "
            "(seq): raise lateness, or give the trades without seq to have them sorted by event_ns",
            LateTradesWarning, stacklevel=3,
        )  # fmt: skip


def _let_go(gone: weakref.ref[pd.DataFrame]) -> None:
    """Hold no columns of a frame that nobody holds."""
    _newest[:] = [held for held in _newest if held[0] is not gone]


def _read(trades: pd.DataFrame) -> TradeColumns:
    arrays = arrays_of(trades)
    codes = np.asarray(arrays[_INSTRUMENT].codes)
    event_ns, price, size, side, flags, trade_id, venue = (arrays[place] for place in _ARRAYS)
    alone, bits, sided = look_through(codes, flags, side) if codes.size else (True, 0, False)
    if bits & int(TradeFlag.VOID):
        return _read(TRADES.take(trades, np.flatnonzero(flags & int(TradeFlag.VOID) == 0)))
    cancels = np.flatnonzero(flags & int(TradeFlag.CANCEL)) if bits & int(TradeFlag.CANCEL) else _NO_ROWS
    ordered = in_order(event_ns)
    oldest_ns, newest_ns = _span(event_ns, ordered)
    plain = not bits and not sided
    if plain:  # the same arrays for every batch: a kernel is compiled for those it may write to and for those it may not
        side, flags = _gathered.zeros(codes.size)
    return TradeColumns(
        codes, event_ns, price, size, side, flags, trade_id, venue, alone, ordered, plain, cancels,
        int(oldest_ns), int(newest_ns), 0, {},
    )  # fmt: skip


def _span(event_ns: npt.NDArray[np.int64], ordered: bool) -> tuple[Any, Any]:
    """Smallest and largest time; ``NO_TIME`` for both where there are none."""
    if not event_ns.size:
        return NO_TIME, NO_TIME
    return (event_ns[0], event_ns[-1]) if ordered else (event_ns.min(), event_ns.max())


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


@numba.njit(cache=True, nogil=True)
def count_ahead(event_ns: Any, seen_ns: Any, most: int) -> int:
    """How many rows are dated more than so long after they were seen, where that is known."""
    many = 0
    for row in range(event_ns.size):
        many += (seen_ns[row] > 0) & (event_ns[row] - seen_ns[row] > most)
    return many


@numba.njit(cache=True, nogil=True)
def in_sequence(times: Any, seq: Any) -> bool:
    """Whether rows are in the order of time, and of ``seq`` where times are the same; a thousand rows at a time."""
    for begin in range(0, times.size - 1, LOOK):
        before = times[begin : begin + LOOK]
        after = times[begin + 1 : begin + 1 + LOOK]
        back = same = 0
        for row in range(after.size):
            back += after[row] < before[row]
            same += after[row] == before[row]
        if back:
            return False
        if same:
            for row in range(begin, begin + after.size):
                if times[row + 1] == times[row] and seq[row + 1] < seq[row]:
                    return False
    return True
